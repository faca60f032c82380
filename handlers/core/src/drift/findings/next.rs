//! What becomes of a finding: pure.

use super::{Observed, UNREADABLE};
use crate::{
    binding::Accepted,
    drift::severity::Severity,
    finding::{Drifted, State},
    time::Timestamp,
};

/// Age from which on it is written down again that a finding is seen, in seconds.
const RENEW_S: i64 = 12 * 3600;

/// How long a source may be unreadable before what was seen there counts no more, in seconds.
pub const STALE_S: i64 = 3600;

/// How long Airlock's own remedy is waited for before it is asked again, in seconds: as long as
/// what was asked can be approved and carried out.
pub const AGAIN_S: i64 = 3600;

/// How often Airlock is asked to mend one finding. After that it is for people.
const MOST_ATTEMPTS: u32 = 5;

/// What a finding is after this round. None: as it was.
pub(super) fn next(
    before: Option<&Drifted>,
    observed: Option<&Observed>,
    accepted: &[Accepted],
    may_mend: bool,
    now: Timestamp,
) -> Option<Drifted> {
    let Some(observed) = observed else {
        let gone = Drifted { state: State::Resolved { at: now }, ..before?.clone() };
        return Some(gone);
    };
    let standing = before.filter(|before| !matches!(before.state, State::Resolved { .. }));
    let first_seen = standing.map_or(now, |standing| standing.first_seen);
    let is_stale = observed.check == UNREADABLE && now.since_s(first_seen) >= STALE_S;
    let after = Drifted {
        fingerprint: observed.fingerprint,
        check: observed.check.to_owned(),
        severity: if is_stale { Severity::High } else { observed.severity },
        declared: observed.deviation.declared.clone(),
        found: observed.deviation.found.clone(),
        first_seen,
        last_seen: now,
        state: state(standing, observed, accepted, may_mend, now),
        mend: observed.deviation.mend.clone(),
    };
    let same = standing.is_some_and(|standing| {
        let dated = Drifted { last_seen: standing.last_seen, ..after.clone() };
        dated == *standing && now.since_s(standing.last_seen) < RENEW_S
    });
    (!same).then_some(after)
}

fn state(
    standing: Option<&Drifted>,
    observed: &Observed,
    accepted: &[Accepted],
    may_mend: bool,
    now: Timestamp,
) -> State {
    let accepted = accepted.iter().find(|each| each.finding == observed.fingerprint);
    if let Some(Accepted { reason, until, .. }) = accepted.filter(|each| now < each.until) {
        return State::Accepted { reason: reason.clone(), until: *until };
    }
    let asked = match standing.map(|standing| &standing.state) {
        Some(State::Remediating { attempt, since }) => Some((*attempt, *since)),
        _ => None,
    };
    if !may_mend || observed.deviation.mend.is_none() {
        return State::Open;
    }
    match asked {
        Some((attempt, since)) if now.since_s(since) < AGAIN_S || attempt >= MOST_ATTEMPTS => {
            State::Remediating { attempt, since }
        }
        Some((attempt, _)) => State::Remediating { attempt: attempt + 1, since: now },
        None => State::Remediating { attempt: 1, since: now },
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        digest::Digest,
        drift::check::{Deviation, Mend},
        identity::{ObjectId, TenantId},
    };

    const NOON: Timestamp = Timestamp::from_unix_s(1_790_000_000);

    fn observed(mend: Option<Mend>) -> Observed {
        let deviation = Deviation::of("application/x/password/1").found("a password");
        Observed {
            fingerprint: Digest::of(&[b"1"]),
            check: "secretless-application",
            severity: Severity::Critical,
            deviation: deviation.mended_by(mend),
        }
    }

    fn mend() -> Mend {
        Mend::RemovePassword {
            tenant: TenantId::new(Uuid::nil()),
            application: ObjectId::new(Uuid::nil()),
            credential: Uuid::nil(),
        }
    }

    fn after(before: Option<&Drifted>, seen: Option<&Observed>, s: i64) -> Option<Drifted> {
        next(before, seen, &[], true, NOON.plus_s(s))
    }

    #[test]
    fn what_is_seen_again_changes_nothing_until_it_is_renewed() {
        let seen = observed(None);
        let first = after(None, Some(&seen), 0).unwrap();

        assert_eq!(first.state, State::Open);
        assert_eq!(after(Some(&first), Some(&seen), RENEW_S - 1), None);
        let renewed = after(Some(&first), Some(&seen), RENEW_S).unwrap();
        assert_eq!((renewed.first_seen, renewed.last_seen), (NOON, NOON.plus_s(RENEW_S)));
    }

    #[test]
    fn what_changes_or_comes_back_is_written_down() {
        let seen = observed(None);
        let first = after(None, Some(&seen), 0).unwrap();
        let worse = Observed { severity: Severity::Low, ..seen.clone() };

        assert_eq!(after(Some(&first), Some(&worse), 1).unwrap().severity, Severity::Low);
        let gone = after(Some(&first), None, 2).unwrap();
        assert_eq!(gone.state, State::Resolved { at: NOON.plus_s(2) });
        let again = after(Some(&gone), Some(&seen), 3).unwrap();
        assert_eq!((again.state, again.first_seen), (State::Open, NOON.plus_s(3)));
    }

    #[test]
    fn it_is_accepted_until_the_terms_say_and_then_open_again() {
        let seen = observed(Some(mend()));
        let until = NOON.plus_s(10);
        let terms = [Accepted { finding: seen.fingerprint, reason: "known".to_owned(), until }];
        let at =
            |before: Option<&Drifted>, s| next(before, Some(&seen), &terms, false, NOON.plus_s(s));

        let first = at(None, 0).unwrap();
        assert_eq!(first.state, State::Accepted { reason: "known".to_owned(), until });
        assert_eq!(at(Some(&first), 9), None);
        assert_eq!(at(Some(&first), 10).unwrap().state, State::Open);
    }

    #[test]
    fn airlock_is_asked_to_mend_a_few_times_and_not_more() {
        let seen = observed(Some(mend()));
        let mut finding = after(None, Some(&seen), 0).unwrap();
        let mut attempts = 1;
        for hour in 1..20 {
            if let Some(next) = after(Some(&finding), Some(&seen), hour * AGAIN_S) {
                let State::Remediating { attempt, .. } = next.state else { panic!("{next:?}") };
                attempts = attempt;
                finding = next;
            }
        }
        assert_eq!(attempts, MOST_ATTEMPTS);
        let unmendable = after(None, Some(&observed(None)), 0).unwrap();
        assert_eq!(unmendable.state, State::Open);
        assert_eq!(next(None, Some(&seen), &[], false, NOON).unwrap().state, State::Open);
    }

    #[test]
    fn a_source_that_stays_unreadable_becomes_stale() {
        let seen = Observed { check: UNREADABLE, severity: Severity::Medium, ..observed(None) };
        let first = after(None, Some(&seen), 0).unwrap();

        assert_eq!(after(Some(&first), Some(&seen), STALE_S - 1), None);
        assert_eq!(after(Some(&first), Some(&seen), STALE_S).unwrap().severity, Severity::High);
    }
}
