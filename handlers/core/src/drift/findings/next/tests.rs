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
        severity: Severity::High,
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

fn under(accepted: &[Accepted], may_mend: bool, s: i64) -> Under<'_> {
    Under { accepted, may_mend, now: NOON.plus_s(s) }
}

fn after(before: Option<&Drifted>, seen: &Observed, s: i64) -> Option<Drifted> {
    next(before, Look::Seen(seen), under(&[], true, s))
}

/// Terms that take a finding as it is now, for so long.
fn taking(drifted: &Drifted, s: i64) -> [Accepted; 1] {
    [Accepted {
        finding: drifted.fingerprint,
        evidence: drifted.evidence(),
        reason: "known".to_owned(),
        until: NOON.plus_s(s),
    }]
}

fn is_accepted(drifted: &Drifted) -> bool {
    matches!(drifted.state, State::Accepted { .. })
}

#[test]
fn what_is_seen_again_changes_nothing_until_it_is_renewed() {
    let seen = observed(None);
    let first = after(None, &seen, 0).unwrap();

    assert_eq!(first.state, State::Open);
    assert_eq!(after(Some(&first), &seen, RENEW_S - 1), None);
    let renewed = after(Some(&first), &seen, RENEW_S).unwrap();
    assert_eq!((renewed.first_seen, renewed.last_seen), (NOON, NOON.plus_s(RENEW_S)));
    assert_eq!(happened(Some(&first), &renewed), Happened::Compared);
}

#[test]
fn what_comes_worsens_goes_or_comes_back_is_told() {
    let seen = observed(None);
    let (less, worse) = (
        Observed { severity: Severity::Low, ..seen.clone() },
        Observed { severity: Severity::Critical, ..seen.clone() },
    );
    let first = after(None, &seen, 0).unwrap();
    assert_eq!(happened(None, &first), Happened::DriftDetected);

    let worse = after(Some(&first), &worse, 1).unwrap();
    assert_eq!((worse.severity, worse.first_seen), (Severity::Critical, NOON));
    assert_eq!(happened(Some(&first), &worse), Happened::DriftDetected);
    let less = after(Some(&worse), &less, 2).unwrap();
    assert_eq!(happened(Some(&worse), &less), Happened::Compared);

    let gone = next(Some(&less), Look::Gone, under(&[], true, 3)).unwrap();
    assert_eq!(gone.state, State::Resolved { at: NOON.plus_s(3) });
    assert_eq!(happened(Some(&less), &gone), Happened::DriftResolved);
    assert_eq!(next(Some(&gone), Look::Gone, under(&[], true, 4)), None);
    let again = after(Some(&gone), &seen, 5).unwrap();
    assert_eq!((again.state.clone(), again.first_seen), (State::Open, NOON.plus_s(5)));
    assert_eq!(happened(Some(&gone), &again), Happened::DriftDetected);
}

#[test]
fn it_is_accepted_until_the_terms_say_and_then_open_again() {
    let seen = observed(Some(mend()));
    let first = next(None, Look::Seen(&seen), under(&[], false, 0)).unwrap();
    let terms = taking(&first, 10);
    let at = |before: &Drifted, s| next(Some(before), Look::Seen(&seen), under(&terms, false, s));

    let accepted = at(&first, 1).unwrap();
    assert!(is_accepted(&accepted));
    assert_eq!(happened(Some(&first), &accepted), Happened::Compared);
    assert_eq!(at(&accepted, 9), None);
    let open = at(&accepted, 10).unwrap();
    assert_eq!(open.state, State::Open);
    assert_eq!(happened(Some(&accepted), &open), Happened::DriftDetected);
}

