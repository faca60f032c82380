//! The admin plane, as platform engineers use it: keys, bindings and the root itself, while the
//! handlers work on.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use airlock_core::{jws::Signed, ledger::Statement};
use airlock_tests::{Desk, LATER, SOON, Said, World, eventually};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use serde_json::{Value, json};

/// The thumbprints of an app's keys, oldest first.
fn keys_of<'a>(keyset: &'a Value, app: &str) -> Vec<&'a Value> {
    keyset["keys"].as_array().unwrap().iter().filter(|key| key["app"] == app).collect()
}

/// Harriet asks for something that is done at once.
async fn works(world: &World) {
    let harriet = world.person("harriet").await;
    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    harriet.wait_for(&asking.id, "succeeded").await;
}

/// Whether an app has signed a statement in Contoso's tree with the key of this name.
async fn signs(world: &World, app: &str, kid: &str) -> bool {
    let ledger = world.ledger(world.contoso()).await;
    ledger.leaves().iter().any(|leaf| {
        let signed: Signed<Statement> = Signed::parse(leaf.text.clone()).unwrap();
        leaf.by() == app && signed.key().to_string() == kid
    })
}

/// Processes that know nothing from before.
async fn restarted(world: &World, apps: &[&str]) {
    for app in apps {
        world.control().stop(app).await;
        world.control().start(app).await;
    }
}

#[tokio::test]
async fn a_key_counts_once_it_is_admitted_and_not_after_it_was_revoked() {
    let world = World::start().await;
    let desk = Desk::of(&world);
    let before = desk.keyset();
    assert_eq!(keys_of(&before, "intake").len(), 1);

    // Another version is another key, and nobody believes it before it is listed.
    let rotate = world.impostor("rotate").await;
    let made = rotate.vault(Method::POST, "/keys/intake-signing/rotate", Some(json!({}))).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let told = desk.types(&["keys", "admit", "--app", "intake", "--key", "intake-signing"]).done();
    assert!(told.contains("keyset 2"), "{told}");
    let listed = desk.keyset();
    let [old, new] = keys_of(&listed, "intake")[..] else { panic!("{listed}") };
    assert_ne!(old["jwk"], new["jwk"]);
    assert_eq!(old["signs"], new["signs"]);
    let kid = |key: &Value| {
        let jwk: airlock_core::jwk::PublicKey = serde_json::from_value(key["jwk"].clone()).unwrap();
        jwk.thumbprint().to_string()
    };
    // intake signs with the new version by itself, once everyone knows it.
    eventually("the new key signs", LATER, async || {
        works(&world).await;
        signs(&world, "intake", &kid(new)).await.then_some(())
    })
    .await;

    let from = (airlock_tests::now().plus_s(-3600)).to_string();
    desk.types(&["keys", "revoke", &kid(old), "--from", &from]).done();
    desk.types(&["keys", "revoke", &kid(old)]).done();
    let revoked = desk.keyset();
    let [old, new] = keys_of(&revoked, "intake")[..] else { panic!("{revoked}") };
    // The earlier time stands: nothing moves a revocation to a later one.
    let unix: i64 = old["revoked"].as_i64().unwrap();
    assert!(unix <= airlock_tests::now().as_unix_s() - 3600);
    assert!(new["revoked"].is_null());
    desk.types(&["keys", "admit", "--app", "execute", "--key", "intake-signing"])
        .refused("grants execute no key");
    let unlisted = "A".repeat(43);
    desk.types(&["keys", "revoke", &unlisted]).refused("is not listed");
    works(&world).await;
}

#[tokio::test]
async fn a_version_that_nobody_admitted_signs_nothing_that_counts() {
    let world = World::start().await;
    let rotate = world.impostor("rotate").await;
    let made = rotate.vault(Method::POST, "/keys/intake-signing/rotate", Some(json!({}))).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let unlisted = rotate.key_named("intake-signing").await.key().thumbprint().to_string();

    // A process that starts now goes on with the version before.
    restarted(&world, &["intake"]).await;
    works(&world).await;

    assert!(!signs(&world, "intake", &unlisted).await);
}

#[tokio::test]
async fn a_binding_is_planned_signed_applied_and_rolled_forward_and_never_put_back() {
    let world = World::start().await;
    let desk = Desk::of(&world);
    let contoso = world.contoso().to_string();
    let group = "a3b0c1d2-0000-4000-8000-000000000003";
    let reviewed = desk.reviewed(|terms| {
        terms["protected_groups"].as_array_mut().expect("a list").push(json!(group));
    });
    let reviewed = reviewed.to_str().unwrap();
    let (signed, old) = (desk.file("signed.json"), world.control().published(&contoso).await);
    let signed = signed.to_str().unwrap();

    // Planning and signing change nothing.
    let plan = desk.types(&["bind", "plan", "--file", reviewed]).done();
    assert!(plan.contains("binding 2"), "{plan}");
    assert!(plan.contains(&format!("+ protected_groups: \"{group}\"")), "{plan}");
    assert!(plan.contains("is unchanged"), "{plan}");
    desk.types(&["bind", "sign", "--file", reviewed, "--out", signed]).done();
    assert_eq!(world.control().published(&contoso).await, old);

    desk.types(&["bind", "apply", signed]).done();
    assert_ne!(world.control().published(&contoso).await, old);
    let again = desk.types(&["bind", "apply", signed]).done();
    assert!(again.contains("is unchanged"), "{again}");

    // What was signed before stands no more, and does not come back by itself.
    let forward = desk.types(&["bind", "roll-forward", "--tenant", &contoso, "--to", "1"]).done();
    assert!(forward.contains("binding 3"), "{forward}");
    assert!(forward.contains(&format!("- protected_groups: \"{group}\"")), "{forward}");
    desk.types(&["bind", "apply", signed]).refused("does not follow binding 3");
    let words = ["bind", "history", "--tenant", &contoso, "--json"];
    let history: Value = serde_json::from_str(&desk.types(&words).done()).unwrap();
    let versions: Vec<&Value> =
        history["versions"].as_array().unwrap().iter().map(|version| &version["ver"]).collect();
    assert_eq!(versions, [3, 2, 1]);
    works(&world).await;

    // Whoever owns the database puts the genuine first version back.
    anchored(&world, &contoso, 3).await;
    world.control().put("bindings", &contoso, &old).await;
    let effects = world.control().effects().await.len();
    restarted(&world, &["intake"]).await;
    let harriet = world.person("harriet").await;
    let asking =
        harriet.sign(&airlock_tests::Order::of("sessions.revoke", &world.who("nina"))).await;
    let answer = harriet.submit(&asking).await;
    assert!(answer.status >= 400, "{}", answer.text);
    assert_eq!(world.control().effects().await.len(), effects);
    desk.types(&["bind", "--file", reviewed]).refused("was replaced already");
}

