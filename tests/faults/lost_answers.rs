//! For each call that a request's way needs, two faults: it failed, and it worked but the answer
//! was lost.

use airlock_tests::{Who, World};
use serde_json::{Value, json};

/// Calls on the way of a request, and what they are for.
const CALLS: [(&str, &str, &str, &str); 8] = [
    ("vault", "POST", "/keys/intake-signing/*", "intake signs"),
    ("cosmos", "POST", "/dbs/airlock/colls/tenants/docs", "somebody commits"),
    ("bus", "POST", "/permits-execute/messages", "intake sends"),
    ("entra", "POST", "*/oauth2/v2.0/token", "execute asks for a worker's token"),
    ("graph", "POST", "/v1.0/$batch", "execute looks at the target"),
    ("vault", "POST", "/keys/execute-signing/*", "execute signs"),
    ("blob", "PUT", "/claims/*", "execute claims"),
    ("graph", "POST", "/v1.0/users/*/revokeSignInSessions", "execute acts"),
];

async fn goes_through(world: &World, effect: Value) {
    let control = world.control();
    let harriet = world.person("harriet").await;
    let targets: Vec<Who> =
        ["nina", "oscar", "gus", "dora", "sven"].map(|user| world.who(user)).into();

    for (position, (service, method, path, what)) in CALLS.into_iter().enumerate() {
        control.clear_faults().await;
        if service == "entra" {
            // A process keeps its tokens; a new one has none.
            control.stop("execute").await;
            control.start("execute").await;
        }
        control
            .fault(json!({ "service": service, "method": method, "path": path, "effect": effect }))
            .await;
        let target = &targets[position % targets.len()];
        let before = control.effects().await.len();

        let asking = harriet.sign(&airlock_tests::Order::of("sessions.revoke", target)).await;
        let mut taken = harriet.submit(&asking).await;
        // What failed at intake is asked again, with the same signature: still one request.
        for _ in 0..5 {
            if taken.status == 202 {
                break;
            }
            taken.assert_problem("unavailable");
            taken = harriet.submit(&asking).await;
        }
        assert_eq!(taken.status, 202, "{what}: {}", taken.text);
        harriet.wait_long_for(&asking.id, "succeeded").await;
        world.settled().await;

        assert_eq!(control.bitten().await, [1], "{what}: the fault did not bite");
        let effects = control.effects().await.len() - before;
        // Revoking sessions twice is revoking them; anything else is done once.
        let most = if what == "execute acts" { 2 } else { 1 };
        assert!((1..=most).contains(&effects), "{what}: {effects} effects");
    }
    let ledger = world.ledger(world.contoso()).await;
    ledger.assert_whole();
    assert!(ledger.leaves().iter().all(|leaf| !leaf.is_violation()));
    assert_eq!(control.bus().await["permits-execute"]["dead"], json!([]));
}

#[tokio::test]
async fn a_request_goes_through_although_a_call_on_its_way_fails_once() {
    let world = World::start().await;

    goes_through(&world, json!({ "kind": "fail", "status": 503 })).await;
}

#[tokio::test]
async fn a_request_goes_through_although_the_answer_to_a_call_on_its_way_is_lost() {
    let world = World::start().await;

    goes_through(&world, json!({ "kind": "lose_answer" })).await;
}

#[tokio::test]
async fn a_request_goes_through_although_a_service_asks_for_patience() {
    let world = World::start().await;

    goes_through(&world, json!({ "kind": "throttle", "retry_after_s": 1 })).await;
}

#[tokio::test]
async fn while_the_directory_does_not_answer_nothing_is_reported_as_done() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    control
        .fault(json!({
            "service": "graph", "method": "POST", "path": "/v1.0/users/*/revokeSignInSessions",
            "times": 3, "effect": { "kind": "fail", "status": 500 },
        }))
        .await;

    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    let during = airlock_tests::eventually("it is begun", airlock_tests::SOON, async || {
        let view = harriet.show(&asking.id).await.json;
        (view["state"] == "executing").then_some(view)
    })
    .await;
    assert_eq!(during["outcome"], Value::Null);
    harriet.wait_long_for(&asking.id, "succeeded").await;
    assert_eq!(control.effects().await.len(), 1);
}
