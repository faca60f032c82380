//! Erasing a person, by the admin root's order and by nothing else.

use super::world::{CONTOSO, Client, FABRIKAM, NINA, SVEN, World};
use crate::{
    ask::MAX_LIFETIME_S,
    decision::Verdict,
    erasure::{ORDERED_S, StoredOrder},
    identity::{
        App, ObjectId, PersonId,
        Role::{Approver, HelpdeskAgent, SeniorAgent},
    },
    jws::Signed,
    ledger::{Frontier, commit::StoredLeaf, merkle::leaf_hash},
    memory::Fault,
    ports::{Documents as _, Partition, Query},
    reception::{Erased, NotReceived, RequestName, erasing::PAUSE_S},
    record::{REVEAL_S, document_id},
    time::LEEWAY_S,
};

fn done(requests: usize) -> Erased {
    Erased { requests, waiting: 0, orders: 1, refused: 0 }
}

fn waits(waiting: usize) -> Erased {
    Erased { requests: 0, waiting, orders: 0, refused: 0 }
}

async fn partition(world: &World) -> Partition {
    Partition::tenant(&world.scope(CONTOSO).await)
}

/// A request of this person's that is done.
async fn ended(world: &World, client: &Client, target: ObjectId) -> RequestName {
    let view = world.submit(client, &world.ask(client, "sessions.revoke", target)).await.unwrap();
    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!(world.state(&view.id).await.0, "succeeded");
    RequestName::parse(&view.id).unwrap()
}

/// Orders a person to be erased from Contoso.
async fn order(world: &World, person: PersonId) -> StoredOrder {
    let order = world.order_to_erase(CONTOSO, person).await;
    world.put_order(CONTOSO, &order);
    order
}

async fn stored(world: &World, name: RequestName) -> serde_json::Value {
    world.documents.all(&partition(world).await)[&document_id(name.digest)].clone()
}

/// Every leaf verifies and is where it was, and the head is their root.
async fn assert_whole(world: &World) -> usize {
    let partition = partition(world).await;
    let query = Query { kind: "leaf", equals: None, not_after: None, limit: 10_000 };
    let mut leaves = world.documents.query(&partition, &query).await.unwrap();
    leaves.reverse();
    let trust = world.trust().await;
    let mut tree = Frontier::empty();
    for leaf in &leaves {
        let leaf: StoredLeaf = serde_json::from_value(leaf.json.clone()).unwrap();
        assert!(trust.open(&leaf.statement, world.now()).is_ok());
        tree.push(leaf_hash(leaf.statement.as_str().as_bytes()));
    }
    let head = world.documents.all(&partition)["head"]["root"].clone();
    assert_eq!(head, serde_json::to_value(tree.root()).unwrap());
    leaves.len()
}

#[tokio::test]
async fn whoever_asked_decided_or_was_changed_is_erased_and_the_ledger_still_verifies() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    let april = world.sign_in(CONTOSO, 3, &[Approver]).await;
    let view = world.submit(&harriet, &world.ask(&harriet, "account.disable", SVEN)).await.unwrap();
    world.decide(&april, &view.id, Verdict::Deny).await.unwrap();
    let decided = RequestName::parse(&view.id).unwrap();
    let asked = ended(&world, &sam, NINA).await;
    let about = PersonId { tid: CONTOSO, oid: NINA };
    let leaves = assert_whole(&world).await;

    for (person, name) in [(april.id(), decided), (about, asked)] {
        order(&world, person).await;

        assert_eq!(world.reception.erase_ordered().await.unwrap(), done(1));

        let shown = world.reception.show(&sam.caller, name).await;
        assert!(matches!(shown, Err(NotReceived::Erased)));
        let erased = stored(&world, name).await;
        for member in ["body", "salt", "sealed", "hint"] {
            assert!(erased.get(member).is_none(), "{member}");
        }
        let text = erased.to_string();
        assert!(!text.contains(&person.oid.to_string()));
    }
    // Two tombstones and two orders that are done.
    assert_eq!(assert_whole(&world).await, leaves + 4);
    assert!(world.reception.list(&sam.caller, CONTOSO, None).await.unwrap().is_empty());
    assert_eq!(world.reception.erase_ordered().await.unwrap(), Erased::default());
}

