//! Driving a lane: everyone who waits in one batch, until it is decided.

use std::{error::Error, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    Committed, Head, LEAF, Lane, NotCommitted, Prepared, Waiting, batch::Batch, counters::Counters,
    stored::StoredLeaf,
};
use crate::{
    keyset::Trust,
    ledger::{
        merkle::leaf_hash,
        proven::{NotProven, Read, Tree},
    },
    ports::{BatchError, Clock, Documents, Entropy, Partition, PortError, Query},
    trust::{NotTrusted, TrustStore},
};

/// Attempts to win the head before giving up. Each loser waits longer, with jitter.
const ATTEMPTS: u32 = 12;

/// Commits that one batch takes at the most: with four writes and some 100 KiB each, and the
/// head, it stays under the store's limits of 100 writes and 2 MiB.
const MOST_JOINED: usize = 12;

/// What a lane's batch needs.
pub(super) struct Driver {
    pub(super) documents: Arc<dyn Documents>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) trust: Arc<TrustStore>,
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
            self.together(&lane.tree, &mut head, joined).await;
        }
    }

    /// Commits some in one batch; one whose own condition fails leaves, the others go on.
    async fn together(&self, tree: &Arc<Tree>, head: &mut Option<Head>, mut joined: Vec<Waiting>) {
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                self.pause(attempt).await;
            }
            let mut base = match self.base(tree, head).await {
                Ok(base) => base,
                Err(NotCommitted::Undecided(error)) => {
                    last = error;
                    continue;
                }
                Err(error) => return refuse_all(joined, &error),
            };
            joined = self.leave_out(tree, joined, attempt > 0).await;
            if joined.is_empty() {
                return;
            }
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
                self.turn_away(tree, waiting, attempt > 0, NotCommitted::Quota).await;
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
                    let now = self.clock.now();
                    *head = Some(batch.head(&etags));
                    tree.extend(base.epoch, base.frontier.size(), batch.leaves, now);
                    batch.positions.settle(joined, &etags);
                    self.trust.trees().tend_tree(tree, now);
                    return;
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
                    match self.settle_written(tree, joined, conflict).await {
                        Ok(rest) => joined = rest,
                        Err((rest, error)) => {
                            joined = rest;
                            last = Some(error);
                        }
                    }
                    if joined.is_empty() {
                        return;
                    }
                }
            }
        }
        let error = NotCommitted::Undecided(last);
        refuse_all(joined, &error);
    }

    /// The head to build upon: as this process wrote it last, or as it is stored, proven.
    async fn base(&self, tree: &Tree, head: &mut Option<Head>) -> Result<Head, NotCommitted> {
        // What is known to have stopped is looked at again: it may go on by now.
        if let Some(head) = head.as_ref().filter(|_| !tree.is_stopped()) {
            return Ok(head.clone());
        }
        let read = match self.trust.trees().trusted() {
            None => self.read_head(tree, &self.trusted().await?).await,
            // A key that this process has not heard of yet was published since.
            Some(trust) => match self.read_head(tree, &trust).await {
                Err(NotProven::Violation(_)) => self.read_head(tree, &self.trusted().await?).await,
                read => read,
            },
        };
        let read = read.map_err(|error| match error {
            NotProven::Port(error) => NotCommitted::Undecided(Some(error)),
            error => NotCommitted::NotProven(error),
        })?;
        let counters = Counters::default();
        Ok(Head { epoch: read.epoch, frontier: read.frontier, etag: read.etag, counters })
    }

    async fn read_head(&self, tree: &Tree, trust: &Trust) -> Result<Read, NotProven> {
        self.trust.trees().read_head(tree, trust, self.clock.now()).await
    }

    /// By whose keys leaves are verified.
    async fn trusted(&self) -> Result<Trust, NotCommitted> {
        self.trust.trust().await.map_err(|error| match error {
            NotTrusted::Port(error) | NotTrusted::NotProven(NotProven::Port(error)) => {
                NotCommitted::Undecided(Some(error))
            }
            NotTrusted::NotProven(error) => error.into(),
            NotTrusted::NoBinding
            | NotTrusted::NoKeyset
            | NotTrusted::Older
            | NotTrusted::Form(_)
            | NotTrusted::NotVerified(_) => {
                tracing::error!(error = %error, "no keyset to prove a tree by");
                NotProven::NoKeyset.into()
            }
        })
    }

    /// Turns those away whose statement has become too old to be sent, and those who decide
    /// something in a tree that is not proven.
    async fn leave_out(&self, tree: &Tree, joined: Vec<Waiting>, again: bool) -> Vec<Waiting> {
        let now = self.clock.now();
        let mut stays = Vec::new();
        let mut proven = None;
        for waiting in joined {
            // Whoever read the head has read every leaf on the way to it: a query may lag behind,
            // and a statement that stood twice would stop the tree.
            let hash = leaf_hash(waiting.prepared.statement.as_str().as_bytes());
            if waiting.prepared.until < now || (again && tree.position_of(hash).is_some()) {
                self.turn_away(tree, waiting, again, NotCommitted::Undecided(None)).await;
                continue;
            }
            if waiting.prepared.decides {
                // Once for all of them.
                if proven.is_none() {
                    proven = Some(self.proven(tree).await);
                }
                if let Some(Err(error)) = &proven {
                    let error = NotCommitted::NotProven(error.again());
                    self.turn_away(tree, waiting, again, error).await;
                    continue;
                }
            }
            stays.push(waiting);
        }
        stays
    }

    /// No remote call while the tree is in use.
    async fn proven(&self, tree: &Tree) -> Result<(), NotProven> {
        let (trees, now) = (self.trust.trees(), self.clock.now());
        if trees.judged(tree, now).is_ok() {
            return Ok(());
        }
        let trust = trees.trusted().ok_or(NotProven::NoKeyset)?;
        trees.look_again(tree, &trust, now).await?;
        trees.judged(tree, now).map(|_| ())
    }

    /// Refuses one, unless they are written already.
    async fn turn_away(&self, tree: &Tree, waiting: Waiting, again: bool, why: NotCommitted) {
        let written = if again { self.find(tree, &waiting.prepared).await } else { Ok(None) };
        match written {
            Ok(Some(committed)) => tell(waiting, Ok(committed)),
            Ok(None) => tell(waiting, Err(why)),
            Err(error) => tell(waiting, Err(NotCommitted::Undecided(Some(error)))),
        }
    }

    /// Tells those who won after all, tells `conflict` if it lost, and gives back the rest.
    async fn settle_written(
        &self,
        tree: &Tree,
        joined: Vec<Waiting>,
        conflict: Option<usize>,
    ) -> Result<Vec<Waiting>, (Vec<Waiting>, PortError)> {
        let mut rest = Vec::new();
        let mut unread = None;
        for (position, waiting) in joined.into_iter().enumerate() {
            match self.find(tree, &waiting.prepared).await {
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
    async fn find(&self, tree: &Tree, prepared: &Prepared) -> Result<Option<Committed>, PortError> {
        let hash = leaf_hash(prepared.statement.as_str().as_bytes());
        let place = match tree.position_of(hash) {
            Some(place) => place,
            None => match self.stored_place(tree, prepared).await? {
                Some(place) => place,
                None => return Ok(None),
            },
        };
        let etag = match &prepared.changed {
            None => None,
            Some((document, _)) => {
                let id = document.get("id").and_then(Value::as_str).unwrap_or_default();
                self.documents.read(&self.partition, id).await?.map(|found| found.etag)
            }
        };
        let (epoch, index) = place;
        Ok(Some(Committed { epoch, index, etag }))
    }

    /// Where the statement stands, as the store says; in an epoch before this one only if it was
    /// anchored there, because what an epoch left behind does not count.
    async fn stored_place(
        &self,
        tree: &Tree,
        prepared: &Prepared,
    ) -> Result<Option<(u32, u64)>, PortError> {
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
        if tree.epoch().is_some_and(|epoch| leaf.epoch < epoch) {
            let (trees, now) = (self.trust.trees(), self.clock.now());
            let Some(trust) = trees.trusted() else { return Ok(None) };
            match trees.anchored_at(&self.partition, digest, &trust, now).await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(NotProven::Port(error)) => return Err(error),
                Err(error) => return Err(PortError::Broken(error.into())),
            }
        }
        Ok(Some((leaf.epoch, leaf.at.unsigned_abs())))
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
    let cause = error as &(dyn Error + 'static);
    tracing::warn!(error = cause, waiting = joined.len(), "not committed");
    for waiting in joined {
        let result = match error {
            NotCommitted::NotProven(error) => NotCommitted::NotProven(error.again()),
            NotCommitted::Conflict => NotCommitted::Conflict,
            NotCommitted::Quota => NotCommitted::Quota,
            NotCommitted::NotSigned(_)
            | NotCommitted::NoEntropy(_)
            | NotCommitted::Form(_)
            | NotCommitted::Undecided(_) => NotCommitted::Undecided(None),
        };
        tell(waiting, Err(result));
    }
}
