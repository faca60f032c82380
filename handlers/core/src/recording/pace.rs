//! How long an event is put off, and how often.

use super::NotRecorded;
use crate::{
    jws::NotSigned,
    ledger::{NotCommitted, NotProven},
    ports::PortError,
    trust::NotTrusted,
};

/// Pauses before the attempts that `drift` asks for itself, in seconds; the last repeats.
const BACK_OFF_S: [i64; 7] = [1, 2, 5, 10, 20, 30, 60];

/// The longest pause, in seconds: for what lasts until somebody does something about it.
const LONGEST_S: i64 = 60;

/// How often an event is put off because what it comes after has not come: about nine minutes.
///
/// Then it is written down all the same. Whoever owns the bus can keep an event from coming; that
/// must not keep the next ones from being told.
pub(super) const MOST_WAITS: u32 = 14;

/// How long to wait before an event is tried again, in seconds.
///
/// Each is tried again, however long something is in its way: else who shuts a ledger for a while
/// would have all events of that while forgotten.
pub(super) fn pause_s(error: &NotRecorded, attempt: u32) -> i64 {
    match error {
        NotRecorded::Foreign(_) | NotRecorded::NotGenuine(_) => LONGEST_S,
        NotRecorded::Early => back_off_s(attempt),
        NotRecorded::NotTrusted(error) => of_trust(error, attempt),
        NotRecorded::Port(error) => of_port(error, attempt),
        NotRecorded::NotCommitted(error) => match error {
            NotCommitted::Form(_)
            | NotCommitted::NotSigned(
                NotSigned::Claims(_) | NotSigned::TooLarge | NotSigned::Unlisted,
            ) => LONGEST_S,
            // Somebody was faster, and cannot be seen yet.
            NotCommitted::Conflict | NotCommitted::Quota | NotCommitted::Undecided(None) => {
                back_off_s(attempt)
            }
            NotCommitted::NotSigned(NotSigned::Key(error))
            | NotCommitted::NoEntropy(error)
            | NotCommitted::Undecided(Some(error)) => of_port(error, attempt),
            NotCommitted::NotProven(error) => of_proof(error, attempt),
        },
    }
}

fn of_trust(error: &NotTrusted, attempt: u32) -> i64 {
    match error {
        NotTrusted::Port(error) => of_port(error, attempt),
        NotTrusted::NotProven(error) => of_proof(error, attempt),
        NotTrusted::Older => back_off_s(attempt),
        NotTrusted::NoBinding
        | NotTrusted::NoKeyset
        | NotTrusted::Form(_)
        | NotTrusted::NotVerified(_) => LONGEST_S,
    }
}

fn of_proof(error: &NotProven, attempt: u32) -> i64 {
    match error {
        NotProven::Stale => back_off_s(attempt),
        NotProven::Port(error) => of_port(error, attempt),
        NotProven::Refused
        | NotProven::Violation(_)
        | NotProven::Anchor(_)
        | NotProven::NoKeyset => LONGEST_S,
    }
}

/// As long as the service said, or longer with each attempt.
fn of_port(error: &PortError, attempt: u32) -> i64 {
    match error {
        PortError::Throttled { after_s: Some(after_s) } => {
            i64::try_from(*after_s).unwrap_or(LONGEST_S).clamp(1, LONGEST_S)
        }
        PortError::Throttled { after_s: None } | PortError::Unavailable(_) => back_off_s(attempt),
        PortError::Denied(_) | PortError::Broken(_) => LONGEST_S,
    }
}

fn back_off_s(attempt: u32) -> i64 {
    let index = usize::try_from(attempt).unwrap_or(usize::MAX);
    BACK_OFF_S[index.min(BACK_OFF_S.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_should_come_before_is_waited_for_for_about_nine_minutes() {
        let waited: i64 = (0..MOST_WAITS).map(back_off_s).sum();

        assert!((500..=600).contains(&waited), "{waited} s");
    }

    #[test]
    fn an_event_waits_longer_each_time_and_never_longer_than_a_minute() {
        let down = || NotRecorded::Port(PortError::Unavailable("down".into()));
        let pauses: Vec<i64> = (0..8).map(|attempt| pause_s(&down(), attempt)).collect();

        assert_eq!(pauses, [1, 2, 5, 10, 20, 30, 60, 60]);
        for error in [
            down(),
            NotRecorded::Port(PortError::Throttled { after_s: Some(86_400) }),
            NotRecorded::Port(PortError::Denied("no".into())),
            NotRecorded::NotTrusted(NotTrusted::NoKeyset),
            NotRecorded::NotCommitted(NotCommitted::NotProven(NotProven::Refused)),
        ] {
            assert_eq!(pause_s(&error, u32::MAX), 60, "{error:?}");
        }
    }
}