#[tokio::test]
async fn requests_of_others_stay_and_one_that_has_not_ended_waits() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    let april = world.sign_in(CONTOSO, 3, &[Approver]).await;
    let other = ended(&world, &sam, SVEN).await;
    let pending =
        world.submit(&harriet, &world.ask(&harriet, "account.disable", NINA)).await.unwrap();
    order(&world, harriet.id()).await;

    assert_eq!(world.reception.erase_ordered().await.unwrap(), waits(1));
    assert_eq!(world.state(&pending.id).await.0, "pending");

    world.decide(&april, &pending.id, Verdict::Deny).await.unwrap();
    // Every look reads everything, so the process that looked leaves it alone for a while.
    world.pass(PAUSE_S - 1).await;
    assert_eq!(world.reception.erase_ordered().await.unwrap(), Erased::default());
    world.clock.advance_s(1);
    assert_eq!(world.reception.erase_ordered().await.unwrap(), done(1));
    let shown = world.reception.show(&sam.caller, other).await.unwrap();
    assert_eq!(shown.view.state, "succeeded");
}

#[tokio::test]
async fn what_is_asked_after_the_order_is_not_forgotten_by_it() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    // It keeps the order open.
    world.submit(&harriet, &world.ask(&harriet, "account.disable", NINA)).await.unwrap();
    order(&world, PersonId { tid: CONTOSO, oid: NINA }).await;

    world.clock.advance_s(1);
    let later = ended(&world, &sam, NINA).await;

    assert_eq!(world.reception.erase_ordered().await.unwrap(), waits(1));
    assert_eq!(world.reception.show(&sam.caller, later).await.unwrap().view.state, "succeeded");
}

#[tokio::test]
async fn a_request_that_nobody_decided_in_time_is_erased_and_a_result_that_may_be_seen_is_not() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    world.submit(&harriet, &world.ask(&harriet, "account.disable", SVEN)).await.unwrap();
    let pass = world.submit(&sam, &world.ask(&sam, "tap.issue", NINA)).await.unwrap();
    assert!(world.deliver_permit(&world.worker()).await);
    assert_eq!(world.state(&pass.id).await.0, "succeeded");
    for oid in [NINA, SVEN] {
        order(&world, PersonId { tid: CONTOSO, oid }).await;
    }

    assert_eq!(world.reception.erase_ordered().await.unwrap(), waits(2));
    world.pass(REVEAL_S + 1).await;
    let one_waits = Erased { requests: 1, waiting: 1, orders: 1, refused: 0 };
    assert_eq!(world.desk().erase_ordered().await.unwrap(), one_waits);
    // Nobody who reads the ledger knows how long it may wait, but that it is a day at the most.
    world.pass(3600 + LEEWAY_S).await;
    assert_eq!(world.desk().erase_ordered().await.unwrap(), waits(1));
    world.pass(MAX_LIFETIME_S).await;
    assert_eq!(world.desk().erase_ordered().await.unwrap(), done(1));
}

#[tokio::test]
async fn nobody_but_the_root_orders_and_only_about_whom_it_names_while_its_time_lasts() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    let name = ended(&world, &harriet, NINA).await;
    let before = stored(&world, name).await;
    let genuine = world.order_to_erase(CONTOSO, sam.id()).await;
    let intake = world.key_of(App::Intake);
    let opened = genuine.order.verify(&world.root_key(), world.now()).unwrap();

    let by_intake = StoredOrder {
        order: Signed::sign(opened.value(), intake).await.unwrap(),
        ..genuine.clone()
    };
    // The root's order about Sam, used against Harriet.
    let about_another = StoredOrder { person: harriet.id(), ..genuine.clone() };
    let elsewhere = world.order_to_erase(FABRIKAM, harriet.id()).await;
    let refused = Erased { refused: 1, ..Erased::default() };
    for forged in [by_intake, about_another, elsewhere] {
        world.put_order(CONTOSO, &forged);
        assert_eq!(world.reception.erase_ordered().await.unwrap(), refused);
        world.documents.forget(&Partition::bindings(CONTOSO), &forged.id);
    }
    order(&world, harriet.id()).await;
    world.pass(ORDERED_S).await;
    assert_eq!(world.reception.erase_ordered().await.unwrap(), refused);

    assert_eq!(stored(&world, name).await, before);
}

