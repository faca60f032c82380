//! Keyset and bindings as they are stored, read and verified; and kept for a while.
//!
//! A genuine artefact of an earlier version can be put back by whoever owns the database. So none
//! counts that is older than what the newest anchors name, or than what this process has seen.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{
    binding::Binding,
    identity::TenantId,
    jwk::PublicKey,
    jws::{Artefact, NotVerified, Signed},
    keyset::{Keyset, Trust},
    ledger::{Anchors, NotProven, Trees},
    ports::{Clock, Container, Documents, Partition, PortError, Signer},
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
    /// The ledger that it is held against is not proven.
    #[error("ledger not proven")]
    NotProven(#[from] NotProven),
    /// The keyset that was asked with was replaced meanwhile: ask with the new one.
    #[error("keyset was replaced meanwhile")]
    Older,
    /// The store did not answer.
    #[error("artefact not read")]
    Port(#[from] PortError),
}

impl NotTrusted {
    /// Whether somebody tampered with what is stored.
    #[must_use]
    pub const fn is_violation(&self) -> bool {
        match self {
            Self::Form(_) | Self::NotVerified(_) => true,
            Self::NotProven(error) => error.is_violation(),
            Self::NoBinding | Self::NoKeyset | Self::Older | Self::Port(_) => false,
        }
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
    trees: Arc<Trees>,
    /// Keys that sign by what is read here.
    signers: Vec<Arc<dyn Signer>>,
}

impl TrustStore {
    /// Keeps what it reads for `kept_s` seconds; 0 reads always.
    #[must_use]
    pub fn new(
        root: PublicKey,
        anchors: Anchors,
        documents: Arc<dyn Documents>,
        clock: Arc<dyn Clock>,
        kept_s: i64,
    ) -> Self {
        let trees = Trees::new(Arc::clone(&documents), anchors, Arc::clone(&clock));
        Self {
            root,
            documents,
            clock,
            kept_s,
            keyset: Mutex::default(),
            scopes: Mutex::default(),
            trees: Arc::new(trees),
            signers: Vec::new(),
        }
    }

    /// The same, with a key that [follows](Signer::follow) each keyset that is read: that of the
    /// app whose process this is.
    #[must_use]
    pub fn followed_by(mut self, signer: &Arc<dyn Signer>) -> Self {
        self.signers.push(Arc::clone(signer));
        self
    }

    /// Where what was sealed is anchored.
    #[must_use]
    pub fn anchors(&self) -> &Anchors {
        self.trees.anchors()
    }

    /// The verified keyset: no older than the newest anchor of the platform's tree says that
    /// there is.
    ///
    /// Remote calls: one read, unless it is kept; and for the anchor what
    /// [`Trees::newest_seal`] says. Keys that follow list their versions if the keyset names
    /// others than before.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`].
    pub async fn trust(&self) -> Result<Trust, NotTrusted> {
        let trust = self.newest_trust().await?;
        for signer in &self.signers {
            signer.follow(&trust).await;
        }
        Ok(trust)
    }

    async fn newest_trust(&self) -> Result<Trust, NotTrusted> {
        let now = self.clock.now();
        // Held while reading: one read for all who wait.
        let mut kept = self.keyset.lock().await;
        if let Some((until, trust)) = &*kept
            && now.as_unix_s() < *until
            && trust.version() >= self.keyset_version(trust).await?
            // A tenant's anchor can name a version before the platform's does.
            && trust.version() >= self.trees.known_keyset()
        {
            return Ok(trust.clone());
        }
        self.read_keyset(&mut kept).await
    }

    async fn read_keyset(&self, kept: &mut Option<(i64, Trust)>) -> Result<Trust, NotTrusted> {
        let now = self.clock.now();
        let partition = Partition::deployment();
        let signed: Signed<Keyset> =
            self.artefact(&partition, KEYSET_ID).await?.ok_or(NotTrusted::NoKeyset)?;
        let trust = Trust::verify(&self.root, &signed, now).map_err(NotTrusted::NotVerified)?;
        let before = kept.as_ref().map_or(0, |(_, before)| before.version());
        // An earlier version is genuine too: somebody put it back.
        if trust.version() < before.max(self.keyset_version(&trust).await?) {
            return Err(NotTrusted::NotVerified(NotVerified::Other("version")));
        }
        *kept = Some((now.as_unix_s() + self.kept_s, trust.clone()));
        Ok(trust)
    }

    /// The keyset's version, as the platform's newest anchor says.
    async fn keyset_version(&self, trust: &Trust) -> Result<u64, NotTrusted> {
        let platform = Partition::platform();
        let seal = self.trees.newest_seal(&platform, trust, self.clock.now()).await?;
        Ok(seal.map_or(0, |seal| seal.keyset))
    }

    /// Enters a tenant whose ledger is proven, and sealed not long ago: whoever decides or acts
    /// there comes this way.
    ///
    /// Remote calls: one read of the binding, unless it is kept; and for the ledger what
    /// [`Trees::proven`] says.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`].
    pub async fn scope(&self, trust: &Trust, tenant: TenantId) -> Result<TenantScope, NotTrusted> {
        let mut scope = self.scope_as_signed(trust, tenant).await?;
        let partition = Partition::tenant(&scope);
        let proven = self.trees.proven(&partition, trust, self.clock.now()).await?;
        if scope.binding().ver < proven.binding {
            // What was kept can be older than what was published since: it is read again, and
            // held against what is known by now.
            scope = self.scope_as_signed(trust, tenant).await?;
        }
        if trust.version() < proven.keyset {
            let newer = self.read_keyset(&mut *self.keyset.lock().await).await?;
            return Err(if newer.version() < proven.keyset {
                NotTrusted::NotVerified(NotVerified::Other("version"))
            } else {
                NotTrusted::Older
            });
        }
        Ok(scope)
    }

    /// Enters a tenant by what its signed binding says, without proving its ledger: for `drift`,
    /// which makes what a ledger is proven by, and for who decides nothing there. A binding that is
    /// older than what this process knows of the ledger is refused all the same.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`].
    pub async fn scope_as_signed(
        &self,
        trust: &Trust,
        tenant: TenantId,
    ) -> Result<TenantScope, NotTrusted> {
        let now = self.clock.now();
        let named = |scope: &TenantScope| {
            self.trees.known_seal(&Partition::tenant(scope)).map_or(0, |seal| seal.binding)
        };
        if let Some((until, scope)) = self.scopes.lock().await.get(&tenant)
            && now.as_unix_s() < *until
            && scope.binding().ver >= named(scope)
        {
            return Ok(scope.clone());
        }
        let partition = Partition::bindings(tenant);
        let signed: Signed<Binding> =
            self.artefact(&partition, BINDING_ID).await?.ok_or(NotTrusted::NoBinding)?;
        let scope =
            TenantScope::enter(trust, &signed, tenant, now).map_err(NotTrusted::NotVerified)?;
        let mut scopes = self.scopes.lock().await;
        let before = scopes.get(&tenant).map_or(0, |(_, before)| before.binding().ver);
        if scope.binding().ver < before.max(named(&scope)) {
            return Err(NotTrusted::NotVerified(NotVerified::Other("version")));
        }
        scopes.insert(tenant, (now.as_unix_s() + self.kept_s, scope.clone()));
        Ok(scope)
    }

    /// The ledgers, as far as they are proven.
    #[must_use]
    pub const fn trees(&self) -> &Arc<Trees> {
        &self.trees
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

    pub(crate) async fn artefact<T: Artefact>(
        &self,
        partition: &Partition,
        id: &str,
    ) -> Result<Option<Signed<T>>, NotTrusted> {
        let Some(found) = self.documents.read(partition, id).await? else { return Ok(None) };
        let stored: StoredArtefact<T> =
            serde_json::from_value(found.json).map_err(NotTrusted::Form)?;
        // By its kind tenants are listed: one that is not found would be sealed by nobody.
        if stored.tenant != partition.key() || stored.id != id || stored.kind != id {
            return Err(NotTrusted::NotVerified(NotVerified::Other("place")));
        }
        Ok(Some(stored.artefact))
    }
}
