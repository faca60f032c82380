//! Client secrets of Entra applications.
//!
//! Users take the newest version in Key Vault, so none is put there that Entra does not accept
//! yet: it is used from memory first, then stored, then read back and used again, as they do. If
//! the process dies in between, the value is gone, and its credential is removed by its id.

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    NotRotated,
    place::Place,
    ports::{Acceptance, RotationPorts},
    rotating::{Made, Rotating, Storing, Taker},
    state::{Held, Rotation, Run},
};
use crate::{
    identity::ObjectId, ports::Clock, secret_binding::VaultName, tenancy::TenantScope,
    time::Timestamp,
};

/// A client secret of an application.
pub(super) struct ClientSecret<'a> {
    pub ports: &'a RotationPorts,
    pub clock: &'a dyn Clock,
    pub scope: &'a TenantScope,
    pub name: &'a str,
    pub application: ObjectId,
    pub client: ObjectId,
    pub secret: &'a VaultName,
    pub replaces: Option<Uuid>,
    /// For how long a new one is valid.
    pub valid_s: i64,
}

impl ClientSecret<'_> {
    fn place(&self) -> Place<'_> {
        Place { vault: &*self.ports.secrets, name: self.secret }
    }

    fn entra(&self) -> Taker<'_> {
        Taker::Entra(&*self.ports.credentials, self.scope, self.client)
    }

    /// What the names of this secret's credentials begin with. The secret's own name is in it:
    /// an application can have more than one.
    fn prefix(&self) -> String {
        format!("airlock/{}/", self.name)
    }

    /// Removes credentials that a process added which died before it could say so.
    async fn remove_strays(&self, rotation: &Rotation) -> Result<(), NotRotated> {
        let prefix = self.prefix();
        for found in self.ports.credentials.list(self.scope, self.application).await? {
            let ours = found.name.as_deref().is_some_and(|name| name.starts_with(&prefix));
            if ours && !rotation.knows(&found.id.to_string()) {
                tracing::warn!(credential = %found.id, "stray credential removed");
                self.ports.credentials.remove(self.scope, self.application, found.id).await?;
            }
        }
        Ok(())
    }

    async fn remove_credential(&self, credential: &str) -> Result<(), NotRotated> {
        let id = Uuid::try_parse(credential).map_err(|_| NotRotated::Other("credential"))?;
        Ok(self.ports.credentials.remove(self.scope, self.application, id).await?)
    }
}

#[async_trait]
impl Rotating for ClientSecret<'_> {
    async fn adopt(&self) -> Result<Option<(Held, Timestamp)>, NotRotated> {
        let Some(replaces) = self.replaces else { return Ok(None) };
        let all = self.ports.credentials.list(self.scope, self.application).await?;
        let Some(found) = all.into_iter().find(|found| found.id == replaces) else {
            return Ok(None);
        };
        let version = self.place().newest().await?;
        Ok(version.map(|version| {
            (Held { credential: replaces.to_string(), version: version.id }, found.at)
        }))
    }

    async fn add(&self, run: &Run, rotation: &Rotation) -> Result<Made, NotRotated> {
        self.remove_strays(rotation).await?;
        let name = format!("{}{}/{}", self.prefix(), run.id, run.attempt);
        let until = self.clock.now().plus_s(self.valid_s);
        let new = self.ports.credentials.add(self.scope, self.application, &name, until).await?;
        Ok(Made { credential: new.id.to_string(), value: Some(new.value) })
    }

    async fn store(&self, run: &Run, made: &Made) -> Result<Storing, NotRotated> {
        if let Some(held) = self.place().stored(run, &made.credential).await? {
            return Ok(Storing::Stored(held));
        }
        let Some(value) = &made.value else {
            self.remove_credential(&made.credential).await?;
            return Ok(Storing::Lost);
        };
        Ok(match self.entra().accepts(value, run.attempt).await? {
            Acceptance::Accepted => {
                Storing::Stored(self.place().put(run, &made.credential, value).await?)
            }
            Acceptance::NotYet => Storing::NotYet,
            Acceptance::Refused => Storing::Refused,
        })
    }

    async fn prove(&self, held: &Held, _: Timestamp) -> Result<Acceptance, NotRotated> {
        let value = self.place().value(held).await?;
        Ok(self.entra().accepts(&value, 0).await?)
    }

    async fn undo(
        &self,
        run: &Run,
        credential: &str,
        active: Option<&Held>,
    ) -> Result<Option<Held>, NotRotated> {
        let back = self.place().restore(run, credential, active).await?;
        self.remove_credential(credential).await?;
        Ok(back)
    }

    async fn remove(&self, old: &Held, rotation: &Rotation) -> Result<bool, NotRotated> {
        self.remove_strays(rotation).await?;
        self.remove_credential(&old.credential).await?;
        self.place().retire(old).await?;
        Ok(true)
    }
}
