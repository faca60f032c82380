//! The time, from the system.

use std::time::{SystemTime, UNIX_EPOCH};

use airlock_core::{ports::Clock, time::Timestamp};

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_s(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}
