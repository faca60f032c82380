//! The key under which everything is kept here, and saying which of its versions is used.
//!
//! The key gets new versions while the process goes on. The vault uses the newest for whatever is
//! new, and each value names the version that opens it. Whoever makes versions may not use them, and
//! must not disable one that is needed: so what uses a version says so, and its word is sealed in the
//! ledger.
//!
//! It is said once a day of each version, and by the first process that uses it; in the background,
//! because nobody who signs in shall wait for it. Until that is stored, each use tries again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use airlock_azure::hosting::chain;
use airlock_core::{
    digest::Digest,
    jws::Signed,
    ledger::Happened,
    ports::{Partition, PortError, Ports, WrappedKey, Wrapper},
    recording::event,
    time::Timestamp,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    opaque,
    store::{At, Kept, NotKept, Store},
};

/// Seconds of a day.
const DAY_S: i64 = 24 * 3600;

/// Versions that are remembered as told: one is used, and for a while the one before.
const MOST: usize = 16;

/// That a version was used on a day. It is never read: that it exists is what it says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Used {}

impl Kept for Used {
    const KIND: &'static str = "session-key";
    const COUNTS_S: i64 = DAY_S;
}

/// Wraps, and says with which version.
pub struct Telling {
    wrapper: Arc<dyn Wrapper>,
    teller: Arc<Teller>,
}

struct Teller {
    ports: Ports,
    store: Store,
    /// The last day of which each version is known to have been told, or is being told.
    told: Mutex<HashMap<Digest, i64>>,
}

impl Telling {
    /// What wraps at these ports, with its words kept in this store.
    #[must_use]
    pub fn new(ports: &Ports, store: Store) -> Self {
        let (wrapper, ports) = (Arc::clone(&ports.wrapper), ports.clone());
        Self { wrapper, teller: Arc::new(Teller { ports, store, told: Mutex::default() }) }
    }
}

#[async_trait]
impl Wrapper for Telling {
    fn of(&self, partition: &Partition) -> Arc<dyn Wrapper> {
        let wrapper = self.wrapper.of(partition);
        Arc::new(Self { wrapper, teller: Arc::clone(&self.teller) })
    }

    async fn wrap(&self, key: &[u8; 32]) -> Result<WrappedKey, PortError> {
        let wrapped = self.wrapper.wrap(key).await?;
        self.teller.used(&wrapped.kid);
        Ok(wrapped)
    }

    async fn unwrap(&self, key: &WrappedKey) -> Result<[u8; 32], PortError> {
        self.wrapper.unwrap(key).await
    }
}

impl Teller {
    /// Sees to it that the use of a version is told.
    fn used(self: &Arc<Self>, kid: &str) {
        // A key that has no versions is never replaced.
        if !kid.contains('/') {
            return;
        }
        let (version, now) = (Digest::of(&[kid.as_bytes()]), self.ports.clock.now());
        let day = now.as_unix_s().div_euclid(DAY_S);
        if !self.is_first(version, day) {
            return;
        }
        let teller = Arc::clone(self);
        // Not in the span of whoever signs in: it is nothing of theirs.
        tokio::spawn(async move {
            if let Err(error) = teller.tell(version, day, now).await {
                teller.forget(version);
                tracing::warn!(cause = chain(&error), "use of the session key not told yet");
            }
        });
    }

    fn is_first(&self, version: Digest, day: i64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST {
            told.retain(|_, before| *before >= day);
        }
        told.insert(version, day) != Some(day)
    }

    fn forget(&self, version: Digest) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(&version);
    }

    /// Stores what is said, unless another process has said it today.
    async fn tell(&self, version: Digest, day: i64, now: Timestamp) -> Result<(), NotKept> {
        let Ports { entropy, signer, .. } = &self.ports;
        let statement = event::session_key_used(version, opaque::name(&**entropy)?, now);
        let event = Signed::sign(&statement, &**signer).await?;
        let at = At::session_key(version, day);
        let happened = Happened::SignInProgressed;
        self.store.create_and_report(&at, happened, &Used {}, Some(event)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use airlock_core::{
        envelope::Envelope,
        memory::rotation::{Gate, Rented, Versioned},
        memory::{Fault, SetClock},
        session_record::SessionRecord,
    };

    use super::*;
    use crate::{live::Live, world::World};

    const KEY: &str = "session-data";

    /// A world with a key that has one version.
    async fn world() -> (World, Arc<Rented>) {
        let mut rented = None;
        let world = World::wrapping(|clock: Arc<SetClock>| {
            let vault = Arc::new(Rented::new(Arc::new(Gate::default()), clock));
            vault.put_key(KEY);
            rented = Some(Arc::clone(&vault));
            Arc::new(Versioned::new(vault, KEY))
        })
        .await;
        (world, rented.unwrap())
    }

    /// The versions of which was told, in order, each as the statement names it.
    async fn told(world: &World) -> Vec<String> {
        let reported = world.reported().await.into_iter().map(|(_, said)| said);
        let uses = reported.filter(|said| said.r#type == Happened::SessionKeyUsed);
        uses.map(|said| {
            assert_eq!(said.tenantid, "platform");
            said.subject
        })
        .collect()
    }

    fn named(kid: &str) -> String {
        event::session_key(Digest::of(&[kid.as_bytes()]))
    }

    fn envelopes(record: &SessionRecord) -> [&Envelope; 2] {
        [&record.name, record.refresh.as_ref().unwrap()]
    }

    #[tokio::test]
    async fn the_first_use_of_a_version_is_told_and_no_other_of_that_day() {
        let (world, vault) = world().await;

        let cookie = world.signed_in().await;
        world.signed_in().await;
        let record = Live::find(world.desk().await, &cookie).await.ok().unwrap();
        let [name, refresh] = envelopes(record.record());
        let first = named(&name.kid);
        assert_eq!(named(&refresh.kid), first);
        assert_eq!(told(&world).await, std::slice::from_ref(&first));

        vault.put_key(KEY);
        let cookie = world.signed_in().await;
        let second = Live::find(world.desk().await, &cookie).await.ok().unwrap();
        let second = named(&envelopes(second.record())[0].kid);
        assert_ne!(second, first);
        assert_eq!(told(&world).await, [first.clone(), second.clone()]);

        world.clock.advance_s(DAY_S);
        world.signed_in().await;
        assert_eq!(told(&world).await, [first, second.clone(), second]);
    }

    #[tokio::test]
    async fn a_value_names_the_version_that_opens_it_whichever_is_the_newest() {
        let (world, vault) = world().await;
        let cookie = world.signed_in().await;
        let open = async || {
            let desk = world.desk().await;
            let live = Live::find(desk, &cookie).await.ok().unwrap();
            crate::issue::Profile::open(desk, live.session(), live.record()).await.is_ok()
        };

        vault.put_key(KEY);

        assert!(open().await);
        let newest = vault.newest_version(KEY).unwrap();
        vault.disable_version(KEY, &newest);
        world.signed_in().await;
        assert!(open().await);
        assert_eq!(vault.versions_of(KEY), (2, 1));
    }

    #[tokio::test]
    async fn what_could_not_be_stored_is_told_at_the_next_use() {
        let (world, _) = world().await;
        let desk = world.desk().await;
        world.documents.next_batches([Fault::Fails]);

        desk.ports.wrapper.wrap(&[1; 32]).await.unwrap();
        assert_eq!(told(&world).await, [""; 0]);
        desk.ports.wrapper.wrap(&[1; 32]).await.unwrap();

        assert_eq!(told(&world).await.len(), 1);
    }
}
