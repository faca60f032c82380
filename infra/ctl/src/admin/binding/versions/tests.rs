use std::sync::Arc;

use airlock_core::{
    jwe,
    memory::{Dice, Documented, Fault, LocalKey, SetClock},
    ports::{Clock as _, Documents, Signer},
    root::Roots,
};
use serde_json::{Value, json};

use super::*;
use crate::admin::{
    authority::Authority,
    publish::{LIFETIME_S, Shelf},
};

const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);
const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
const THIRD: &str = "a3b0c1d2-0000-4000-8000-000000000003";
const OTHER: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";

/// An admin plane with its store.
struct World {
    documents: Arc<Documented>,
    authority: Arc<Authority>,
    clock: SetClock,
}

impl World {
    fn new() -> Self {
        let documents = Arc::<Documented>::default();
        Self { documents, authority: Arc::new(authority()), clock: SetClock::at(NOW) }
    }

    fn press(&self) -> Press<'_> {
        let documents: Arc<dyn Shelf> = Arc::<Documented>::clone(&self.documents);
        Press::new(documents, Arc::clone(&self.authority), &self.clock)
    }

    /// Binds the tenant so that this group is protected.
    async fn bind(&self, group: &str) -> Binding {
        match publish(&self.press(), &terms(TENANT, group), self.clock.now()).await.unwrap() {
            Published::New(binding) | Published::Unchanged(binding) => binding,
        }
    }

    /// Signs what binds a tenant so that this group is protected.
    async fn sign(&self, tenant: &str, group: &str) -> Signed<Binding> {
        let press = self.press();
        let standing = standing(&press, tenant.parse().unwrap()).await.unwrap();
        let terms = terms(tenant, group);
        let binding = wanted(standing.as_ref(), &terms, self.clock.now()).unwrap().unwrap();
        press.sign(&binding).await.unwrap()
    }

    async fn apply(&self, bindings: Vec<Signed<Binding>>) -> Result<Vec<u64>, NotApplied> {
        let applied = apply(&self.press(), &SignedBindings { bindings }).await?;
        Ok(applied
            .into_iter()
            .map(|published| match published {
                Published::New(binding) => binding.ver,
                Published::Unchanged(_) => 0,
            })
            .collect())
    }

    fn stored(&self) -> Vec<(String, Value)> {
        let partition = Partition::bindings(TENANT.parse().unwrap());
        self.documents.all(&partition).into_iter().collect()
    }

    fn ids(&self) -> Vec<String> {
        self.stored().into_iter().map(|(id, _)| id).collect()
    }
}

fn authority() -> Authority {
    let key = LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap();
    Authority { roots: Roots::from(key.key()), signer: Arc::new(key) }
}

fn terms(tenant: &str, group: &str) -> TenantTerms {
    let terms = json!({ "name": "A tenant", "home_tenants": [], "protected_groups": [group] });
    serde_json::from_value(json!({ "tenant": tenant, "terms": terms })).unwrap()
}

#[tokio::test]
async fn each_version_that_is_replaced_is_kept_beside_the_one_that_counts() {
    let world = World::new();

    for group in [TENANT, OTHER, TENANT] {
        world.bind(group).await;
    }

    assert_eq!(world.ids(), ["binding", "binding-1", "binding-2"]);
    let press = world.press();
    let tenant = TENANT.parse().unwrap();
    let first = kept(&press, tenant, 1).await.unwrap().unwrap();
    assert_eq!(first.value.terms, terms(TENANT, TENANT).terms);
    assert_eq!(standing(&press, tenant).await.unwrap().unwrap().value.ver, 3);
    assert!(kept(&press, tenant, 3).await.unwrap().is_none());
}

#[tokio::test]
async fn old_terms_come_back_as_a_new_version() {
    let world = World::new();
    world.bind(TENANT).await;
    world.bind(OTHER).await;
    let tenant = TENANT.parse().unwrap();

    let press = world.press();
    let Earlier { standing, kept } = earlier(&press, tenant, 1).await.unwrap();
    let again = TenantTerms { tenant, terms: kept.value.terms };
    let third = roll_forward(&press, &standing, &again, NOW).await.unwrap();

    assert_eq!((third.ver, third.terms), (3, terms(TENANT, TENANT).terms));
    assert_eq!(world.ids(), ["binding", "binding-1", "binding-2"]);
    for ver in [0, 3, 4] {
        let none = earlier(&press, tenant, ver).await.unwrap_err();
        assert!(matches!(none, NoSuchVersion::NotKept { .. }), "{ver}");
    }
}

