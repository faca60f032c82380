//! What a commit promises.

use std::sync::Arc;

use super::world::World;
use crate::{
    identity::App,
    ledger::{
        Commit, Contents, Frontier, Happened, Ledger, NotCommitted, NotProven,
        commit::{Change, StoredLeaf},
        merkle::leaf_hash,
    },
    memory::Fault,
    ports::{Documents as _, Partition, Query},
};

fn ledger(world: &World) -> Ledger {
    let ports = world.ports(App::Intake);
    Ledger::new(App::Intake, &ports, Arc::new(world.trust_store()))
}

fn creating(id: &str) -> Commit {
    Commit {
        principal: Some("somebody".to_owned()),
        change: Some(Change {
            id: id.to_owned(),
            kind: "thing",
            at: 0,
            hint: None,
            contents: Contents::Clear { salt: None, body: "{}".to_owned() },
            replaces: None,
        }),
        ..Commit::of(Happened::Received)
    }
}

/// The head says what its leaves say, and no leaf is missing or there twice.
async fn assert_whole(world: &World, leaves: u64) {
    let partition = Partition::platform();
    let query = Query { kind: "leaf", equals: None, not_after: None, limit: 10_000 };
    let mut stored = world.documents.query(&partition, &query).await.unwrap();
    stored.reverse();
    let mut frontier = Frontier::empty();
    let mut seen = std::collections::HashSet::new();
    for (index, found) in stored.into_iter().enumerate() {
        let leaf: StoredLeaf = serde_json::from_value(found.json).unwrap();
        assert_eq!(leaf.at, i64::try_from(index).unwrap());
        assert!(seen.insert(leaf.digest), "twice");
        frontier.push(leaf_hash(leaf.statement.as_str().as_bytes()));
    }
    assert_eq!(frontier.size(), leaves);
    let head = world.documents.read(&partition, "head").await.unwrap().unwrap();
    assert_eq!(head.json["root"], frontier.root().to_string());
}

#[tokio::test]
async fn many_writers_of_several_processes_leave_one_unbroken_tree() {
    let world = Arc::new(World::new().await);
    let processes: Vec<Arc<Ledger>> = (0..4).map(|_| Arc::new(ledger(&world))).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..60_usize {
        let ledger = Arc::clone(&processes[n % 4]);
        let now = world.now();
        tasks.spawn(async move {
            ledger.commit(&Partition::platform(), creating(&format!("thing-{n}")), now).await
        });
    }

    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }

    assert_whole(&world, 60).await;
}

#[tokio::test]
async fn a_document_that_exists_is_a_conflict_and_takes_nobody_else_along() {
    let world = World::new().await;
    let ledger = ledger(&world);
    let partition = Partition::platform();
    ledger.commit(&partition, creating("a"), world.now()).await.unwrap();

    let (twice, other) = tokio::join!(
        ledger.commit(&partition, creating("a"), world.now()),
        ledger.commit(&partition, creating("b"), world.now()),
    );

    assert!(matches!(twice, Err(NotCommitted::Conflict)), "{twice:?}");
    assert_eq!(other.unwrap().index, 1);
    assert_whole(&world, 2).await;
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_found_and_not_written_again() {
    for fault in [Fault::LosesAnswer, Fault::Repeats, Fault::Fails] {
        let world = World::new().await;
        let ledger = ledger(&world);
        world.documents.next_batches([fault]);

        let committed =
            ledger.commit(&Partition::platform(), creating("a"), world.now()).await.unwrap();

        assert_eq!(committed.index, 0, "{fault:?}");
        assert!(committed.etag.is_some(), "{fault:?}");
        assert_whole(&world, 1).await;
    }
}

#[tokio::test]
async fn a_head_that_contradicts_itself_takes_no_more_leaves() {
    let world = World::new().await;
    let partition = Partition::platform();
    ledger(&world).commit(&partition, creating("a"), world.now()).await.unwrap();
    let mut head = world.documents.all(&partition)["head"].clone();
    head["root"] = crate::digest::Digest::of(&[b"another"]).to_string().into();
    world.documents.overwrite(&partition, "head", head);

    let refused = ledger(&world).commit(&partition, creating("b"), world.now()).await;

    assert!(
        matches!(refused, Err(NotCommitted::NotProven(NotProven::Violation(_)))),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_leaves_a_commit_undecided() {
    let world = World::new().await;
    world.documents.next_batches([Fault::Fails; 12]);

    let refused = ledger(&world).commit(&Partition::platform(), creating("a"), world.now()).await;

    assert!(matches!(refused, Err(NotCommitted::Undecided(_))), "{refused:?}");
}
