//! When a process that ended is started again.

use std::time::{Duration, Instant};

/// An error counts for as long as the next one follows within this time.
const REMEMBERED: Duration = Duration::from_mins(30);
/// The error at which the host gives up.
const LAST: u32 = 3;

/// Errors of one app's process so far.
#[derive(Debug, Default)]
pub struct Restarts {
    errors: u32,
    newest: Option<Instant>,
}

/// What the host does about a process that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing: it stays away, and every later call finds nobody.
    Leave,
    /// Starts it again, at once.
    Restart,
    /// Stops the app's host.
    GiveUp,
}

impl Restarts {
    /// A process ended with this exit code; `None` if a signal ended it.
    pub fn exited(&mut self, code: Option<i32>, now: Instant) -> Then {
        match code {
            Some(0) => Then::Leave,
            Some(200) => Then::Restart,
            _ => self.error(now),
        }
    }

    /// A process did not answer its probe in time, or ended wrongly.
    pub fn error(&mut self, now: Instant) -> Then {
        if self.newest.is_some_and(|newest| now.duration_since(newest) > REMEMBERED) {
            self.errors = 0;
        }
        self.newest = Some(now);
        self.errors += 1;
        if self.errors >= LAST { Then::GiveUp } else { Then::Restart }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_exits_with_0_is_never_started_again() {
        assert_eq!(Restarts::default().exited(Some(0), Instant::now()), Then::Leave);
    }

    #[test]
    fn exit_code_200_asks_for_a_restart_and_is_no_error() {
        let mut restarts = Restarts::default();

        for _ in 0..10 {
            assert_eq!(restarts.exited(Some(200), Instant::now()), Then::Restart);
        }
        assert_eq!(restarts.exited(Some(1), Instant::now()), Then::Restart);
    }

    #[test]
    fn the_third_error_stops_the_host_whether_by_code_signal_or_probe() {
        let now = Instant::now();
        let mut restarts = Restarts::default();

        assert_eq!(restarts.exited(Some(101), now), Then::Restart);
        assert_eq!(restarts.exited(None, now), Then::Restart);
        assert_eq!(restarts.error(now), Then::GiveUp);
    }

    #[test]
    fn errors_add_up_while_each_follows_within_half_an_hour() {
        let start = Instant::now();
        let minutes = |count| start + Duration::from_mins(count);

        let mut steady = Restarts::default();
        assert_eq!(steady.error(start), Then::Restart);
        assert_eq!(steady.error(minutes(30)), Then::Restart);
        assert_eq!(steady.error(minutes(60)), Then::GiveUp);

        let mut rare = Restarts::default();
        assert_eq!(rare.error(start), Then::Restart);
        assert_eq!(rare.error(minutes(31)), Then::Restart);
        assert_eq!(rare.error(minutes(62)), Then::Restart);
    }
}
