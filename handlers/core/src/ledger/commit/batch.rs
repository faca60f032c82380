//! One transaction for several commits.

use super::{
    Committed, HEAD, Head, LEAF, Waiting,
    counters::Counters,
    driver::tell,
    leaf_id,
    stored::{StoredHead, StoredLeaf},
};
use crate::{
    digest::Digest,
    ledger::merkle::{Frontier, leaf_hash},
    ports::{Etag, Partition, Write},
};

/// One transaction, and which write belongs to whom.
pub(super) struct Batch {
    pub(super) writes: Vec<Write>,
    pub(super) frontier: Frontier,
    counters: Counters,
    /// Which write is of which counter.
    counted: Vec<(usize, String)>,
    pub(super) positions: Positions,
}

pub(super) struct Positions {
    /// For each joined commit: its leaf's index, the tree after it, its changed document's
    /// write, and the end of its writes.
    commits: Vec<Position>,
    total: usize,
}

pub(super) struct Position {
    index: u64,
    root: Digest,
    changed: Option<usize>,
    leaf: usize,
    end: usize,
}

impl Batch {
    pub(super) fn new(
        partition: &Partition,
        base: &Head,
        joined: &[Waiting],
    ) -> Result<Self, serde_json::Error> {
        let mut frontier = base.frontier.clone();
        let mut writes = Vec::new();
        let mut commits = Vec::new();
        for Waiting { prepared, .. } in joined {
            let changed = prepared.changed.as_ref().map(|(document, replaces)| {
                writes.push(match replaces {
                    None => Write::Create(document.clone()),
                    Some(etag) => Write::Replace(document.clone(), etag.clone()),
                });
                writes.len() - 1
            });
            writes.extend(prepared.creates.iter().cloned().map(Write::Create));
            let index = frontier.size();
            frontier.push(leaf_hash(prepared.statement.as_str().as_bytes()));
            let leaf = StoredLeaf {
                id: leaf_id(index),
                tenant: partition.key().to_owned(),
                kind: LEAF.to_owned(),
                at: index.cast_signed(),
                digest: prepared.statement.digest(),
                statement: prepared.statement.clone(),
            };
            writes.push(Write::Create(serde_json::to_value(leaf)?));
            let leaf = writes.len() - 1;
            commits.push(Position {
                index,
                root: frontier.root(),
                changed,
                leaf,
                end: writes.len(),
            });
        }
        let counters = base.counters.clone();
        let mut counted = Vec::new();
        for (of, write) in
            counters.writes(partition, joined.iter().map(|waiting| &waiting.prepared))?
        {
            counted.push((writes.len(), of));
            writes.push(write);
        }
        let head = serde_json::to_value(StoredHead {
            id: HEAD.to_owned(),
            tenant: partition.key().to_owned(),
            kind: HEAD.to_owned(),
            root: frontier.root(),
            frontier: frontier.clone(),
        })?;
        writes.push(match &base.etag {
            None => Write::Create(head),
            Some(etag) => Write::Replace(head, etag.clone()),
        });
        let total = writes.len();
        Ok(Self { writes, frontier, counters, counted, positions: Positions { commits, total } })
    }
}

impl Batch {
    /// The head that stands once this was written, with everything counted under it.
    pub(super) fn head(&self, etags: &[Etag]) -> Head {
        let mut counters = self.counters.clone();
        for (write, of) in &self.counted {
            if let Some(etag) = etags.get(*write) {
                counters.settle(of, etag.clone());
            }
        }
        Head { frontier: self.frontier.clone(), etag: etags.last().cloned(), counters }
    }
}

impl Positions {
    /// Whose own condition a failed write was; `None` for leaf and head, which only say that
    /// somebody else was faster.
    pub(super) fn owner(&self, write: usize) -> Option<usize> {
        let (owner, position) =
            self.commits.iter().enumerate().find(|(_, position)| write < position.end)?;
        (write != position.leaf).then_some(owner)
    }

    /// Tells everyone that they are committed.
    pub(super) fn settle(self, joined: Vec<Waiting>, etags: &[Etag]) {
        debug_assert_eq!(etags.len(), self.total, "one version for each write");
        for (waiting, position) in joined.into_iter().zip(self.commits) {
            let etag = position.changed.and_then(|write| etags.get(write).cloned());
            let committed = Committed {
                index: position.index,
                etag,
                size: position.index + 1,
                root: position.root,
            };
            tell(waiting, Ok(committed));
        }
    }
}
