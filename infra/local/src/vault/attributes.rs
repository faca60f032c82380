//! What every version of a key or secret has: whether and when it may be used.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

/// Words of the owner's own about a version.
pub(super) type Tags = BTreeMap<String, String>;

/// Attributes of a version. Times are Unix seconds.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    enabled: bool,
    not_before_s: Option<i64>,
    expires_s: Option<i64>,
    created_s: i64,
    updated_s: i64,
}

/// Attributes as a caller asks for them. What is absent stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
}

/// Where in its life a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be used.
    Usable,
    /// Somebody disabled it.
    Disabled,
    /// It is not yet, or no more, valid.
    OutOfTime,
}

impl Attributes {
    /// Attributes of a version that is made now.
    pub(super) fn new(wanted: &Wanted) -> Self {
        let now_s = now_s();
        let mut attributes = Self::since(now_s);
        attributes.set(wanted, now_s);
        attributes
    }

    /// Attributes of a version that was made then, and nobody has changed.
    pub(super) const fn since(created_s: i64) -> Self {
        Self { enabled: true, not_before_s: None, expires_s: None, created_s, updated_s: created_s }
    }

    /// Changes what is asked for.
    pub(super) fn update(&mut self, wanted: &Wanted) {
        self.set(wanted, now_s());
    }

    fn set(&mut self, wanted: &Wanted, now_s: i64) {
        self.enabled = wanted.enabled.unwrap_or(self.enabled);
        self.not_before_s = wanted.nbf.or(self.not_before_s);
        self.expires_s = wanted.exp.or(self.expires_s);
        self.updated_s = now_s;
    }

    /// Whether the version may be used now.
    pub(super) fn standing(&self) -> Standing {
        let now_s = now_s();
        if !self.enabled {
            Standing::Disabled
        } else if self.not_before_s.is_some_and(|from_s| now_s < from_s)
            || self.expires_s.is_some_and(|until_s| until_s <= now_s)
        {
            Standing::OutOfTime
        } else {
            Standing::Usable
        }
    }

    /// As Key Vault writes them.
    pub(super) fn written(&self) -> Value {
        let mut written = Map::new();
        written.insert("enabled".to_owned(), json!(self.enabled));
        for (name, time_s) in [("nbf", self.not_before_s), ("exp", self.expires_s)] {
            if let Some(time_s) = time_s {
                written.insert(name.to_owned(), json!(time_s));
            }
        }
        written.insert("created".to_owned(), json!(self.created_s));
        written.insert("updated".to_owned(), json!(self.updated_s));
        written.insert("recoveryLevel".to_owned(), json!("Recoverable"));
        written.insert("recoverableDays".to_owned(), json!(90));
        Value::Object(written)
    }
}

fn now_s() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(json: &str) -> Wanted {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_version_is_used_while_it_is_enabled_and_in_its_time() {
        let hour_s = 3_600;
        let standing = |nbf: i64, exp: i64| {
            let times = format!(r#"{{"nbf":{},"exp":{}}}"#, now_s() + nbf, now_s() + exp);
            Attributes::new(&wanted(&times)).standing()
        };

        assert_eq!(standing(-hour_s, hour_s), Standing::Usable);
        assert_eq!(standing(hour_s, 2 * hour_s), Standing::OutOfTime);
        assert_eq!(standing(-2 * hour_s, -hour_s), Standing::OutOfTime);
        let mut attributes = Attributes::new(&Wanted::default());
        attributes.update(&wanted(r#"{"enabled":false}"#));
        assert_eq!(attributes.standing(), Standing::Disabled);
    }

    #[test]
    fn what_is_not_asked_for_stays() {
        let mut attributes = Attributes::new(&wanted(r#"{"enabled":false,"exp":17}"#));

        attributes.update(&wanted(r#"{"nbf":5}"#));

        let written = attributes.written();
        assert_eq!(
            (&written["enabled"], &written["nbf"], &written["exp"]),
            (&json!(false), &json!(5), &json!(17))
        );
    }
}
