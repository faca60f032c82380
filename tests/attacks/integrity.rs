//! One byte: whatever is stored is either what we stored, or nothing is done with it.

use airlock_core::{decision::Verdict, ledger::Frontier};
use airlock_tests::{World, spoiled};
use serde_json::{Value, json};
use uuid::Uuid;

/// Positions that are tried in a text: near its ends and in between.
pub fn positions(text: &str) -> Vec<usize> {
    // The last characters of base64 can hold bits that mean nothing.
    let length = text.len() - 4;
    [0, 1, length / 7, length / 3, length / 2, 2 * length / 3, length - 1].into()
}

/// The document with one character of a member changed.
pub fn with_spoiled(document: &Value, member: &str, position: usize) -> Value {
    let mut document = document.clone();
    document[member] = json!(spoiled(document[member].as_str().unwrap(), position));
    document
}

/// The document with one character of a member's member changed.
fn with_spoiled_in(document: &Value, outer: &str, member: &str, position: usize) -> Value {
    let mut document = document.clone();
    document[outer] = with_spoiled(&document[outer], member, position);
    document
}

#[tokio::test]
async fn a_session_that_was_changed_opens_nothing() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    let sam = world.person("sam").await;
    let id = harriet.session_document();
    let genuine = control.document("sessions", &id).await.unwrap();
    let path = format!("/api/requests?tenant={}", harriet.who.tenant);
    let asking =
        harriet.sign(&airlock_tests::Order::of("sessions.revoke", &world.who("nina"))).await;
    let before = world.before().await;

    let mut changed = Vec::new();
    for member in ["body", "statement"] {
        for position in positions(genuine[member].as_str().unwrap()) {
            changed.push(with_spoiled(&genuine, member, position));
        }
    }
    changed.push(with_spoiled(&genuine, "salt", 3));
    // Sam's session under Harriet's cookie.
    let mut moved = control.document("sessions", &sam.session_document()).await.unwrap();
    (moved["id"], moved["tenant"]) = (json!(id), json!(id));
    changed.push(moved);
    let mut more = genuine.clone();
    more["more"] = json!(true);
    changed.push(more);

    for document in changed {
        control.put("sessions", &id, &document).await;
        harriet.get(&path).await.assert_problem("integrity");
        harriet.get("/auth/session").await.assert_problem("integrity");
        harriet.submit(&asking).await.assert_problem("integrity");
    }
    control.put("sessions", &id, &genuine).await;
    assert_eq!(harriet.get(&path).await.status, 200);
    assert!(world.stored_request(&asking.id).await.is_none());
    world.nothing_done_since(&before).await;
}

#[tokio::test]
async fn a_request_that_was_changed_is_neither_shown_nor_decided_nor_carried_out() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    let april = world.person("april").await;
    let partition = harriet.who.tenant.to_string();
    let asking = harriet.ask("account.disable", &world.who("nina")).await;
    let document = format!("request-{}", asking.digest());
    let genuine = control.document("tenants", &document).await.unwrap();
    let before = world.before().await;

    let mut changed = Vec::new();
    for position in positions(genuine["statement"].as_str().unwrap()) {
        changed.push(with_spoiled(&genuine, "statement", position));
    }
    for member in ["key", "iv", "data"] {
        for position in positions(genuine["sealed"][member].as_str().unwrap()) {
            changed.push(with_spoiled_in(&genuine, "sealed", member, position));
        }
    }
    // As if it had been approved: by whoever can decrypt it and encrypt it again.
    let (opener, intake) = (world.opener().await, world.impostor("intake").await);
    let text = opener.text(&genuine).await.unwrap();
    let approving = text.replace("\"pending\"", "\"permitted\"");
    assert_ne!(approving, text);
    let key = intake.key().await;
    let sealed = opener.seal(&key, &partition, &document, &approving).await;
    let mut approved = genuine.clone();
    approved["sealed"] = json!(sealed.sealed());
    changed.push(approved);
    // In clear.
    let mut clear = genuine.clone();
    clear.as_object_mut().unwrap().remove("sealed");
    (clear["body"], clear["salt"]) = (json!(text), json!("AAAAAAAAAAAAAAAAAAAAAA"));
    changed.push(clear);
    for document in changed {
        control.put("tenants", &partition, &document).await;
        harriet.show(&asking.id).await.assert_problem("integrity");
        april.decide(&asking.id, Verdict::Approve).await.assert_problem("integrity");
        // A list leaves it out: one changed document must not hide all others.
        let list = format!("/api/requests?tenant={partition}");
        assert_eq!(april.get(&list).await.ok()["requests"], json!([]));
    }

    // What intake comes upon it records too: once, and not for each who asks.
    let ledger = world.ledger(harriet.who.tenant).await;
    let violations = ledger.leaves().iter().filter(|leaf| leaf.is_violation());
    let violations: Vec<&str> = violations.map(airlock_tests::Leaf::by).collect();
    assert!(!violations.is_empty() && violations.iter().all(|by| *by == "intake"));
    assert!(violations.len() <= 2, "{violations:?}");

    // Another tenant's.
    let fabrikam = world.fabrikam();
    let mut moved = genuine.clone();
    moved["tenant"] = json!(fabrikam);
    control.put("tenants", &fabrikam.to_string(), &moved).await;
    let frank = world.person("frank").await;
    frank.show(&format!("{fabrikam}.{}", asking.digest())).await.assert_problem("integrity");

    // What the worker finds changed it does not do, and says so.
    control.put("tenants", &partition, &genuine).await;
    control.stop("execute").await;
    april.approve(&asking.id).await;
    let permitted = control.document("tenants", &document).await.unwrap();
    let spoiled = with_spoiled_in(&permitted, "sealed", "data", 200);
    control.put("tenants", &partition, &spoiled).await;
    control.start("execute").await;
    let leaf = world.refused_since(&before).await;
    assert_eq!(leaf.reason(), "the stored request is not genuine");
    assert!(leaf.is_violation());
}

