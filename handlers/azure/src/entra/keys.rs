//! The signing keys of each tenant, kept.
//!
//! Fetched at first use, again after an hour, and once for a key that is not known: Entra
//! publishes a key long before it signs with it. Whoever sends tokens with invented key names
//! cannot make us ask Entra more than once in five minutes. What was fetched last counts for a
//! day while Entra does not answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use airlock_core::{
    identity::TenantId,
    ports::{Clock, PortError},
    time::Timestamp,
};
use tokio::sync::MutexGuard;

use super::{
    NotAccepted,
    published::{Keys, Published, SigningKey},
};

/// After this keys are fetched again, in seconds.
const REFRESH_S: i64 = 3600;

/// After this keys no longer count, in seconds.
const LIFETIME_S: i64 = 24 * 3600;

/// At least this between two fetches for a tenant whose keys are known, in seconds.
const PAUSE_S: i64 = 300;

/// At least this after a failed fetch for a tenant whose keys are not known, in seconds: nobody
/// of it can sign in, and yet an outage must not become a flood.
const EMPTY_PAUSE_S: i64 = 5;

/// The most tenants whose keys are kept. Only tenants that we work for are asked for.
const MOST_TENANTS: usize = 1000;

/// The signing keys of each tenant.
pub(super) struct KeyCache {
    published: Arc<dyn Published>,
    clock: Arc<dyn Clock>,
    tenants: Mutex<HashMap<TenantId, Arc<Slot>>>,
}

/// One tenant's keys.
#[derive(Default)]
struct Slot {
    kept: Mutex<Option<Arc<Kept>>>,
    /// When the last fetch was tried. Held while one is.
    tried: tokio::sync::Mutex<Option<Timestamp>>,
}

struct Kept {
    keys: Keys,
    fetched: Timestamp,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum NoKeys {
    #[error("keys were asked for a moment ago, in vain")]
    Pause,
    #[error("keys of too many tenants are kept")]
    TooManyTenants,
}

impl KeyCache {
    pub(super) fn new(published: Arc<dyn Published>, clock: Arc<dyn Clock>) -> Self {
        Self { published, clock, tenants: Mutex::default() }
    }

    /// The key of that name of a tenant.
    pub(super) async fn key(&self, tenant: TenantId, kid: &str) -> Result<SigningKey, NotAccepted> {
        let slot = self.slot(tenant)?;
        let now = self.clock.now();
        let found =
            slot.kept(now).and_then(|kept| Some((kept.keys.get(kid)?.clone(), kept.fetched)));
        let turn = match found {
            Some((key, fetched)) if now.since_s(fetched) < REFRESH_S => return Ok(key),
            // Due, and known: nobody waits for what another one fetches.
            Some((key, _)) => match slot.tried.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(key),
            },
            None => slot.tried.lock().await,
        };
        let fetched = self.refresh(tenant, &slot, turn).await;
        let kept = slot.kept(now);
        if let Some(key) = kept.as_ref().and_then(|kept| kept.keys.get(kid)) {
            return Ok(key.clone());
        }
        match (kept, fetched) {
            (_, Err(error)) => Err(NotAccepted::Keys(error)),
            (None, Ok(())) => Err(NotAccepted::Keys(unavailable(NoKeys::Pause))),
            (Some(_), Ok(())) => Err(NotAccepted::UnknownKey),
        }
    }

    /// Fetches a tenant's keys, unless that was tried too short a time ago.
    async fn refresh(
        &self,
        tenant: TenantId,
        slot: &Slot,
        mut tried: MutexGuard<'_, Option<Timestamp>>,
    ) -> Result<(), PortError> {
        let now = self.clock.now();
        let pause_s = if slot.kept(now).is_some() { PAUSE_S } else { EMPTY_PAUSE_S };
        if tried.is_some_and(|tried| now.since_s(tried) < pause_s) {
            return Ok(());
        }
        *tried = Some(now);
        match self.published.keys(tenant).await {
            Ok(keys) => {
                slot.keep(Kept { keys, fetched: now });
                Ok(())
            }
            Err(error) => {
                let cause = crate::hosting::chain(&error);
                tracing::warn!(%tenant, cause, "signing keys not fetched");
                Err(error)
            }
        }
    }

    fn slot(&self, tenant: TenantId) -> Result<Arc<Slot>, NotAccepted> {
        // Nothing panics while it is held.
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= MOST_TENANTS && !tenants.contains_key(&tenant) {
            return Err(NotAccepted::Keys(unavailable(NoKeys::TooManyTenants)));
        }
        Ok(Arc::clone(tenants.entry(tenant).or_default()))
    }
}

fn unavailable(why: NoKeys) -> PortError {
    PortError::Unavailable(why.into())
}

impl Slot {
    /// What is kept and still counts.
    fn kept(&self, now: Timestamp) -> Option<Arc<Kept>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        (now.since_s(kept.fetched) < LIFETIME_S).then_some(kept)
    }

    fn keep(&self, kept: Kept) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(kept));
    }
}
