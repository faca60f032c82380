//! Messages that nothing of ours stands behind. Whoever owns the bus can send as many as they
//! like: each of the first in an hour leaves a leaf and an event, and the others a log line, so
//! that the ledger is not theirs to fill.

use std::sync::{Mutex, PoisonError};

use crate::time::Timestamp;

/// Messages of an hour that one process records.
const MOST_IN_AN_HOUR: u32 = 200;

const HOUR_S: i64 = 3600;

/// How many came in the present hour.
#[derive(Default)]
pub(super) struct Strangers(Mutex<(i64, u32)>);

impl Strangers {
    /// Counts one more. Says whether it is still to be recorded.
    pub(super) fn is_recorded(&self, now: Timestamp) -> bool {
        let hour = now.as_unix_s().div_euclid(HOUR_S);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 != hour {
            *seen = (hour, 0);
        }
        seen.1 = seen.1.saturating_add(1);
        seen.1 <= MOST_IN_AN_HOUR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hour_records_as_many_as_the_one_before() {
        let strangers = Strangers::default();
        let noon = Timestamp::from_unix_s(1_700_006_400);
        let recorded = |at: Timestamp| (0..1000).filter(|_| strangers.is_recorded(at)).count();

        assert_eq!(recorded(noon), 200);
        assert_eq!(recorded(noon.plus_s(3599)), 0);
        assert_eq!(recorded(noon.plus_s(3600)), 200);
    }
}
