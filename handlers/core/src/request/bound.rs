//! How a tenant binds the secret that a request is about.

use super::Request;
use crate::{
    keyset::Trust,
    ports::Documents,
    secret_binding::{SecretBinding, SecretBindings},
    tenancy::TenantScope,
    time::Timestamp,
    trust::NotTrusted,
};

impl<Stage> Request<Stage> {
    /// How its tenant binds the secret that it is about. None if it is about none, or about one
    /// that nobody bound.
    ///
    /// Remote calls: one read, if it is about a secret. What names the version that counts is the
    /// tenant's binding, which `scope` is.
    ///
    /// # Errors
    ///
    /// [`NotTrusted`].
    pub async fn bound(
        &self,
        documents: &dyn Documents,
        trust: &Trust,
        scope: &TenantScope,
        now: Timestamp,
    ) -> Result<Option<SecretBinding>, NotTrusted> {
        let Some(secret) = self.change().target().secret() else { return Ok(None) };
        let secrets = SecretBindings::read(documents, trust, scope, now).await?;
        Ok(secrets.named(secret.as_str()).cloned())
    }
}
