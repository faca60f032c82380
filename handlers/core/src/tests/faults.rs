//! What the product promises when things go wrong at the worst moment.

use super::world::{CONTOSO, NINA, World};
use crate::{
    claim::{CONTAINER, Claim, RESUME_S, claim_blob},
    identity::{
        App,
        Role::{HelpdeskAgent, SeniorAgent},
    },
    jwe,
    jws::Signed,
    memory::Fault,
    ports::Blobs as _,
    reception::RequestName,
    record::LEASE_S,
};

async fn permitted(world: &World) -> String {
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap().id
}

#[tokio::test]
async fn a_message_delivered_twice_has_one_effect() {
    let world = World::new().await;
    let id = permitted(&world).await;

    assert!(world.deliver(&world.worker(), 1).await);
    assert!(world.deliver(&world.worker(), 2).await);

    assert_eq!(world.state(&id).await.0, "succeeded");
    assert_eq!(world.effects(), 1);
}

#[tokio::test]
async fn a_lost_answer_of_the_directory_is_made_good_by_a_later_attempt() {
    for fault in [Fault::Fails, Fault::LosesAnswer] {
        let world = World::new().await;
        let id = permitted(&world).await;
        world.directory.faults.lock().unwrap().push_back(fault);
        let worker = world.worker();

        assert!(world.deliver(&worker, 1).await);
        assert_eq!(world.state(&id).await.0, "executing");
        let (_, copy) = world.bus.all().pop().unwrap();
        assert!(copy.not_before.is_some(), "a scheduled copy of its own");
        assert!(world.deliver(&worker, 1).await);

        assert_eq!(world.state(&id).await.0, "succeeded");
    }
}

#[tokio::test]
async fn another_process_waits_until_the_lease_of_a_dead_one_is_over() {
    let world = World::new().await;
    let id = permitted(&world).await;
    world.directory.faults.lock().unwrap().push_back(Fault::Fails);
    assert!(world.deliver(&world.worker(), 1).await, "claimed by a process that then dies");

    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!((world.state(&id).await.0, world.effects()), ("executing", 0));

    world.pass(LEASE_S + 1).await;
    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));
}

#[tokio::test]
async fn what_was_claimed_is_finished_even_after_its_permit_and_its_message_are_gone() {
    let world = World::new().await;
    let id = permitted(&world).await;
    world.directory.faults.lock().unwrap().push_back(Fault::Fails);
    assert!(world.deliver(&world.worker(), 1).await);

    world.pass(crate::claim::RESUME_S - 60).await;
    assert_eq!(world.worker().reclaim().await.unwrap(), 1);

    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));
}

#[tokio::test]
async fn what_was_not_finished_in_time_is_unknown_and_never_tried_again() {
    let world = World::new().await;
    let id = permitted(&world).await;
    world.directory.faults.lock().unwrap().push_back(Fault::Fails);
    assert!(world.deliver(&world.worker(), 1).await);

    world.pass(crate::claim::RESUME_S + 1).await;
    assert_eq!(world.worker().reclaim().await.unwrap(), 1);

    let (state, reason) = world.state(&id).await;
    assert_eq!((state, world.effects()), ("unknown", 0));
    assert!(reason.starts_with("it was begun, and may have been done"), "{reason}");
    assert_eq!(world.worker().reclaim().await.unwrap(), 0);
}

#[tokio::test]
async fn what_was_permitted_is_done_though_its_message_is_lost() {
    let world = World::new().await;
    let id = permitted(&world).await;

    assert_eq!(world.worker().reclaim().await.unwrap(), 0, "its message is on its way");
    world.pass(LEASE_S + 1).await;
    assert_eq!(world.worker().reclaim().await.unwrap(), 1);

    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));
    assert!(world.deliver(&world.worker(), 1).await, "it comes after all");
    assert_eq!(world.effects(), 1);
}

#[tokio::test]
async fn a_permit_that_nobody_claimed_in_time_is_refused() {
    let world = World::new().await;
    let id = permitted(&world).await;

    world.pass(601).await;
    assert!(world.deliver(&world.worker(), 1).await);

    let (state, reason) = world.state(&id).await;
    assert_eq!((state, world.effects()), ("refused", 0));
    assert_eq!(reason, "the permit expired before it was carried out");
}