#[tokio::test]
async fn what_somebody_signed_is_stored_once_and_only_after_what_it_follows() {
    let world = World::new();
    let first = world.sign(TENANT, TENANT).await;
    assert_eq!(world.apply(vec![first.clone()]).await.unwrap(), [1]);
    let (second, rival) = (world.sign(TENANT, OTHER).await, world.sign(TENANT, THIRD).await);

    assert_eq!(world.apply(vec![second.clone()]).await.unwrap(), [2]);
    assert_eq!(world.apply(vec![second]).await.unwrap(), [0]);

    let stored = world.stored();
    for old in [first, rival] {
        let refused = world.apply(vec![old]).await.unwrap_err();
        assert!(matches!(refused, NotApplied::OtherVersion { stands: 2, .. }), "{refused}");
    }
    assert_eq!(world.stored(), stored);
}

#[tokio::test]
async fn a_binding_whose_time_is_over_is_not_stored() {
    let world = World::new();
    let first = world.sign(TENANT, TENANT).await;

    world.clock.advance_s(LIFETIME_S);

    let refused = world.apply(vec![first]).await.unwrap_err();
    assert!(matches!(refused, NotApplied::NotVerified(NotVerified::Expired(_))), "{refused}");
    assert!(world.stored().is_empty());
}

#[tokio::test]
async fn what_another_root_signed_is_not_stored_nor_what_comes_with_it() {
    let (world, stranger) = (World::new(), World::new());
    let good = world.sign(TENANT, TENANT).await;
    let bad = stranger.sign(OTHER, TENANT).await;

    let refused = world.apply(vec![good.clone(), bad]).await.unwrap_err();
    assert!(matches!(refused, NotApplied::NotVerified(_)), "{refused}");
    let twice = world.apply(vec![good.clone(), good]).await.unwrap_err();
    assert!(matches!(twice, NotApplied::Twice(_)), "{twice}");

    assert!(world.stored().is_empty());
}

#[tokio::test]
async fn an_old_version_that_was_put_back_is_not_counted_on_from() {
    let world = World::new();
    world.bind(TENANT).await;
    world.bind(OTHER).await;
    world.bind(TENANT).await;
    let partition = Partition::bindings(TENANT.parse().unwrap());
    let mut old =
        Documents::read(&*world.documents, &partition, "binding-1").await.unwrap().unwrap().json;
    old["id"] = json!("binding");
    old["kind"] = json!("binding");
    world.documents.overwrite(&partition, "binding", old);

    let stored = world.stored();

    let press = world.press();
    let refused = publish(&press, &terms(TENANT, OTHER), NOW).await.unwrap_err();

    assert!(matches!(refused, NotPublished::OtherHistory(id) if id == "binding-2"));
    assert_eq!(world.stored(), stored);
}

#[tokio::test]
async fn another_tenants_binding_and_another_version_are_not_taken_for_ones_own() {
    let world = World::new();
    world.bind(TENANT).await;
    world.bind(OTHER).await;
    let own = Partition::bindings(TENANT.parse().unwrap());
    let mut binding =
        Documents::read(&*world.documents, &own, "binding").await.unwrap().unwrap().json;
    let other: TenantId = OTHER.parse().unwrap();
    let press = world.press();

    binding["id"] = json!("binding-1");
    world.documents.overwrite(&own, "binding-1", binding.clone());
    let refused = kept(&press, TENANT.parse().unwrap(), 1).await.unwrap_err();
    assert!(matches!(refused, NotPublished::NotGenuine(NotVerified::Other("version"))));

    binding["id"] = json!("binding");
    binding["tenant"] = json!(OTHER);
    world.documents.overwrite(&Partition::bindings(other), "binding", binding);
    let refused = standing(&press, other).await.unwrap_err();
    assert!(matches!(refused, NotPublished::NotGenuine(NotVerified::Other("tenant"))));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_leaves_one_version_and_one_history() {
    let world = World::new();
    world.bind(TENANT).await;
    world.documents.next_batches([Fault::Repeats, Fault::Repeats]);

    assert_eq!(world.bind(OTHER).await.ver, 2);

    assert_eq!(world.ids(), ["binding", "binding-1"]);
}
