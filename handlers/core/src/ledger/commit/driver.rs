//! Driving a lane: everyone who waits in one batch, until it is decided.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Committed, Head, LEAF, Lane, NotCommitted, Prepared, Waiting,
    batch::Batch,
    stored::{StoredLeaf, read_head},
};
use crate::ports::{BatchError, Documents, Entropy, Partition, PortError, Query};

/// Attempts to win the head before giving up. Each loser waits longer, with jitter.
const ATTEMPTS: u32 = 12;

/// Commits that one batch takes at the most: with four writes and some 100 KiB each, and the
/// head, it stays under the store's limits of 100 writes and 2 MiB.
const MOST_JOINED: usize = 12;

/// What a lane's batch needs.
pub(super) struct Driver {
    pub(super) documents: Arc<dyn Documents>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) partition: Partition,
}

impl Driver {
    /// Commits everyone who waits, or finds that somebody else just did.
    pub(super) async fn drive(&self, lane: &Lane) {
        let mut head = lane.head.lock().await;
        loop {
            let joined: Vec<Waiting> = {
                let mut waiting = lane.waiting.lock().await;
                let most = waiting.len().min(MOST_JOINED);
                waiting.drain(..most).collect()
            };
            if joined.is_empty() {
                return;
            }
            self.together(&mut head, joined).await;
        }
    }

    /// Commits some in one batch; one whose own condition fails leaves, the others go on.
    async fn together(&self, head: &mut Option<Head>, mut joined: Vec<Waiting>) {
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            if joined.is_empty() {
                return;
            }
            if attempt > 0 {
                self.pause(attempt).await;
            }
            let base = match head.clone() {
                Some(base) => base,
                None => match read_head(&*self.documents, &self.partition).await {
                    Ok(read) => read,
                    Err(NotCommitted::Undecided(error)) => {
                        last = error;
                        continue;
                    }
                    Err(error) => return refuse_all(joined, &error),
                },
            };
            let mut base = base;
            let prepared = joined.iter().map(|waiting| &waiting.prepared);
            if let Err(error) =
                base.counters.learn(&*self.documents, &self.partition, prepared).await
            {
                if !error.is_transient() {
                    return refuse_all(joined, &NotCommitted::Undecided(Some(error)));
                }
                last = Some(error);
                continue;
            }
            // One who has used up their quota leaves, unless they are written already.
            let (fits, over): (Vec<_>, Vec<_>) =
                joined.into_iter().partition(|waiting| base.counters.admit(&waiting.prepared));
            joined = fits;
            for waiting in over {
                let written =
                    if attempt > 0 { self.find(&waiting.prepared).await } else { Ok(None) };
                match written {
                    Ok(Some(committed)) => tell(waiting, Ok(committed)),
                    Ok(None) => tell(waiting, Err(NotCommitted::Quota)),
                    Err(error) => tell(waiting, Err(NotCommitted::Undecided(Some(error)))),
                }
            }
            if joined.is_empty() {
                return;
            }
            let batch = match Batch::new(&self.partition, &base, &joined) {
                Ok(batch) => batch,
                Err(error) => {
                    return refuse_all(joined, &NotCommitted::Form(error));
                }
            };
            match self.documents.batch(&self.partition, &batch.writes).await {
                Ok(etags) => {
                    *head = Some(batch.head(&etags));
                    return batch.positions.settle(joined, &etags);
                }
                Err(error) => {
                    // Whatever was known of the head is in doubt. And each of them may have
                    // been written by this very batch, whose answer was lost.
                    *head = None;
                    let conflict = match error {
                        BatchError::Conflict(write) => batch.positions.owner(write),
                        BatchError::Port(error) if error.is_transient() => {
                            last = Some(error);
                            None
                        }
                        BatchError::Port(error) => {
                            return refuse_all(joined, &NotCommitted::Undecided(Some(error)));
                        }
                    };
                    match self.settle_written(joined, conflict).await {
                        Ok(rest) => joined = rest,
                        Err((rest, error)) => {
                            joined = rest;
                            last = Some(error);
                        }
                    }
                }
            }
        }
        let error = NotCommitted::Undecided(last);
        refuse_all(joined, &error);
    }

    /// Tells those who won after all, tells `conflict` if it lost, and gives back the rest.
    async fn settle_written(
        &self,
        joined: Vec<Waiting>,
        conflict: Option<usize>,
    ) -> Result<Vec<Waiting>, (Vec<Waiting>, PortError)> {
        let mut rest = Vec::new();
        let mut unread = None;
        for (position, waiting) in joined.into_iter().enumerate() {
            match self.find(&waiting.prepared).await {
                Ok(Some(committed)) => tell(waiting, Ok(committed)),
                Ok(None) if conflict == Some(position) => {
                    tell(waiting, Err(NotCommitted::Conflict));
                }
                Ok(None) => rest.push(waiting),
                Err(error) => {
                    unread = Some(error);
                    rest.push(waiting);
                }
            }
        }
        match unread {
            None => Ok(rest),
            Some(error) => Err((rest, error)),
        }
    }

    /// Looks for one's own statement in the tree.
    async fn find(&self, prepared: &Prepared) -> Result<Option<Committed>, PortError> {
        let digest = prepared.statement.digest();
        let query = Query {
            kind: LEAF,
            equals: Some(("digest", digest.to_string())),
            not_after: None,
            limit: 1,
        };
        let Some(found) = self.documents.query(&self.partition, &query).await?.into_iter().next()
        else {
            return Ok(None);
        };
        let leaf: StoredLeaf = serde_json::from_value(found.json)
            .map_err(|error| PortError::Broken(Box::new(error)))?;
        if leaf.statement.digest() != digest {
            return Ok(None);
        }
        let etag = match &prepared.changed {
            None => None,
            Some((document, _)) => {
                let id = document.get("id").and_then(Value::as_str).unwrap_or_default();
                self.documents.read(&self.partition, id).await?.map(|found| found.etag)
            }
        };
        let head = read_head(&*self.documents, &self.partition)
            .await
            .map_err(|error| PortError::Broken(Box::new(error)))?;
        Ok(Some(Committed {
            index: leaf.at.unsigned_abs(),
            etag,
            size: head.frontier.size(),
            root: head.frontier.root(),
        }))
    }

    /// Waits a random time that doubles with each attempt, 5 ms to about 1 s.
    async fn pause(&self, attempt: u32) {
        let most_ms = 10_u64 << attempt.min(7);
        let mut byte = [0_u8; 2];
        // Without randomness the wait is the longest: slower, not wrong.
        let share = match self.entropy.fill(&mut byte) {
            Ok(()) => u64::from(u16::from_be_bytes(byte)),
            Err(_) => u64::from(u16::MAX),
        };
        tokio::time::sleep(Duration::from_millis(5 + most_ms * share / 65_536)).await;
    }
}

pub(super) fn tell(waiting: Waiting, result: Result<Committed, NotCommitted>) {
    if waiting.done.send(result).is_err() {
        tracing::debug!("whoever committed has gone; the commit stands all the same");
    }
}

/// Tells everyone the same. The first hears the reason itself, for the log.
pub(super) fn refuse_all(joined: Vec<Waiting>, error: &NotCommitted) {
    tracing::warn!(error = %error, waiting = joined.len(), "not committed");
    for waiting in joined {
        let result = match error {
            NotCommitted::Head => Err(NotCommitted::Head),
            NotCommitted::Conflict => Err(NotCommitted::Conflict),
            NotCommitted::Quota => Err(NotCommitted::Quota),
            _ => Err(NotCommitted::Undecided(None)),
        };
        tell(waiting, result);
    }
}
