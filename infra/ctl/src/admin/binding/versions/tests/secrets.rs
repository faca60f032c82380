//! Binding and secrets together.

use std::sync::Arc;

use airlock_core::{
    identity::App,
    jws::Typ,
    keyset::Trust,
    memory::{Fault, SetClock},
    ports::Clock as _,
    root::Replacement,
    tenancy::TenantScope,
    trust::NotTrusted,
};
use serde_json::json;

use super::super::*;
use crate::admin::{
    binding::{
        next::{NotNext, next},
        versions::applying::SignedBinding,
        world::{NOW, OTHER, TENANT, World, authority, having, protecting},
    },
    keyset::{self, Listed},
    publish::RENEW_S,
};

fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

/// The names of the secrets that a handler reads.
async fn read(world: &World) -> Result<Vec<String>, NotTrusted> {
    let now = world.clock.now();
    let listed = Listed {
        app: App::Rotate,
        jwk: authority().roots.present().clone(),
        signs: vec![Typ::Statement],
    };
    let keyset = keyset::next(None, &[listed], now).unwrap().unwrap();
    let press = world.press();
    let keyset = press.sign(&keyset).await.unwrap();
    let trust = Trust::verify(world.authority.roots.present(), &keyset, now).unwrap();
    let partition = Partition::bindings(tenant());
    let found: Standing<Binding> = press.standing(&partition, BINDING_ID).await.unwrap().unwrap();
    let binding = found.artefact;
    let scope = TenantScope::enter(&trust, &binding, tenant(), now).unwrap();
    let secrets = SecretBindings::read(&*world.documents, &trust, &scope, now).await?;
    Ok(secrets.iter().map(|secret| secret.name.to_string()).collect())
}

/// The version of the secrets that the standing binding names.
async fn named(world: &World) -> Option<u64> {
    let bound = standing(&world.press(), tenant()).await.unwrap().unwrap();
    bound.binding.value.secrets.map(|named| named.ver)
}

#[tokio::test]
async fn handlers_read_the_secrets_that_stand_and_only_a_change_of_them_is_a_version() {
    let world = World::new();
    assert!(world.bind(&protecting(TENANT, TENANT)).await.binding.secrets.is_none());
    assert!(read(&world).await.unwrap().is_empty());

    world.bind(&having(&["data"])).await;
    assert_eq!(read(&world).await.unwrap(), ["data"]);
    let mut other_terms = having(&["data"]);
    other_terms.terms.protected_groups.clear();
    assert_eq!(world.bind(&other_terms).await.binding.ver, 3);
    assert_eq!(named(&world).await, Some(1));
    world.bind(&having(&["data", "more"])).await;

    assert_eq!(read(&world).await.unwrap(), ["data", "more"]);
    assert_eq!(named(&world).await, Some(2));
    let kept = ["binding", "binding-1", "binding-2", "binding-3", "secrets", "secrets-1"];
    assert_eq!(world.ids(), kept);
}

#[tokio::test]
async fn what_is_withdrawn_is_signed_as_gone_and_its_version_counts_on() {
    let world = World::new();
    world.bind(&having(&["data"])).await;

    world.bind(&having(&[])).await;
    assert!(read(&world).await.unwrap().is_empty());
    assert_eq!(named(&world).await, Some(2));
    world.bind(&having(&["data"])).await;

    assert_eq!(named(&world).await, Some(3));
    assert_eq!(read(&world).await.unwrap(), ["data"]);
}

#[tokio::test]
async fn both_are_stored_or_neither_wherever_it_is_interrupted() {
    for fault in [Fault::Fails, Fault::LosesAnswer, Fault::Repeats] {
        let world = World::new();
        world.bind(&having(&["data"])).await;
        let before = world.stored();

        world.documents.next_batches([fault]);
        let published = publish(&world.press(), &having(&["more"]), NOW).await;

        match fault {
            Fault::Fails => {
                assert!(published.is_err());
                assert_eq!(world.stored(), before);
                assert_eq!(read(&world).await.unwrap(), ["data"]);
            }
            Fault::LosesAnswer => {
                assert!(published.is_err());
                assert_eq!(read(&world).await.unwrap(), ["more"]);
            }
            Fault::Repeats | Fault::None => {
                published.unwrap();
                assert_eq!(read(&world).await.unwrap(), ["more"]);
            }
        }
        // Whoever tries again ends in the same state.
        world.bind(&having(&["more"])).await;
        assert_eq!(named(&world).await, Some(2));
        assert_eq!(world.ids(), ["binding", "binding-1", "secrets", "secrets-1"]);
    }
}