#[tokio::test]
async fn lost_answers_of_the_store_neither_lose_nor_double_anything() {
    for fault in [Fault::Fails, Fault::LosesAnswer, Fault::Repeats] {
        let world = World::new().await;
        world.documents.next_batches([fault]);

        let id = permitted(&world).await;
        // The claim's commit, then the outcome's.
        world.documents.next_batches([fault, fault]);
        assert!(world.deliver(&world.worker(), 1).await);

        assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1), "{fault:?}");
        assert_eq!(
            world.contoso_ledger().await,
            ["airlock.request.permitted", "airlock.request.claimed", "airlock.request.ended"],
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_database_put_back_cannot_make_a_change_happen_again() {
    let world = World::new().await;
    let id = permitted(&world).await;
    let partition = crate::ports::Partition::tenant(&world.scope(CONTOSO).await);
    let before = world.documents.all(&partition);
    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!(world.effects(), 1);

    for (document, json) in before {
        world.documents.overwrite(&partition, &document, json);
    }
    for leaf in 2..4 {
        world.documents.forget(&partition, &crate::ledger::commit::leaf_id(0, leaf));
    }
    assert_eq!(world.state(&id).await.0, "permitted", "the database has forgotten");
    // The claim is found by creating it; then a copy of the message looks at what is kept.
    assert!(world.deliver(&world.worker(), 1).await);
    assert!(world.deliver(&world.worker(), 1).await);

    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));
}

#[tokio::test(start_paused = true)]
async fn a_secret_survives_a_crash_between_the_kept_outcome_and_its_commit() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
    let id = world.submit(&sam, &world.ask(&sam, "tap.issue", NINA)).await.unwrap().id;
    // Claim committed, outcome's commit fails in all its attempts.
    world.documents.next_batches([Fault::None]);
    world.documents.next_batches([Fault::Fails; 12]);
    assert!(!world.deliver(&world.worker(), 1).await);

    world.pass(LEASE_S + 1).await;
    assert!(world.deliver(&world.worker(), 2).await);

    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));
    let name = RequestName::parse(&id).unwrap();
    let result = world.reception.reveal(&sam.caller, name, None).await.unwrap();
    assert_eq!(jwe::open(&result, &sam.reveal).unwrap().expose(), "Pass-1234");
}

#[tokio::test(start_paused = true)]
async fn the_last_delivery_leaves_a_leaf_before_the_broker_buries_the_message() {
    let world = World::new().await;
    permitted(&world).await;
    world.documents.next_batches([Fault::Fails; 12]);

    assert!(!world.deliver(&world.worker(), 10).await);

    let platform = world.ledger(&crate::ports::Partition::platform()).await;
    assert_eq!(platform, ["airlock.message.undeliverable"]);
}

#[tokio::test]
async fn one_process_does_not_make_a_change_twice_at_once() {
    let world = World::new().await;
    let id = permitted(&world).await;
    let worker = world.worker();

    let (one, other) = tokio::join!(world.deliver(&worker, 1), world.deliver(&worker, 1));
    assert!(one && other);

    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));
}

#[tokio::test]
async fn a_violation_leaves_an_event_for_whoever_watches() {
    let world = World::new().await;

    assert!(world.worker().handle(b"{}", 1, None).await.is_ok());

    let partition = crate::ports::Partition::platform();
    assert_eq!(world.ledger(&partition).await, ["airlock.integrity.violation"]);
    let ports = world.ports(crate::identity::App::Intake);
    let trust = world.trust().await;
    assert_eq!(crate::outbox::drain(&ports, &trust, &partition).await.unwrap().sent, 1);
    let (queue, event) = world.bus.all().pop().unwrap();
    let event: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
    assert_eq!(queue, "events");
    assert_eq!(event["type"], "airlock.integrity.violation");
    assert_eq!(event["data"]["reason"], "the message is not a permitted change");
}

#[tokio::test]
async fn what_may_have_been_done_never_ends_as_refused() {
    // Carried out, its answer lost; then the requester's sessions are revoked.
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let id = world.submit(&harriet, &ask).await.unwrap().id;
    world.directory.faults.lock().unwrap().push_back(Fault::LosesAnswer);
    let worker = world.worker();
    assert!(world.deliver(&worker, 1).await);
    world.clock.advance_s(1);
    world.revoke(&harriet).await;

    assert!(world.deliver(&worker, 1).await);

    let (state, reason) = world.state(&id).await;
    assert_eq!((state, world.effects()), ("unknown", 1));
    assert!(reason.contains("was revoked"), "{reason}");
}

#[tokio::test]
async fn an_outcome_that_was_kept_cannot_be_replaced_by_putting_the_database_back() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let id = world.submit(&harriet, &ask).await.unwrap().id;
    let partition = crate::ports::Partition::tenant(&world.scope(CONTOSO).await);
    let before = world.documents.all(&partition);
    assert!(world.deliver(&world.worker(), 1).await);
    world.clock.advance_s(1);
    world.revoke(&harriet).await;
    let request = format!("request-{}", id.split_once('.').unwrap().1);
    world.documents.overwrite(&partition, &request, before[&request].clone());

    // A first delivery would refuse, and finds that somebody has claimed it; so it looks.
    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!(world.state(&id).await.0, "permitted");
    assert!(world.deliver(&world.worker(), 1).await);

    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));
}

