use airlock_core::{
    identity::App, jws::Typ, keyset::Trust, memory::Fault, ports::Clock as _, trust::NotTrusted,
};
use serde_json::json;

use super::*;
use crate::admin::binding::world::{NOW, World, authority};

fn listed() -> Vec<Listed> {
    let jwk = authority().roots.present().clone();
    vec![Listed { app: App::Intake, jwk, signs: vec![Typ::Statement] }]
}

/// Keys of `intake` that are changed on schedule.
fn secrets(names: &[&str]) -> Secrets<PlatformDriver> {
    let secret = |name: &&str| {
        json!({
            "name": name, "max_age_days": 90, "overlap_hours": 24,
            "driver": { "kind": "signing_key", "app": "intake", "key": name },
        })
    };
    serde_json::from_value(names.iter().map(secret).collect()).unwrap()
}

async fn bind(world: &World, names: &[&str]) -> Result<Option<u64>, NotPublished> {
    let (press, now) = (world.press(), world.clock.now());
    let bound = standing(&press).await?;
    let Some(next) = binding(bound.as_ref(), &secrets(names), now)? else { return Ok(None) };
    let signed = sign(&press, next).await?;
    replace(&press, &signed, bound.as_ref()).await?;
    Ok(Some(signed.says.ver))
}

/// The names of the secrets that `rotate` reads.
async fn read(world: &World) -> Result<Vec<String>, NotTrusted> {
    let now = world.clock.now();
    let partition = Partition::deployment();
    let keyset: Standing<Keyset> =
        world.press().standing(&partition, KEYSET_ID).await.unwrap().unwrap();
    let trust = Trust::verify(world.authority.roots.present(), &keyset.artefact, now).unwrap();
    let secrets = PlatformSecretBindings::read_platform(&*world.documents, &trust, now).await?;
    Ok(secrets.iter().map(|secret| secret.name.to_string()).collect())
}

fn ids(world: &World) -> Vec<String> {
    world.documents.all(&Partition::deployment()).into_keys().collect()
}

#[tokio::test]
async fn a_deployment_begins_with_keys_and_secrets_in_its_first_keyset() {
    let world = World::new();
    let both = secrets(&["intake-signing"]);

    let first = publish(&world.press(), &listed(), Some(&both), NOW).await.unwrap();

    assert!(matches!(first, Published::New(keyset) if keyset.ver == 1));
    assert_eq!(read(&world).await.unwrap(), ["intake-signing"]);
    assert_eq!(bind(&world, &["intake-signing"]).await.unwrap(), None);
}

#[tokio::test]
async fn without_a_keyset_nothing_is_bound_and_no_empty_one_is_made() {
    let world = World::new();

    assert!(matches!(bind(&world, &["intake-signing"]).await, Err(NotPublished::Nothing)));
    assert_eq!(bind(&world, &[]).await.unwrap(), None);

    assert!(ids(&world).is_empty());
}

#[tokio::test]
async fn a_change_of_secrets_is_a_keyset_and_a_change_of_keys_leaves_the_secrets() {
    let world = World::new();
    publish(&world.press(), &listed(), None, NOW).await.unwrap();
    assert!(read(&world).await.unwrap().is_empty());

    assert_eq!(bind(&world, &["intake-signing"]).await.unwrap(), Some(2));
    let more = publish(&world.press(), &listed(), None, NOW).await.unwrap();
    assert!(matches!(more, Published::New(keyset) if keyset.ver == 3 && keyset.keys.len() == 2));
    assert_eq!(read(&world).await.unwrap(), ["intake-signing"]);
    assert_eq!(bind(&world, &[]).await.unwrap(), Some(4));

    assert!(read(&world).await.unwrap().is_empty());
    assert_eq!(ids(&world), ["keyset", "secrets", "secrets-1"]);
}

#[tokio::test]
async fn both_are_stored_or_neither_and_none_is_believed_without_the_other() {
    let world = World::new();
    publish(&world.press(), &listed(), Some(&secrets(&["a"])), NOW).await.unwrap();
    let before = world.documents.all(&Partition::deployment());

    world.documents.next_batches([Fault::Fails]);
    assert!(bind(&world, &["b"]).await.is_err());
    assert_eq!(world.documents.all(&Partition::deployment()), before);
    world.documents.next_batches([Fault::Repeats]);
    assert_eq!(bind(&world, &["b"]).await.unwrap(), Some(2));

    let partition = Partition::deployment();
    world.documents.overwrite(&partition, SECRETS_ID, before[SECRETS_ID].clone());
    assert!(matches!(read(&world).await, Err(NotTrusted::NotVerified(_))));
    assert!(matches!(bind(&world, &["c"]).await, Err(NotPublished::NotGenuine(_))));
}

#[tokio::test]
async fn what_was_signed_elsewhere_is_stored_with_its_own_secrets_and_once() {
    let world = World::new();
    publish(&world.press(), &listed(), None, NOW).await.unwrap();
    let press = world.press();
    let bound = standing(&press).await.unwrap();
    let mut made = Vec::new();
    for names in [["a"], ["b"]] {
        let next = binding(bound.as_ref(), &secrets(&names), NOW).unwrap().unwrap();
        let Signature { keyset, secrets, .. } = sign(&press, next).await.unwrap();
        made.push(SignedPlatform { keyset, secrets: secrets.unwrap() });
    }
    let [good, other] = &made[..] else { panic!() };

    let mixed = SignedPlatform { secrets: other.secrets.clone(), ..good.clone() };
    assert!(matches!(Checked::of(&press, &mixed).await, Err(NotApplied::OtherSecrets(2))));
    for is_new in [true, false] {
        let checked = Checked::of(&press, good).await.unwrap();
        let stored = checked.store(&press).await.unwrap();
        assert_eq!(matches!(stored, Published::New(_)), is_new);
    }
    let late = Checked::of(&press, other).await;
    assert!(matches!(late, Err(NotApplied::OtherVersion { ver: 2, stands: 2 })));

    assert_eq!(read(&world).await.unwrap(), ["a"]);
}
