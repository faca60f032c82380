//! What is one tenant's is nothing in another's hands, wherever each is kept.

use serde_json::{Value, json};

use super::world::{CONTOSO, Client, FABRIKAM, NINA, World};
use crate::{
    ask::Ask,
    base64url,
    binding::{Binding, DataIsolation, Isolation, SecretsIsolation},
    identity::Role::HelpdeskAgent,
    jws::{Artefact, NotVerified, Signed, Typ},
    memory::Mask,
    ports::{Container, Documents as _, Partition, Wrapper as _},
    reception::{NotReceived, RequestName},
    tenancy::TenantScope,
    time::Timestamp,
    trust::{BINDING_ID, NotTrusted, StoredArtefact},
};

const LAYOUTS: [DataIsolation; 3] =
    [DataIsolation::Shared, DataIsolation::Pool, DataIsolation::Silo];

impl World {
    async fn keep_apart(&self, data: DataIsolation, secrets: SecretsIsolation) -> Partition {
        let isolation = Isolation { data, secrets };
        self.change_terms(FABRIKAM, |terms| terms.isolation = isolation).await;
        Partition::tenant(&self.scope(FABRIKAM).await)
    }

    async fn contosos(&self) -> Partition {
        Partition::tenant(&self.scope(CONTOSO).await)
    }
}

/// A request of Contoso's, permitted, beside a tenant that is kept apart.
struct Asked {
    world: World,
    fabrikams: Partition,
    contosos: Partition,
    harriet: Client,
    digest: String,
    /// Of its document.
    id: String,
}

impl Asked {
    async fn in_contoso(data: DataIsolation) -> Self {
        let world = World::new().await;
        let fabrikams = world.keep_apart(data, SecretsIsolation::Shared).await;
        let contosos = world.contosos().await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let ask = world.ask(&harriet, "sessions.revoke", NINA);
        let view = world.submit(&harriet, &ask).await.unwrap();
        let (_, digest) = view.id.split_once('.').unwrap();
        let (digest, id) = (digest.to_owned(), format!("request-{digest}"));
        Self { world, fabrikams, contosos, harriet, digest, id }
    }
}

/// The same, asked for in the other tenant.
fn elsewhere(ask: &Ask) -> Ask {
    Ask { jti: uuid::Uuid::new_v4(), tnt: FABRIKAM, ..ask.clone() }
}

#[tokio::test]
async fn a_tenants_data_and_key_are_where_its_binding_says() {
    let world = World::new().await;
    let names = |partition: &Partition| {
        (
            partition.database_name("airlock").into_owned(),
            partition.container_name().into_owned(),
            partition.wrapping_key_name("tenant-data").into_owned(),
        )
    };
    let (common, container, key) = ("airlock", "tenants", "tenant-data");
    let own = |name: &str| format!("{name}-{FABRIKAM}");

    for (data, secrets, expected) in [
        (
            DataIsolation::Shared,
            SecretsIsolation::Shared,
            (common.to_owned(), container.to_owned(), key.to_owned()),
        ),
        (
            DataIsolation::Pool,
            SecretsIsolation::Shared,
            (common.to_owned(), own(container), key.to_owned()),
        ),
        (
            DataIsolation::Silo,
            SecretsIsolation::Pool,
            (own(common), container.to_owned(), own(key)),
        ),
        (
            DataIsolation::Shared,
            SecretsIsolation::Pool,
            (common.to_owned(), container.to_owned(), own(key)),
        ),
    ] {
        let partition = world.keep_apart(data, secrets).await;

        assert_eq!(names(&partition), expected);
        assert_eq!(partition.key(), FABRIKAM.to_string());
        // Nobody else's moves with it.
        for others in [world.contosos().await, Partition::platform()] {
            assert_eq!(names(&others), (common.to_owned(), container.to_owned(), key.to_owned()));
        }
        let (bindings, _, _) = names(&Partition::bindings(FABRIKAM));
        assert_eq!(bindings, common);
    }
}

