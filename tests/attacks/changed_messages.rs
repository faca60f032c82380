//! A message or the terms under which it is judged were changed on the way.

use airlock_tests::{Asking, Person, World, spoiled};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::integrity::{positions, with_spoiled};

/// A permitted request whose message was taken out of the queue.
async fn taken_out(world: &World) -> (Person, Asking, Value) {
    let control = world.control();
    let harriet = world.person("harriet").await;
    let april = world.person("april").await;
    control.stop("execute").await;
    let asking = harriet.ask("account.disable", &world.who("nina")).await;
    april.approve(&asking.id).await;
    let execute = world.impostor("execute").await;
    let message = airlock_tests::eventually("the message", airlock_tests::SOON, async || {
        let taken = execute.take("permits-execute").await;
        (taken.status == 200).then_some(taken.json)
    })
    .await;
    // Nothing is left in the outbox that would bring it back.
    airlock_tests::eventually("the outbox is empty", airlock_tests::SOON, async || {
        let documents = control.documents("tenants").await;
        documents.iter().all(|document| document["kind"] != "outbox").then_some(())
    })
    .await;
    control.start("execute").await;
    (harriet, asking, message)
}

/// Every signed text in a message, by its JSON pointer.
fn signed(message: &Value) -> Vec<String> {
    [
        "/permit",
        "/request/proven/request",
        "/request/proven/person/session",
        "/request/proven/person/confirmation",
        "/decisions/0/decision",
        "/decisions/0/person/session",
        "/decisions/0/person/confirmation",
    ]
    .iter()
    .map(|pointer| {
        assert!(message.pointer(pointer).is_some_and(Value::is_string), "{pointer}: {message}");
        (*pointer).to_owned()
    })
    .collect()
}

#[tokio::test]
async fn a_message_in_which_anything_was_changed_is_refused_and_the_genuine_one_is_not() {
    let world = World::start().await;
    let control = world.control();
    let (harriet, asking, genuine) = taken_out(&world).await;
    let document = format!("request-{}", asking.digest());
    let partition = harriet.who.tenant.to_string();
    let permitted = control.document("tenants", &document).await.unwrap();

    for pointer in signed(&genuine) {
        let text = genuine.pointer(&pointer).unwrap().as_str().unwrap().to_owned();
        let (header, rest) = text.split_once('.').unwrap();
        let (body, _) = rest.split_once('.').unwrap();
        // One character in header, payload and signature.
        let places = [3, header.len() + body.len() / 2, header.len() + body.len() + 20];
        for place in places {
            let mut message = genuine.clone();
            *message.pointer_mut(&pointer).unwrap() = json!(spoiled(&text, place));
            let before = world.before().await;
            let id = Uuid::new_v4().to_string();
            let bytes = message.to_string().into_bytes();
            control.inject("permits-execute", &id, &bytes).await;
            let leaf = world.refused_since(&before).await;
            assert!(leaf.is_violation(), "{pointer} {place}: {leaf:?}");
            // Some of these end the request, which is the safe side. For the next try it is put
            // back.
            control.put("tenants", &partition, &permitted).await;
        }
    }

    let bytes = genuine.to_string().into_bytes();
    control.inject("permits-execute", &Uuid::new_v4().to_string(), &bytes).await;
    harriet.wait_for(&asking.id, "succeeded").await;
}

#[tokio::test]
async fn under_a_binding_or_keyset_that_was_changed_nothing_is_carried_out() {
    let world = World::start().await;
    let control = world.control();
    let contoso = world.contoso().to_string();
    let fabrikam = world.fabrikam().to_string();
    let (_harriet, _, genuine) = taken_out(&world).await;
    let message = genuine.to_string().into_bytes();

    let of = async |partition: &str| {
        let mut documents = control.partition("bindings", partition).await;
        assert_eq!(documents.len(), 1);
        documents.remove(0)
    };
    let (binding, keyset, others) = (of(&contoso).await, of("platform").await, of(&fabrikam).await);
    let mut moved = others.clone();
    moved["tenant"] = json!(contoso);
    let mut changed = vec![(contoso.as_str(), moved)];
    for (partition, document) in [(contoso.as_str(), &binding), ("platform", &keyset)] {
        for position in positions(document["artefact"].as_str().unwrap()) {
            changed.push((partition, with_spoiled(document, "artefact", position)));
        }
    }

    for (partition, document) in changed {
        let genuine = if partition == "platform" { &keyset } else { &binding };
        let before = world.before().await;
        control.put("bindings", partition, &document).await;
        control.inject("permits-execute", &Uuid::new_v4().to_string(), &message).await;
        let leaf = world.refused_since(&before).await;
        assert!(leaf.is_violation(), "{leaf:?}");
        assert_eq!(leaf.says["tenantid"], "platform");
        control.put("bindings", partition, genuine).await;
    }
}
