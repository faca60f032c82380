//! Signing with a key that gets new versions, while the process goes on.
//!
//! Which version signs, the keyset decides: the newest that may be used, of those that are listed
//! for the app and were not revoked. So a new version changes nothing until a person has admitted
//! it, and a process that starts meanwhile goes on with the one before.
//!
//! Not at once, either: whoever keeps a keyset for a while must have read the new one, or they
//! would refuse what is signed ([`SETTLED_S`]). Where there is nothing else to sign with, because
//! the rest was revoked or disabled, the new one signs without waiting.
//!
//! Versions are listed only when the keyset names a key that this process cannot place, when the
//! one in use is listed no longer, and when the vault would not sign with it. Otherwise following a
//! keyset calls nothing.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use async_trait::async_trait;

use crate::{
    digest::Digest,
    identity::App,
    jwk::{PublicKey, Thumbprint},
    keyset::Trust,
    ports::{Clock, PortError, Signer, SigningVersions},
    time::{LEEWAY_S, Timestamp},
    trust::KEPT_S,
};

/// Seconds after a key's `nbf` from when on everyone knows it who keeps a keyset for [`KEPT_S`]
/// seconds: `nbf` is up to [`LEEWAY_S`] before the key was listed, and clocks differ as much.
pub const SETTLED_S: i64 = KEPT_S + 2 * LEEWAY_S;

/// Seconds after which versions are looked at again when that failed, or did not help.
const AGAIN_S: i64 = 10;

/// Versions whose public halves are read at the most.
const MOST_READ: usize = 20;

/// Versions that one signature is asked of, one after the other, while each is disabled.
const ATTEMPTS: u32 = 4;

/// A version of a signing key, and its public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningVersion {
    /// Its id.
    pub id: String,
    /// Its public half.
    pub key: PublicKey,
}

/// An app's signing key, of which always the right version signs.
pub struct FollowingSigner {
    app: App,
    versions: Arc<dyn SigningVersions>,
    clock: Arc<dyn Clock>,
    state: RwLock<State>,
    /// One looks for all.
    looking: tokio::sync::Mutex<()>,
}

/// What is known of the key.
struct State {
    used: SigningVersion,
    /// Every version whose public half was ever read: what is being signed with an earlier one is
    /// signed to the end.
    known: HashMap<Thumbprint, SigningVersion>,
    /// Those that could be used when they were last listed, newest first.
    usable: Vec<Thumbprint>,
    /// What the keyset lists for the app.
    listed: Vec<Listed>,
    /// Listed keys that are versions of this key, or were found to be none that could be used.
    placed: HashSet<Thumbprint>,
    /// Version of that keyset.
    followed: Option<u64>,
    /// When to look again although no other keyset was published.
    again: Option<Timestamp>,
    /// When the vault was last asked because it would not sign.
    asked: Option<Timestamp>,
}

/// A key that the keyset lists for the app.
#[derive(Clone, Copy)]
struct Listed {
    key: Thumbprint,
    nbf: Timestamp,
}

/// The newest version of a key that can be read. Remote calls: one; if the newest is disabled,
/// two more.
///
/// # Errors
///
/// [`PortError`].
pub async fn newest(versions: &dyn SigningVersions) -> Result<SigningVersion, PortError> {
    let denied = match versions.newest().await {
        Err(PortError::Denied(denied)) => denied,
        read => return read,
    };
    // A version that did not prove good is disabled, and is still the newest.
    let Some(id) = versions.usable().await?.into_iter().next() else {
        return Err(PortError::Denied(denied));
    };
    let key = versions.public(&id).await?;
    Ok(SigningVersion { id, key })
}

