//! What the admin plane declared, and how an instance of the app reaches the world.

use std::collections::BTreeMap;

use airlock_core::{
    binding::{Binding, HomeTenant, Terms},
    digest::Digest,
    identity::{App, Role, TenantId},
    jwk::PublicKey,
    jws::{Artefact, Signed, Typ},
    keyset::{Keyset, KeysetKey},
    manifest::Manifest,
    memory::{Documented, LocalKey},
    ports::{Partition, PortError, Ports},
    trust::{BINDING_ID, KEYSET_ID, StoredArtefact},
};
use async_trait::async_trait;
use serde_json::Value;

use super::{API, NOON, PORTAL, World};
use crate::desk::Connect;

/// A keyset of these keys, and the binding of the one tenant.
pub(super) async fn declare(documents: &Documented, root: &LocalKey, keys: &[KeysetKey]) {
    let keyset = Keyset {
        ver: 1,
        iat: NOON,
        exp: NOON.plus_s(30 * 24 * 3600),
        keys: keys.to_vec(),
        replacements: Vec::new(),
        secrets: None,
    };
    let keyset = artefact(KEYSET_ID, "platform", Signed::sign(&keyset, root).await.unwrap());
    documents.overwrite(&Partition::deployment(), KEYSET_ID, keyset);
    let home: TenantId = World::HOME.parse().unwrap();
    let binding = Binding {
        tnt: home,
        ver: 1,
        iat: NOON,
        exp: NOON.plus_s(30 * 24 * 3600),
        terms: Terms {
            name: "Contoso".to_owned(),
            home_tenants: vec![HomeTenant { tenant: home, roles: Role::ALL.to_vec() }],
            ..Terms::default()
        },
        secrets: None,
    };
    let binding = artefact(BINDING_ID, World::HOME, Signed::sign(&binding, root).await.unwrap());
    documents.overwrite(&Partition::bindings(home), BINDING_ID, binding);
}

pub(super) fn listed(jwk: PublicKey, app: App, signs: &[Typ]) -> KeysetKey {
    KeysetKey { jwk, app, signs: signs.to_vec(), nbf: NOON, revoked: None }
}

fn artefact<T: Artefact>(id: &str, tenant: &str, artefact: Signed<T>) -> Value {
    serde_json::to_value(StoredArtefact {
        id: id.to_owned(),
        tenant: tenant.to_owned(),
        kind: id.to_owned(),
        at: 0,
        artefact,
    })
    .unwrap()
}

pub(super) fn manifest(root: PublicKey) -> Manifest {
    Manifest {
        app: App::Signin,
        iat: NOON,
        root,
        package: Digest::of(&[]),
        tenant: World::HOME.parse().unwrap(),
        authority: "https://login.microsoftonline.com".to_owned(),
        sign_in_pages: "https://pages.example".to_owned(),
        graph: "https://graph.microsoft.com".to_owned(),
        vault: "https://v.vault.azure.net".to_owned(),
        cosmos: "https://c.documents.azure.com".to_owned(),
        bus: "b.servicebus.windows.net".to_owned(),
        blobs: "https://b.blob.core.windows.net".to_owned(),
        anchors: "https://a.blob.core.windows.net".to_owned(),
        resource_manager: "https://management.azure.com".to_owned(),
        resources: format!("/subscriptions/{}/resourceGroups/airlock", World::HOME),
        sites: BTreeMap::new(),
        ledger: "ledger.contoso.example".to_owned(),
        portal: PORTAL.to_owned(),
        api: API.to_owned(),
        confirmations: "https://intake.example/internal/confirmations".to_owned(),
        portal_client: World::person(0xa),
        intake_client: World::person(0xb),
        signin_principal: World::person(0xc),
        principals: BTreeMap::new(),
        workers: BTreeMap::new(),
        may_override: Vec::new(),
    }
}

pub(super) struct Connected(pub(super) Ports);

#[async_trait]
impl Connect for Connected {
    async fn ports(&self) -> Result<Ports, PortError> {
        Ok(self.0.clone())
    }
}