#[test]
fn what_becomes_of_it_later_is_not_accepted_with_it() {
    let seen = observed(None);
    let terms = taking(&after(None, &seen, 0).unwrap(), 100);
    let accepted = next(None, Look::Seen(&seen), under(&terms, true, 1)).unwrap();
    assert!(is_accepted(&accepted));
    let with = |deviation: Deviation| Observed { deviation, ..seen.clone() };
    let others = [
        with(seen.deviation.clone().found("two passwords")),
        with(Deviation { found: None, ..seen.deviation.clone() }),
        with(seen.deviation.clone().declared("a password")),
        Observed { severity: Severity::Critical, ..seen.clone() },
        Observed { severity: Severity::Low, ..seen.clone() },
    ];

    for other in &others {
        let lapsed = next(Some(&accepted), Look::Seen(other), under(&terms, true, 2)).unwrap();
        assert_eq!(lapsed.state, State::Open, "{other:?}");
        assert_eq!(happened(Some(&accepted), &lapsed), Happened::DriftDetected, "{other:?}");
    }
    let other = Observed { fingerprint: Digest::of(&[b"2"]), ..seen.clone() };
    assert!(!is_accepted(&next(None, Look::Seen(&other), under(&terms, true, 2)).unwrap()));
    let again = next(Some(&accepted), Look::Seen(&seen), under(&terms, true, 2));
    assert_eq!(again, None, "the same thing is accepted still");
}

#[test]
fn the_longest_acceptance_of_one_thing_counts() {
    let seen = observed(None);
    let first = after(None, &seen, 0).unwrap();
    let all = [taking(&first, 5), taking(&first, 50), taking(&first, 20)].concat();

    let accepted = next(Some(&first), Look::Seen(&seen), under(&all, true, 1)).unwrap();

    let until = NOON.plus_s(50);
    assert_eq!(accepted.state, State::Accepted { reason: "known".to_owned(), until });
}

#[test]
fn what_is_not_seen_changes_by_its_acceptance_alone() {
    let first = after(None, &observed(Some(mend())), 0).unwrap();
    let terms = taking(&first, 10);
    let at = |before: &Drifted, s| next(Some(before), Look::Unknown, under(&terms, true, s));
    assert_eq!(next(Some(&first), Look::Unknown, under(&[], true, RENEW_S)), None);
    assert_eq!(next(None, Look::Unknown, under(&terms, true, 1)), None);

    let accepted = at(&first, 1).unwrap();
    assert!(is_accepted(&accepted));
    assert_eq!(accepted.last_seen, first.last_seen, "it was not seen");
    assert_eq!(at(&accepted, 9), None);
    let open = at(&accepted, 10).unwrap();
    assert_eq!(open.state, State::Open);
    assert_eq!(happened(Some(&accepted), &open), Happened::DriftDetected);
    let gone = next(Some(&open), Look::Gone, under(&terms, true, 11)).unwrap();
    assert_eq!(next(Some(&gone), Look::Unknown, under(&taking(&gone, 99), true, 12)), None);
}

#[test]
fn airlock_is_asked_to_mend_a_few_times_and_not_more() {
    let seen = observed(Some(mend()));
    let mut finding = after(None, &seen, 0).unwrap();
    let mut attempts = 1;
    for hour in 1..20 {
        if let Some(next) = after(Some(&finding), &seen, hour * AGAIN_S) {
            let State::Remediating { attempt, .. } = next.state else { panic!("{next:?}") };
            attempts = attempt;
            finding = next;
        }
    }
    assert_eq!(attempts, MOST_ATTEMPTS);
    let unmendable = after(None, &observed(None), 0).unwrap();
    assert_eq!(unmendable.state, State::Open);
    let alone = next(None, Look::Seen(&seen), under(&[], false, 0)).unwrap();
    assert_eq!(alone.state, State::Open);
}

#[test]
fn a_source_that_stays_unreadable_becomes_stale_and_its_acceptance_lapses() {
    let seen = Observed { check: UNREADABLE, severity: Severity::Medium, ..observed(None) };
    let first = after(None, &seen, 0).unwrap();
    let terms = taking(&first, 10 * STALE_S);

    assert_eq!(after(Some(&first), &seen, STALE_S - 1), None);
    let stale = next(Some(&first), Look::Seen(&seen), under(&terms, true, STALE_S)).unwrap();
    assert_eq!((stale.severity, stale.state.clone()), (Severity::High, State::Open));
    assert_eq!(happened(Some(&first), &stale), Happened::DriftDetected);
}
