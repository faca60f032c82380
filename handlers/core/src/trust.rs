//! Keyset and bindings as they are stored, read and verified; and kept for a while.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{
    binding::Binding,
    identity::TenantId,
    jwk::PublicKey,
    jws::{Artefact, NotVerified, Signed},
    keyset::{Keyset, Trust},
    ports::{Clock, Container, Documents, Partition, PortError},
    tenancy::TenantScope,
};

/// For how long an app that only takes requests keeps what it read, in seconds.
///
/// The worker judges again and keeps nothing, so this bounds how long a request can still be
/// *taken* under old terms, not carried out.
pub const KEPT_S: i64 = 30;

/// Id of the keyset, in the deployment's partition.
pub const KEYSET_ID: &str = "keyset";

/// Id of a tenant's binding, in the tenant's partition.
pub const BINDING_ID: &str = "binding";

/// A signed artefact of the admin plane as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(bound = "T: Artefact")]
pub struct StoredArtefact<T> {
    /// [`KEYSET_ID`] or [`BINDING_ID`].
    pub id: String,
    /// Partition key.
    pub tenant: String,
    /// Same as the id.
    pub kind: String,
    /// When it was stored.
    pub at: i64,
    /// What counts.
    pub artefact: Signed<T>,
}

/// Whom to trust could not be told.
#[derive(Debug, thiserror::Error)]
pub enum NotTrusted {
    /// There is no binding for this tenant: we do not work there.
    #[error("tenant has no binding")]
    NoBinding,
    /// There is no keyset: nothing was bootstrapped, or it was taken away.
    #[error("deployment has no keyset")]
    NoKeyset,
    /// What is stored is not of the form that the admin plane writes.
    #[error("stored artefact not understood")]
    Form(#[source] serde_json::Error),
    /// What is stored is not what the admin root signed.
    #[error("stored artefact not verified")]
    NotVerified(#[source] NotVerified),
    /// The store did not answer.
    #[error("artefact not read")]
    Port(#[from] PortError),
}

impl NotTrusted {
    /// Whether somebody tampered with what is stored.
    #[must_use]
    pub const fn is_violation(&self) -> bool {
        matches!(self, Self::Form(_) | Self::NotVerified(_))
    }
}

/// Reads whom to trust.
pub struct TrustStore {
    root: PublicKey,
    documents: Arc<dyn Documents>,
    clock: Arc<dyn Clock>,
    kept_s: i64,
    keyset: Mutex<Option<(i64, Trust)>>,
    scopes: Mutex<HashMap<TenantId, (i64, TenantScope)>>,
}

impl TrustStore {
    /// Keeps what it reads for `kept_s` seconds; 0 reads always.
    #[must_use]
    pub fn new(
        root: PublicKey,
        documents: Arc<dyn Documents>,
        clock: Arc<dyn Clock>,
        kept_s: i64,
    ) -> Self {
        Self { root, documents, clock, kept_s, keyset: Mutex::default(), scopes: Mutex::default() }
    }

    /// The verified keyset.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`].
    pub async fn trust(&self) -> Result<Trust, NotTrusted> {
        let now = self.clock.now();
        // Held while reading: one read for all who wait.
        let mut kept = self.keyset.lock().await;
        if let Some((until, trust)) = &*kept
            && now.as_unix_s() < *until
        {
            return Ok(trust.clone());
        }
        let partition = Partition::deployment();
        let signed: Signed<Keyset> =
            self.artefact(&partition, KEYSET_ID).await?.ok_or(NotTrusted::NoKeyset)?;
        let trust = Trust::verify(&self.root, &signed, now).map_err(NotTrusted::NotVerified)?;
        // An earlier version is genuine too: somebody put it back.
        if kept.as_ref().is_some_and(|(_, before)| trust.version() < before.version()) {
            return Err(NotTrusted::NotVerified(NotVerified::Other("version")));
        }
        *kept = Some((now.as_unix_s() + self.kept_s, trust.clone()));
        Ok(trust)
    }

    /// Enters a tenant.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`].
    pub async fn scope(&self, trust: &Trust, tenant: TenantId) -> Result<TenantScope, NotTrusted> {
        let now = self.clock.now();
        if let Some((until, scope)) = self.scopes.lock().await.get(&tenant)
            && now.as_unix_s() < *until
        {
            return Ok(scope.clone());
        }
        let partition = Partition::bindings(tenant);
        let signed: Signed<Binding> =
            self.artefact(&partition, BINDING_ID).await?.ok_or(NotTrusted::NoBinding)?;
        let scope =
            TenantScope::enter(trust, &signed, tenant, now).map_err(NotTrusted::NotVerified)?;
        let mut scopes = self.scopes.lock().await;
        let before = scopes.get(&tenant).map(|(_, before)| before.binding().ver);
        if before.is_some_and(|before| scope.binding().ver < before) {
            return Err(NotTrusted::NotVerified(NotVerified::Other("version")));
        }
        scopes.insert(tenant, (now.as_unix_s() + self.kept_s, scope.clone()));
        Ok(scope)
    }

    /// Every tenant that has a binding, whether or not it verifies.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    pub async fn tenants(&self) -> Result<Vec<TenantId>, PortError> {
        let keys = self.documents.partitions(Container::Bindings, BINDING_ID).await?;
        Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
    }

    async fn artefact<T: Artefact>(
        &self,
        partition: &Partition,
        id: &str,
    ) -> Result<Option<Signed<T>>, NotTrusted> {
        let Some(found) = self.documents.read(partition, id).await? else { return Ok(None) };
        let stored: StoredArtefact<T> =
            serde_json::from_value(found.json).map_err(NotTrusted::Form)?;
        if stored.tenant != partition.key() || stored.id != id {
            return Err(NotTrusted::NotVerified(NotVerified::Other("place")));
        }
        Ok(Some(stored.artefact))
    }
}
