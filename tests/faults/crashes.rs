//! SIGKILL at the worst moments.

use airlock_tests::{Kill, LATER, Order, World, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

/// The passes of a person that work.
fn valid_passes(directory: &Value, who: &airlock_tests::Who) -> Vec<String> {
    let person = &directory["tenants"][who.tenant.to_string()]["people"][&who.name];
    let passes = person["temporaryAccessPasses"].as_array().unwrap();
    let valid = passes.iter().filter(|pass| pass["replaced"] == false);
    valid.map(|pass| pass["temporaryAccessPass"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_worker_that_dies_after_its_claim_finishes_what_it_claimed() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    control.kill_at("execute", Kill::After, "blob", "PUT", "/claims/*").await;

    let asking = harriet.ask("sessions.revoke", &nina).await;
    harriet.wait_long_for(&asking.id, "succeeded").await;

    assert_eq!(control.bitten().await, [1]);
    assert_eq!(control.processes().await["execute"]["restarts"], 1);
    world.settled().await;
    assert_eq!(control.effects().await.len(), 1);
    world.ledger(nina.tenant).await.assert_whole();
}

#[tokio::test]
async fn a_worker_that_dies_before_its_claim_or_before_its_effect_does_it_once() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;

    for (service, method, path, target) in [
        ("blob", "PUT", "/claims/*", "nina"),
        ("graph", "POST", "/v1.0/users/*/revokeSignInSessions", "oscar"),
    ] {
        control.clear_faults().await;
        control.kill_at("execute", Kill::Before, service, method, path).await;
        let before = control.effects().await.len();
        let asking = harriet.ask("sessions.revoke", &world.who(target)).await;
        harriet.wait_long_for(&asking.id, "succeeded").await;
        world.settled().await;
        assert_eq!(control.bitten().await, [1], "{service}");
        assert_eq!(control.effects().await.len(), before + 1, "{service}");
    }
    world.ledger(world.contoso()).await.assert_whole();
}

#[tokio::test]
async fn an_effect_whose_worker_died_before_saying_so_converges() {
    let world = World::start().await;
    let control = world.control();
    let sam = world.person("sam").await;
    let nina = world.who("nina");
    let path = "/v1.0/users/*/authentication/temporaryAccessPassMethods";
    control.kill_at("execute", Kill::After, "graph", "POST", path).await;

    let asking = sam.ask("tap.issue", &nina).await;
    sam.wait_long_for(&asking.id, "succeeded").await;

    assert_eq!(control.bitten().await, [1]);
    // The first pass was never seen by anyone and no longer works; the second is the one that
    // its requester sees.
    let pass = asking.open(&sam.reveal(&asking.id).await.ok());
    world.settled().await;
    assert_eq!(valid_passes(&control.directory().await, &nina), [pass]);
    assert_eq!(control.effects().await.len(), 2);
    let ledger = world.ledger(nina.tenant).await;
    ledger.assert_whole();
    assert_eq!(
        ledger.of_request(&asking.id),
        [
            "airlock.request.permitted",
            "airlock.request.claimed",
            "airlock.request.resumed",
            "airlock.request.ended",
            "airlock.request.revealed"
        ]
    );
}

#[tokio::test]
async fn an_outcome_that_was_kept_and_not_committed_is_committed_and_nothing_done_again() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    control.kill_at("execute", Kill::After, "blob", "PUT", "/claims/*.outcome").await;

    let asking = harriet.ask("sessions.revoke", &nina).await;
    harriet.wait_long_for(&asking.id, "succeeded").await;

    assert_eq!(control.bitten().await, [1]);
    world.settled().await;
    assert_eq!(control.effects().await.len(), 1);
    world.ledger(nina.tenant).await.assert_whole();
}

#[tokio::test]
async fn one_message_delivered_many_times_at_once_has_one_effect() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    control.stop("execute").await;
    let asking = harriet.ask("sessions.revoke", &nina).await;
    let message = eventually("the message", LATER, async || {
        let bus = control.bus().await;
        bus["permits-execute"]["active"][0]["body"].as_str().map(str::to_owned)
    })
    .await;
    let message = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, message).unwrap();
    for _ in 0..7 {
        control.inject("permits-execute", &Uuid::new_v4().to_string(), &message).await;
    }

    control.start("execute").await;
    harriet.wait_long_for(&asking.id, "succeeded").await;
    world.settled().await;

    assert_eq!(control.effects().await.len(), 1);
    world.ledger(nina.tenant).await.assert_whole();
}

#[tokio::test]
async fn what_intake_committed_and_did_not_send_goes_out_all_the_same() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    control.kill_at("intake", Kill::Before, "bus", "POST", "/permits-execute/messages").await;

    // The answer may be lost with the process: the request's name is known before it is sent.
    let asking = harriet.sign(&Order::of("sessions.revoke", &nina)).await;
    let call = harriet
        .call(http::Method::POST, "/api/requests")
        .json(&json!({ "request": asking.signed }));
    drop(call.send().await);
    eventually("intake died", LATER, async || (control.bitten().await == [1]).then_some(())).await;
    control.until("intake", "running").await;

    harriet.wait_long_for(&asking.id, "succeeded").await;
    world.settled().await;
    assert_eq!(control.effects().await.len(), 1);
    let left = control.documents("tenants").await;
    assert!(left.iter().all(|document| document["kind"] != "outbox"));
    world.ledger(nina.tenant).await.assert_whole();
}

#[tokio::test]
async fn a_message_that_was_sent_and_not_taken_off_the_outbox_is_carried_out_once() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    control.kill_at("intake", Kill::After, "bus", "POST", "/permits-execute/messages").await;

    let asking = harriet.sign(&Order::of("sessions.revoke", &nina)).await;
    let call = harriet
        .call(http::Method::POST, "/api/requests")
        .json(&json!({ "request": asking.signed }));
    drop(call.send().await);
    eventually("intake died", LATER, async || (control.bitten().await == [1]).then_some(())).await;
    control.until("intake", "running").await;

    harriet.wait_long_for(&asking.id, "succeeded").await;
    eventually("the outbox is empty", LATER, async || {
        let left = control.documents("tenants").await;
        left.iter().all(|document| document["kind"] != "outbox").then_some(())
    })
    .await;
    world.settled().await;
    assert_eq!(control.effects().await.len(), 1);
}
