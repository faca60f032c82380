//! People sign in and out, and the ledger tells: in order, and once, whoever dies meanwhile.

use airlock_core::{
    digest::Digest,
    jws::Signed,
    ledger::{Happened, Statement},
    recording::event,
    session::Session,
};
use airlock_tests::{LATER, Person, SOON, World, eventually, payload};
use serde_json::{Value, json};

/// What was written down about somebody's session: what happened, and why.
async fn told(world: &World, person: &Person) -> Vec<(Happened, Option<String>)> {
    let ledger = world.ledger(person.who.tenant).await;
    ledger.assert_whole();
    let said = ledger.of_session(person.sid()).into_iter();
    said.map(|said| (said.r#type, said.data.reason)).collect()
}

fn from_start_to_end() -> Vec<(Happened, Option<String>)> {
    let why = "the person signed out".to_owned();
    vec![(Happened::SessionStarted, None), (Happened::SessionEnded, Some(why))]
}

async fn signs_out(person: &Person) {
    let answer = person.post("/auth/sign-out", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// Lets a process die at a call of its own.
async fn kill(world: &World, app: &str, when: &str, call: Value) {
    let mut rule = call;
    rule["app"] = app.into();
    rule["effect"] = json!({ "kind": "kill", "process": app, "when": when });
    world.control().fault(rule).await;
}

/// Waits until it has died of it and is back.
async fn died(world: &World, app: &str) {
    let dead = async || (world.control().bitten().await == [1]).then_some(());
    eventually(&format!("{app} died"), LATER, dead).await;
    world.control().until(app, "running").await;
    world.control().clear_faults().await;
}

#[tokio::test]
async fn a_sign_in_a_step_up_and_a_sign_out_are_told_in_order_and_once() {
    let world = World::start().await;
    let plain = world.person("april").await;
    let stepped_up = Person::step_up(&world, world.who("april"), "c1").await;
    let asking = world.person("harriet").await.ask("sessions.revoke", &world.who("nina")).await;

    signs_out(&plain).await;
    signs_out(&stepped_up).await;
    world.recorded().await;

    assert_eq!(told(&world, &plain).await, from_start_to_end());
    assert_eq!(told(&world, &stepped_up).await, from_start_to_end());
    let ledger = world.ledger(world.contoso()).await;
    let all: Vec<Statement> =
        ledger.leaves().iter().filter_map(airlock_tests::Leaf::event).collect();
    assert_eq!(all.len(), 5, "{all:#?}");
    for leaf in ledger.leaves().iter().filter(|leaf| leaf.event().is_some()) {
        assert_eq!((leaf.by(), leaf.reason()), ("drift", ""));
    }

    // Whoever may read a request's evidence finds out who had asked, and when they had signed in.
    let stored = world.stored_request(&asking.id).await.unwrap();
    let signed = stored["evidence"]["proven"]["person"]["session"].as_str().unwrap();
    let session: Session = payload(signed);
    let [start] = &*ledger.of_session(session.sid_hash()) else { panic!("one start") };
    assert_eq!(start.principal, Some(event::to_person(&session, session.person())));
    let digest = Signed::<Session>::parse(signed).unwrap().digest();
    assert_eq!(start.data.document, Some(event::to_session(&session, digest)));

    // The ledger itself names nobody.
    let leaves: String = ledger.leaves().iter().map(|leaf| leaf.says.to_string()).collect();
    for person in [&plain, &stepped_up] {
        assert!(!leaves.contains(&person.who.object.to_string()));
        assert!(!leaves.contains(&Digest::of(&[person.cookie.as_bytes()]).to_string()));
    }
}

#[tokio::test]
async fn what_signin_stored_before_it_died_is_told_all_the_same() {
    let world = World::start().await;
    let april = world.person("april").await;
    world.recorded().await;
    let sign_out = json!({ "service": "cosmos", "method": "POST", "path": "/dbs/airlock/colls/revocations/docs", "operation": "batch" });
    kill(&world, "signin", "after", sign_out).await;

    let asked = april.call(http::Method::POST, "/auth/sign-out").json(&json!({})).send().await;
    drop(asked);
    died(&world, "signin").await;
    world.recorded().await;

    assert_eq!(told(&world, &april).await, from_start_to_end());
    april.get("/auth/session").await.assert_problem("not-signed-in");
}

#[tokio::test]
async fn what_signin_sent_before_it_died_is_told_once() {
    let world = World::start().await;
    let april = world.person("april").await;
    world.recorded().await;
    let sending = json!({ "service": "bus", "method": "POST", "path": "/audit-events/messages" });
    kill(&world, "signin", "after", sending).await;

    // Whether the answer comes first or the end does not matter.
    let asked = april.call(http::Method::POST, "/auth/sign-out").json(&json!({})).send().await;
    drop(asked);
    died(&world, "signin").await;
    world.recorded().await;

    assert_eq!(told(&world, &april).await, from_start_to_end());
    april.get("/auth/session").await.assert_problem("not-signed-in");
}

#[tokio::test]
async fn a_drift_that_dies_while_it_writes_loses_nothing_and_writes_nothing_twice() {
    for when in ["before", "after"] {
        let world = World::start().await;
        let april = world.person("april").await;
        world.recorded().await;
        world.control().stop("drift").await;
        signs_out(&april).await;
        let batch = json!({ "service": "cosmos", "method": "POST", "path": "/dbs/airlock/colls/tenants/docs", "operation": "batch" });
        kill(&world, "drift", when, batch).await;

        world.control().start("drift").await;
        died(&world, "drift").await;
        world.recorded().await;

        assert_eq!(told(&world, &april).await, from_start_to_end(), "{when}");
    }
}

#[tokio::test]
async fn while_the_bus_is_away_nobody_is_kept_from_signing_in_and_nothing_is_forgotten() {
    let world = World::start().await;
    let away = json!({
        "service": "bus", "method": "POST", "path": "/audit-events/messages", "times": 10_000,
        "effect": { "kind": "fail", "status": 503 },
    });
    world.control().fault(away).await;

    let april = world.person("april").await;
    signs_out(&april).await;
    eventually("reports wait", SOON, async || {
        let stored = world.control().documents("sessions").await;
        stored.iter().any(|document| document["kind"] == "report").then_some(())
    })
    .await;
    assert_eq!(told(&world, &april).await, []);
    world.control().clear_faults().await;
    world.recorded().await;

    assert_eq!(told(&world, &april).await, from_start_to_end());
}
