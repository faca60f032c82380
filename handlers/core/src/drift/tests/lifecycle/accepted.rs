//! What the terms take as it is: exactly what was seen, for as long as they say.

use super::{
    place::{Place, says, things, unread},
    *,
};
use crate::{
    drift::{
        actual::{Name, Way},
        check::Deviation,
        findings::STALE_S,
        severity::Severity,
    },
    ledger::Happened,
};

const LASTING: &str = "change-without-receipt";

impl Place {
    /// Accepts what stands about this, as it is now, for an hour.
    async fn accept(&mut self, subject: &str) {
        let drifted = self.about(subject).await.unwrap();
        self.accepted.push(Accepted {
            finding: drifted.fingerprint,
            evidence: drifted.evidence(),
            reason: "known".to_owned(),
            until: self.world.now().plus_s(3600),
        });
    }

    async fn state(&self, subject: &str) -> &'static str {
        self.about(subject).await.map_or("none", |drifted| drifted.state.name())
    }
}

#[tokio::test]
async fn what_happened_once_is_accepted_out_of_sight_and_open_again_when_that_ends() {
    let (mut place, subject) = (Place::new().await, "change-without-receipt/thing/0000");
    place.settle(&says(LASTING, things(0..1))).await.unwrap();
    place.settle(&says(LASTING, [])).await.unwrap();
    assert_eq!(place.state(subject).await, "open", "it has happened");
    place.accept(subject).await;

    place.settle(&says(LASTING, [])).await.unwrap();
    assert_eq!(place.state(subject).await, "accepted");
    assert_eq!(place.leaves(Happened::DriftDetected), 1);

    place.world.pass(3600).await;
    let settled = place.settle(&says(LASTING, [])).await.unwrap();
    assert_eq!(place.state(subject).await, "open");
    assert_eq!(settled.detected, 1);
    assert_eq!(place.leaves(Happened::DriftDetected), 2);
}

#[tokio::test]
async fn an_acceptance_lapses_when_the_thing_changes_and_that_is_an_event() {
    let (mut place, subject) = (Place::new().await, "network-access/site/x");
    let site = || Deviation::of("site/x").declared("from inside").found("public");
    place.settle(&says("network-access", [site()])).await.unwrap();
    place.accept(subject).await;
    place.settle(&says("network-access", [site()])).await.unwrap();
    assert_eq!(place.state(subject).await, "accepted");

    let worse = site().as_bad_as(Severity::Critical);
    let settled = place.settle(&says("network-access", [worse])).await.unwrap();
    assert_eq!((place.state(subject).await, settled.detected), ("open", 1));
    assert_eq!(place.leaves(Happened::DriftDetected), 2);

    // As it was accepted, it is still.
    let settled = place.settle(&says("network-access", [site()])).await.unwrap();
    assert_eq!((place.state(subject).await, settled.detected), ("accepted", 0));
    let other = site().found("public, and for guests");
    let settled = place.settle(&says("network-access", [other])).await.unwrap();
    assert_eq!((place.state(subject).await, settled.detected), ("open", 1));
}

#[tokio::test]
async fn an_acceptance_ends_though_nothing_can_be_read() {
    let (mut place, subject) = (Place::new().await, "network-access/thing/0000");
    place.settle(&says("network-access", things(0..1))).await.unwrap();
    place.accept(subject).await;
    place.settle(&unread("network-access", Source::Sites)).await.unwrap();
    assert_eq!(place.state(subject).await, "accepted");

    place.world.pass(STALE_S).await;
    place.settle(&unread("network-access", Source::Sites)).await.unwrap();

    assert_eq!(place.state(subject).await, "open");
}

#[tokio::test]
async fn what_nobody_has_seen_yet_cannot_be_accepted() {
    let (mut place, more) = (Place::small().await, "network-access/more");
    place.bounds.new = 1;
    place.settle(&says("network-access", things(0..2))).await.unwrap();
    place.accept(more).await;
    place.bounds.new = 0;

    place.settle(&says("network-access", things(0..2))).await.unwrap();
    assert_eq!(place.state(more).await, "open");
    place.settle(&unread("network-access", Source::Sites)).await.unwrap();
    assert_eq!(place.state(more).await, "open");
}

#[test]
fn evidence_names_all_that_is_accepted() {
    let drifted = Drifted {
        fingerprint: Digest::of(&[b"it"]),
        check: "network-access".to_owned(),
        severity: Severity::High,
        declared: Some("ab".to_owned()),
        found: Some("c".to_owned()),
        first_seen: crate::time::Timestamp::from_unix_s(1_790_000_000),
        last_seen: crate::time::Timestamp::from_unix_s(1_790_000_000),
        state: State::Open,
        mend: None,
    };
    let others = [
        Drifted { fingerprint: Digest::of(&[b"other"]), ..drifted.clone() },
        Drifted { severity: Severity::Low, ..drifted.clone() },
        Drifted { declared: Some("a".to_owned()), found: Some("bc".to_owned()), ..drifted.clone() },
        Drifted { declared: None, ..drifted.clone() },
        Drifted { declared: Some(String::new()), ..drifted.clone() },
        Drifted { found: None, ..drifted.clone() },
    ];
    let all: std::collections::BTreeSet<Digest> =
        others.iter().chain([&drifted]).map(Drifted::evidence).collect();
    assert_eq!(all.len(), others.len() + 1);

    let later = Drifted {
        last_seen: drifted.last_seen.plus_s(99),
        state: State::Resolved { at: drifted.last_seen },
        ..drifted.clone()
    };
    assert_eq!(
        later.evidence(),
        drifted.evidence(),
        "of what was seen, not of how it is dealt with"
    );
}

#[tokio::test]
async fn who_takes_one_way_into_a_store_takes_no_other() {
    let stage = Stage::new().await;
    let mut evidence = std::collections::BTreeSet::new();
    let rows: [(&[Way], &str); 3] = [
        (&[Way::SharedKeys], "shared keys"),
        (&[Way::SharedKeys, Way::LocalUsers], "local users, shared keys"),
        (
            &[Way::SharedKeys, Way::OpenContainer(Name::new("Claims"))],
            "anybody to container claims, shared keys",
        ),
    ];
    for (ways, found) in rows {
        stage.actual.is.lock().unwrap().stores[3].keyed = ways.iter().cloned().collect();
        stage.round().await;
        let standing = stage.standing().await;
        assert_eq!(standing.len(), 1);
        assert_eq!(standing[0].found.as_deref(), Some(found));
        evidence.insert(standing[0].evidence());
    }
    assert_eq!(evidence.len(), 3);
}
