//! Once: whatever is repeated, and whatever the database is put back to.

use airlock_core::{
    ask::RequestEvidence,
    claim::{CONTAINER, claim_blob, outcome_blob},
    jws::Signed,
    permit::PermittedChange,
    record::Record,
};
use airlock_tests::{Asking, Desk, Forger, World, twin};
use serde_json::{Value, json};
use uuid::Uuid;

/// The message with which a stored request was sent.
async fn message_of(world: &World, asking: &Asking) -> Vec<u8> {
    let stored = world.stored_request(&asking.id).await.expect("it is stored");
    let record: Record = serde_json::from_value(stored).unwrap();
    let change = PermittedChange { attempt: 0, permit: record.permit.expect("it is permitted") };
    serde_json::to_vec(&change).unwrap()
}

/// Injects a message under a name that the broker has not seen, and waits until it is gone.
async fn deliver(world: &World, body: &[u8]) {
    let id = Uuid::new_v4().to_string();
    world.control().inject("permits-execute", &id, body).await;
    world.settled().await;
}

#[tokio::test]
async fn a_signed_request_is_one_request_however_often_it_is_sent() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");

    let asking = harriet.ask("sessions.revoke", &nina).await;
    let at_once = harriet.submit(&asking).await.ok();
    harriet.wait_for(&asking.id, "succeeded").await;
    let later = harriet.submit(&asking).await.ok();
    // The same words and the same key: the twin of the signature names the same request.
    let mut again = asking.clone();
    again.signed = Signed::parse(twin(asking.signed.as_str())).unwrap();
    let twin = harriet.submit(&again).await;

    assert_eq!(at_once["id"], asking.id);
    assert_eq!(later["state"], "succeeded");
    assert!(
        twin.status == 202 && twin.json["id"] == asking.id || twin.status == 401,
        "{}",
        twin.text
    );
    world.settled().await;
    assert_eq!(world.control().effects().await.len(), 1);
    world.ledger(nina.tenant).await.assert_whole();
}

#[tokio::test]
async fn an_idempotency_key_names_one_request_of_one_person() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let sam = world.person("sam").await;
    let nina = world.who("nina");
    let order = airlock_tests::Order::of("sessions.revoke", &nina);
    let send = async |person: &airlock_tests::Person, asking: &Asking| {
        let call = person
            .call(http::Method::POST, "/api/requests")
            .header("idempotency-key", "ticket-4711")
            .json(&json!({ "request": asking.signed }));
        airlock_tests::Answer::to(call).await
    };

    let first = harriet.sign(&order).await;
    let second = harriet.sign(&order).await;
    let sams = sam.sign(&order).await;

    assert_eq!(send(&harriet, &first).await.status, 202);
    assert_eq!(send(&harriet, &first).await.ok()["id"], first.id);
    send(&harriet, &second).await.assert_problem("idempotency-key-reused");
    assert_eq!(send(&sam, &sams).await.status, 202);
    assert!(world.stored_request(&second.id).await.is_none());
}

#[tokio::test]
async fn a_request_is_carried_out_once_even_if_the_database_is_put_back() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    let partition = nina.tenant.to_string();

    // As it was before the request, and when it was permitted and not begun.
    let warm = harriet.ask("sessions.revoke", &world.who("oscar")).await;
    harriet.wait_for(&warm.id, "succeeded").await;
    let empty = control.partition("tenants", &partition).await;
    control.stop("execute").await;
    let asking = harriet.ask("sessions.revoke", &nina).await;
    let permitted = control.partition("tenants", &partition).await;
    let message = message_of(&world, &asking).await;
    control.start("execute").await;
    harriet.wait_for(&asking.id, "succeeded").await;
    world.settled().await;
    let effects = control.effects().await.len();
    assert_eq!(effects, 2);

    // The same message again changes nothing.
    deliver(&world, &message).await;
    assert_eq!(control.effects().await.len(), effects);

    // Put back to "permitted", which was sealed over since: the worker has seen more, and does
    // nothing on top of less.
    world.recorded().await;
    world.quiet().await;
    let whole = control.partition("tenants", &partition).await;
    control.put_back("tenants", &partition, &permitted).await;
    let stand = world.before().await;
    control.inject("permits-execute", &Uuid::new_v4().to_string(), &message).await;
    let leaf = world.refused_since(&stand).await;
    assert_eq!((leaf.reason(), leaf.is_violation()), ("a ledger is not what was sealed", true));

    // Nor do processes that have seen nothing of it: what was anchored tells them.
    let another = airlock_tests::Order::of("sessions.revoke", &nina);
    for state in [&permitted, &empty] {
        for app in ["execute", "intake"] {
            control.stop(app).await;
        }
        control.put_back("tenants", &partition, state).await;
        for app in ["execute", "intake"] {
            control.start(app).await;
        }
        let stand = world.before().await;
        control.inject("permits-execute", &Uuid::new_v4().to_string(), &message).await;
        let leaf = world.refused_since(&stand).await;
        assert_eq!((leaf.reason(), leaf.is_violation()), ("a ledger is not what was sealed", true));
        harriet.submit(&harriet.sign(&another).await).await.assert_problem("integrity");
        let leaves = world.ledger(nina.tenant).await.leaves().len();
        assert_eq!(leaves, stand.leaves_of(&partition), "nothing was written there");
    }

    // `drift` stops the tenant. By order of the root it goes on from what was put back: the claim
    // and the outcome are remembered elsewhere, whatever the database says.
    assert_eq!(
        world.refused_a_seal(&partition).await,
        "the tree is smaller than what was anchored"
    );
    assert!(whole.len() > empty.len());
    control.put_back("tenants", &partition, &permitted).await;
    Desk::of(&world).recover(&partition, "the database was put back").await;
    // A later attempt's copy: the broker has seen those that the worker sent itself meanwhile.
    let mut later: PermittedChange = serde_json::from_slice(&message).unwrap();
    later.attempt = 9;
    deliver(&world, &serde_json::to_vec(&later).unwrap()).await;
    let again = harriet.submit(&asking).await;
    assert_eq!(again.status, 202, "{}", again.text);
    harriet.wait_for(&asking.id, "succeeded").await;
    world.settled().await;
    assert_eq!(control.effects().await.len(), effects);
}

#[tokio::test]
async fn the_twin_of_a_used_request_is_the_used_request() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    let asking = harriet.ask("sessions.revoke", &nina).await;
    harriet.wait_for(&asking.id, "succeeded").await;
    world.settled().await;
    let blobs = world.control().blobs().await;
    let effects = world.control().effects().await.len();

    // Intake's key makes a fresh request of it, with a permit that was never used.
    let request = Signed::parse(twin(asking.signed.as_str())).unwrap();
    let person = forger.evidence_of(&harriet).await;
    let evidence = RequestEvidence::Proven { request, person };
    let fake = forger.forge(evidence, Vec::new()).await;
    let before = world.before().await;
    forger.deliver(&fake).await;
    let leaf = world.refused_since(&before).await;

    assert_eq!(leaf.says["data"]["request"], asking.digest().to_string());
    assert_eq!(world.control().effects().await.len(), effects);
    // The claim and the outcome are the first ones, byte for byte.
    let after = world.control().blobs().await;
    for name in
        [claim_blob(nina.tenant, asking.digest()), outcome_blob(nina.tenant, asking.digest())]
    {
        let of = |blobs: &Value| blobs["blobs"][CONTAINER][&name]["body"].clone();
        assert!(of(&blobs).is_string(), "{name}");
        assert_eq!(of(&blobs), of(&after));
    }
}
