//! An app's signing key gets its next version while people work: the rotator makes it, a person
//! admits it, and the app goes on with it by itself.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use airlock_core::{
    identity::App,
    jws::Signed,
    keyset::{Keyset, Trust},
    ledger::{Receipt, Statement, note::VerifierKey, statement::ArtefactVersion},
    secret_binding::{Platform, PlatformSecretBindings, SECRETS_ID},
    trust::StoredArtefact,
};
use airlock_tests::{
    Asking, Desk, Impostor, Person, Rotations, SOON, VaultKey, World, eventually, now, payload,
};
use http::Method;
use serde_json::{Value, json};

const KEY: &str = "intake-signing";

/// Until everyone knows a key that was just listed, and a little more.
const TAKEN_UP: Duration = Duration::from_secs(90);

const YEAR_S: i64 = 365 * 24 * 3600;

/// The admin plane publishes that intake's key is to be rotated, and has been in use for a year.
async fn bound(world: &World, root: &VaultKey) {
    let secrets = json!([{
        "name": KEY, "driver": { "kind": "signing_key", "app": "intake", "key": KEY },
        "max_age_days": 90, "overlap_hours": 24,
    }]);
    publish(world, root, &secrets, |keyset| {
        let intakes = keyset.keys.iter_mut().find(|key| key.app == App::Intake).unwrap();
        intakes.nbf = now().plus_s(-YEAR_S);
    })
    .await;
}

/// The admin plane publishes what is to be rotated for the platform, and a keyset that names it.
pub async fn publish(
    world: &World,
    root: &VaultKey,
    secrets: &Value,
    change: impl FnOnce(&mut Keyset),
) {
    let secrets = serde_json::from_value(secrets.clone()).unwrap();
    let (iat, exp) = (now(), now().plus_s(YEAR_S));
    let control = world.control();
    let mut stored = control.published("platform").await;
    let mut keyset: Keyset = payload(stored["artefact"].as_str().unwrap());
    let ver = keyset.secrets.map_or(1, |before| before.ver + 1);
    let bindings = PlatformSecretBindings { tnt: Platform, ver, iat, exp, secrets };
    let artefact = Signed::sign(&bindings, root).await.unwrap();
    let named = ArtefactVersion { ver, digest: artefact.digest() };
    let (id, tenant) = (SECRETS_ID.to_owned(), "platform".to_owned());
    let at = now().as_unix_s();
    let secrets = StoredArtefact { kind: id.clone(), id, tenant, at, artefact };
    control.put("bindings", "platform", &json!(secrets)).await;

    (keyset.ver, keyset.secrets) = (keyset.ver + 1, Some(named));
    change(&mut keyset);
    stored["artefact"] = json!(Signed::sign(&keyset, root).await.unwrap());
    control.put("bindings", "platform", &stored).await;
}

/// Whom to trust, by what is published now.
async fn trust(world: &World, root: &VaultKey) -> Trust {
    let published = world.control().published("platform").await;
    let keyset = Signed::parse(published["artefact"].as_str().unwrap()).unwrap();
    Trust::verify(root.key(), &keyset, now()).unwrap()
}

/// Thumbprint of a version of intake's key.
async fn thumbprint(rotate: &Impostor, version: &Value) -> String {
    let path = format!("/keys/{KEY}/{}", version["version"].as_str().unwrap());
    let shown = rotate.vault(Method::GET, &path, None).await.ok();
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "x": shown["key"]["x"], "y": shown["key"]["y"],
    });
    let key: airlock_core::jwk::PublicKey = serde_json::from_value(jwk).unwrap();
    key.thumbprint().to_string()
}

/// The statements of intake's in Contoso's tree that this key signed.
async fn signed_by(world: &World, key: &str) -> Vec<Signed<Statement>> {
    let ledger = world.ledger(world.contoso()).await;
    let intakes = ledger.leaves().iter().filter(|leaf| leaf.by() == "intake");
    let signed = intakes.map(|leaf| Signed::parse(leaf.text.clone()).unwrap());
    signed.filter(|signed| signed.key().to_string() == key).collect()
}

/// Asks for something that is done at once, and fails the test if it is not.
async fn asks(world: &World, harriet: &Person) -> Asking {
    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    harriet.wait_for(&asking.id, "succeeded").await;
    asking
}

