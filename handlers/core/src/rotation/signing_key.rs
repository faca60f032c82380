//! Keys that apps sign with.
//!
//! A new version signs nothing that counts before a person has admitted it to the keyset; then its
//! app takes it up by itself ([`signing`](crate::signing)). It is proved by what the app has signed
//! with it since. Of old versions the private half is disabled; the public half stays in the keyset
//! for as long as what it signed is read.
//!
//! Nothing here signs: the rotator's identity makes versions and disables them, and may not use
//! those of other apps. And the last version with which an app can sign is never disabled.

use async_trait::async_trait;

use super::{
    NotRotated,
    ports::{Acceptance, KeyKind, KeyVersions, Version},
    rotating::{Made, RUN_TAG, Rotating, Storing, tags},
    sightings::{Seen, Sightings},
    state::{Held, Rotation, Run, Stage},
};
use crate::{
    identity::App, jwk::Thumbprint, keyset::KeysetKey, secret_binding::VaultName, time::Timestamp,
};

/// Seconds after which an app that is at work signs with a key that was admitted.
const TAKEN_UP_S: i64 = 600;

/// Versions whose public halves are read at the most.
const MOST_READ: usize = 20;

/// A signing key of an app.
pub(super) struct SigningKey<'a> {
    pub keys: &'a dyn KeyVersions,
    pub app: App,
    pub key: &'a VaultName,
    pub sightings: Sightings<'a>,
    /// For how long the old version and the new one can sign beside each other.
    pub overlap_s: i64,
}

impl SigningKey<'_> {
    fn name(&self) -> &str {
        self.key.as_str()
    }

    /// How the keyset lists a key, if what it signs counts now.
    fn admitted(&self, credential: &str) -> Option<&KeysetKey> {
        let now = self.sightings.clock.now();
        let mut keys = self.sightings.trust.keys_of(self.app).filter(|key| key.nbf <= now);
        keys.find(|key| key.jwk.thumbprint().to_string() == credential)
    }

    fn is_revoked(&self, credential: &str) -> bool {
        let trust = self.sightings.trust;
        let named = Thumbprint::parse(credential);
        named.is_some_and(|key| trust.revoked(key).is_some())
    }

    async fn credential_of(&self, version: &str) -> Result<String, NotRotated> {
        let key = self.keys.public(self.name(), version).await?;
        Ok(key.thumbprint().to_string())
    }

    /// Whether the app could still sign without some of these versions, which are all there are.
    async fn can_do_without(
        &self,
        all: &[Version],
        some: impl Fn(&Version) -> bool,
    ) -> Result<bool, NotRotated> {
        for other in all.iter().rev().filter(|it| it.enabled && !some(it)).take(MOST_READ) {
            if self.admitted(&self.credential_of(&other.id).await?).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_of(run: &Run) -> impl Fn(&Version) -> bool + use<> {
    let id = run.id.to_string();
    move |version| version.enabled && version.tags.get(RUN_TAG) == Some(&id)
}

#[async_trait]
impl Rotating for SigningKey<'_> {
    async fn adopt(&self) -> Result<Option<(Held, Timestamp)>, NotRotated> {
        let versions = self.keys.versions(self.name()).await?;
        for version in versions.into_iter().rev().filter(|it| it.enabled).take(MOST_READ) {
            let credential = self.credential_of(&version.id).await?;
            if let Some(listed) = self.admitted(&credential) {
                return Ok(Some((Held { credential, version: version.id }, listed.nbf)));
            }
        }
        Ok(None)
    }

    async fn add(&self, run: &Run, _: &Rotation) -> Result<Made, NotRotated> {
        let versions = self.keys.versions(self.name()).await?;
        let version = match versions.into_iter().rfind(is_of(run)) {
            Some(version) => version.id,
            None => self.keys.make(self.name(), KeyKind::Signing, &tags(run, "")).await?,
        };
        Ok(Made { credential: self.credential_of(&version).await?, value: None })
    }

    async fn store(&self, run: &Run, made: &Made) -> Result<Storing, NotRotated> {
        let credential = &made.credential;
        if self.is_revoked(credential) {
            return Ok(Storing::Refused);
        }
        if self.admitted(credential).is_none() {
            return Ok(Storing::NotYet);
        }
        let versions = self.keys.versions(self.name()).await?;
        for version in versions.into_iter().filter(is_of(run)) {
            if self.credential_of(&version.id).await? == *credential {
                let credential = credential.clone();
                return Ok(Storing::Stored(Held { credential, version: version.id }));
            }
        }
        // Somebody disabled it.
        Ok(Storing::Lost)
    }

    /// By what the app has signed. One that had nothing to sign is waited for: only one that goes
    /// on with another key, after the overlap, shows that it cannot use this one.
    async fn prove(&self, held: &Held, stored: Timestamp) -> Result<Acceptance, NotRotated> {
        if self.is_revoked(&held.credential) {
            return Ok(Acceptance::Refused);
        }
        let Some(listed) = self.admitted(&held.credential) else {
            return Ok(Acceptance::Refused);
        };
        let is_over = self.sightings.clock.now().since_s(stored) >= self.overlap_s;
        Ok(match self.sightings.of(listed).await? {
            Seen::It => Acceptance::Accepted,
            Seen::Another(at) if is_over && at.since_s(stored) >= TAKEN_UP_S => Acceptance::Refused,
            Seen::Another(_) | Seen::Unsealed | Seen::Nothing => Acceptance::NotYet,
        })
    }

    fn patience_s(&self) -> i64 {
        i64::MAX
    }

    async fn waits(&self, run: &Run) -> Result<bool, NotRotated> {
        Ok(match &run.stage {
            Stage::Added { credential } => {
                self.admitted(credential).is_none() && !self.is_revoked(credential)
            }
            Stage::Stored { held, at } => self.prove(held, *at).await? == Acceptance::NotYet,
            Stage::Planned | Stage::Proved { .. } | Stage::Refused { .. } => false,
        })
    }

    async fn undo(
        &self,
        run: &Run,
        credential: &str,
        _: Option<&Held>,
    ) -> Result<Option<Held>, NotRotated> {
        let versions = self.keys.versions(self.name()).await?;
        let bad = is_of(run);
        let counts = self.admitted(credential).is_some();
        if counts && !self.can_do_without(&versions, &bad).await? {
            return Err(NotRotated::Other("it is the last with which its app can sign"));
        }
        // Whoever signs with it goes on with the one before when the vault refuses.
        for version in versions.iter().filter(|version| bad(version)) {
            self.keys.disable(self.name(), &version.id).await?;
        }
        Ok(None)
    }

    async fn remove(&self, old: &Held, _: &Rotation) -> Result<bool, NotRotated> {
        let versions = self.keys.versions(self.name()).await?;
        if !self.can_do_without(&versions, |version| version.id == old.version).await? {
            tracing::error!(key = %self.key, "its app could sign with no other version: it stays");
            return Ok(false);
        }
        self.keys.disable(self.name(), &old.version).await?;
        Ok(true)
    }
}