#[tokio::test]
async fn what_is_gone_without_an_order_is_a_violation() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    let (first, second) = (ended(&world, &sam, NINA).await, ended(&world, &harriet, SVEN).await);
    order(&world, sam.id()).await;
    assert_eq!(world.reception.erase_ordered().await.unwrap(), done(1));
    let erased = stored(&world, first).await;
    let genuine = stored(&world, second).await;
    let partition = partition(&world).await;
    let id = document_id(second.digest);

    // The order alone; with the statement of the other's erasure; the other's document.
    let mut order_alone = genuine.clone();
    order_alone.as_object_mut().unwrap().remove("sealed");
    order_alone["erased"] = erased["erased"].clone();
    let mut with_statement = order_alone.clone();
    with_statement["statement"] = erased["statement"].clone();
    let mut renamed = erased.clone();
    renamed["id"] = id.clone().into();
    for forged in [order_alone, with_statement, renamed] {
        world.documents.overwrite(&partition, &id, forged);
        let shown = world.reception.show(&harriet.caller, second).await;
        assert!(matches!(shown, Err(NotReceived::Violation(_))));
    }
}

#[tokio::test]
async fn an_erased_request_is_not_carried_out_again() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let view = world.submit(&harriet, &ask).await.unwrap();
    assert!(world.deliver(&world.worker(), 1).await);
    order(&world, harriet.id()).await;
    assert_eq!(world.reception.erase_ordered().await.unwrap(), done(1));
    let ledger = world.contoso_ledger().await;

    let again = world.submit(&harriet, &ask).await;
    assert!(world.deliver(&world.worker(), 2).await);

    assert!(matches!(again, Err(NotReceived::Erased)), "{again:?}");
    assert_eq!((world.effects(), world.contoso_ledger().await), (1, ledger));
    let name = RequestName::parse(&view.id).unwrap();
    assert!(stored(&world, name).await.get("erased").is_some());
}

#[tokio::test]
async fn an_erasure_whose_answer_was_lost_or_that_failed_is_finished_by_the_next_round() {
    for fault in [Fault::Fails, Fault::LosesAnswer, Fault::Repeats] {
        let world = World::new().await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let names = [ended(&world, &harriet, NINA).await, ended(&world, &harriet, SVEN).await];
        order(&world, harriet.id()).await;
        world.documents.next_batches([fault]);

        // What one round cannot do is left, and said in the log.
        let first = world.reception.erase_ordered().await.unwrap();
        let second = world.desk().erase_ordered().await.unwrap();

        assert_eq!(first.requests + second.requests, 2, "{fault:?}");
        assert_eq!(first.orders + second.orders, 1, "{fault:?}");
        for name in names {
            assert!(stored(&world, name).await.get("erased").is_some());
        }
        assert_whole(&world).await;
    }
}

#[tokio::test]
async fn more_requests_of_one_second_than_a_page_holds_are_all_found() {
    let world = World::new().await;
    world.change_terms(CONTOSO, |terms| terms.quotas.caller = 1000).await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    for _ in 0..210 {
        let ask = world.ask(&harriet, "account.disable", NINA);
        let view = world.submit(&harriet, &ask).await.unwrap();
        world.decide(&harriet, &view.id, Verdict::Withdraw).await.unwrap();
    }
    order(&world, harriet.id()).await;

    assert_eq!(world.reception.erase_ordered().await.unwrap(), done(210));
}
