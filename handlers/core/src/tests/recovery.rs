//! A tree that somebody tampered with stops, and goes on where the admin root says.

use serde_json::json;

use crate::{
    digest::Digest,
    identity::App,
    jws::Signed,
    ledger::{
        Anchors, Commit, Happened, Ledger,
        commit::{Marker, leaf_id},
        recovery::{Quarantined, RECOVERY_ID, Recovery},
    },
    ports::{Documents as _, Partition, Write},
    recovery::{Claimed, Examined, MAX_REASON, NotExamined, examine, left_behind},
    sealing::{CONFIRM_S, Round},
    trust::StoredArtefact,
};

use super::world::{LEDGER, World};

fn creating(what: &str) -> Commit {
    Commit {
        markers: vec![Marker { id: what.to_owned(), kind: "marker", points_to: "x".to_owned() }],
        subject: Some(what.to_owned()),
        ..Commit::of(Happened::Received)
    }
}

async fn write(world: &World, what: &str) {
    try_write(world, creating(what)).await.unwrap();
}

async fn try_write(world: &World, commit: Commit) -> Result<(), crate::ledger::NotCommitted> {
    let ports = world.ports(App::Intake);
    let ledger = Ledger::new(App::Intake, &ports, std::sync::Arc::new(world.trust_store()));
    ledger.commit(&Partition::platform(), commit, world.now()).await.map(drop)
}

async fn looked_at(world: &World) -> Result<Examined, NotExamined> {
    let anchors = Anchors::new(world.anchors.clone(), LEDGER);
    let (partition, trust) = (Partition::platform(), world.trust().await);
    examine(&*world.documents, &anchors, &partition, &trust, world.now()).await
}

/// Until `drift` is sure that a late answer is not what it sees.
async fn seal(world: &World) -> Round {
    let drift = world.drift();
    drift.round().await.unwrap();
    world.clock.advance_s(CONFIRM_S + 1);
    drift.round().await.unwrap()
}

/// A tree of which something is sealed and something is not, and a leaf of the latter is gone.
async fn stopped() -> World {
    let world = World::new().await;
    write(&world, "a").await;
    write(&world, "b").await;
    seal(&world).await;
    write(&world, "c").await;
    write(&world, "d").await;
    let size = head(&world).await;
    world.documents.forget(&Partition::platform(), &leaf_id(0, size - 2));
    let round = seal(&world).await;
    assert_eq!(round.refused, 1, "{round:?}");
    world
}

async fn head(world: &World) -> u64 {
    let found = world.documents.read(&Partition::platform(), "head").await.unwrap().unwrap();
    found.json["frontier"]["size"].as_u64().unwrap()
}

async fn order(world: &World, recovery: &Recovery) {
    let artefact = Signed::sign(recovery, &world.root).await.unwrap();
    let partition = Partition::deployment();
    let stored = StoredArtefact {
        id: RECOVERY_ID.to_owned(),
        tenant: partition.key().to_owned(),
        kind: RECOVERY_ID.to_owned(),
        at: world.now().as_unix_s(),
        artefact,
    };
    let write = Write::Create(serde_json::to_value(stored).unwrap());
    world.documents.batch(&partition, &[write]).await.unwrap();
}

#[tokio::test]
async fn whoever_looks_sees_what_was_sealed_what_is_wrong_and_what_would_stay_behind() {
    let world = stopped().await;
    let size = head(&world).await;

    let seen = looked_at(&world).await.unwrap();

    let sealed = seen.last.as_ref().unwrap();
    assert_eq!(seen.refusals.len(), 1);
    assert_eq!(seen.refusals[0].reason.as_deref(), Some("a leaf is missing"));
    assert!(matches!(seen.head, Claimed::Tree { epoch: 0, size: claimed, .. } if claimed == size));
    assert_eq!(seen.epoch, 1);
    assert_eq!(seen.quarantined.from, sealed.checkpoint.size);
    assert_eq!(seen.quarantined.count, size - sealed.checkpoint.size - 1);
    let why: Vec<(&str, &str)> =
        seen.faults.iter().map(|fault| (fault.of.as_str(), fault.why)).collect();
    let after = leaf_id(0, size - 1);
    assert!(why.contains(&(&after, "does not follow the one before")), "{why:?}");
    assert!(why.contains(&("head", "is not what was sealed with the leaves after it")), "{why:?}");
}

