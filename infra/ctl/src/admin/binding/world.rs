//! An admin plane with its store in memory.

use std::sync::Arc;

use airlock_core::{
    jwe,
    memory::{Dice, Documented, LocalKey, SetClock},
    ports::{Clock as _, Partition},
    root::Roots,
    time::Timestamp,
};
use serde_json::{Value, json};

use super::{
    TenantTerms,
    next::next,
    versions::{NotApplied, Outcome, SignedBinding, apply, publish, sign, standing},
};
use crate::admin::{
    authority::Authority,
    publish::{Press, Published, Shelf},
};

pub const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);
pub const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
pub const OTHER: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";
pub const THIRD: &str = "a3b0c1d2-0000-4000-8000-000000000003";

/// An admin plane with its store.
pub struct World {
    pub documents: Arc<Documented>,
    pub authority: Arc<Authority>,
    pub clock: SetClock,
}

impl World {
    pub fn new() -> Self {
        let documents = Arc::<Documented>::default();
        Self { documents, authority: Arc::new(authority()), clock: SetClock::at(NOW) }
    }

    pub fn press(&self) -> Press<'_> {
        let documents: Arc<dyn Shelf> = Arc::<Documented>::clone(&self.documents);
        Press::new(documents, Arc::clone(&self.authority), &self.clock)
    }

    /// Binds what is wanted.
    pub async fn bind(&self, wanted: &TenantTerms) -> Outcome {
        let published = publish(&self.press(), wanted, self.clock.now()).await.unwrap();
        match published.0 {
            Published::New(outcome) | Published::Unchanged(outcome) => outcome,
        }
    }

    /// Signs what is wanted.
    pub async fn sign(&self, wanted: &TenantTerms) -> SignedBinding {
        let press = self.press();
        let standing = standing(&press, wanted.tenant).await.unwrap();
        let next = next(standing.as_ref(), wanted, self.clock.now()).unwrap().unwrap();
        sign(&press, next).await.unwrap().into()
    }

    /// Stores what was signed, and gives the versions that are new.
    pub async fn apply(&self, bindings: Vec<SignedBinding>) -> Result<Vec<u64>, NotApplied> {
        let applied = apply(&self.press(), &bindings).await?;
        Ok(applied
            .into_iter()
            .map(|published| match published {
                Published::New(outcome) => outcome.binding.ver,
                Published::Unchanged(_) => 0,
            })
            .collect())
    }

    pub fn stored(&self) -> Vec<(String, Value)> {
        let partition = Partition::bindings(TENANT.parse().unwrap());
        self.documents.all(&partition).into_iter().collect()
    }

    pub fn ids(&self) -> Vec<String> {
        self.stored().into_iter().map(|(id, _)| id).collect()
    }
}

pub fn authority() -> Authority {
    let key = LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap();
    Authority { roots: Roots::from(key.key()), signer: Arc::new(key) }
}

/// Terms by which this group is protected.
pub fn protecting(tenant: &str, group: &str) -> TenantTerms {
    let terms = json!({ "name": "A tenant", "home_tenants": [], "protected_groups": [group] });
    serde_json::from_value(json!({ "tenant": tenant, "terms": terms })).unwrap()
}

/// A wrapping key that is changed on schedule, by its name.
pub fn secret(name: &str) -> Value {
    json!({
        "name": name, "max_age_days": 90, "overlap_hours": 24,
        "driver": { "kind": "key_vault_key", "key": format!("{name}-key") },
    })
}

/// The same terms always, and these secrets.
pub fn having(secrets: &[&str]) -> TenantTerms {
    let mut wanted = protecting(TENANT, TENANT);
    let secrets = secrets.iter().map(|name| secret(name)).collect();
    wanted.secrets = serde_json::from_value(Value::Array(secrets)).unwrap();
    wanted
}