#[tokio::test]
async fn nobody_but_the_root_moves_a_tenants_data() {
    let world = World::new().await;
    let silo = world.keep_apart(DataIsolation::Silo, SecretsIsolation::Shared).await;
    let bindings = Partition::bindings(FABRIKAM);
    let genuine = world.documents.all(&bindings)[BINDING_ID].clone();
    let stored: StoredArtefact<Binding> = serde_json::from_value(genuine.clone()).unwrap();
    let parts: Vec<&str> = stored.artefact.as_str().split('.').collect();
    let payload = String::from_utf8(base64url::decode(parts[1]).unwrap()).unwrap();
    let moved = payload.replace(r#""data":"silo""#, r#""data":"shared""#);
    assert_ne!(moved, payload);
    let mut changed = genuine.clone();
    changed["artefact"] = format!("{}.{}.{}", parts[0], base64url::encode(moved), parts[2]).into();
    let store = world.trust_store();
    let trust = world.trust().await;

    world.documents.overwrite(&bindings, BINDING_ID, changed);
    assert!(matches!(store.scope(&trust, FABRIKAM).await, Err(NotTrusted::NotVerified(_))));

    world.documents.overwrite(&bindings, BINDING_ID, genuine);
    let scope = store.scope(&trust, FABRIKAM).await.unwrap();
    assert_eq!(Partition::tenant(&scope), silo);
}

/// A binding in which anything may stand.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Anything(Value);

impl Artefact for Anything {
    const TYP: Typ = Typ::Binding;

    fn not_before(&self) -> Option<Timestamp> {
        None
    }

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

#[tokio::test]
async fn a_tenant_whose_binding_promises_what_cannot_be_kept_is_not_entered() {
    let world = World::new().await;
    let trust = world.trust().await;
    let genuine = serde_json::to_value(world.scope(FABRIKAM).await.binding().value()).unwrap();
    let enter = async |isolation: Value| {
        let mut binding = genuine.clone();
        binding["terms"]["isolation"] = isolation;
        let signed = Signed::sign(&Anything(binding), &world.root).await.unwrap();
        let signed = Signed::parse(signed.as_str()).unwrap();
        TenantScope::enter(&trust, &signed, FABRIKAM, world.now())
    };

    assert!(enter(json!({ "data": "silo", "secrets": "pool" })).await.is_ok());
    for isolation in [
        json!({ "compute": "silo" }),
        json!({ "network": "silo" }),
        json!({ "secrets": "silo" }),
        json!({ "quota": "silo" }),
        json!({ "data": "stamp" }),
        json!({ "storage": "silo" }),
    ] {
        assert!(enter(isolation.clone()).await.is_err(), "{isolation}");
    }
}

#[tokio::test]
async fn by_one_tenants_binding_no_other_is_entered() {
    let world = World::new().await;
    let trust = world.trust().await;
    let stored = world.documents.all(&Partition::bindings(FABRIKAM))[BINDING_ID].clone();
    let stored: StoredArtefact<Binding> = serde_json::from_value(stored).unwrap();

    let entered = TenantScope::enter(&trust, &stored.artefact, CONTOSO, world.now());

    assert_eq!(entered.unwrap_err(), NotVerified::Other("tenant"));
}

#[tokio::test]
async fn what_is_done_in_one_tenant_is_not_seen_in_another_wherever_each_is() {
    for data in LAYOUTS {
        let world = World::new().await;
        let fabrikams = world.keep_apart(data, SecretsIsolation::Shared).await;
        let contosos = world.contosos().await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let ask = world.ask(&harriet, "sessions.revoke", NINA);

        let here = world.submit(&harriet, &ask).await.unwrap();
        assert!(world.documents.all(&fabrikams).is_empty());
        let before = world.documents.all(&contosos);
        let there = world.submit(&harriet, &elsewhere(&ask)).await.unwrap();

        assert_eq!(world.documents.all(&contosos), before, "{data:?}");
        let theirs = world.documents.all(&fabrikams);
        assert!(theirs.values().all(|document| document["tenant"] == FABRIKAM.to_string()));
        // Under the other tenant's name there is no such request.
        for (tenant, id) in [(FABRIKAM, &here.id), (CONTOSO, &there.id)] {
            let (_, digest) = id.split_once('.').unwrap();
            let name = RequestName::parse(&format!("{tenant}.{digest}")).unwrap();
            assert!(world.reception.show(&harriet.caller, name).await.is_err());
        }
        let shared = world.documents.partitions(Container::Tenants, "head").await.unwrap();
        let is_shared = shared.contains(&FABRIKAM.to_string());
        assert_eq!(is_shared, data == DataIsolation::Shared, "{data:?}");
    }
}

#[tokio::test]
async fn what_is_genuine_in_one_tenant_is_not_in_another() {
    for data in LAYOUTS {
        let Asked { world, fabrikams, contosos, harriet, digest, id } =
            Asked::in_contoso(data).await;
        let genuine = world.documents.all(&contosos)[&id].clone();

        // Under Fabrikam's name, and as it is.
        for tenant in [FABRIKAM, CONTOSO] {
            let mut moved = genuine.clone();
            moved["tenant"] = json!(tenant);
            world.documents.overwrite(&fabrikams, &id, moved);
            let name = RequestName::parse(&format!("{FABRIKAM}.{digest}")).unwrap();
            let refused = world.reception.show(&harriet.caller, name).await.unwrap_err();
            assert!(matches!(refused, NotReceived::Violation(_)), "{data:?} {refused:?}");
        }
        assert_eq!(world.ledger(&fabrikams).await, ["airlock.integrity.violation"]);
        assert_eq!(world.effects(), 0);
    }
}

#[tokio::test]
async fn a_message_is_looked_up_where_its_permits_tenant_is_and_nowhere_else() {
    for data in LAYOUTS {
        let Asked { world, fabrikams, contosos, id, .. } = Asked::in_contoso(data).await;

        // The stored request is moved to the other tenant's place.
        let genuine = world.documents.all(&contosos)[&id].clone();
        let mut moved = genuine.clone();
        moved["tenant"] = json!(FABRIKAM);
        world.documents.overwrite(&fabrikams, &id, moved.clone());
        world.documents.forget(&contosos, &id);
        assert!(world.deliver_permit(&world.worker()).await);

        assert_eq!(world.effects(), 0, "{data:?}");
        assert_eq!(world.documents.all(&fabrikams)[&id], moved);
        assert_eq!(world.contoso_ledger().await.last().unwrap(), "airlock.integrity.violation");

        // Back in its own, it is carried out.
        world.documents.overwrite(&contosos, &id, genuine);
        assert!(world.deliver_permit(&world.worker()).await);
        assert_eq!(world.effects(), 1, "{data:?}");
    }
}

#[tokio::test]
async fn a_data_key_that_one_tenants_key_wrapped_is_unwrapped_by_no_others() {
    let world = World::new().await;
    let own = world.keep_apart(DataIsolation::Shared, SecretsIsolation::Pool).await;
    let common = world.contosos().await;
    let key = [7; 32];

    let wrapped = Mask.of(&own).wrap(&key).await.unwrap();
    assert_eq!(Mask.of(&own).unwrap(&wrapped).await.unwrap(), key);
    assert!(Mask.of(&common).unwrap(&wrapped).await.is_err());

    let wrapped = Mask.of(&common).wrap(&key).await.unwrap();
    assert!(Mask.of(&own).unwrap(&wrapped).await.is_err());
    assert_eq!(Mask.unwrap(&wrapped).await.unwrap(), key, "the app's own is the common one");
}

#[tokio::test]
async fn a_tenants_data_key_is_wrapped_by_the_key_that_its_binding_says() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);
    let own = world.keep_apart(DataIsolation::Shared, SecretsIsolation::Pool).await;
    world.submit(&harriet, &ask).await.unwrap();
    world.submit(&harriet, &elsewhere(&ask)).await.unwrap();
    let wrapped_by = |partition: &Partition| -> String {
        let documents = world.documents.all(partition);
        let key = documents.values().find(|document| document["kind"] == "data-key").unwrap();
        let body: Value = serde_json::from_str(key["body"].as_str().unwrap()).unwrap();
        body["kid"].as_str().unwrap().to_owned()
    };

    assert_eq!(wrapped_by(&world.contosos().await), "memory");
    assert_eq!(wrapped_by(&own), format!("memory-{FABRIKAM}"));
}
