//! Keys that wrap data keys.
//!
//! A new version wraps as soon as it is there, and an old one goes on unwrapping. Data keys are
//! wrapped again in the background; an old version is disabled once none names it.

use async_trait::async_trait;

use super::{
    NotRotated,
    ports::{Acceptance, KeyKind, RotationPorts, Version},
    rewrapping::Rewrapping,
    rotating::{Made, RUN_TAG, Rotating, Storing, tags},
    state::{Held, Rotation, Run},
};
use crate::{secret_binding::VaultName, time::Timestamp};

/// A wrapping key.
pub(super) struct WrappingKey<'a> {
    pub ports: &'a RotationPorts,
    pub key: &'a VaultName,
    pub data_keys: Rewrapping<'a>,
}

fn held(version: String) -> Held {
    Held { credential: version.clone(), version }
}

#[async_trait]
impl Rotating for WrappingKey<'_> {
    async fn adopt(&self) -> Result<Option<(Held, Timestamp)>, NotRotated> {
        let versions = self.ports.keys.versions(self.key.as_str()).await?;
        let newest = versions.into_iter().rfind(|version| version.enabled);
        Ok(newest.map(|version| (held(version.id), version.at)))
    }

    async fn add(&self, run: &Run, _: &Rotation) -> Result<Made, NotRotated> {
        let id = run.id.to_string();
        let made = |version: &Version| version.enabled && version.tags.get(RUN_TAG) == Some(&id);
        let versions = self.ports.keys.versions(self.key.as_str()).await?;
        let credential = if let Some(version) = versions.into_iter().rfind(made) {
            version.id
        } else {
            let tags = tags(run, "");
            self.ports.keys.make(self.key.as_str(), KeyKind::Wrapping, &tags).await?
        };
        Ok(Made { credential, value: None })
    }

    async fn store(&self, _: &Run, made: &Made) -> Result<Storing, NotRotated> {
        Ok(Storing::Stored(held(made.credential.clone())))
    }

    async fn prove(&self, held: &Held, _: Timestamp) -> Result<Acceptance, NotRotated> {
        let does = self.ports.keys.wraps(self.key.as_str(), &held.version).await?;
        Ok(if does { Acceptance::Accepted } else { Acceptance::Refused })
    }

    async fn undo(
        &self,
        _: &Run,
        credential: &str,
        _: Option<&Held>,
    ) -> Result<Option<Held>, NotRotated> {
        // From then on whoever wraps takes the one before.
        self.ports.keys.disable(self.key.as_str(), credential).await?;
        Ok(None)
    }

    async fn remove(&self, old: &Held, _: &Rotation) -> Result<bool, NotRotated> {
        let kid = self.ports.keys.kid(self.key.as_str(), &old.version);
        if !self.data_keys.away_from(&kid).await? {
            return Ok(false);
        }
        self.ports.keys.disable(self.key.as_str(), &old.version).await?;
        Ok(true)
    }
}
