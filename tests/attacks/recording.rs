//! What somebody would have the ledger tell of people signing in.

use airlock_core::{
    base64url,
    identity::App,
    jws::Signed,
    ledger::{Happened, Statement},
    recording::event::{QUEUE, Report},
};
use airlock_tests::{LATER, World, client_key, eventually, payload};
use serde_json::json;

fn body(event: &Signed<Statement>) -> Vec<u8> {
    serde_json::to_vec(&Report::new(event.clone())).unwrap()
}

/// The event of the one sign-in that was.
async fn only_event(world: &World) -> Signed<Statement> {
    let ledger = world.ledger(world.contoso()).await;
    let events: Vec<&str> =
        ledger.leaves().iter().filter_map(|leaf| leaf.says["data"]["event"].as_str()).collect();
    assert_eq!(events.len(), 1, "{events:?}");
    let event = &events[0];
    Signed::parse(*event).unwrap()
}

async fn violations(world: &World) -> usize {
    let platform = world.tree("platform").await;
    platform.leaves().iter().filter(|leaf| leaf.is_violation()).count()
}

#[tokio::test]
async fn whoever_owns_the_bus_has_nothing_written_down_that_nobody_said() {
    let world = World::start().await;
    let control = world.control();
    let april = world.person("april").await;
    world.recorded().await;
    let genuine = only_event(&world).await;
    let says: Statement = payload(genuine.as_str());
    let by = async |app: &str, statement: &Statement| {
        let key = world.impostor(app).await.key().await;
        body(&Signed::sign(statement, &key).await.unwrap())
    };
    let stranger = client_key().1;
    let unsigned = body(&Signed::sign(&says, &stranger).await.unwrap());
    let (head, _) = genuine.as_str().rsplit_once('.').unwrap();
    let changed = format!("{head}.{}", base64url::encode([7; 64]));
    // Each document of `signin`'s says, signed, what happened to it.
    let stored = control.document("sessions", &april.session_document()).await.unwrap();
    let session = control.document("tenants", "head").await.unwrap();
    let forged = [
        b"nonsense".to_vec(),
        session.to_string().into_bytes(),
        unsigned,
        json!({ "event": changed }).to_string().into_bytes(),
        json!({ "event": stored["statement"] }).to_string().into_bytes(),
        by("intake", &says).await,
        by("execute", &Statement { iss: App::Execute, ..says.clone() }).await,
        by("drift", &Statement { iss: App::Drift, r#type: Happened::Recorded, ..says.clone() })
            .await,
    ];

    for (number, body) in forged.iter().enumerate() {
        control.inject(QUEUE, &format!("forged-{number}"), body).await;
    }
    // What is genuine, again and again, under names of its own.
    for number in 0..20 {
        control.inject(QUEUE, &format!("again-{number}"), &body(&genuine)).await;
    }
    world.recorded().await;

    assert_eq!(only_event(&world).await.as_str(), genuine.as_str());
    assert_eq!(violations(&world).await, forged.len());
    world.ledger(world.contoso()).await.assert_whole();
    world.tree("platform").await.assert_whole();
}

#[tokio::test]
async fn whoever_owns_the_sessions_has_nothing_said_that_signin_did_not_say() {
    let world = World::start().await;
    let control = world.control();
    let april = world.person("april").await;
    world.recorded().await;
    let genuine = only_event(&world).await;
    let says: Statement = payload(genuine.as_str());
    let forged = Signed::sign(&says, &client_key().1).await.unwrap();
    let partition = april.session_document();
    let report = |id: &str, event: &Signed<Statement>| json!({ "id": id, "tenant": partition, "kind": "report", "at": 0, "event": event });

    control.put("sessions", &partition, &report("report-x", &forged)).await;
    control.put("sessions", &partition, &report("report-y", &genuine)).await;
    eventually("the genuine one is sent", LATER, async || {
        control.document("sessions", "report-y").await.is_none().then_some(())
    })
    .await;
    // What nobody of ours signed stays where it was put, and is not sent.
    assert!(control.document("sessions", "report-x").await.is_some());
    control.remove("sessions", &partition, "report-x").await;
    world.recorded().await;

    assert_eq!(only_event(&world).await.as_str(), genuine.as_str());
    assert_eq!(violations(&world).await, 0);
}

#[tokio::test]
async fn a_document_put_there_so_that_an_end_is_not_told_is_a_violation_and_delays_it_only() {
    let world = World::start().await;
    let control = world.control();
    let april = world.person("april").await;
    world.recorded().await;
    control.stop("drift").await;
    assert_eq!(april.post("/auth/sign-out", &json!({})).await.status, 200);
    let bus = eventually("the end is sent", LATER, async || {
        let bus = control.bus().await;
        bus[QUEUE]["active"].as_array().is_some_and(|active| active.len() == 1).then_some(bus)
    })
    .await;
    let sent = bus[QUEUE]["active"][0].clone();
    let event = sent["message_id"].as_str().unwrap().to_owned();
    let tenant = world.contoso().to_string();
    let id =
        airlock_core::recording::document_id(airlock_core::digest::Digest::parse(&event).unwrap());
    let planted = json!({ "id": id, "tenant": tenant, "kind": "event", "at": 0 });
    control.put("tenants", &tenant, &planted).await;

    control.start("drift").await;
    eventually("a violation", LATER, async || (violations(&world).await == 1).then_some(())).await;
    control.remove("tenants", &tenant, &id).await;
    world.recorded().await;

    let told = world.ledger(world.contoso()).await.of_session(april.sid());
    let told: Vec<Happened> = told.into_iter().map(|said| said.r#type).collect();
    assert_eq!(told, [Happened::SessionStarted, Happened::SessionEnded]);
}
