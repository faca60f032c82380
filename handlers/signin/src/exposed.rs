//! The JSON form of secrets, for text that is encrypted before it goes anywhere.
//!
//! [`Secret`] itself has none, so that none is written by accident: each field names this one.

use airlock_core::secret::Secret;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes a secret in clear.
pub fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Reads a secret.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// A secret that may be missing.
pub mod optional {
    use super::{Deserialize, Deserializer, Secret, Serializer};

    /// Writes it in clear, or `null`.
    #[expect(clippy::ref_option, reason = "serde passes the field itself")]
    pub fn serialize<S: Serializer>(
        secret: &Option<Secret>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => serializer.serialize_some(secret.expose()),
            None => serializer.serialize_none(),
        }
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Secret>, D::Error> {
        Option::<String>::deserialize(deserializer).map(|text| text.map(Secret::new))
    }
}
