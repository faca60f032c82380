//! Floods: a stranger calls as often as they can.

use airlock_tests::{Answer, Person, World};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Many more than one address may call at once.
const FLOOD: usize = 3000;

/// As many at the same time: one after the other, a slow machine is no flood.
const WAVE: usize = 100;

#[tokio::test]
async fn a_strangers_flood_is_put_off_and_costs_no_signature_and_no_write() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let before = world.stored().await;
    let calls = world.control().calls().await.len();
    // Each time another session, from what is said to be another address.
    let garbage = |number: usize| {
        let session = format!("Session {}", Person::guessed_cookie());
        let from = format!("198.51.{}.{}", number / 256, number % 256);
        let call = world.call(Method::POST, "/api/requests");
        let call = call.header("authorization", session).header("x-forwarded-for", from);
        Answer::to(call.json(&json!({ "request": "garbage" })))
    };

    let mut put_off = None;
    for wave in 0..FLOOD / WAVE {
        let wave = (0..WAVE).map(|number| garbage(wave * WAVE + number));
        let answers = wave.collect::<JoinSet<_>>().join_all().await;
        let (late, others): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status == 429);
        for answer in &others {
            answer.assert_problem("not-signed-in");
        }
        put_off = late.into_iter().next();
        if put_off.is_some() {
            break;
        }
    }
    let put_off = put_off.expect("a flood is put off");

    put_off.assert_problem("too-many");
    assert_eq!(put_off.header("retry-after"), Some("1"));
    // By the clock, whoever calls, `drift` looks around, and each app whether the anchors have grown.
    let mut caused = world.control().calls().await.split_off(calls);
    caused.retain(|call| call["app"] != "drift");
    let is_look = |call: &Value| call["service"] == "blob" && call["method"] == "GET";
    let looks = caused.iter().filter(|call| is_look(call)).count();
    assert!(looks < 30, "{looks} looks while {FLOOD} called");
    caused.retain(|call| !is_look(call));
    for service in ["vault", "blob", "entra"] {
        let asked: Vec<_> = caused.iter().filter(|call| call["service"] == service).collect();
        assert!(asked.is_empty(), "{asked:#?}");
    }
    world.nothing_stored_since(&before).await;
    // Whoever shares the address may look all the same, and act as soon as it is over.
    assert_eq!(harriet.get("/api/tenants").await.status, 200);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    harriet.wait_for(&asking.id, "succeeded").await;
}

#[tokio::test]
async fn one_session_cannot_use_up_what_all_need() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let sam = world.person("sam").await;
    let signatures = async || {
        let mut calls = world.control().calls().await;
        calls.retain(|call| call["app"] == "intake" && call["service"] == "vault");
        calls.len()
    };
    let garbage = async || harriet.post("/api/requests", &json!({ "request": "garbage" })).await;
    garbage().await.assert_problem("not-understood");
    let before = signatures().await;

    let mut put_off = None;
    for _ in 0..FLOOD / WAVE {
        let wave = futures::future::join_all((0..WAVE).map(|_| garbage())).await;
        let (late, others): (Vec<_>, Vec<_>) =
            wave.into_iter().partition(|answer| answer.status == 429);
        for answer in &others {
            answer.assert_problem("not-understood");
        }
        put_off = late.into_iter().next();
        if put_off.is_some() {
            break;
        }
    }

    put_off.expect("a session's flood is put off").assert_problem("too-many");
    assert_eq!(signatures().await, before);
    let asking = sam.ask("sessions.revoke", &world.who("nina")).await;
    sam.wait_for(&asking.id, "succeeded").await;
}
