//! Random secrets that somebody else compares.

use async_trait::async_trait;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    NotRotated,
    place::Place,
    ports::{Acceptance, RotationPorts},
    rotating::{Made, Rotating, Storing, Taker},
    state::{Held, Rotation, Run},
};
use crate::{
    base64url,
    ports::Entropy,
    secret::Secret,
    secret_binding::{CheckUrl, VaultName},
    time::Timestamp,
};

/// A random secret.
pub(super) struct Generated<'a> {
    pub ports: &'a RotationPorts,
    pub entropy: &'a dyn Entropy,
    pub secret: &'a VaultName,
    pub bytes: u32,
    pub check: Option<&'a CheckUrl>,
}

impl Generated<'_> {
    fn place(&self) -> Place<'_> {
        Place { vault: &*self.ports.secrets, name: self.secret }
    }
}

#[async_trait]
impl Rotating for Generated<'_> {
    async fn adopt(&self) -> Result<Option<(Held, Timestamp)>, NotRotated> {
        let newest = self.place().newest().await?;
        Ok(newest.map(|version| {
            (Held { credential: version.id.clone(), version: version.id }, version.at)
        }))
    }

    async fn add(&self, _: &Run, _: &Rotation) -> Result<Made, NotRotated> {
        let mut id = [0; 16];
        self.entropy.fill(&mut id)?;
        let credential = uuid::Builder::from_random_bytes(id).into_uuid().to_string();
        let mut bytes = Zeroizing::new(vec![0; usize::try_from(self.bytes).unwrap_or(32)]);
        self.entropy.fill(&mut bytes)?;
        Ok(Made { credential, value: Some(Secret::new(base64url::encode(&*bytes))) })
    }

    async fn store(&self, run: &Run, made: &Made) -> Result<Storing, NotRotated> {
        if let Some(held) = self.place().stored(run, &made.credential).await? {
            return Ok(Storing::Stored(held));
        }
        // Nobody but the process that is gone ever knew it.
        let Some(value) = &made.value else { return Ok(Storing::Lost) };
        Ok(Storing::Stored(self.place().put(run, &made.credential, value).await?))
    }

    async fn prove(&self, held: &Held, _: Timestamp) -> Result<Acceptance, NotRotated> {
        let value = self.place().value(held).await?;
        let Some(check) = self.check else {
            // It can be read where its users read it, and is as long as it shall be.
            let is_whole = base64url::decode(value.expose())
                .is_some_and(|bytes| u32::try_from(bytes.len()) == Ok(self.bytes));
            return Ok(if is_whole { Acceptance::Accepted } else { Acceptance::Refused });
        };
        let taker = Taker::Consumer(&*self.ports.consumers, check);
        Ok(taker.accepts(&value, 0).await?)
    }

    async fn undo(
        &self,
        run: &Run,
        credential: &str,
        active: Option<&Held>,
    ) -> Result<Option<Held>, NotRotated> {
        self.place().restore(run, credential, active).await
    }

    async fn remove(&self, old: &Held, _: &Rotation) -> Result<bool, NotRotated> {
        // An id that is none of ours would be of a version that somebody else made.
        let ours = old.credential == old.version || Uuid::try_parse(&old.credential).is_ok();
        if !ours {
            return Err(NotRotated::Other("credential"));
        }
        self.place().retire(old).await?;
        Ok(true)
    }
}