#[tokio::test]
async fn intake_takes_nothing_under_a_binding_that_was_changed() {
    let world = World::start().await;
    let control = world.control();
    let contoso = world.contoso().to_string();
    let harriet = world.person("harriet").await;
    let genuine = control.published(&contoso).await;
    let artefact = genuine["artefact"].as_str().unwrap();
    let position = artefact.len() / 2;

    control.put("bindings", &contoso, &with_spoiled(&genuine, "artefact", position)).await;
    // What intake has verified it keeps for half a minute; a new process has verified nothing.
    control.stop("intake").await;
    control.start("intake").await;
    let asking =
        harriet.sign(&airlock_tests::Order::of("sessions.revoke", &world.who("nina"))).await;
    harriet.submit(&asking).await.assert_problem("integrity");
    assert!(world.stored_request(&asking.id).await.is_none());
    // Other tenants are not held up by it.
    let fiona = world.person("fiona").await;
    let there = fiona.ask("sessions.revoke", &world.who("flora")).await;
    fiona.wait_for(&there.id, "succeeded").await;

    control.put("bindings", &contoso, &genuine).await;
    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    harriet.wait_for(&asking.id, "succeeded").await;
}

#[tokio::test]
async fn to_a_ledger_whose_head_was_changed_nothing_is_added() {
    let world = World::start().await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    let partition = nina.tenant.to_string();
    let asking = harriet.ask("sessions.revoke", &nina).await;
    harriet.wait_for(&asking.id, "succeeded").await;
    world.settled().await;
    world.recorded().await;
    world.quiet().await;
    // Whoever would say so is away; and those who write know nothing from before.
    control.stop("drift").await;
    let before = world.before().await;
    let documents = control.partition("tenants", &partition).await;
    let genuine = documents.iter().find(|document| document["id"] == "head").unwrap().clone();

    let root = genuine["root"].as_str().unwrap();
    let mut another_root = genuine.clone();
    another_root["root"] = json!(spoiled(root, 5));
    let mut shorter = genuine.clone();
    shorter["frontier"] = json!({ "size": 0, "hashes": [] });
    let mut consistent = shorter.clone();
    consistent["root"] = json!(Frontier::empty().root());
    let mut of_another = genuine.clone();
    of_another["frontier"]["hashes"][0] = json!(spoiled(root, 7));
    for changed in [another_root, shorter, consistent, of_another] {
        control.stop("intake").await;
        control.put("tenants", &partition, &changed).await;
        control.start("intake").await;
        let asking = harriet.sign(&airlock_tests::Order::of("sessions.revoke", &nina)).await;
        harriet.submit(&asking).await.assert_problem("integrity");
        assert!(world.stored_request(&asking.id).await.is_none());
    }
    assert_eq!(world.ledger(nina.tenant).await.leaves().len(), before.leaves_of(&partition));
    world.nothing_done_since(&before).await;

    // As it was, it goes on.
    control.put("tenants", &partition, &genuine).await;
    control.start("drift").await;
    let asking = harriet.ask("sessions.revoke", &nina).await;
    harriet.wait_for(&asking.id, "succeeded").await;
    world.ledger(nina.tenant).await.assert_whole();
    world.quiet().await;
    assert!(world.stopped(&partition).await.is_none());

    // And `drift`, when it is there, stops the tenant: whoever looks again writes nothing, not even
    // under the right head.
    let genuine = control.partition("tenants", &partition).await;
    let mut head = genuine.iter().find(|document| document["id"] == "head").unwrap().clone();
    head["root"] = json!(spoiled(head["root"].as_str().unwrap(), 5));
    control.put("tenants", &partition, &head).await;
    let why = world.refused_a_seal(&partition).await;
    control.stop("intake").await;
    control.put_back("tenants", &partition, &genuine).await;
    control.start("intake").await;
    let before = world.before().await;
    let asking = harriet.sign(&airlock_tests::Order::of("sessions.revoke", &nina)).await;
    harriet.submit(&asking).await.assert_problem("integrity");

    assert_eq!(why, "the tree's head contradicts itself");
    assert_eq!(world.ledger(nina.tenant).await.leaves().len(), before.leaves_of(&partition));
    world.nothing_done_since(&before).await;
}

#[tokio::test]
async fn whoever_watches_is_told_of_a_violation() {
    let world = World::start().await;
    let control = world.control();
    let before = world.before().await;

    control.inject("permits-execute", &Uuid::new_v4().to_string(), b"{}").await;
    let leaf = world.refused_since(&before).await;

    assert!(leaf.is_violation());
    let event = airlock_tests::eventually("an event", airlock_tests::LATER, async || {
        let bus = control.bus().await;
        bus["events"]["active"][0]["body"].as_str().map(str::to_owned)
    })
    .await;
    let event = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, event).unwrap();
    let event: Value = serde_json::from_slice(&event).unwrap();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "airlock.integrity.violation");
    assert_eq!(event["tenantid"], "platform");
    assert_eq!(event["data"]["reason"], leaf.reason());
}
