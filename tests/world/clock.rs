//! The time.

use std::time::{SystemTime, UNIX_EPOCH};

use airlock_core::time::Timestamp;

/// Now, as the handlers' clocks tell it too: one machine.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the tests' one clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    Timestamp::from_unix_s(i64::try_from(since.as_secs()).expect("it is before the year 292e9"))
}
