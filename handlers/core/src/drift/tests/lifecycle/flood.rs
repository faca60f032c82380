//! However much deviates, and however much stands: all goes on.

use super::{
    place::{Place, SMALL, says, things, unread},
    *,
};
use crate::{
    drift::{check::Deviation, severity::Severity},
    ledger::Happened,
};

const CHECK: &str = "network-access";

#[tokio::test]
async fn a_flood_is_told_little_by_little_and_each_other_thing_at_once() {
    let place = Place::small().await;
    let many = SMALL.new + SMALL.page + 5;

    let first = place.settle(&says(CHECK, things(0..many))).await.unwrap();

    assert_eq!(first.detected, SMALL.new + 1);
    assert_eq!(place.leaves(Happened::DriftDetected), SMALL.new + 1);
    let more = place.about("network-access/more").await.unwrap();
    assert_eq!(more.found, Some(format!("{} more", many - SMALL.new)));

    // Another check is not kept waiting; nor is what is worse.
    let mut both = says(CHECK, things(0..many));
    both.checks.extend(says("binding", things(0..1)).checks);
    let worse = Deviation::of("zzz").as_bad_as(Severity::Critical);
    both.checks[0].1.as_mut().unwrap().push(worse);
    place.settle(&both).await.unwrap();
    assert!(place.about("binding/thing/0000").await.is_some());
    assert!(place.about("network-access/zzz").await.is_some());
    let more = place.about("network-access/more").await.unwrap();
    assert_eq!(more.found, Some(format!("{} more", many - 2 * SMALL.new + 1)));

    // More stand than one page holds: each is known, and none told again.
    for _ in 0..many.div_ceil(SMALL.new) {
        place.settle(&says(CHECK, things(0..many))).await.unwrap();
    }
    let told = place.leaves(Happened::DriftDetected);
    assert_eq!(told, 1 + many + 2, "each once, and the collective one");
    assert_eq!(place.about("network-access/more").await, None, "all have their own");
    let again = place.settle(&says(CHECK, things(0..many))).await.unwrap();
    assert_eq!((again.detected, again.resolved), (0, 0));

    // What is gone is seen to be gone, on whichever page it stands.
    let mut resolved = 0;
    for _ in 0..many.div_ceil(SMALL.changed) {
        resolved += place.settle(&says(CHECK, things(3..4))).await.unwrap().resolved;
    }
    assert_eq!(resolved, many - 1);
    let standing: Vec<String> =
        place.standing().await.into_iter().map(|finding| finding.subject).collect();
    assert_eq!(standing, ["network-access/thing/0003"]);
}

#[tokio::test]
async fn a_flood_that_ebbs_takes_its_collective_finding_with_it() {
    let place = Place::small().await;
    place.settle(&says(CHECK, things(0..SMALL.new + 3))).await.unwrap();

    // Not judged: nothing is known of it.
    place.settle(&unread(CHECK, Source::Sites)).await.unwrap();
    assert!(place.about("network-access/more").await.is_some());

    place.settle(&says(CHECK, things(0..5))).await.unwrap();
    assert_eq!(place.about("network-access/more").await, None);
    assert_eq!(place.standing().await.len(), 5);
}

#[tokio::test]
async fn the_worst_are_told_first_and_the_rest_is_as_bad_as_its_worst() {
    let place = Place::small().await;
    let low = things(0..SMALL.new).map(|each| each.as_bad_as(Severity::Low));
    let high = things(SMALL.new..2 * SMALL.new).map(|each| each.as_bad_as(Severity::High));

    place.settle(&says(CHECK, low.chain(high))).await.unwrap();

    let standing = place.standing().await;
    let of = |severity| {
        let all = standing.iter().filter_map(|finding| finding.drift.as_ref());
        all.filter(|drifted| drifted.severity == severity).count()
    };
    assert_eq!((of(Severity::High), of(Severity::Low)), (SMALL.new, 1));
    let more = place.about("network-access/more").await.unwrap();
    assert_eq!(more.severity, Severity::Low);
}

#[tokio::test]
async fn what_happened_and_was_not_told_yet_must_be_seen_again() {
    let place = Place::small().await;
    let lasting = "change-without-receipt";

    let first = place.settle(&says(lasting, things(0..SMALL.new + 5))).await.unwrap();
    assert!(first.must_see_again);
    let second = place.settle(&says(lasting, things(0..SMALL.new + 5))).await.unwrap();
    assert!(!second.must_see_again);
    let elsewhere = Place::small().await;
    let other = elsewhere.settle(&says(CHECK, things(0..SMALL.new + 5))).await.unwrap();
    assert!(!other.must_see_again, "what deviates is seen again of itself");

    // Out of sight, each of them stands; the collective one has nothing left to tell.
    let gone = place.settle(&says(lasting, [])).await.unwrap();
    assert_eq!(gone.resolved, 0);
    let told = place.standing().await.into_iter().filter(|each| each.subject.contains(lasting));
    assert_eq!(told.count(), SMALL.new + 5);
}

#[tokio::test]
async fn what_changes_at_once_is_written_down_over_several_rounds() {
    let place = Place::small().await;
    let many = SMALL.changed + 4;
    for _ in 0..many.div_ceil(SMALL.new) {
        place.settle(&says(CHECK, things(0..many))).await.unwrap();
    }
    assert_eq!(place.standing().await.len(), many);

    let first = place.settle(&says(CHECK, [])).await.unwrap();
    assert_eq!(first.resolved, SMALL.changed);
    let second = place.settle(&says(CHECK, [])).await.unwrap();
    assert_eq!(second.resolved, many - SMALL.changed);
    assert_eq!(place.standing().await, []);
}
