//! Events that no producer of ours has signed, or not so.

use airlock_core::{
    ask::RequestEvidence, base64url, digest::Digest, identity::TenantId, jws::Signed,
    ports::Signer as _, producer::Event,
};
use airlock_tests::{
    Desk, EVENTS_IN, Forger, LATER, Producer, SOON, World, client_key, eventually, request_of,
    spoiled,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::forged::refused;

/// Delivers what must not be taken, and makes sure that it ends among the dead letters as it came.
async fn dead_letters(world: &World, bodies: &[(&str, String)]) {
    let before = world.stored().await;
    let mut sent = Vec::new();
    for (what, body) in bodies {
        sent.push((*what, body, world.deliver_event(body).await));
    }
    let dead = eventually("all of them are dead letters", LATER, async || {
        let dead = world.dead_events().await;
        (dead.len() >= sent.len()).then_some(dead)
    })
    .await;

    assert_eq!(dead.len(), sent.len());
    for (what, body, id) in sent {
        let letter = dead.iter().find(|letter| letter["message_id"] == id.as_str());
        assert!(letter.is_some(), "{what} is no dead letter");
        let Some(letter) = letter else { continue };
        let kept = STANDARD.decode(letter["body"].as_str().unwrap()).unwrap();
        assert_eq!(kept, body.as_bytes(), "{what}");
        assert_eq!(letter["reason"], "MaxDeliveryCountExceeded", "{what}: {letter}");
    }
    world.nothing_stored_since(&before).await;
    assert_eq!(world.control().effects().await, Vec::<Value>::new());
}

async fn with_header(event: &Event, header: &Value, producer: &Producer) -> String {
    let payload = serde_json::to_vec(event).unwrap();
    let input = format!("{}.{}", base64url::encode(header.to_string()), base64url::encode(payload));
    let signature =
        producer.key().sign(producer.key().key(), &Digest::of(&[input.as_bytes()])).await.unwrap();
    format!("{input}.{}", base64url::encode(signature))
}

#[tokio::test]
async fn what_no_registered_producer_signed_ends_among_the_dead_letters_as_it_came() {
    let world = World::start().await;
    let siem = Producer::siem(&world);
    let stranger = Producer::with("siem", client_key().1);
    let nina = world.who("nina");
    let event = siem.event("alert-1", "sessions.revoke", &nina, nina.tenant);
    let text = async |by: &Producer, event: &Event| by.sign(event).await.as_str().to_owned();
    let good = text(&siem, &event).await;
    let header =
        |typ: &str| json!({ "alg": "ES256", "kid": siem.key().key().thumbprint(), "typ": typ });
    let elsewhere = siem.event("alert-1", "sessions.revoke", &world.who("fred"), world.fabrikam());
    let nowhere: TenantId = uuid::Uuid::new_v4().to_string().parse().unwrap();
    let nowhere = siem.event("alert-1", "sessions.revoke", &nina, nowhere);

    dead_letters(
        &world,
        &[
            ("a stranger's", text(&stranger, &event).await),
            ("changed bytes", spoiled(&good, good.rfind('.').unwrap() - 9)),
            ("another tenant", text(&siem, &elsewhere).await),
            ("no tenant of ours", text(&siem, &nowhere).await),
            ("a request's type", with_header(&event, &header("request+jwt"), &siem).await),
            ("no type of ours", with_header(&event, &header("JWT"), &siem).await),
            (
                "not listed",
                text(&siem, &siem.event("a", "account.disable", &nina, nina.tenant)).await,
            ),
            ("a secret", text(&siem, &siem.event("b", "tap.issue", &nina, nina.tenant)).await),
            ("unsigned", serde_json::to_string(&event).unwrap()),
            ("garbage", "garbage".to_owned()),
            ("empty", String::new()),
        ],
    )
    .await;

    let log = world.control().log("intake").await;
    assert_eq!(log.matches("event goes to the dead letters").count(), 11, "each is logged once");
    // The queue is not stuck behind them.
    world.deliver_event(&good).await;
    let id = request_of(&siem.sign(&event).await, nina.tenant);
    let audrey = world.person("audrey").await;
    eventually("the good one is carried out", SOON, async || {
        (audrey.show(&id).await.json["state"] == "succeeded").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_event_is_carried_out_once_even_if_the_database_forgets_it() {
    let world = World::start().await;
    let control = world.control();
    let siem = Producer::siem(&world);
    let nina = world.who("nina");
    let audrey = world.person("audrey").await;
    let partition = nina.tenant.to_string();
    world.recorded().await;
    world.quiet().await;
    let empty = control.partition("tenants", &partition).await;
    let event = siem.sign(&siem.event("alert-7", "sessions.revoke", &nina, nina.tenant)).await;
    let id = request_of(&event, nina.tenant);
    let succeeded = async || {
        eventually("it has succeeded", LATER, async || {
            (audrey.show(&id).await.json["state"] == "succeeded").then_some(())
        })
        .await;
    };

    world.deliver_event(event.as_str()).await;
    succeeded().await;
    world.settled().await;
    world.recorded().await;
    world.quiet().await;
    // It was sealed that there was more: nothing is taken or done on top of what was put back.
    control.put_back("tenants", &partition, &empty).await;
    let stand = world.before().await;
    world.deliver_event(event.as_str()).await;
    assert_eq!(
        world.refused_a_seal(&partition).await,
        "the tree is smaller than what was anchored"
    );
    let leaves = world.tree(&partition).await.leaves().len();
    assert_eq!(leaves, stand.leaves_of(&partition), "nothing was written there");
    world.nothing_done_since(&stand).await;

    // Brought back, the tenant takes it as if it had never come, and what became of it is known.
    Desk::of(&world).recover(&partition, "the database was put back").await;
    world.deliver_event(event.as_str()).await;
    succeeded().await;
    world.settled().await;

    assert_eq!(control.effects().await.len(), 1);
}

#[tokio::test]
async fn the_same_id_signed_anew_is_the_same_event() {
    let world = World::start().await;
    let siem = Producer::siem(&world);
    let (nina, oscar) = (world.who("nina"), world.who("oscar"));
    let audrey = world.person("audrey").await;
    let first = siem.sign(&siem.event("alert-7", "sessions.revoke", &nina, nina.tenant)).await;
    let second = siem.sign(&siem.event("alert-7", "sessions.revoke", &oscar, nina.tenant)).await;
    assert_ne!(first.digest(), second.digest());

    world.deliver_event(first.as_str()).await;
    let id = request_of(&first, nina.tenant);
    eventually("the first is carried out", SOON, async || {
        (audrey.show(&id).await.json["state"] == "succeeded").then_some(())
    })
    .await;
    let before = world.stored().await;
    world.deliver_event(second.as_str()).await;
    world.events_settled().await;

    world.nothing_stored_since(&before).await;
    assert_eq!(world.control().effects().await.len(), 1);
    assert_eq!(world.dead_events().await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_outage_loses_no_event() {
    let world = World::start().await;
    let siem = Producer::siem(&world);
    let nina = world.who("nina");
    let audrey = world.person("audrey").await;
    // Three deliveries meet a vault that does not sign, with all of the handler's own tries.
    let fault = json!({
        "service": "vault", "method": "POST", "path": "/keys/intake-signing*", "times": 9,
        "effect": { "kind": "fail", "status": 503 },
    });
    world.control().fault(fault).await;
    let event = siem.sign(&siem.event("alert-9", "sessions.revoke", &nina, nina.tenant)).await;

    world.deliver_event(event.as_str()).await;

    let id = request_of(&event, nina.tenant);
    eventually("it is carried out after the outage", LATER, async || {
        (audrey.show(&id).await.json["state"] == "succeeded").then_some(())
    })
    .await;
    assert_eq!(world.dead_events().await, Vec::<Value>::new());
    assert_eq!(world.control().effects().await.len(), 1);
}

#[tokio::test]
async fn a_taken_over_intake_makes_up_no_event_and_puts_nothing_into_its_own_queue() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let siem = Producer::siem(&world);
    let nina = world.who("nina");
    let event = siem.event("alert-3", "sessions.revoke", &nina, nina.tenant);

    // By intake's own key, and by one of nobody's.
    let by_intake = Signed::sign(&event, forger.key()).await.unwrap();
    let by_stranger = Signed::sign(&event, &client_key().1).await.unwrap();
    for event in [by_intake, by_stranger] {
        let fake = forger.forge(RequestEvidence::Produced { event }, Vec::new()).await;
        let leaf = refused(&world, &forger, &fake).await;
        assert!(leaf.is_violation(), "{leaf:?}");
    }
    // A genuine event, and a permit for what policy gives to no producer.
    let sensitive = siem.sign(&siem.event("alert-4", "tap.issue", &nina, nina.tenant)).await;
    let fake = forger.forge(RequestEvidence::Produced { event: sensitive }, Vec::new()).await;
    refused(&world, &forger, &fake).await;
    let sent = forger.intake().send(EVENTS_IN, "m", b"{}".to_vec()).await;
    assert!((400..500).contains(&sent.status), "{}", sent.text);
}
