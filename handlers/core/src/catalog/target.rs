//! What an operation acts on.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{identity::ObjectId, secret_binding::SecretName};

/// What the text of a secret begins with. No object id does.
const SECRET: &str = "secret:";

/// What the text of an app registration begins with.
const APPLICATION: &str = "application:";

/// What an operation acts on: exactly one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A user of the target tenant, by object id. What is done to a device is done to its owner.
    User(ObjectId),
    /// A secret that the target tenant's [secret bindings](crate::secret_binding) name.
    Secret(SecretName),
    /// An app registration of the target tenant, by object id.
    Application(ObjectId),
}

/// What kind of thing an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// A user.
    User,
    /// A bound secret.
    Secret,
    /// An app registration.
    Application,
}

/// A text names no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a user nor a secret nor an application")]
pub struct NotATarget;

impl Target {
    /// The user, if it is one.
    #[must_use]
    pub const fn user(&self) -> Option<ObjectId> {
        match self {
            Self::User(user) => Some(*user),
            Self::Secret(_) | Self::Application(_) => None,
        }
    }

    /// The secret, if it is one.
    #[must_use]
    pub const fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::User(_) | Self::Application(_) => None,
            Self::Secret(secret) => Some(secret),
        }
    }
}

/// A user's object id, `secret:<name>`, or `application:<object id>`.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(formatter),
            Self::Secret(secret) => write!(formatter, "{SECRET}{secret}"),
            Self::Application(object) => write!(formatter, "{APPLICATION}{object}"),
        }
    }
}

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        if let Some(name) = text.strip_prefix(SECRET) {
            let name = SecretName::try_from(name.to_owned()).map_err(|_| NotATarget)?;
            return Ok(Self::Secret(name));
        }
        if let Some(object) = text.strip_prefix(APPLICATION) {
            return object.parse().map(Self::Application).map_err(|_| NotATarget);
        }
        text.parse().map(Self::User).map_err(|_| NotATarget)
    }
}

/// A target in one word, as what is shown of a request has it.
pub mod in_a_word {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Target;

    /// Writes the word.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(target: &Target, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(target)
    }

    /// Reads the word.
    ///
    /// # Errors
    ///
    /// Those of the deserializer, and a text that names no target.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NINA: &str = "00000000-0000-0000-0000-000000000101";

    #[test]
    fn a_target_is_one_thing_and_is_written_as_it_is_read() {
        for written in [
            json!({ "user": NINA }),
            json!({ "secret": "payroll" }),
            json!({ "application": NINA }),
        ] {
            let target: Target = serde_json::from_value(written.clone()).unwrap();

            assert_eq!(serde_json::to_value(&target).unwrap(), written);
            assert_eq!(target.to_string().parse(), Ok(target));
        }
    }

    #[test]
    fn what_is_neither_or_both_is_no_target() {
        for text in [
            "{}".to_owned(),
            "null".to_owned(),
            r#""user""#.to_owned(),
            r#"["user"]"#.to_owned(),
            format!(r#"{{"user":"{NINA}","secret":"payroll"}}"#),
            format!(r#"{{"user":"{NINA}","user":"{NINA}"}}"#),
            format!(r#"{{"user":"{NINA}","group":"{NINA}"}}"#),
            format!(r#"{{"group":"{NINA}"}}"#),
            format!(r#"{{"User":"{NINA}"}}"#),
            format!(r#"{{"secret":"{NINA}/x"}}"#),
            r#"{"user":"payroll"}"#.to_owned(),
            r#"{"secret":"Pay Roll"}"#.to_owned(),
            r#"{"secret":""}"#.to_owned(),
            r#"{"secret":["payroll"]}"#.to_owned(),
            r#"{"application":"payroll"}"#.to_owned(),
            format!(r#"{{"user":"{NINA}","application":"{NINA}"}}"#),
        ] {
            assert!(serde_json::from_str::<Target>(&text).is_err(), "{text}");
            let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
            let twice = text.matches("user").count() > 1;
            assert!(twice || serde_json::from_value::<Target>(value).is_err(), "{text}");
        }
        for text in
            ["", "secret:", "secret:Pay", "payroll", "service:payroll", "application:payroll"]
        {
            assert_eq!(text.parse::<Target>(), Err(NotATarget), "{text}");
        }
    }
}