#[tokio::test]
async fn an_app_goes_on_to_its_next_signing_key_without_a_restart_and_without_a_failure() {
    let world = World::start().await;
    let root = world.impostor("admin").await.key_named("admin-root").await;
    bound(&world, &root).await;
    let harriet = world.person("harriet").await;
    let first = asks(&world, &harriet).await;
    let processes = world.control().processes().await;
    let is_over = AtomicBool::new(false);

    let load = async {
        let mut done = 0;
        while !is_over.load(Ordering::SeqCst) {
            asks(&world, &harriet).await;
            done += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        done
    };
    let story = async {
        let told = rotated(&world).await;
        is_over.store(true, Ordering::SeqCst);
        told
    };
    let (done, (old, new)) = tokio::join!(load, story);

    println!("{done} requests, none failed, while {new} took the place of {old}");
    assert!(done > 10, "{done}");
    let pids = |of: &Value, app: &str| of[app]["pid"].clone();
    let after = world.control().processes().await;
    for app in ["signin", "intake", "execute", "rotate", "drift"] {
        assert!(pids(&after, app).is_number(), "{after}");
        assert_eq!(pids(&after, app), pids(&processes, app), "{app} was not restarted");
    }
    assert!(world.stopped("platform").await.is_none());
    // What the old version signed still verifies, by what is published now.
    let trust = trust(&world, &root).await;
    let statements = signed_by(&world, &old).await;
    assert!(!statements.is_empty());
    for statement in statements {
        assert!(trust.open(&statement, now()).is_ok(), "{statement:?}");
    }
    let receipt = harriet.get(&format!("/api/requests/{}/receipt", first.id)).await.ok();
    let drift = world.impostor("drift").await.key_named("drift-checkpoint").await;
    let origin = format!("ledger.airlock.example/t/{}/0", world.contoso());
    let by = VerifierKey::new(&origin, drift.key().clone()).unwrap();
    let proof = Receipt::parse(receipt["receipt"].as_str().unwrap()).unwrap();
    assert!(proof.verify(receipt["statement"].as_str().unwrap().as_bytes(), &by).is_ok());
}

/// From a key that is due to its next version, and to the end of the old one. Their thumbprints.
async fn rotated(world: &World) -> (String, String) {
    let (control, desk) = (world.control(), Desk::of(world));
    let rotations = Rotations::of(world).await;
    let rotate = world.impostor("rotate").await;

    eventually("the next version is made", SOON, async || {
        rotations.round().await;
        (rotations.stage(KEY).await == "added").then_some(())
    })
    .await;
    let versions = rotations.versions("keys", KEY).await;
    assert_eq!(versions.len(), 2, "{versions:?}");
    let (before, next) = (&versions[0], &versions[1]);
    assert!(next["tags"]["airlock-run"].is_string(), "{next}");
    let (old, new) = (thumbprint(&rotate, before).await, thumbprint(&rotate, next).await);
    may_not_sign(&rotate, world).await;

    // Whatever the rotator does, nobody signs with it before a person has admitted it.
    let recorded = rotations.recorded(KEY).await;
    for _ in 0..5 {
        rotations.round().await;
    }
    assert_eq!(rotations.recorded(KEY).await, recorded);
    assert!(signed_by(world, &new).await.is_empty());

    let version = next["version"].as_str().unwrap();
    let words = ["keys", "admit", "--app", "intake", "--key", KEY, "--key-version", version];
    desk.types(&words).done();
    eventually("intake signs with it", TAKEN_UP, async || {
        (!signed_by(world, &new).await.is_empty()).then_some(())
    })
    .await;
    eventually("it is proved and in use", SOON, async || {
        control.fire("drift", "seal").await;
        rotations.round().await;
        rotations.are_rotated(&[KEY]).await.then_some(())
    })
    .await;
    let recorded = rotations.recorded(KEY).await.unwrap();
    assert_eq!(recorded["active"]["held"]["credential"], new);
    assert_eq!(recorded["old"][0]["held"]["credential"], old);

    // As the rotator does when the overlap is over.
    let path = format!("/keys/{KEY}/{}", before["version"].as_str().unwrap());
    let disabled = json!({ "attributes": { "enabled": false } });
    let left = rotate.vault(Method::PATCH, &path, Some(disabled)).await.ok();
    assert_eq!(left["attributes"]["enabled"], false);
    let seen = signed_by(world, &new).await.len();
    eventually("intake goes on", SOON, async || {
        (signed_by(world, &new).await.len() > seen + 4).then_some(())
    })
    .await;
    (old, new)
}

/// Whoever makes versions of a key cannot sign with them, and changes no other key.
async fn may_not_sign(rotate: &Impostor, world: &World) {
    let digest = json!({ "alg": "ES256", "value": "A".repeat(43) });
    let signed = rotate.vault(Method::POST, &format!("/keys/{KEY}/sign"), Some(digest)).await;
    assert_eq!(signed.status, 403, "{}", signed.text);
    let create = json!({ "kty": "EC", "crv": "P-256", "key_ops": ["sign", "verify"] });
    let made = rotate.vault(Method::POST, "/keys/admin-root/create", Some(create)).await;
    assert_eq!(made.status, 403, "{}", made.text);
    let execute = world.impostor("execute").await;
    let listed = execute.vault(Method::GET, &format!("/keys/{KEY}/versions"), None).await;
    assert_eq!(listed.status, 403, "{}", listed.text);
}

#[tokio::test]
async fn the_admin_plane_lists_what_may_be_used_although_the_newest_version_is_disabled() {
    let world = World::start().await;
    let (desk, rotate) = (Desk::of(&world), world.impostor("rotate").await);
    let rotations = Rotations::of(&world).await;
    let create = json!({ "kty": "EC", "crv": "P-256", "key_ops": ["sign", "verify"] });
    let mut made = Vec::new();
    for _ in 0..2 {
        let path = format!("/keys/{KEY}/create");
        rotate.vault(Method::POST, &path, Some(create.clone())).await.assert_ok();
        let newest = rotations.versions("keys", KEY).await.pop().unwrap();
        made.push((thumbprint(&rotate, &newest).await, newest));
        // The vault tells ages in seconds.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let [(usable, _), (disabled, newest)] = &made[..] else { panic!("{made:?}") };
    let path = format!("/keys/{KEY}/{}", newest["version"].as_str().unwrap());
    let disable = json!({ "attributes": { "enabled": false } });
    rotate.vault(Method::PATCH, &path, Some(disable)).await.assert_ok();

    let told = desk.types(&["keys", "publish"]).done();
    let listed = desk.types(&["keys", "show"]).done();

    assert!(told.contains("keyset 2 of"), "{told}");
    assert!(listed.contains(usable.as_str()) && !listed.contains(disabled.as_str()), "{listed}");
    desk.types(&["keys", "publish"]).done();
}