#[tokio::test]
async fn secrets_that_were_put_back_alone_are_believed_by_nobody() {
    let world = World::new();
    world.bind(&having(&["data"])).await;
    world.bind(&having(&["more"])).await;
    let partition = Partition::bindings(tenant());
    let mut old = world.documents.all(&partition)["secrets-1"].clone();
    old["id"] = json!(SECRETS_ID);
    old["kind"] = json!(SECRETS_ID);
    world.documents.overwrite(&partition, SECRETS_ID, old);
    let stored = world.stored();

    assert!(matches!(
        read(&world).await.unwrap_err(),
        NotTrusted::NotVerified(NotVerified::Other("version"))
    ));
    let refused = publish(&world.press(), &having(&["third"]), NOW).await.unwrap_err();
    assert!(matches!(refused, NotPublished::NotGenuine(NotVerified::Other("secrets"))));

    assert_eq!(world.stored(), stored);
}

#[tokio::test]
async fn an_earlier_version_comes_back_with_its_secrets() {
    let world = World::new();
    world.bind(&having(&["data"])).await;
    world.bind(&having(&["data", "more"])).await;
    world.bind(&having(&["third"])).await;

    let press = world.press();
    for (to, secrets) in [(2, vec!["data", "more"]), (1, vec!["data"])] {
        let Earlier { standing, kept } = earlier(&press, tenant(), to).await.unwrap();
        let again = TenantTerms {
            tenant: tenant(),
            secrets: kept.secrets(),
            terms: kept.binding.value.terms,
        };
        roll_forward(&press, &standing, &again, NOW).await.unwrap();
        assert_eq!(read(&world).await.unwrap(), secrets);
    }

    assert_eq!(named(&world).await, Some(5));
}

#[tokio::test]
async fn a_binding_is_applied_with_exactly_the_secrets_that_were_signed_with_it() {
    let world = World::new();
    world.bind(&having(&["data"])).await;
    let good = world.sign(&having(&["more"])).await;
    let other = world.sign(&having(&["third"])).await;
    let stored = world.stored();

    let mixed = SignedBinding { secrets: other.secrets, ..good.clone() };
    let without = SignedBinding { secrets: None, ..good.clone() };
    for bad in [mixed, without] {
        let refused = world.apply(vec![bad]).await.unwrap_err();
        assert!(matches!(refused, NotApplied::OtherSecrets { ver: 2, .. }), "{refused}");
    }
    assert_eq!(world.stored(), stored);
    assert_eq!(world.apply(vec![good.clone()]).await.unwrap(), [2]);
    assert_eq!(world.apply(vec![good]).await.unwrap(), [0]);

    assert_eq!(read(&world).await.unwrap(), ["more"]);
}

#[tokio::test]
async fn both_are_renewed_in_time_and_signed_again_by_a_new_root() {
    let mut world = World::new();
    world.bind(&having(&["data"])).await;
    world.clock = SetClock::at(NOW.plus_s(RENEW_S));
    assert_eq!(world.bind(&having(&["data"])).await.binding.ver, 2);
    assert_eq!(named(&world).await, Some(2));

    let new = authority();
    let replacement = Replacement {
        ver: 1,
        old: world.authority.roots.present().clone(),
        new: new.roots.present().clone(),
        iat: world.clock.now(),
        from: world.clock.now().plus_s(600),
    };
    let roots = world.authority.roots.clone().replaced(replacement).unwrap();
    world.authority = Arc::new(crate::admin::authority::Authority { roots, ..new });
    assert!(!standing(&world.press(), tenant()).await.unwrap().unwrap().is_by_present_root());
    world.bind(&having(&["data"])).await;

    let bound = standing(&world.press(), tenant()).await.unwrap().unwrap();
    assert!(bound.is_by_present_root());
    assert_eq!(named(&world).await, Some(3));
    assert_eq!(read(&world).await.unwrap(), ["data"]);
}

#[tokio::test]
async fn a_name_never_comes_to_mean_another_thing() {
    let world = World::new();
    world.bind(&having(&["data"])).await;
    let bound = standing(&world.press(), tenant()).await.unwrap();
    let mut wanted = having(&[]);
    let mut becomes = |driver: serde_json::Value| {
        wanted.secrets = serde_json::from_value(json!([{
            "name": "data", "max_age_days": 1, "overlap_hours": 1, "driver": driver,
        }]))
        .unwrap();
        next(bound.as_ref(), &wanted, NOW).map(drop)
    };

    assert!(becomes(json!({ "kind": "key_vault_key", "key": "data-key" })).is_ok());
    for driver in [
        json!({ "kind": "key_vault_key", "key": "other-key" }),
        json!({ "kind": "generated", "secret": "data-key", "bytes": 32 }),
    ] {
        assert!(matches!(becomes(driver), Err(NotNext::Becomes { .. })));
    }
    // Once it is withdrawn, nothing is left to be confused with.
    let of_another = protecting(OTHER, TENANT);
    assert!(next(None, &of_another, NOW).unwrap().unwrap().secrets.is_none());
}