/// What another worker process has kept as its claim of the last request that was permitted.
async fn claimed_elsewhere(world: &World, void: bool) {
    let change = world.last_change();
    let permit = change.permit.verify(world.key_of(App::Intake).key(), world.now()).unwrap();
    let [detail] = &permit.authorization_details;
    let claim = Claim {
        iss: App::Execute,
        tnt: CONTOSO,
        req: permit.req,
        jti: permit.jti,
        op_hash: detail.op_hash,
        iat: world.now(),
        resume_until: if void { world.now() } else { world.now().plus_s(RESUME_S) },
        void,
        concerned: None,
    };
    let claim = Signed::sign(&claim, world.key_of(App::Execute)).await.unwrap();
    let name = claim_blob(CONTOSO, permit.req);
    world.blobs.create(CONTAINER, &name, claim.as_str().as_bytes()).await.unwrap();
}

#[tokio::test]
async fn nobody_begins_what_another_process_is_about_to_refuse() {
    let world = World::new().await;
    let id = permitted(&world).await;
    // It has barred the request, and was killed before it said why.
    claimed_elsewhere(&world, true).await;

    for delivery in 1..=2 {
        assert!(world.deliver(&world.worker(), delivery).await);
        assert_eq!(world.effects(), 0);
    }

    assert_eq!(world.state(&id).await, ("refused", "it was refused before".to_owned()));
}

#[tokio::test]
async fn nobody_refuses_what_another_process_is_about_to_do() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let id = world.submit(&harriet, &ask).await.unwrap().id;
    // It has claimed the request, and not committed that yet. Then her sessions are revoked.
    claimed_elsewhere(&world, false).await;
    world.clock.advance_s(1);
    world.revoke(&harriet).await;

    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!(world.state(&id).await.0, "permitted", "left to whoever has claimed it");
    assert!(world.deliver(&world.worker(), 2).await);

    // By now nobody can tell any more whether it was done.
    assert_eq!(world.state(&id).await.0, "unknown");
    assert_eq!(world.effects(), 0);
}

#[tokio::test]
async fn what_somebody_else_put_into_the_outbox_is_not_sent() {
    let world = World::new().await;
    let id = permitted(&world).await;
    let partition = crate::ports::Partition::tenant(&world.scope(CONTOSO).await);
    let ports = world.ports(App::Intake);
    let trust = world.trust().await;
    let sent = world.bus.all().len();
    let document = "outbox-forged";
    let forge = |change: &dyn Fn(&mut serde_json::Value)| {
        let request = format!("request-{}", id.split_once('.').unwrap().1);
        let statement = world.documents.all(&partition)[&request]["statement"].clone();
        let mut json = serde_json::json!({
            "id": document, "tenant": CONTOSO, "kind": "outbox", "at": 0,
            "queue": "permits-execute", "message": "forged", "body": "{}",
            "statement": statement,
        });
        change(&mut json);
        world.documents.overwrite(&partition, document, json);
    };
    let changes: [&dyn Fn(&mut serde_json::Value); 4] = [
        &|_| {},
        &|json| json["queue"] = "events".into(),
        &|json| drop(json.as_object_mut().unwrap().remove("statement")),
        &|json| json["statement"] = "a.b.c".into(),
    ];
    for change in changes {
        forge(change);
        let drained = crate::outbox::drain(&ports, &trust, &partition).await.unwrap();
        assert_eq!((drained.sent, drained.forged), (0, 1));
    }
    assert_eq!(world.bus.all().len(), sent);
    assert!(world.documents.all(&partition).contains_key(document), "kept as evidence");
}

#[tokio::test]
async fn what_the_directory_confirmed_is_not_done_again_because_its_outcome_could_not_be_kept() {
    for fault in [Fault::Fails, Fault::LosesAnswer, Fault::Repeats] {
        let world = World::new().await;
        let id = permitted(&world).await;
        let worker = world.worker();
        // The claim is created, the outcome is not, or its answer is lost.
        world.blobs.next_creations([Fault::None, fault]);

        let first = world.deliver(&worker, 1).await;
        let second = world.deliver(&worker, 2).await;

        assert_eq!(first, fault == Fault::Repeats, "{fault:?}");
        assert!(second, "{fault:?}");
        assert_eq!(world.state(&id).await.0, "succeeded", "{fault:?}");
        assert_eq!(world.effects(), 1, "{fault:?}");
    }
}
