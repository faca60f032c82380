//! What a flood of violations leaves in the ledger: enough to see it, and not more.

use super::world::{CONTOSO, NINA, World};
use crate::{
    execution::Worker,
    identity::Role::HelpdeskAgent,
    permit::PermittedChange,
    ports::Partition,
    reception::RequestName,
    record::document_id,
    violation::{MORE, MORE_S, MOST_IN_AN_HOUR},
};

/// A permitted request that the owner of the database has taken away.
struct Missing {
    world: World,
    tenant: Partition,
    /// The genuine message, which the owner of the bus delivers as often as they like.
    message: Vec<u8>,
    id: String,
    document: serde_json::Value,
}

impl Missing {
    async fn in_contoso() -> Self {
        let world = World::new().await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let ask = world.ask(&harriet, "sessions.revoke", NINA);
        let id = world.submit(&harriet, &ask).await.unwrap().id;
        let message = serde_json::to_vec::<PermittedChange>(&world.last_change()).unwrap();
        let tenant = Partition::tenant(&world.scope(CONTOSO).await);
        let stored = document_id(RequestName::parse(&id).unwrap().digest);
        let document = world.documents.all(&tenant)[&stored].clone();
        world.documents.forget(&tenant, &stored);
        Self { world, tenant, message, id, document }
    }

    async fn flood(&self, worker: &Worker, times: u32) {
        for _ in 0..times {
            assert!(worker.handle(&self.message, 1, None).await.is_ok());
        }
        assert_eq!(self.world.effects(), 0);
    }

    /// Leaves and events of violations; and how many of the leaves say that there are more.
    async fn recorded(&self, partition: &Partition) -> (usize, usize, usize) {
        let leaves = self.world.ledger(partition).await;
        let leaves = leaves.iter().filter(|leaf| *leaf == "airlock.integrity.violation").count();
        let documents = self.world.documents.all(partition);
        let of_kind = |kind: &str| -> Vec<String> {
            let found = documents.values().filter(|document| document["kind"] == kind);
            found.map(ToString::to_string).collect()
        };
        let events = of_kind("outbox");
        let events = events.iter().filter(|event| event.contains("airlock.integrity.violation"));
        let more = of_kind("outbox").iter().filter(|event| event.contains(MORE)).count();
        (leaves, events.count(), more)
    }
}

const MOST: usize = MOST_IN_AN_HOUR as usize;

#[tokio::test]
async fn a_flood_is_recorded_one_by_one_up_to_a_bound_and_then_as_a_flood() {
    let missing = Missing::in_contoso().await;
    let worker = missing.world.worker();

    missing.flood(&worker, MOST_IN_AN_HOUR).await;
    assert_eq!(missing.recorded(&missing.tenant).await, (MOST, MOST, 0));
    missing.flood(&worker, 200).await;
    assert_eq!(missing.recorded(&missing.tenant).await, (MOST + 1, MOST + 1, 1));
    missing.world.pass(MORE_S).await;
    missing.flood(&worker, 200).await;
    assert_eq!(missing.recorded(&missing.tenant).await, (MOST + 2, MOST + 2, 2));

    // The next hour begins anew.
    missing.world.pass(3600).await;
    missing.flood(&worker, MOST_IN_AN_HOUR).await;
    assert_eq!(missing.recorded(&missing.tenant).await, (2 * MOST + 2, 2 * MOST + 2, 2));
}

#[tokio::test]
async fn all_processes_share_the_bound_and_a_counter_that_was_set_silences_none() {
    let missing = Missing::in_contoso().await;
    let [one, other] = [missing.world.worker(), missing.world.worker()];
    missing.flood(&one, MOST_IN_AN_HOUR / 2).await;
    missing.flood(&other, MOST_IN_AN_HOUR).await;
    missing.flood(&one, 1).await;
    assert_eq!(missing.recorded(&missing.tenant).await, (MOST + 2, MOST + 2, 2));

    // Whoever owns the database makes of it what it is at the end of a flood.
    let quiet = Missing::in_contoso().await;
    let worker = quiet.world.worker();
    quiet.flood(&worker, 1).await;
    let mut counter = quiet.world.documents.all(&quiet.tenant)["counter-violations"].clone();
    counter["count"] = u32::MAX.into();
    quiet.world.documents.overwrite(&quiet.tenant, "counter-violations", counter);
    quiet.flood(&quiet.world.worker(), 3).await;
    assert_eq!(quiet.recorded(&quiet.tenant).await, (2, 2, 1));
}

#[tokio::test]
async fn strangers_fill_the_platforms_ledger_no_further_and_no_tenants() {
    let missing = Missing::in_contoso().await;
    let worker = missing.world.worker();

    for _ in 0..200 {
        assert!(worker.handle(b"{}", 1, None).await.is_ok());
    }

    let platform = Partition::platform();
    assert_eq!(missing.recorded(&platform).await, (MOST + 1, MOST + 1, 1));
    assert_eq!(missing.recorded(&missing.tenant).await, (0, 0, 0));
    missing.flood(&worker, 1).await;
    assert_eq!(missing.recorded(&missing.tenant).await, (1, 1, 0));
}

#[tokio::test]
async fn what_is_genuine_is_carried_out_in_the_middle_of_a_flood_and_what_is_not_is_refused() {
    let missing = Missing::in_contoso().await;
    let Missing { world, tenant, id, document, message } = &missing;
    let worker = world.worker();
    missing.flood(&worker, 100).await;
    let before = missing.recorded(tenant).await;
    let stored = document["id"].as_str().unwrap();

    // Spoiled, it is refused as before, and nothing more is said of it.
    let mut spoiled = document.clone();
    spoiled["sealed"]["iv"] = "AAAAAAAAAAAAAAAA".into();
    world.documents.overwrite(tenant, stored, spoiled);
    missing.flood(&worker, 3).await;
    assert_eq!(missing.recorded(tenant).await, before);

    world.documents.overwrite(tenant, stored, document.clone());
    assert!(worker.handle(message, 1, None).await.is_ok());
    assert_eq!((world.state(id).await.0, world.effects()), ("succeeded", 1));
}
