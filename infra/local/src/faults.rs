//! Which calls shall go wrong, and how.
//!
//! A rule names calls by service, method and path. The first standing rule that matches a call
//! decides about it; the door carries the effect out before or after the service has answered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Services whose calls can be made to fail, as rules and the record name them.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Sign-in pages, discovery, keys and tokens.
    Entra,
    /// Microsoft Graph.
    Graph,
    /// Key Vault.
    Vault,
    /// Cosmos DB.
    Cosmos,
    /// Service Bus.
    Bus,
    /// Blob storage, both accounts.
    Blob,
    /// The managed identity endpoint.
    Identity,
    /// A customer's own issuer.
    Issuer,
}

impl Service {
    /// The name used in rules and in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entra => "entra",
            Self::Graph => "graph",
            Self::Vault => "vault",
            Self::Cosmos => "cosmos",
            Self::Bus => "bus",
            Self::Blob => "blob",
            Self::Identity => "identity",
            Self::Issuer => "issuer",
        }
    }
}

/// Which calls go wrong, and how often.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The service that is called.
    pub service: Service,
    /// HTTP method in capitals; any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path without query, where `*` stands for any characters; any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Matching calls that pass before the rule begins to bite.
    #[serde(default)]
    pub skip: u32,
    /// Matching calls that go wrong before the rule is spent; one, if absent.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens to the call.
    pub effect: Effect,
}

const fn once() -> u32 {
    1
}

/// What happens to a call.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// It is answered with this status and is not carried out.
    Fail {
        /// From 400 to 599.
        status: u16,
    },
    /// It is carried out, and the connection closes instead of the answer.
    LoseAnswer,
    /// The connection closes before anything is carried out.
    Drop,
    /// It is answered with 429 and is not carried out.
    Throttle {
        /// `Retry-After`, in seconds. Some Azure services send none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u64>,
    },
    /// It waits, and is then carried out and answered.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// A handler process dies around it, and no answer is sent.
    Kill {
        /// Name of the function app.
        process: String,
        /// On which side of the call the process dies.
        when: When,
    },
}

impl Effect {
    /// How the record names the effect.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Fail { .. } => "fail",
            Self::LoseAnswer => "lose_answer",
            Self::Drop => "drop",
            Self::Throttle { .. } => "throttle",
            Self::Delay { .. } => "delay",
            Self::Kill { .. } => "kill",
        }
    }
}

/// On which side of a call a process is killed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before the call is carried out: it never is.
    Before,
    /// After it was carried out.
    After,
}

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
    /// If the rule could never bite, or names a status that is not an error.
    pub fn add(&self, rule: Rule) -> Result<u64, &'static str> {
        if rule.times == 0 {
            return Err("times must be at least 1");
        }
        if let Effect::Fail { status } = rule.effect
            && !(400..600).contains(&status)
        {
            return Err("status must be from 400 to 599");
        }
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
    pub fn take(&self, service: Service, method: &str, path: &str) -> Option<Effect> {
        let mut rules = self.lock();
        for standing in &mut rules.standing {
            if !standing.matches(service, method, path) {
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

impl Standing {
    fn matches(&self, service: Service, method: &str, path: &str) -> bool {
        let rule = &self.rule;
        self.taken < rule.times
            && rule.service == service
            && rule.method.as_deref().is_none_or(|wanted| wanted == method)
            && rule.path.as_deref().is_none_or(|pattern| fits(pattern, path))
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any characters, or none.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    // `split` yields at least one part.
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_star_stands_for_any_characters_or_none() {
        assert!(fits("/v1.0/users/*/revokeSignInSessions", "/v1.0/users/17/revokeSignInSessions"));
        assert!(fits("*", ""));
        assert!(fits("/a*", "/a"));
        assert!(fits("*/sign", "/keys/k/1/sign"));
        assert!(fits("/a*b*c", "/a1b2b3c"));

        assert!(!fits("/v1.0/users/*/revokeSignInSessions", "/v1.0/users/17"));
        assert!(!fits("/a", "/ab"));
        assert!(!fits("ab*ab", "ab"));
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

        let bites = |method| faults.take(Service::Graph, method, "/v1.0/users").is_some();
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

        assert_eq!(faults.take(Service::Cosmos, "GET", "/"), None);
        assert_eq!(faults.take(Service::Vault, "GET", "/"), Some(Effect::Drop));
    }

    #[test]
    fn a_rule_that_could_never_bite_is_refused() {
        let faults = Faults::new();
        let never = r#"{"service":"bus","times":0,"effect":{"kind":"drop"}}"#;
        let success = r#"{"service":"bus","effect":{"kind":"fail","status":200}}"#;

        assert!(faults.add(rule(never)).is_err());
        assert!(faults.add(rule(success)).is_err());
        assert!(
            serde_json::from_str::<Rule>(r#"{"service":"arm","effect":{"kind":"drop"}}"#).is_err()
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
        assert_eq!(faults.take(Service::Blob, "PUT", "/claims/x"), None);
    }
}
