//! The key under which `signin` keeps what it holds of sessions.
//!
//! Nothing is wrapped again: a value under it lives as long as its session, or a day. So an old
//! version goes on unwrapping for as long as that, and is disabled after it.
//!
//! The rotator's identity makes versions and disables them, and may neither wrap nor unwrap with
//! any. A new version is proved by `signin`, which uses the newest that may be used: it says so when
//! it does, and that counts once it is sealed. Until then, and while what it says is about an older
//! version, nothing is disabled.

use async_trait::async_trait;

use super::{
    NotRotated,
    ports::{Acceptance, KeyKind, KeyVersions, Version},
    rotating::{Made, RUN_TAG, Rotating, Storing, tags},
    sightings::{Seen, Sightings},
    state::{Held, Rotation, Run, Stage},
};
use crate::{
    digest::Digest,
    secret_binding::{SESSION_KEY_STAYS_S, VaultName},
    time::Timestamp,
};

/// The key of sessions.
pub(super) struct SessionKey<'a> {
    pub keys: &'a dyn KeyVersions,
    pub key: &'a VaultName,
    pub sightings: Sightings<'a>,
}

fn held(version: String) -> Held {
    Held { credential: version.clone(), version }
}

fn is_of(run: &Run) -> impl Fn(&Version) -> bool + use<> {
    let id = run.id.to_string();
    move |version| version.enabled && version.tags.get(RUN_TAG) == Some(&id)
}

impl SessionKey<'_> {
    fn name(&self) -> &str {
        self.key.as_str()
    }

    /// How `signin` names a version when it says that it uses it.
    fn used(&self, version: &str) -> Digest {
        Digest::of(&[self.keys.kid(self.name(), version).as_bytes()])
    }
}

#[async_trait]
impl Rotating for SessionKey<'_> {
    async fn adopt(&self) -> Result<Option<(Held, Timestamp)>, NotRotated> {
        let versions = self.keys.versions(self.name()).await?;
        let newest = versions.into_iter().rfind(|version| version.enabled);
        Ok(newest.map(|version| (held(version.id), version.at)))
    }

    async fn add(&self, run: &Run, _: &Rotation) -> Result<Made, NotRotated> {
        let versions = self.keys.versions(self.name()).await?;
        let credential = match versions.into_iter().rfind(is_of(run)) {
            Some(version) => version.id,
            None => self.keys.make(self.name(), KeyKind::Wrapping, &tags(run, "")).await?,
        };
        Ok(Made { credential, value: None })
    }

    async fn store(&self, run: &Run, made: &Made) -> Result<Storing, NotRotated> {
        let versions = self.keys.versions(self.name()).await?;
        let is_there =
            versions.iter().filter(|it| is_of(run)(it)).any(|it| it.id == made.credential);
        // Otherwise somebody disabled it.
        Ok(if is_there { Storing::Stored(held(made.credential.clone())) } else { Storing::Lost })
    }

    /// By what `signin` says. While nobody signs in it says nothing, and is waited for: only one
    /// that goes on with another version, for as long as a session can last, cannot use this one.
    async fn prove(&self, held: &Held, stored: Timestamp) -> Result<Acceptance, NotRotated> {
        Ok(match self.sightings.of_session_key(self.used(&held.version)).await? {
            Seen::It => Acceptance::Accepted,
            Seen::Another(at) if at.since_s(stored) >= SESSION_KEY_STAYS_S => Acceptance::Refused,
            Seen::Another(_) | Seen::Unsealed | Seen::Nothing => Acceptance::NotYet,
        })
    }

    fn patience_s(&self) -> i64 {
        i64::MAX
    }

    async fn waits(&self, run: &Run) -> Result<bool, NotRotated> {
        Ok(match &run.stage {
            Stage::Stored { held, at } => self.prove(held, *at).await? == Acceptance::NotYet,
            Stage::Planned | Stage::Added { .. } | Stage::Proved { .. } | Stage::Refused { .. } => {
                false
            }
        })
    }

    async fn undo(&self, run: &Run, _: &str, _: Option<&Held>) -> Result<Option<Held>, NotRotated> {
        let versions = self.keys.versions(self.name()).await?;
        let bad = is_of(run);
        if !versions.iter().any(|version| version.enabled && !bad(version)) {
            return Err(NotRotated::Other("it is the last under which sessions can be kept"));
        }
        for version in versions.iter().filter(|version| bad(version)) {
            self.keys.disable(self.name(), &version.id).await?;
        }
        Ok(None)
    }

    async fn remove(&self, old: &Held, rotation: &Rotation) -> Result<bool, NotRotated> {
        let versions = self.keys.versions(self.name()).await?;
        let active = rotation.active.as_ref().map(|active| &active.held.version);
        if !versions.iter().any(|it| it.enabled && it.id != old.version && Some(&it.id) == active) {
            tracing::error!(key = %self.key, "the version in use cannot be used: the old one stays");
            return Ok(false);
        }
        // Where the one in use could not be used for a while, the old one was.
        let last = self.sightings.last_of_session_key(self.used(&old.version)).await?;
        let now = self.sightings.clock.now();
        if last.is_some_and(|last| now.since_s(last) < SESSION_KEY_STAYS_S) {
            return Ok(false);
        }
        self.keys.disable(self.name(), &old.version).await?;
        Ok(true)
    }
}