/// Waits until a checkpoint names this version of a tenant's binding.
async fn anchored(world: &World, tenant: &str, binding: u64) {
    let line = format!("\nbinding {binding}\n");
    eventually("the binding is anchored", SOON, async || {
        world.control().fire("drift", "seal").await;
        let blobs = world.control().blobs().await;
        let anchors = blobs["anchors"]["anchors"].as_object()?;
        let mut bodies = anchors.iter().filter(|(name, _)| name.starts_with(tenant));
        let names_it = |body: &Value| {
            let body = STANDARD.decode(body["body"].as_str().unwrap()).unwrap();
            let anchor: Value = serde_json::from_slice(&body).unwrap();
            anchor["checkpoint"].as_str().is_some_and(|note| note.contains(&line))
        };
        bodies.any(|(_, body)| names_it(body)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_root_is_replaced_while_the_handlers_work_on() {
    let world = World::start().await;
    let desk = Desk::of(&world);
    let old = desk.keyset();
    assert!(old["replacements"].is_null());
    // In Azure whoever owns the vault makes the next version; nobody who is granted its use may.
    world.control().new_version("admin-root").await;
    // A newer version is not the root because it is there.
    desk.types(&["keys", "publish"]).done();
    assert!(desk.keyset()["replacements"].is_null());

    let replacing = desk.begins(&["keys", "replace-root", "--new", "admin-root"]);
    for _ in 0..3 {
        works(&world).await;
    }
    let told = Said::by(replacing).done();

    assert!(told.contains("is the root"), "{told}");
    assert_eq!(desk.keyset()["replacements"].as_array().unwrap().len(), 1);
    let binding = world.control().published(&world.contoso().to_string()).await;
    let keyset = world.control().published("platform").await;
    let kid = |document: &Value| -> Value {
        let header = document["artefact"].as_str().unwrap().split('.').next().unwrap().to_owned();
        let header = airlock_core::base64url::decode(&header).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"].take()
    };
    assert_eq!(kid(&binding), kid(&keyset));
    // Processes that know the old root from their manifest follow to the new one, and so do
    // processes that start with a manifest of the new root's.
    works(&world).await;
    restarted(&world, &["signin", "intake", "execute"]).await;
    works(&world).await;
    desk.types(&["bind"]).done();
}

#[tokio::test]
async fn a_tenant_that_was_stopped_is_brought_back_by_whoever_has_looked() {
    let world = World::start().await;
    let desk = Desk::of(&world);
    let contoso = world.contoso().to_string();
    let order = desk.file("order.jws");
    let order = order.to_str().unwrap();
    works(&world).await;
    anchored(&world, &contoso, 1).await;
    desk.types(&["recover", "plan", "--tenant", &contoso]).refused("it goes on");

    // Whoever owns the database removes what was written since the tree was sealed.
    let control = world.control();
    control.stop("drift").await;
    let harriet = world.person("harriet").await;
    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    harriet.wait_for(&asking.id, "succeeded").await;
    let newest = control.partition("tenants", &contoso).await;
    let newest = newest.iter().filter_map(|document| document["id"].as_str());
    let newest = newest.filter(|id| id.starts_with("leaf-")).max().unwrap().to_owned();
    control.remove("tenants", &contoso, &newest).await;
    control.start("drift").await;
    let plan = eventually("drift refuses", SOON, async || {
        control.fire("drift", "seal").await;
        let plan = desk.types(&["recover", "plan", "--tenant", &contoso]);
        (plan.code == 0).then_some(plan.out)
    })
    .await;
    assert!(plan.contains("a leaf is missing"), "{plan}");
    assert!(plan.contains("would open epoch 1"), "{plan}");
    let effects = control.effects().await.len();
    let refused =
        harriet.sign(&airlock_tests::Order::of("sessions.revoke", &world.who("nina"))).await;
    assert!(harriet.submit(&refused).await.status >= 400);
    assert_eq!(control.effects().await.len(), effects);

    let words = ["recover", "sign", "--tenant", &contoso, "--reason", "a leaf was removed"];
    desk.types(&[&words[..], &["--out", order]].concat()).done();
    desk.types(&["recover", "apply", order]).done();

    eventually("drift opens the next epoch", SOON, async || {
        control.fire("drift", "seal").await;
        let asking =
            harriet.sign(&airlock_tests::Order::of("sessions.revoke", &world.who("nina"))).await;
        if harriet.submit(&asking).await.status != 202 {
            return None;
        }
        harriet.wait_for(&asking.id, "succeeded").await;
        Some(())
    })
    .await;
    desk.types(&["recover", "plan", "--tenant", &contoso]).refused("it goes on");
}
