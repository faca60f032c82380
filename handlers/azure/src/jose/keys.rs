//! The signing keys of each issuer, kept: of Entra's tenants, and of the issuers of services.
//!
//! Fetched at first use, again after an hour, and once for a key that is not known: an
//! issuer publishes a key long before it signs with it. What was fetched last counts for a day
//! while the issuer does not answer, and what it no longer lists stops counting as soon as it was fetched.
//!
//! One fetch at a time for an issuer, and pauses between them, after failures too: neither who
//! sends tokens with invented key names nor an outage can make us ask more often. A fetch
//! goes on when the request that began it is given up; otherwise whoever hangs up at the right
//! moment would leave everyone without keys.

use std::{
    collections::HashMap,
    fmt::Display,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use airlock_core::{
    ports::{Clock, PortError},
    time::Timestamp,
};
use tokio::{sync::OwnedMutexGuard, task::JoinHandle};
use tracing::Instrument as _;

use super::published::Published;

/// After this keys are fetched again, in seconds.
pub(crate) const REFRESH_S: i64 = 3600;

/// After this keys no longer count, in seconds.
pub(crate) const LIFETIME_S: i64 = 24 * 3600;

/// At least this from a fetch that succeeded to the next one, in seconds. From one that failed it
/// is [`FAILURE_PAUSE_S`], doubled with every failure until it is this long.
pub(crate) const PAUSE_S: i64 = 300;

/// At least this after a first failed fetch, in seconds.
pub(crate) const FAILURE_PAUSE_S: i64 = 5;

/// The most issuers whose keys are kept. Only those that we work for are asked for.
const MOST_ISSUERS: usize = 1000;

/// The signing keys of each issuer: a tenant of Entra's, or whoever issues tokens to services.
pub(crate) struct KeyCache<Issuer: Send + 'static, Key> {
    published: Arc<dyn Published<Issuer, Key>>,
    clock: Arc<dyn Clock>,
    issuers: Mutex<HashMap<Issuer, Arc<Slot<Key>>>>,
}

/// One issuer's keys.
struct Slot<Key> {
    kept: Mutex<Option<Arc<Kept<Key>>>>,
    /// Held while a fetch is under way.
    fetches: Arc<tokio::sync::Mutex<Fetches>>,
}

struct Kept<Key> {
    keys: HashMap<String, Key>,
    fetched: Timestamp,
}

/// The fetches so far.
#[derive(Default)]
struct Fetches {
    last: Option<Timestamp>,
    /// Since the last success.
    failures: u32,
}

/// There is no key to verify with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoKey {
    /// The issuer publishes none of that name.
    #[error("issuer publishes no key of that name")]
    Unknown,
    /// The issuer's keys could not be read.
    #[error("signing keys not read")]
    NotRead(#[source] PortError),
}

/// Why keys are not asked for.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum NotAsked {
    #[error("keys were asked for a moment ago, in vain")]
    Pause,
    #[error("keys of too many issuers are kept")]
    TooManyIssuers,
}