impl FollowingSigner {
    /// Signs with the newest version until there is a keyset to [follow](Signer::follow): what
    /// nobody admitted counts for nobody. Remote calls: those of [`newest`].
    ///
    /// # Errors
    ///
    /// [`PortError`].
    pub async fn connect(
        app: App,
        versions: Arc<dyn SigningVersions>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PortError> {
        let used = newest(&*versions).await?;
        let key = used.key.thumbprint();
        let state = RwLock::new(State {
            known: HashMap::from([(key, used.clone())]),
            usable: vec![key],
            listed: Vec::new(),
            placed: HashSet::from([key]),
            followed: None,
            again: None,
            asked: None,
            used,
        });
        Ok(Self { app, versions, clock, state, looking: tokio::sync::Mutex::default() })
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // No code that holds the lock can leave it half changed.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses by what is listed now, after listing the versions if that may change something.
    async fn choose(&self, now: Timestamp, is_refused: bool) -> Result<(), PortError> {
        let must_list = is_refused || self.read().has_strangers(now);
        if must_list {
            let (known, usable) = self.listed_versions(now).await?;
            let mut state = self.write();
            state.known.extend(known);
            state.usable = usable;
            state.placed = state.listed.iter().map(|listed| listed.key).collect();
        }
        let mut state = self.write();
        let Some(chosen) = state.chosen(now) else {
            tracing::error!(app = %self.app, "no version of the signing key is listed and usable");
            return Ok(());
        };
        if chosen != state.used {
            let (app, key, version) = (self.app, chosen.key.thumbprint(), &chosen.id);
            tracing::info!(%app, %key, version, "another version of the signing key signs");
            state.used = chosen;
        }
        Ok(())
    }

    /// Versions that may be used, newest first, down to the first that can be chosen at once.
    async fn listed_versions(
        &self,
        now: Timestamp,
    ) -> Result<(HashMap<Thumbprint, SigningVersion>, Vec<Thumbprint>), PortError> {
        let (mut known, mut usable) = (HashMap::new(), Vec::new());
        for id in self.versions.usable().await?.into_iter().take(MOST_READ) {
            let before = self.read().known.values().find(|version| version.id == id).cloned();
            let version = match before {
                Some(version) => version,
                None => SigningVersion { key: self.versions.public(&id).await?, id },
            };
            let key = version.key.thumbprint();
            known.insert(key, version);
            usable.push(key);
            if self.read().is_settled(key, now) {
                break;
            }
        }
        Ok((known, usable))
    }

    /// The vault would not sign with this version: perhaps it was disabled.
    async fn refused(&self, version: &SigningVersion) {
        // Who needs only the one that took its place keeps nobody from following a keyset.
        if self.read().used != *version {
            return;
        }
        let _turn = self.looking.lock().await;
        let now = self.clock.now();
        {
            let mut state = self.write();
            let is_early = state.asked.is_some_and(|asked| now.since_s(asked) < AGAIN_S);
            if state.used != *version || is_early {
                return;
            }
            state.asked = Some(now);
        }
        if let Err(error) = self.choose(now, true).await {
            let error = &error as &(dyn Error + 'static);
            tracing::warn!(error, app = %self.app, "versions of the signing key not listed");
        }
    }
}

impl State {
    /// Whether nothing is to be looked for.
    fn follows(&self, keyset: u64, now: Timestamp) -> bool {
        self.followed.is_some_and(|followed| followed >= keyset)
            && self.again.is_none_or(|again| now < again)
    }

    /// From when on a key counts, if it is listed.
    fn nbf(&self, key: Thumbprint) -> Option<Timestamp> {
        self.listed.iter().find(|listed| listed.key == key).map(|listed| listed.nbf)
    }

    fn counts(&self, key: Thumbprint, now: Timestamp) -> bool {
        self.nbf(key).is_some_and(|nbf| nbf <= now)
    }

    fn is_settled(&self, key: Thumbprint, now: Timestamp) -> bool {
        self.nbf(key).is_some_and(|nbf| nbf.plus_s(SETTLED_S) <= now)
    }

    /// Whether the keyset lists what is not known, or no longer what is used.
    fn has_strangers(&self, now: Timestamp) -> bool {
        let is_stranger = |listed: &Listed| listed.nbf <= now && !self.placed.contains(&listed.key);
        self.listed.iter().any(is_stranger) || !self.counts(self.used.key.thumbprint(), now)
    }

    /// The newest that everyone knows; else the one that was listed first, as the keyset has them
    /// in that order.
    fn chosen(&self, now: Timestamp) -> Option<SigningVersion> {
        let settled = self.usable.iter().find(|key| self.is_settled(**key, now)).copied();
        let is_usable = |listed: &&Listed| listed.nbf <= now && self.usable.contains(&listed.key);
        let first = || self.listed.iter().find(is_usable).map(|listed| listed.key);
        self.known.get(&settled.or_else(first)?).cloned()
    }

    /// Takes over what a keyset lists for the app.
    fn take(&mut self, trust: &Trust, app: App, now: Timestamp) {
        let of =
            |key: &crate::keyset::KeysetKey| Listed { key: key.jwk.thumbprint(), nbf: key.nbf };
        self.listed = trust.keys_of(app).map(of).collect();
        self.followed = Some(trust.version());
        let moments = self.listed.iter().flat_map(|it| [it.nbf, it.nbf.plus_s(SETTLED_S)]);
        self.again = moments.filter(|moment| *moment > now).min();
    }
}

#[async_trait]
impl Signer for FollowingSigner {
    fn current(&self) -> PublicKey {
        self.read().used.key.clone()
    }

    async fn sign(&self, key: &PublicKey, digest: &Digest) -> Result<[u8; 64], PortError> {
        let version = self.read().known.get(&key.thumbprint()).cloned();
        let version = version.ok_or_else(|| PortError::Broken("not a key of this app".into()))?;
        let signed = self.versions.sign(&version.id, digest).await;
        if let Err(PortError::Denied(_)) = &signed {
            self.refused(&version).await;
        }
        signed
    }

    async fn follow(&self, trust: &Trust) {
        let now = self.clock.now();
        if self.read().follows(trust.version(), now) {
            return;
        }
        let used = self.current();
        let _turn = match self.looking.try_lock() {
            Ok(turn) => turn,
            // Somebody looks already, and what is used is good for as long as that takes.
            Err(_) if trust.keys_of(self.app).any(|key| key.jwk == used && key.nbf <= now) => {
                return;
            }
            Err(_) => self.looking.lock().await,
        };
        {
            let mut state = self.write();
            if state.follows(trust.version(), now) {
                return;
            }
            if state.followed.is_none_or(|followed| followed <= trust.version()) {
                state.take(trust, self.app, now);
            }
        }
        if let Err(error) = self.choose(now, false).await {
            let error = &error as &(dyn Error + 'static);
            tracing::warn!(error, app = %self.app, "versions of the signing key not listed");
            self.write().again = Some(now.plus_s(AGAIN_S));
        }
    }
}

/// Signs with the version that signs now. If the vault no longer does so with that one, again with
/// the one that took its place: so disabling a version fails nobody.
pub(crate) async fn sign_now<T, E>(
    signer: &dyn Signer,
    input: impl Fn(&PublicKey) -> Result<T, E> + Send + Sync,
    failed: impl Fn(PortError) -> E + Send + Sync,
) -> Result<Signature<T>, E>
where
    T: AsRef<[u8]> + Send,
    E: Send,
{
    let mut key = signer.current();
    let mut attempts = ATTEMPTS;
    loop {
        let text = input(&key)?;
        attempts -= 1;
        match signer.sign(&key, &Digest::of(&[text.as_ref()])).await {
            Ok(bytes) => return Ok(Signature { key, input: text, bytes }),
            Err(PortError::Denied(_)) if attempts > 0 && signer.current() != key => {
                key = signer.current();
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// A signature, with what it is over and whose it is.
pub(crate) struct Signature<T> {
    pub key: PublicKey,
    pub input: T,
    pub bytes: [u8; 64],
}

#[cfg(test)]
mod tests;
