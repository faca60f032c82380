//! What the admin plane declares: who may sign what, and what each tenant allows.

use uuid::Uuid;

use crate::{
    base64url,
    binding::{Binding, HomeTenant, Terms},
    erasure::{self, Erasure, ORDERED_S, StoredOrder},
    identity::{App, PersonId, Role, TenantId},
    jws::{Artefact, Signed, Typ},
    keyset::{Keyset, KeysetKey, Trust},
    ports::{Documents as _, Partition, Write},
    tenancy::TenantScope,
    trust::{BINDING_ID, KEYSET_ID, StoredArtefact},
};

use super::{CONTOSO, FABRIKAM, GUARDED, LISTED, World};

/// What an app's key may sign.
pub fn signs(app: App) -> Vec<Typ> {
    match app {
        App::Signin => vec![Typ::Session, Typ::Revocation, Typ::Statement],
        App::Intake => vec![Typ::Confirmation, Typ::Attestation, Typ::Permit, Typ::Statement],
        App::Execute | App::Rotate => vec![Typ::Claim, Typ::Outcome, Typ::Statement],
        App::Drift => vec![Typ::Finding, Typ::Event, Typ::Statement],
        App::Admin => vec![Typ::Statement],
    }
}

impl World {
    /// What the admin plane signs first.
    pub(super) async fn declare(&self) {
        let now = self.now();
        let keys = self.keys.iter().map(|(app, key)| KeysetKey {
            jwk: key.key().clone(),
            app: *app,
            signs: signs(*app),
            nbf: now,
            revoked: None,
        });
        let checkpoints = KeysetKey {
            jwk: self.checkpoints.key().clone(),
            app: App::Drift,
            signs: vec![Typ::Checkpoint],
            nbf: now,
            revoked: None,
        };
        let keys = keys.chain([checkpoints]);
        let keyset = Keyset {
            ver: 1,
            iat: now,
            exp: now.plus_s(86_400 * 90),
            keys: keys.collect(),
            replacements: Vec::new(),
            secrets: None,
        };
        self.store_artefact(&Partition::deployment(), KEYSET_ID, &keyset).await;
        for (tenant, home_tenants) in [
            (CONTOSO, vec![(CONTOSO, Role::ALL.to_vec())]),
            (FABRIKAM, vec![(FABRIKAM, Role::ALL.to_vec()), (CONTOSO, vec![Role::HelpdeskAgent])]),
        ] {
            let binding = Binding {
                tnt: tenant,
                ver: 1,
                iat: now,
                exp: now.plus_s(86_400 * 90),
                terms: Terms {
                    name: "a tenant".to_owned(),
                    home_tenants: home_tenants
                        .into_iter()
                        .map(|(tenant, roles)| HomeTenant { tenant, roles })
                        .collect(),
                    allowed_groups: vec![LISTED],
                    protected_groups: vec![GUARDED],
                    ..Terms::default()
                },
                secrets: None,
            };
            self.store_artefact(&Partition::bindings(tenant), BINDING_ID, &binding).await;
        }
    }

    /// The next version of the same keyset.
    pub async fn replace_keyset(&self, ver: u64) {
        let replace = |old: &Keyset| Keyset { ver, ..old.clone() };
        self.replace_artefact(&Partition::deployment(), KEYSET_ID, replace).await;
    }

    /// The admin plane revokes an app's key.
    pub async fn revoke_key_of(&self, app: App) {
        let partition = Partition::deployment();
        let found = self.documents.read(&partition, KEYSET_ID).await.unwrap().unwrap();
        let mut stored: StoredArtefact<Keyset> = serde_json::from_value(found.json).unwrap();
        let old = stored.artefact.verify(self.root.key(), self.now()).unwrap();
        let mut new = Keyset { ver: old.ver + 1, ..old.value().clone() };
        for key in new.keys.iter_mut().filter(|key| key.app == app) {
            key.revoked = Some(self.now());
        }
        stored.artefact = Signed::sign(&new, &self.root).await.unwrap();
        let json = serde_json::to_value(stored).unwrap();
        self.documents.overwrite(&partition, KEYSET_ID, json);
    }

    /// The tenant's next binding, with these terms changed.
    pub async fn change_terms(&self, tenant: TenantId, change: impl FnOnce(&mut Terms)) {
        let replace = |old: &Binding| {
            let mut new = Binding { ver: old.ver + 1, ..old.clone() };
            change(&mut new.terms);
            new
        };
        self.replace_artefact(&Partition::bindings(tenant), BINDING_ID, replace).await;
    }

    pub async fn trust(&self) -> Trust {
        let stored = self.stored_artefact(&Partition::deployment(), KEYSET_ID).await;
        Trust::verify(self.root.key(), &stored.artefact, self.now()).unwrap()
    }

    pub async fn scope(&self, tenant: TenantId) -> TenantScope {
        let stored = self.stored_artefact(&Partition::bindings(tenant), BINDING_ID).await;
        TenantScope::enter(&self.trust().await, &stored.artefact, tenant, self.now()).unwrap()
    }

    /// The admin plane's order to erase a person from a tenant, as it is stored.
    pub async fn order_to_erase(&self, tenant: TenantId, person: PersonId) -> StoredOrder {
        let (now, salt) = (self.now(), [7; 16]);
        let erasure = Erasure {
            jti: Uuid::new_v4(),
            tnt: tenant,
            subject: erasure::subject(&salt, person),
            iat: now,
            exp: now.plus_s(ORDERED_S),
        };
        StoredOrder {
            id: erasure::document_id(erasure.jti),
            tenant: tenant.to_string(),
            kind: erasure::KIND.to_owned(),
            at: now.as_unix_s(),
            ttl: ORDERED_S,
            order: Signed::sign(&erasure, &self.root).await.unwrap(),
            person,
            salt: base64url::encode(salt),
        }
    }

    /// Puts an order where the admin plane puts it.
    pub fn put_order(&self, tenant: TenantId, order: &StoredOrder) {
        let json = serde_json::to_value(order).unwrap();
        self.documents.overwrite(&Partition::bindings(tenant), &order.id, json);
    }

    pub async fn store_artefact<T: Artefact>(&self, partition: &Partition, id: &str, value: &T) {
        let artefact = Signed::sign(value, &self.root).await.unwrap();
        let stored = StoredArtefact {
            id: id.to_owned(),
            tenant: partition.key().to_owned(),
            kind: id.to_owned(),
            at: 0,
            artefact,
        };
        let write = Write::Create(serde_json::to_value(stored).unwrap());
        self.documents.batch(partition, &[write]).await.unwrap();
    }

    async fn stored_artefact<T: Artefact>(
        &self,
        partition: &Partition,
        id: &str,
    ) -> StoredArtefact<T> {
        let found = self.documents.read(partition, id).await.unwrap().unwrap();
        serde_json::from_value(found.json).unwrap()
    }

    async fn replace_artefact<T: Artefact>(
        &self,
        partition: &Partition,
        id: &str,
        replace: impl FnOnce(&T) -> T,
    ) {
        let mut stored = self.stored_artefact::<T>(partition, id).await;
        let old = stored.artefact.verify(self.root.key(), self.now()).unwrap();
        stored.artefact = Signed::sign(&replace(old.value()), &self.root).await.unwrap();
        let json = serde_json::to_value(stored).unwrap();
        self.documents.overwrite(partition, id, json);
    }
}
