//! Which calls shall go wrong, and how.
//!
//! A rule names calls by service, method and path, by who makes them, and by the trace that they
//! belong to. The first standing rule that matches a call decides about it; the door carries the
//! effect out before or after the service has answered.

mod rule;

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

pub use self::rule::{Call, Effect, Rule, Service, When};

/// The rules that stand.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    last_id: u64,
    standing: Vec<Standing>,
}

#[derive(Clone, Debug, Serialize)]
struct Standing {
    id: u64,
    taken: u32,
    #[serde(flatten)]
    rule: Rule,
}

impl Faults {
    /// No rule stands.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule behind those that stand, and returns its id.
    ///
    /// # Errors
    ///
    /// If the rule could never bite, or asks for what cannot be done.
    pub fn add(&self, rule: Rule) -> Result<u64, &'static str> {
        rule.check()?;
        let mut rules = self.lock();
        rules.last_id += 1;
        let id = rules.last_id;
        rules.standing.push(Standing { id, taken: 0, rule });
        Ok(id)
    }

    /// Removes one rule; says whether it stood.
    pub fn remove(&self, id: u64) -> bool {
        let mut rules = self.lock();
        let before = rules.standing.len();
        rules.standing.retain(|standing| standing.id != id);
        rules.standing.len() < before
    }

    /// Removes every rule.
    pub fn clear(&self) {
        self.lock().standing.clear();
    }

    /// The rules that stand, with how often each was taken, and those that are spent.
    #[must_use]
    pub fn snapshot(&self) -> serde_json::Value {
        serde_json::json!(self.lock().standing)
    }

    /// What shall happen to this call. A rule that answers has been used once.
    #[must_use]
    pub fn take(&self, call: &Call<'_>) -> Option<Effect> {
        let mut rules = self.lock();
        for standing in &mut rules.standing {
            if standing.taken >= standing.rule.times || !standing.rule.is_about(call) {
                continue;
            }
            if standing.rule.skip > 0 {
                standing.rule.skip -= 1;
                continue;
            }
            standing.taken += 1;
            return Some(standing.rule.effect.clone());
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        // No code that holds the lock can leave the rules half changed.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(faults: &Faults, service: Service, method: &str) -> Option<Effect> {
        let (caller, app, operation, trace) = (None, None, None, None);
        faults.take(&Call { service, method, path: "/", caller, app, operation, trace })
    }

    fn rule(text: &str) -> Rule {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_rule_bites_as_often_as_it_says_and_after_those_it_lets_pass() {
        let faults = Faults::new();
        faults
            .add(rule(
                r#"{"service":"graph","method":"POST","skip":1,"times":2,
                    "effect":{"kind":"fail","status":503}}"#,
            ))
            .unwrap();

        let bites = |method| take(&faults, Service::Graph, method).is_some();
        assert!(!bites("POST"));
        assert!(!bites("GET"));
        assert!(bites("POST"));
        assert!(bites("POST"));
        assert!(!bites("POST"));
    }

    #[test]
    fn a_rule_bites_no_other_service() {
        let faults = Faults::new();
        faults.add(rule(r#"{"service":"vault","effect":{"kind":"drop"}}"#)).unwrap();

        assert_eq!(take(&faults, Service::Cosmos, "GET"), None);
        assert_eq!(take(&faults, Service::Vault, "GET"), Some(Effect::Drop));
    }

    #[test]
    fn a_rule_that_could_never_bite_is_refused() {
        let faults = Faults::new();
        let never = r#"{"service":"bus","times":0,"effect":{"kind":"drop"}}"#;
        let between = r#"{"service":"intake",
                          "effect":{"kind":"kill","process":"intake","when":"after"}}"#;
        let success = r#"{"service":"bus","effect":{"kind":"fail","status":200}}"#;

        assert!(faults.add(rule(never)).is_err());
        assert!(faults.add(rule(success)).is_err());
        assert!(faults.add(rule(between)).is_err());
        assert!(
            serde_json::from_str::<Rule>(r#"{"service":"printer","effect":{"kind":"drop"}}"#)
                .is_err()
        );
        assert!(
            serde_json::from_str::<Rule>(r#"{"service":"bus","efect":1,"effect":{"kind":"drop"}}"#)
                .is_err()
        );
    }

    #[test]
    fn a_removed_rule_bites_no_more() {
        let faults = Faults::new();
        let id = faults.add(rule(r#"{"service":"blob","effect":{"kind":"lose_answer"}}"#)).unwrap();

        assert!(faults.remove(id));
        assert!(!faults.remove(id));
        assert_eq!(take(&faults, Service::Blob, "PUT"), None);
    }
}
