//! Secrets. A value leaves by the answer to whoever may get it, and by no other way.

use std::fmt;

use serde::Deserialize;

/// Longest value that Key Vault keeps, in bytes.
const VALUE_BYTES: usize = 25_600;

/// What a version of a secret holds.
#[derive(Clone, Debug)]
pub(super) struct Secret {
    /// The value.
    pub(super) value: Hidden,
    /// What kind of thing it is, in the owner's words.
    pub(super) content_type: Option<String>,
}

/// A value that prints as nothing.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Hidden(String);

impl TryFrom<String> for Hidden {
    // Without a word of what was sent: parsers quote it.
    type Error = &'static str;

    fn try_from(value: String) -> Result<Self, Self::Error> {
        if value.len() > VALUE_BYTES {
            return Err("the value is too long");
        }
        Ok(Self(value))
    }
}

impl Hidden {
    /// The value, for the answer.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[hidden]")
    }
}

/// Whether Key Vault takes this as the name of a key or secret.
pub(super) fn is_name(name: &str) -> bool {
    (1..=127).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{
        attributes::{Tags, Wanted},
        versions::{Version, Versions},
    };

    #[test]
    fn a_value_is_never_printed() {
        let value = Hidden::try_from("correct horse".to_owned()).unwrap();
        let secret = Secret { value, content_type: None };
        let secrets = Versions::default();
        secrets.add("a", Version::new(secret, &Wanted::default(), Tags::new()));

        for printed in [format!("{secrets:?}"), secrets.shown().to_string()] {
            assert!(!printed.contains("correct"), "{printed}");
        }
    }

    #[test]
    fn a_value_of_more_than_25_kib_is_not_taken() {
        assert!(Hidden::try_from("x".repeat(VALUE_BYTES)).is_ok());
        assert!(Hidden::try_from("x".repeat(VALUE_BYTES + 1)).is_err());
    }

    #[test]
    fn names_are_letters_digits_and_hyphens() {
        assert!(is_name("client-secret-1"));
        for name in ["", "a_b", "a b", "../keys", &"x".repeat(128)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
