//! Who sees a request: whoever asked, who oversees the tenant, and who answers for its secret.

use tokio::sync::OnceCell;

use super::{Caller, NotReceived, Reception};
use crate::{
    identity::PersonId,
    keyset::Trust,
    record::Record,
    secret_binding::{SecretBindings, SecretName, Secrets},
    tenancy::{Standing, TenantScope},
    time::Timestamp,
};

/// Somebody who looks at requests of a tenant.
pub(super) struct Looking<'a> {
    person: PersonId,
    standing: &'a Standing,
    scope: &'a TenantScope,
    trust: &'a Trust,
    now: Timestamp,
    /// Read at the first request that only its secret's owners may see.
    secrets: OnceCell<Secrets>,
}

impl<'a> Looking<'a> {
    /// A caller of this standing.
    pub(super) fn new(
        caller: &Caller,
        standing: &'a Standing,
        (scope, trust): (&'a TenantScope, &'a Trust),
        now: Timestamp,
    ) -> Self {
        let (person, secrets) = (caller.person.id(), OnceCell::new());
        Self { person, standing, scope, trust, now, secrets }
    }
}

impl Reception {
    /// Whether somebody may know of a request.
    pub(super) async fn may_see(
        &self,
        record: &Record,
        by: &Looking<'_>,
    ) -> Result<(), NotReceived> {
        let is_own = record.summary.requester == by.person.to_string();
        if is_own || self.policies.may_see_all(by.scope, by.person, by.standing) {
            return Ok(());
        }
        let Some(secret) = record.summary.target.secret() else {
            return Err(NotReceived::NotThere);
        };
        if self.answers_for(secret, by).await? { Ok(()) } else { Err(NotReceived::NotThere) }
    }

    /// Whether somebody is one of a secret's owners, who are people of the tenant.
    async fn answers_for(
        &self,
        secret: &SecretName,
        by: &Looking<'_>,
    ) -> Result<bool, NotReceived> {
        if by.person.tid != by.scope.tenant() {
            return Ok(false);
        }
        let documents = &*self.ports.documents;
        let read = || SecretBindings::read(documents, by.trust, by.scope, by.now);
        let secrets = by.secrets.get_or_try_init(read).await?;
        let bound = secrets.named(secret.as_str());
        Ok(bound.is_some_and(|bound| bound.owners.contains(&by.person.oid)))
    }
}
