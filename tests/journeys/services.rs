//! Callers that are no people: a service with a token of its own issuer, a producer with a signed
//! event.

use airlock_core::claim::{CONTAINER, slot_blob};
use airlock_tests::{Producer, SOON, Service, World, eventually, now, request_of, service_ask};

#[tokio::test]
async fn a_service_gets_done_what_its_binding_lists_and_its_token_names() {
    let world = World::start().await;
    let service = Service::new(&world, "hr-system");
    let nina = world.who("nina");
    let ask = service_ask("sessions.revoke", &nina, nina.tenant);
    let token = service.token().await;

    let answer = world.ask_with(&token, Some("leaver-17"), &ask).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let id = answer.json["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.json["requester"], "service:hr-system");

    // The same key is how a service learns what became of it, with another token too.
    let ended = eventually("the request has ended", SOON, async || {
        let again = world.ask_with(&service.token().await, Some("leaver-17"), &ask).await.ok();
        assert_eq!(again["id"], id.as_str());
        (again["state"] == "succeeded").then_some(again)
    })
    .await;
    assert_eq!(ended["outcome"]["ending"], "succeeded");

    let effects = world.control().effects().await;
    assert_eq!(effects.len(), 1, "{effects:#?}");
    assert_eq!(effects[0]["user"], nina.object.to_string());
    let ledger = world.ledger(nina.tenant).await;
    ledger.assert_whole();
    let story = ["airlock.request.permitted", "airlock.request.claimed", "airlock.request.ended"];
    assert_eq!(ledger.of_request(&id), story);
    let blobs = world.control().blobs().await;
    let slot = slot_blob(nina.tenant, "hr-system", now(), 0);
    assert!(blobs["blobs"][CONTAINER][&slot].is_object(), "the worker counted it: {slot}");
    // Whoever oversees the tenant sees who asked.
    let seen = world.person("audrey").await.show(&id).await.ok();
    assert_eq!(seen["requester"], "service:hr-system");
}

#[tokio::test]
async fn the_issuers_keys_are_fetched_once_for_many_requests() {
    let world = World::start().await;
    let service = Service::new(&world, "hr-system");
    let nina = world.who("nina");

    for key in ["1", "2", "3"] {
        let ask = service_ask("sessions.revoke", &nina, nina.tenant);
        let answer = world.ask_with(&service.token().await, Some(key), &ask).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
    }

    let calls = world.control().calls().await;
    let asked = calls.iter().filter(|call| call["service"] == "issuer").count();
    assert_eq!(asked, 2, "discovery and keys, once");
}

#[tokio::test]
async fn an_event_makes_one_request_however_often_it_is_delivered() {
    let world = World::start().await;
    let siem = Producer::siem(&world);
    let nina = world.who("nina");
    let audrey = world.person("audrey").await;
    let event = siem.sign(&siem.event("alert-7", "sessions.revoke", &nina, nina.tenant)).await;
    let id = request_of(&event, nina.tenant);

    for _ in 0..3 {
        world.deliver_event(event.as_str()).await;
    }
    let ended = eventually("the request has ended", SOON, async || {
        let answer = audrey.show(&id).await;
        (answer.status == 200 && answer.json["state"] == "succeeded").then_some(answer.json)
    })
    .await;
    world.events_settled().await;
    world.settled().await;

    assert_eq!(ended["requester"], "producer:siem");
    assert_eq!(world.control().effects().await.len(), 1);
    assert_eq!(world.dead_events().await, Vec::<serde_json::Value>::new());
    let ledger = world.ledger(nina.tenant).await;
    ledger.assert_whole();
    let story = ["airlock.request.permitted", "airlock.request.claimed", "airlock.request.ended"];
    assert_eq!(ledger.of_request(&id), story);
}
