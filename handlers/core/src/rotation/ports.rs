//! What rotation reaches besides the [ports](crate::ports) of every worker.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    identity::ObjectId, jwk::PublicKey, ports::PortError, secret::Secret, secret_binding::CheckUrl,
    tenancy::TenantScope, time::Timestamp,
};

/// The owner's words about a version.
pub type Tags = BTreeMap<String, String>;

/// Where secrets and keys are, and who takes them.
#[derive(Clone)]
pub struct RotationPorts {
    /// Secrets in Key Vault.
    pub secrets: Arc<dyn SecretVault>,
    /// Keys in Key Vault.
    pub keys: Arc<dyn KeyVersions>,
    /// Client secrets of applications.
    pub credentials: Arc<dyn Credentials>,
    /// Whoever else compares a secret.
    pub consumers: Arc<dyn Consumers>,
}

/// A version of a secret or key, without what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its id.
    pub id: String,
    /// When it was made.
    pub at: Timestamp,
    /// Whether it may be used.
    pub enabled: bool,
    /// Its tags.
    pub tags: Tags,
}

/// Whether a credential is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is.
    Accepted,
    /// It is not, and may be later: what was added is not known everywhere at once.
    NotYet,
    /// It is not, and never will be.
    Refused,
}

/// Secrets in Key Vault. Whoever uses one takes its newest version.
#[async_trait]
pub trait SecretVault: Send + Sync {
    /// Adds a version, which is the newest from then on, and gives its id.
    ///
    /// # Errors
    ///
    /// [`PortError`]. Repeating adds another: look for the tags first.
    async fn set(&self, name: &str, value: &Secret, tags: &Tags) -> Result<String, PortError>;

    /// Reads one version's value.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn get(&self, name: &str, version: &str) -> Result<Secret, PortError>;

    /// All versions, oldest first; none, if there is no such secret.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn versions(&self, name: &str) -> Result<Vec<Version>, PortError>;

    /// Disables a version. Repeating is safe.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn disable(&self, name: &str, version: &str) -> Result<(), PortError>;
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// It wraps data keys: RSA.
    Wrapping,
    /// It signs: P-256.
    Signing,
}

/// Versions of keys in Key Vault.
#[async_trait]
pub trait KeyVersions: Send + Sync {
    /// Makes a version, which is the newest from then on, and gives its id. A key that exists is
    /// of that kind.
    ///
    /// # Errors
    ///
    /// [`PortError`]. Repeating makes another: look for the tags first.
    async fn make(&self, name: &str, kind: KeyKind, tags: &Tags) -> Result<String, PortError>;

    /// Public half of a version of a signing key.
    ///
    /// # Errors
    ///
    /// [`PortError`]; [`PortError::Denied`] if it is disabled.
    async fn public(&self, name: &str, version: &str) -> Result<PublicKey, PortError>;

    /// All versions, oldest first; none, if there is no such key.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn versions(&self, name: &str) -> Result<Vec<Version>, PortError>;

    /// Disables a version. Repeating is safe.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn disable(&self, name: &str, version: &str) -> Result<(), PortError>;

    /// Whether a version unwraps what it has just wrapped.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn wraps(&self, name: &str, version: &str) -> Result<bool, PortError>;

    /// How what a version wrapped names it ([`WrappedKey::kid`](crate::ports::WrappedKey)).
    fn kid(&self, name: &str, version: &str) -> String;
}

/// A client secret of an application, without itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its `keyId`.
    pub id: Uuid,
    /// Its name.
    pub name: Option<String>,
    /// From when on it is valid.
    pub at: Timestamp,
}

/// A client secret that was just added.
#[derive(Clone, Debug)]
pub struct NewCredential {
    /// Its `keyId`.
    pub id: Uuid,
    /// The secret. Entra never says it again.
    pub value: Secret,
}

/// Client secrets of applications in a tenant, as the rotator's application may change them: those
/// of applications that it owns.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// All credentials of an application. What was added or removed a moment ago may be missing.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn list(
        &self,
        scope: &TenantScope,
        application: ObjectId,
    ) -> Result<Vec<Credential>, PortError>;

    /// Adds a credential of this name, valid until `until`.
    ///
    /// # Errors
    ///
    /// [`PortError`]; [`PortError::Denied`] if the application is not the rotator's. Repeating
    /// adds another.
    async fn add(
        &self,
        scope: &TenantScope,
        application: ObjectId,
        name: &str,
        until: Timestamp,
    ) -> Result<NewCredential, PortError>;

    /// Removes a credential by its id. One that is gone already is removed.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn remove(
        &self,
        scope: &TenantScope,
        application: ObjectId,
        id: Uuid,
    ) -> Result<(), PortError>;

    /// Uses a secret: asks for a token with it.
    ///
    /// # Errors
    ///
    /// [`PortError`] if nobody can tell.
    async fn try_out(
        &self,
        scope: &TenantScope,
        client: ObjectId,
        secret: &Secret,
    ) -> Result<Acceptance, PortError>;
}

/// Third parties that compare a generated secret.
#[async_trait]
pub trait Consumers: Send + Sync {
    /// Uses a secret where its binding says.
    ///
    /// # Errors
    ///
    /// [`PortError`] if nobody can tell.
    async fn try_out(&self, check: &CheckUrl, secret: &Secret) -> Result<Acceptance, PortError>;
}
