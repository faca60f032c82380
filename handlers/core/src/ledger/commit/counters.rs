//! Counters of quotas: one document for each thing that is counted, of the present hour.
//!
//! They change only together with the head, so what was read under a head holds for as long as
//! that head does. They carry no statement, because statements are signed before it is known with
//! which others they are counted: whoever owns the database can set them back until an audit
//! counts the requests of the hour again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Count, Prepared};
use crate::{
    ports::{Documents, Etag, Partition, PortError, Write},
    time::Timestamp,
};

/// `kind` of a counter.
pub const COUNTER: &str = "counter";

/// Counters that one lane remembers.
const MOST_REMEMBERED: usize = 10_000;

const HOUR_S: i64 = 3600;

/// A counter as an audit finds it.
pub struct StoredCounter(Stored);

/// What is known of counters.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(HashMap<String, Counter>);

#[derive(Clone, Debug, Default)]
struct Counter {
    hour: i64,
    count: u32,
    etag: Option<Etag>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    id: String,
    tenant: String,
    kind: String,
    at: i64,
    count: u32,
}

impl Counters {
    /// Reads what these commits count and is not known yet.
    pub(super) async fn learn(
        &mut self,
        documents: &dyn Documents,
        partition: &Partition,
        joined: impl Iterator<Item = &Prepared>,
    ) -> Result<(), PortError> {
        if self.0.len() > MOST_REMEMBERED {
            self.0.clear();
        }
        for count in joined.flat_map(|prepared| &prepared.counts) {
            if self.0.contains_key(&count.of) {
                continue;
            }
            let found = documents.read(partition, &document_id(&count.of)).await?;
            let counter = match found {
                None => Counter::default(),
                Some(found) => {
                    let StoredCounter(stored) = StoredCounter::of(found.json, partition)
                        .filter(|stored| stored.0.id == document_id(&count.of))
                        .ok_or_else(|| PortError::Broken("stored counter not ours".into()))?;
                    Counter { hour: stored.at, count: stored.count, etag: Some(found.etag) }
                }
            };
            self.0.insert(count.of.clone(), counter);
        }
        Ok(())
    }

    /// Counts a commit, unless that were too many of anything: then nothing is counted.
    pub(super) fn admit(&mut self, prepared: &Prepared) -> bool {
        let hour = hour(prepared.at);
        let fits = |count: &Count| {
            let counter = self.0.get(&count.of);
            let so_far = counter.filter(|counter| counter.hour >= hour).map_or(0, |it| it.count);
            so_far < count.most
        };
        if !prepared.counts.iter().all(fits) {
            return false;
        }
        for count in &prepared.counts {
            let counter = self.0.entry(count.of.clone()).or_default();
            // An hour that has begun is not left again, whatever a clock says.
            if counter.hour < hour {
                (counter.hour, counter.count) = (hour, 0);
            }
            counter.count += 1;
        }
        true
    }

    /// The writes of everything that these commits counted, and what each is of.
    pub(super) fn writes<'a>(
        &self,
        partition: &Partition,
        joined: impl Iterator<Item = &'a Prepared>,
    ) -> Result<Vec<(String, Write)>, serde_json::Error> {
        let mut counted: Vec<&str> =
            joined.flat_map(|prepared| &prepared.counts).map(|count| &*count.of).collect();
        counted.sort_unstable();
        counted.dedup();
        counted
            .into_iter()
            .filter_map(|of| self.0.get(of).map(|counter| (of, counter)))
            .map(|(of, counter)| {
                let document = counter.document(of, partition)?;
                let write = match &counter.etag {
                    None => Write::Create(document),
                    Some(etag) => Write::Replace(document, etag.clone()),
                };
                Ok((of.to_owned(), write))
            })
            .collect()
    }

    /// Keeps the versions that a batch gave.
    pub(super) fn settle(&mut self, of: &str, etag: Etag) {
        if let Some(counter) = self.0.get_mut(of) {
            counter.etag = Some(etag);
        }
    }
}

impl Counter {
    fn document(&self, of: &str, partition: &Partition) -> Result<Value, serde_json::Error> {
        serde_json::to_value(Stored {
            id: document_id(of),
            tenant: partition.key().to_owned(),
            kind: COUNTER.to_owned(),
            at: self.hour,
            count: self.count,
        })
    }
}

impl StoredCounter {
    /// What is stored, if it is of the form that we write there.
    #[must_use]
    pub fn of(json: Value, partition: &Partition) -> Option<Self> {
        let stored: Stored = serde_json::from_value(json).ok()?;
        let is_in_place = stored.tenant == partition.key()
            && stored.kind == COUNTER
            && stored.id.starts_with(PREFIX);
        is_in_place.then_some(Self(stored))
    }

    /// Of what it is, the hour, and how many there were.
    #[must_use]
    pub fn counted(&self) -> (&str, i64, u32) {
        let of = self.0.id.strip_prefix(PREFIX).unwrap_or_default();
        (of, self.0.at, self.0.count)
    }
}

/// The hour of the clock in which something is counted.
#[must_use]
pub const fn hour(at: Timestamp) -> i64 {
    at.as_unix_s().div_euclid(HOUR_S)
}

/// What ids of counters begin with.
const PREFIX: &str = "counter-";

fn document_id(of: &str) -> String {
    format!("{PREFIX}{of}")
}