impl<Issuer, Key> KeyCache<Issuer, Key>
where
    Issuer: Clone + Display + Eq + Hash + Send + 'static,
    Key: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(published: Arc<dyn Published<Issuer, Key>>, clock: Arc<dyn Clock>) -> Self {
        Self { published, clock, issuers: Mutex::default() }
    }

    /// The key of that name of an issuer.
    ///
    /// # Errors
    ///
    /// [`NoKey::Unknown`] if the issuer has none, [`NoKey::NotRead`] if it could not
    /// be asked.
    pub(crate) async fn key(&self, issuer: Issuer, kid: &str) -> Result<Key, NoKey> {
        let slot = self.slot(&issuer)?;
        let now = self.clock.now();
        if let Some((key, fetched)) = slot.find(kid, now) {
            // Due, and known: nobody waits for that, and nobody begins a second fetch.
            if now.since_s(fetched) >= REFRESH_S
                && let Ok(turn) = Arc::clone(&slot.fetches).try_lock_owned()
                && turn.may_begin(now)
            {
                drop(self.fetch(issuer, &slot, turn));
            }
            return Ok(key);
        }
        let fetched = self.fetched(issuer, &slot).await;
        let now = self.clock.now();
        match (slot.find(kid, now), fetched) {
            (Some((key, _)), _) => Ok(key),
            (None, Ok(())) if slot.kept(now).is_some() => Err(NoKey::Unknown),
            (None, Ok(())) => Err(NoKey::NotRead(unavailable(NotAsked::Pause))),
            (None, Err(error)) => Err(NoKey::NotRead(error)),
        }
    }

    /// Waits until the issuer's keys are as new as they may be.
    async fn fetched(&self, issuer: Issuer, slot: &Arc<Slot<Key>>) -> Result<(), PortError> {
        let turn = Arc::clone(&slot.fetches).lock_owned().await;
        if turn.may_begin(self.clock.now()) {
            let ended = self.fetch(issuer, slot, turn).await;
            return ended.unwrap_or_else(|error| Err(PortError::Broken(error.into())));
        }
        // A key that was published since may be the one: whether the token is good is not known.
        if turn.failures > 0 { Err(unavailable(NotAsked::Pause)) } else { Ok(()) }
    }

    /// Fetches an issuer's keys, in a task of its own.
    fn fetch(
        &self,
        issuer: Issuer,
        slot: &Arc<Slot<Key>>,
        mut turn: OwnedMutexGuard<Fetches>,
    ) -> JoinHandle<Result<(), PortError>> {
        let (published, slot) = (Arc::clone(&self.published), Arc::clone(slot));
        let now = self.clock.now();
        turn.last = Some(now);
        // Until the end is known, for it may end in a panic.
        turn.failures = turn.failures.saturating_add(1);
        let fetch = async move {
            match published.keys(issuer.clone()).await {
                Ok(keys) => {
                    turn.failures = 0;
                    slot.keep(Kept { keys, fetched: now });
                    Ok(())
                }
                Err(error) => {
                    let cause = crate::hosting::chain(&error);
                    tracing::warn!(%issuer, cause, "signing keys not fetched");
                    Err(error)
                }
            }
        };
        tokio::spawn(fetch.in_current_span())
    }

    fn slot(&self, issuer: &Issuer) -> Result<Arc<Slot<Key>>, NoKey> {
        // Nothing panics while it is held.
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        if issuers.len() >= MOST_ISSUERS && !issuers.contains_key(issuer) {
            return Err(NoKey::NotRead(unavailable(NotAsked::TooManyIssuers)));
        }
        Ok(Arc::clone(issuers.entry(issuer.clone()).or_default()))
    }
}

fn unavailable(why: NotAsked) -> PortError {
    PortError::Unavailable(why.into())
}

impl Fetches {
    /// Whether enough time has passed since the last one.
    fn may_begin(&self, now: Timestamp) -> bool {
        let pause_s = match self.failures {
            0 => PAUSE_S,
            failures => PAUSE_S.min(FAILURE_PAUSE_S << (failures - 1).min(16)),
        };
        self.last.is_none_or(|last| now.since_s(last) >= pause_s)
    }
}

/// Empty, whether or not a key can be.
impl<Key> Default for Slot<Key> {
    fn default() -> Self {
        Self { kept: Mutex::default(), fetches: Arc::default() }
    }
}

impl<Key: Clone> Slot<Key> {
    /// The key of that name, if it counts, and when it was fetched.
    fn find(&self, kid: &str, now: Timestamp) -> Option<(Key, Timestamp)> {
        let kept = self.kept(now)?;
        Some((kept.keys.get(kid)?.clone(), kept.fetched))
    }

    /// What is kept and still counts.
    fn kept(&self, now: Timestamp) -> Option<Arc<Kept<Key>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        (now.since_s(kept.fetched) < LIFETIME_S).then_some(kept)
    }

    fn keep(&self, kept: Kept<Key>) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(kept));
    }
}
