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
    ports::{Acceptance, Credential, RotationPorts},
    rotating::{CREDENTIAL_TAG, Made, Rotating, Storing, Taker},
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

    /// Removes credentials that a process added which died before it could say so. Never the one
    /// that users find, whatever the document says: whoever owns the database can put an earlier
    /// one back.
    async fn remove_strays(&self, rotation: &Rotation) -> Result<(), NotRotated> {
        let prefix = self.prefix();
        let all = self.ports.credentials.list(self.scope, self.application).await?;
        let ours = |found: &Credential| {
            found.name.as_deref().is_some_and(|name| name.starts_with(&prefix))
        };
        let strays: Vec<Uuid> = all
            .into_iter()
            .filter(|found| ours(found) && !rotation.knows(&found.id.to_string()))
            .map(|found| found.id)
            .collect();
        if strays.is_empty() {
            return Ok(());
        }
        let used = self.place().used_credential().await?;
        for stray in strays {
            if used.as_ref() == Some(&stray.to_string()) {
                tracing::error!(credential = %stray, "credential in use is not known: it stays");
                continue;
            }
            tracing::warn!(credential = %stray, "stray credential removed");
            self.ports.credentials.remove(self.scope, self.application, stray).await?;
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
        let newest = self.place().newest().await?;
        // One of ours, whose document is gone: else nobody would ever remove it.
        let tagged = newest.as_ref().and_then(|version| version.tags.get(CREDENTIAL_TAG));
        let tagged = tagged.and_then(|id| Uuid::try_parse(id).ok());
        if tagged.is_none() && self.replaces.is_none() {
            return Ok(None);
        }
        let all = self.ports.credentials.list(self.scope, self.application).await?;
        let with_id = |id: Option<Uuid>| all.iter().find(|found| Some(found.id) == id);
        let found = with_id(tagged).or_else(|| with_id(self.replaces));
        // Users may not find it in the vault yet: then it is in no version.
        let version = newest.map(|version| version.id).unwrap_or_default();
        Ok(found.map(|found| (Held { credential: found.id.to_string(), version }, found.at)))
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
