//! One transaction for several commits.

use super::{
    Committed, Head, Waiting,
    counters::Counters,
    driver::tell,
    stored::{StoredHead, StoredLeaf},
};
use crate::{
    ledger::{
        merkle::{Frontier, leaf_hash},
        proven::Leaf,
    },
    ports::{Etag, Partition, Write},
};

/// One transaction, and which write belongs to whom.
pub(super) struct Batch {
    pub(super) writes: Vec<Write>,
    /// What it adds to the tree.
    pub(super) leaves: Vec<Leaf>,
    epoch: u32,
    frontier: Frontier,
    counters: Counters,
    /// Which write is of which counter.
    counted: Vec<(usize, String)>,
    pub(super) positions: Positions,
}

pub(super) struct Positions {
    epoch: u32,
    /// For each joined commit: its leaf's index, its changed document's write, and the end of its
    /// writes.
    commits: Vec<Position>,
    total: usize,
}

pub(super) struct Position {
    index: u64,
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
        let mut leaves = Vec::new();
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
            let hash = leaf_hash(prepared.statement.as_str().as_bytes());
            frontier.push(hash);
            leaves.push(Leaf { hash, iat: prepared.iat });
            let (subject, statement) = (&prepared.subject, &prepared.statement);
            let leaf = StoredLeaf::new(partition, base.epoch, index, subject, statement);
            writes.push(Write::Create(serde_json::to_value(leaf)?));
            let leaf = writes.len() - 1;
            commits.push(Position { index, changed, leaf, end: writes.len() });
        }
        let counters = base.counters.clone();
        let mut counted = Vec::new();
        for (of, write) in
            counters.writes(partition, joined.iter().map(|waiting| &waiting.prepared))?
        {
            counted.push((writes.len(), of));
            writes.push(write);
        }
        let head = StoredHead::new(partition, base.epoch, frontier.clone());
        let head = serde_json::to_value(head)?;
        writes.push(match &base.etag {
            None => Write::Create(head),
            Some(etag) => Write::Replace(head, etag.clone()),
        });
        let total = writes.len();
        let positions = Positions { epoch: base.epoch, commits, total };
        Ok(Self { writes, leaves, epoch: base.epoch, frontier, counters, counted, positions })
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
        let (epoch, frontier) = (self.epoch, self.frontier.clone());
        Head { epoch, frontier, etag: etags.last().cloned(), counters }
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
            let committed = Committed { epoch: self.epoch, index: position.index, etag };
            tell(waiting, Ok(committed));
        }
    }
}
