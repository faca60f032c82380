//! A message or the terms under which it is judged were changed on the way.

use airlock_tests::{Asking, Person, World};
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

#[tokio::test]
async fn a_message_in_which_anything_was_changed_is_refused_and_the_genuine_one_is_not() {
    let world = World::start().await;
    let control = world.control();
    let (harriet, asking, genuine) = taken_out(&world).await;
    let document = format!("request-{}", asking.digest());
    let permitted = control.document("tenants", &document).await.unwrap();

    // All that a message says is the permit, and how often it was tried.
    let permit = genuine["permit"].as_str().unwrap();
    let (header, rest) = permit.split_once('.').unwrap();
    let (body, _) = rest.split_once('.').unwrap();
    let (signature, first) = (header.len() + body.len() + 2, header.len() + 1);
    let mut changed = Vec::new();
    for place in [0, 3, first + 10, first + body.len() / 2, signature, signature + 20] {
        changed.push(with_spoiled(&genuine, "permit", place));
    }
    let mut more = genuine.clone();
    more["more"] = json!(true);
    changed.push(more);
    for message in changed {
        let before = world.before().await;
        let id = Uuid::new_v4().to_string();
        control.inject("permits-execute", &id, &message.to_string().into_bytes()).await;
        let leaf = world.refused_since(&before).await;
        assert!(leaf.is_violation(), "{message}: {leaf:?}");
        let now = control.document("tenants", &document).await;
        assert_eq!(now.as_ref(), Some(&permitted), "{message}");
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

    let of = async |partition: &str| control.published(partition).await;
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