#[tokio::test]
async fn a_tree_that_goes_on_needs_no_recovery_and_one_without_anchors_has_none() {
    let world = World::new().await;
    let never = looked_at(&world).await.unwrap_err();
    assert!(matches!(never, NotExamined::NeverAnchored), "{never}");

    write(&world, "a").await;
    seal(&world).await;

    let goes_on = looked_at(&world).await.unwrap_err();
    assert!(matches!(goes_on, NotExamined::GoesOn), "{goes_on}");
}

#[tokio::test]
async fn an_order_lets_the_tree_go_on_in_a_new_epoch_and_the_old_one_stays_as_it_was() {
    let world = stopped().await;
    let old = world.anchors.names("anchors");
    let behind = left_behind(&*world.documents, &Partition::platform(), (0, 0), 1).await.unwrap();
    let seen = looked_at(&world).await.unwrap();

    order(&world, &seen.order("a leaf was removed", world.now()).unwrap()).await;
    let round = seal(&world).await;

    assert_eq!(round.refused, 0, "{round:?}");
    write(&world, "e").await;
    seal(&world).await;
    let goes_on = looked_at(&world).await.unwrap_err();
    assert!(matches!(goes_on, NotExamined::GoesOn), "{goes_on}");
    let names = world.anchors.names("anchors");
    assert!(names.len() > old.len() && old.iter().all(|name| names.contains(name)));
    let now = left_behind(&*world.documents, &Partition::platform(), (0, 0), 1).await.unwrap();
    let texts = |found: &[crate::ports::Found]| -> Vec<serde_json::Value> {
        found.iter().map(|found| found.json.clone()).collect()
    };
    assert_eq!(texts(&now), texts(&behind));
}

#[tokio::test]
async fn nothing_is_written_to_a_stopped_tree() {
    let world = stopped().await;
    let size = head(&world).await;
    assert!(try_write(&world, creating("x")).await.is_err());

    assert_eq!(head(&world).await, size);
}

#[tokio::test]
async fn an_epoch_in_which_somebody_has_been_is_not_the_next_one() {
    let world = stopped().await;
    let planted = json!({ "id": leaf_id(1, 0), "tenant": "platform", "kind": "leaf" });
    world.documents.overwrite(&Partition::platform(), &leaf_id(1, 0), planted);

    let seen = looked_at(&world).await.unwrap();

    assert_eq!(seen.epoch, 2);
    assert!(seen.faults.iter().any(|fault| fault.of == leaf_id(1, 0)), "{:?}", seen.faults);
}

#[tokio::test]
async fn a_reason_is_one_line_and_short() {
    let world = stopped().await;
    let seen = looked_at(&world).await.unwrap();

    for wrong in ["", " ", "two\nlines", &"x".repeat(MAX_REASON + 1)] {
        assert!(seen.order(wrong, world.now()).is_err(), "{wrong:?}");
    }
    assert!(seen.order(&"x".repeat(MAX_REASON), world.now()).is_ok());
}

#[test]
fn what_is_left_behind_is_named_whatever_it_is() {
    let leaves = [json!({ "statement": "a.b.c" }), json!({ "statement": 7 }), json!({})];

    let named = Quarantined::of(3, &leaves);

    assert_eq!((named.from, named.count), (3, 3));
    // Of no leaves: the root of the empty tree, SHA-256 of nothing.
    assert_eq!(Quarantined::of(3, []).root, Digest::of(&[]));
    let swapped = [leaves[1].clone(), leaves[0].clone(), leaves[2].clone()];
    assert_ne!(Quarantined::of(3, &swapped).root, named.root);
    assert_ne!(Quarantined::of(3, &leaves[..2]).root, named.root);
}
