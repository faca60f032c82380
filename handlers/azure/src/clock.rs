//! What time it is, and randomness. The only place that asks the system for the time.

use std::time::{SystemTime, UNIX_EPOCH};

use airlock_core::{
    ports::{Clock, Entropy, PortError},
    time::Timestamp,
};
use time::{OffsetDateTime, macros::format_description};

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

/// The system's randomness.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemEntropy;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock before 1970 is broken; at 0 nothing has begun to be valid.
        let since = system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_s(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), PortError> {
        getrandom::fill(buffer).map_err(|error| PortError::Broken(error.to_string().into()))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that all else asks")]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}

/// Now, in UTC with milliseconds, for the log.
pub(crate) fn now_text() -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from(system_time()).format(format).unwrap_or_default()
}
