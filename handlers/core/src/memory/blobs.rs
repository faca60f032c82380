//! Create-only blobs in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;

use super::{Fault, SetClock, lock, lost};
use crate::{
    ports::{Blob, Blobs, Clock as _, Created, PortError},
    time::Timestamp,
};

/// Create-only blobs in memory.
#[derive(Debug, Default)]
pub struct Kept {
    blobs: Mutex<Blobbed>,
    faults: Mutex<VecDeque<Fault>>,
    reads: Mutex<VecDeque<Fault>>,
    calls: AtomicU64,
    clock: Option<Arc<SetClock>>,
}

/// Blobs by container and name, with the time of their creation.
type Blobbed = BTreeMap<(String, String), (Vec<u8>, Timestamp)>;

impl Kept {
    /// Blobs whose time of creation this clock tells; without one it is 1970.
    #[must_use]
    pub fn by(clock: Arc<SetClock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
    }

    /// What the next creations do, in order; after them, they work.
    pub fn next_creations(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.faults).extend(faults);
    }

    /// What the next reads and lists do, in order; after them, they work. One whose answer is
    /// lost has failed.
    pub fn next_reads(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.reads).extend(faults);
    }

    /// Forgets what reads and lists were told to do.
    pub fn read_again(&self) {
        lock(&self.reads).clear();
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Names in a container.
    #[must_use]
    pub fn names(&self, container: &str) -> Vec<String> {
        let blobs = lock(&self.blobs);
        blobs.keys().filter(|(own, _)| own == container).map(|(_, name)| name.clone()).collect()
    }

    /// Writes past every rule, as whoever owns the account can.
    pub fn overwrite(&self, container: &str, name: &str, bytes: &[u8]) {
        let at = self.now();
        let key = (container.to_owned(), name.to_owned());
        lock(&self.blobs).insert(key, (bytes.to_vec(), at));
    }

    /// Removes past every rule, as whoever owns the account can.
    pub fn forget(&self, container: &str, name: &str) {
        lock(&self.blobs).remove(&(container.to_owned(), name.to_owned()));
    }

    fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or(Timestamp::from_unix_s(0), |clock| clock.now())
    }

    fn reads(&self) -> Result<(), PortError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match lock(&self.reads).pop_front() {
            Some(Fault::Fails | Fault::LosesAnswer) => Err(lost()),
            Some(Fault::Repeats | Fault::None) | None => Ok(()),
        }
    }
}

#[async_trait]
impl Blobs for Kept {
    async fn create(
        &self,
        container: &str,
        name: &str,
        bytes: &[u8],
    ) -> Result<Created, PortError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = lock(&self.faults).pop_front().unwrap_or(Fault::None);
        if fault == Fault::Fails {
            return Err(lost());
        }
        let key = (container.to_owned(), name.to_owned());
        let at = self.now();
        let mut blobs = lock(&self.blobs);
        let existed = blobs.contains_key(&key);
        blobs.entry(key).or_insert_with(|| (bytes.to_vec(), at));
        match fault {
            Fault::LosesAnswer => Err(lost()),
            Fault::None | Fault::Fails if !existed => Ok(Created::New),
            Fault::None | Fault::Fails | Fault::Repeats => Ok(Created::Existed),
        }
    }

    async fn read(&self, container: &str, name: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.reads()?;
        let key = (container.to_owned(), name.to_owned());
        Ok(lock(&self.blobs).get(&key).map(|(bytes, _)| bytes.clone()))
    }

    async fn list(
        &self,
        container: &str,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<Blob>, PortError> {
        self.reads()?;
        let first = (container.to_owned(), prefix.to_owned());
        let blobs = lock(&self.blobs);
        let found = blobs.range(first..);
        let found =
            found.take_while(|((own, name), _)| own == container && name.starts_with(prefix));
        let found = found.take(limit);
        Ok(found.map(|((_, name), (_, at))| Blob { name: name.clone(), at: *at }).collect())
    }
}
