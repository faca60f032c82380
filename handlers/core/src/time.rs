//! Points in time, as JOSE writes them: whole seconds since 1970 (`NumericDate`).

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// Clock skew forgiven between our own handlers, in seconds.
///
/// They run on hosts whose clocks the platform keeps; what they sign lives for minutes, so
/// the usual five minutes of an OAuth client would make an expired permit usable.
pub const LEEWAY_S: i64 = 5;

impl Timestamp {
    /// A point in time, in seconds since 1970.
    #[must_use]
    pub const fn from_unix_s(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn as_unix_s(self) -> i64 {
        self.0
    }

    /// This much later (or earlier, if negative), in seconds.
    #[must_use]
    pub const fn plus_s(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from an earlier time to this one.
    #[must_use]
    pub const fn since_s(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339 text, whole seconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(|at| Self(at.unix_timestamp()))
    }
}

/// RFC 3339 in UTC.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp(self.0)
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok());
        match text {
            Some(text) => formatter.write_str(&text),
            // Before the year -9999 or after 9999: nothing of ours is.
            None => write!(formatter, "@{}", self.0),
        }
    }
}
