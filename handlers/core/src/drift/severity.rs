//! How bad it is.

use serde::{Deserialize, Serialize};

/// How bad it is that something is not as declared. In order: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is open, and something does not work as it should.
    Low,
    /// A promise rests on fewer things than it should.
    Medium,
    /// A promise is likely to be broken before long.
    High,
    /// A promise is broken now: a privilege, a secret or a way in that nobody declared.
    Critical,
}

impl Severity {
    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
