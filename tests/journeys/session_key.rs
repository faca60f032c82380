//! The key under which sessions are kept gets its next version while people sign in: the rotator
//! makes it and may not use it, `signin` takes it up by itself and says so.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use airlock_core::{digest::Digest, keyset::Keyset, recording::event};
use airlock_tests::{Leaf, Person, Rotations, SOON, World, eventually, now};
use http::Method;
use serde_json::{Value, json};

use crate::signing_keys::publish;

const KEY: &str = "session-data";

const HOUR_S: i64 = 3600;

/// The version under which somebody's session is kept.
async fn kept_under(world: &World, person: &Person) -> String {
    let session = world.control().document("sessions", &person.session_document()).await.unwrap();
    let body: Value = serde_json::from_str(session["body"].as_str().unwrap()).unwrap();
    let [name, refresh] = ["name", "refresh"].map(|field| body[field]["kid"].as_str().unwrap());
    assert_eq!(name, refresh);
    name.to_owned()
}

/// Whether what is kept of a session opens: whoever shows it decrypts the person's name.
async fn opens(person: &Person) -> bool {
    let shown = person.get("/auth/session").await.ok();
    !shown["name"].as_str().unwrap().is_empty()
}

/// What `signin` said of the key, as it stands in the platform's ledger.
async fn said(world: &World) -> Vec<String> {
    let ledger = world.tree("platform").await;
    ledger.assert_whole();
    let events = ledger.leaves().iter().filter_map(Leaf::event);
    events.map(|said| said.subject).filter(|subject| subject.starts_with("session-key-")).collect()
}

fn named(kid: &str) -> String {
    event::session_key(Digest::of(&[kid.as_bytes()]))
}

#[tokio::test]
async fn the_key_of_sessions_is_replaced_while_people_sign_in_and_nobody_is_signed_out() {
    let world = World::start().await;
    let root = world.impostor("admin").await.key_named("admin-root").await;
    let (control, rotations) = (world.control(), Rotations::of(&world).await);
    let harriet = world.person("harriet").await;
    let processes = control.processes().await;
    let first = kept_under(&world, &harriet).await;
    eventually("the first version is told of", SOON, async || {
        said(&world).await.contains(&named(&first)).then_some(())
    })
    .await;

    // It is sixty days old.
    let secrets = json!([{
        "name": KEY, "driver": { "kind": "session_key", "key": KEY },
        "max_age_days": 30, "overlap_hours": 32,
    }]);
    publish(&world, &root, &secrets, |_: &mut Keyset| {}).await;
    eventually("the next version is made", SOON, async || {
        rotations.round().await;
        (rotations.stage(KEY).await == "stored").then_some(())
    })
    .await;
    let [old, new] = &rotations.versions("keys", KEY).await[..] else { panic!("two versions") };
    let [old, new] = [old, new].map(|version| version["version"].as_str().unwrap());
    assert!(first.ends_with(old), "{first}");
    may_not_use(&world, new).await;

    // Nobody has signed in since: nothing is proved, and nothing is disabled.
    let recorded = rotations.recorded(KEY).await;
    for _ in 0..3 {
        rotations.round().await;
    }
    assert_eq!(rotations.recorded(KEY).await, recorded);
    assert!(opens(&harriet).await);

    let sam = world.person("sam").await;
    let second = kept_under(&world, &sam).await;
    assert!(second.ends_with(new), "{second}");
    eventually("it is proved and in use", SOON, async || {
        control.fire("drift", "seal").await;
        rotations.round().await;
        rotations.are_rotated(&[KEY]).await.then_some(())
    })
    .await;
    assert_eq!(said(&world).await, [named(&first), named(&second)]);
    let recorded = rotations.recorded(KEY).await.unwrap();
    assert_eq!(recorded["active"]["held"]["version"], new);
    assert_eq!(recorded["old"][0]["held"]["version"], old);
    let stays_s = recorded["old"][0]["remove_after"].as_i64().unwrap() - now().as_unix_s();
    assert!((32 * HOUR_S - 120..=32 * HOUR_S).contains(&stays_s), "{stays_s}");
    assert!(opens(&harriet).await && opens(&sam).await);

    // Disabled by somebody, it does not keep people from signing in.
    let rotate = world.impostor("rotate").await;
    let disable = json!({ "attributes": { "enabled": false } });
    let path = format!("/keys/{KEY}/{new}");
    rotate.vault(Method::PATCH, &path, Some(disable)).await.assert_ok();
    let april = world.person("april").await;
    assert_eq!(kept_under(&world, &april).await, first);
    assert!(opens(&april).await && opens(&harriet).await);
    let after = control.processes().await;
    assert!(processes["signin"]["pid"].is_number(), "{processes}");
    assert_eq!(after["signin"]["pid"], processes["signin"]["pid"], "it was not restarted");

    world.quiet().await;
    assert!(world.stopped("platform").await.is_none());
    let petra = world.person("petra").await;
    let shown = petra.get("/api/secrets?tenant=platform").await.ok();
    let shown = &shown["secrets"][0];
    assert_eq!(
        (&shown["kind"], &shown["stage"], &shown["overdue"]),
        (&json!("session_key"), &json!("active"), &json!(false))
    );
}

/// Whoever makes versions of the key opens nothing with them, nor do others.
async fn may_not_use(world: &World, version: &str) {
    for app in ["rotate", "intake", "execute"] {
        let impostor = world.impostor(app).await;
        for operation in ["wrapkey", "unwrapkey"] {
            let asked = json!({ "alg": "RSA-OAEP-256", "value": "AAAA" });
            let path = format!("/keys/{KEY}/{version}/{operation}");
            let answer = impostor.vault(Method::POST, &path, Some(asked)).await;
            assert_eq!(answer.status, 403, "{app} {operation}: {}", answer.text);
        }
    }
}
