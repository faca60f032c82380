//! Documents in memory, with compare-and-set.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::Value;

use super::{Fault, lock, lost};
use crate::ports::{
    BatchError, Container, Documents, Etag, Found, Partition, PortError, Query, Write,
};

/// A partition's documents by id.
type Contents = BTreeMap<String, (Value, Etag)>;

/// Documents in memory.
#[derive(Debug, Default)]
pub struct Documented {
    stored: Mutex<HashMap<Partition, Contents>>,
    version: AtomicU64,
    faults: Mutex<VecDeque<Fault>>,
    reads: Mutex<VecDeque<Fault>>,
}

impl Documented {
    /// What the next batches do, in order; after them, batches work.
    pub fn next_batches(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.faults).extend(faults);
    }

    /// What the next reads do, of whatever kind, in order; after them, they work. One whose
    /// answer is lost has failed.
    pub fn next_reads(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.reads).extend(faults);
    }

    /// Forgets what reads were told to do.
    pub fn read_again(&self) {
        lock(&self.reads).clear();
    }

    fn reads(&self) -> Result<(), PortError> {
        match lock(&self.reads).pop_front() {
            Some(Fault::Fails | Fault::LosesAnswer) => Err(lost()),
            Some(Fault::Repeats | Fault::None) | None => Ok(()),
        }
    }

    /// All documents of a partition.
    #[must_use]
    pub fn all(&self, partition: &Partition) -> BTreeMap<String, Value> {
        lock(&self.stored)
            .get(partition)
            .into_iter()
            .flatten()
            .map(|(id, (json, _))| (id.clone(), json.clone()))
            .collect()
    }

    /// Writes past every rule, as whoever owns the database can.
    pub fn overwrite(&self, partition: &Partition, id: &str, json: Value) {
        let etag = self.etag();
        lock(&self.stored)
            .entry(partition.clone())
            .or_default()
            .insert(id.to_owned(), (json, etag));
    }

    /// Removes past every rule, as whoever owns the database can.
    pub fn forget(&self, partition: &Partition, id: &str) {
        if let Some(documents) = lock(&self.stored).get_mut(partition) {
            documents.remove(id);
        }
    }

    fn etag(&self) -> Etag {
        Etag(self.version.fetch_add(1, Ordering::SeqCst).to_string())
    }

    fn apply(&self, partition: &Partition, writes: &[Write]) -> Result<Vec<Etag>, BatchError> {
        let mut stored = lock(&self.stored);
        let documents = stored.entry(partition.clone()).or_default();
        let mut after = documents.clone();
        let mut etags = Vec::new();
        for (position, write) in writes.iter().enumerate() {
            let conflict = || BatchError::Conflict(position);
            let (id, json, expected) = match write {
                Write::Create(json) => (id(json), Some(json.clone()), None),
                Write::Replace(json, etag) => (id(json), Some(json.clone()), Some(etag)),
                Write::Delete(id, etag) => (id.clone(), None, Some(etag)),
            };
            if after.get(&id).map(|(_, etag)| etag) != expected {
                return Err(conflict());
            }
            let etag = self.etag();
            match json {
                Some(json) => after.insert(id, (json, etag.clone())),
                None => after.remove(&id),
            };
            etags.push(etag);
        }
        *documents = after;
        Ok(etags)
    }
}

fn id(json: &Value) -> String {
    json["id"].as_str().unwrap_or_default().to_owned()
}

#[async_trait]
impl Documents for Documented {
    async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError> {
        self.reads()?;
        Ok(lock(&self.stored)
            .get(partition)
            .and_then(|documents| documents.get(id))
            .map(|(json, etag)| Found { json: json.clone(), etag: etag.clone() }))
    }

    async fn query(&self, partition: &Partition, query: &Query) -> Result<Vec<Found>, PortError> {
        self.reads()?;
        let stored = lock(&self.stored);
        let mut found: Vec<Found> = stored
            .get(partition)
            .into_iter()
            .flatten()
            .filter(|(_, (json, _))| json["kind"] == query.kind)
            .filter(|(_, (json, _))| {
                query.equals.as_ref().is_none_or(|(name, value)| json[*name] == **value)
            })
            .filter(|(_, (json, _))| {
                query.not_after.is_none_or(|at| json["at"].as_i64() <= Some(at))
            })
            .map(|(_, (json, etag))| Found { json: json.clone(), etag: etag.clone() })
            .collect();
        found.sort_by_key(|found| std::cmp::Reverse(found.json["at"].as_i64()));
        found.truncate(query.limit as usize);
        Ok(found)
    }

    async fn range(
        &self,
        partition: &Partition,
        ids: Range<&str>,
        limit: u32,
    ) -> Result<Vec<Found>, PortError> {
        self.reads()?;
        let stored = lock(&self.stored);
        let Some(documents) = stored.get(partition) else { return Ok(Vec::new()) };
        let found = documents.range(ids.start.to_owned()..ids.end.to_owned());
        let found = found.take(limit as usize);
        Ok(found
            .map(|(_, (json, etag))| Found { json: json.clone(), etag: etag.clone() })
            .collect())
    }

    async fn partitions(
        &self,
        container: Container,
        kind: &'static str,
    ) -> Result<Vec<String>, PortError> {
        Ok(lock(&self.stored)
            .iter()
            .filter(|(partition, _)| {
                partition.container() == container && partition.is_among_others()
            })
            .filter(|(_, documents)| documents.values().any(|(json, _)| json["kind"] == kind))
            .map(|(partition, _)| partition.key().to_owned())
            .collect())
    }

    async fn batch(
        &self,
        partition: &Partition,
        writes: &[Write],
    ) -> Result<Vec<Etag>, BatchError> {
        let fault = lock(&self.faults).pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::None => self.apply(partition, writes),
            Fault::Fails => Err(lost().into()),
            Fault::LosesAnswer => {
                self.apply(partition, writes)?;
                Err(lost().into())
            }
            Fault::Repeats => {
                self.apply(partition, writes)?;
                self.apply(partition, writes)
            }
        }
    }
}
