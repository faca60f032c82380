//! When a statement was anchored: what proves that a key signed it before the key was revoked.

use std::{collections::HashMap, sync::Arc};

use super::{NotProven, Tree, Trees, leaf::Leaves, lock};
use crate::{
    digest::Digest,
    keyset::Trust,
    ledger::{
        anchor::{Anchor, Sealed},
        commit::{LEAF, StoredLeaf},
        merkle::{Frontier, leaf_hash},
    },
    ports::{Partition, PortError, Query},
    time::Timestamp,
};

/// Statements and anchors that one process remembers for a tree.
const MOST_REMEMBERED: usize = 4096;

/// What was found out before, and cannot change.
#[derive(Default)]
pub(super) struct Moments {
    statements: HashMap<Digest, Timestamp>,
    /// By their numbers; a refusal has what was sealed before it.
    anchors: HashMap<u64, Option<Arc<Sealed>>>,
}

impl Trees {
    /// When the statement of this digest was first anchored; `None` if it was not, as far as can
    /// be shown.
    ///
    /// Proven by two anchors that stand side by side: what the earlier one covers, and then the
    /// leaves between them, with the statement among them, must be what the later one covers.
    /// Nobody who may only write to the database can make that so, and no tile is needed. Of an
    /// epoch whose leaves are only exported by now nothing can be shown.
    ///
    /// Remote calls: two queries, and as many reads of anchors as their newest number has bits,
    /// less those that were read before; none for a statement that was asked for before.
    ///
    /// # Errors
    ///
    /// [`NotProven`].
    pub async fn anchored_at(
        self: &Arc<Self>,
        partition: &Partition,
        statement: Digest,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, NotProven> {
        let tree = self.tree(partition);
        if let Some(anchored) = lock(&tree.moments).statements.get(&statement) {
            return Ok(Some(*anchored));
        }
        let Some(newest) = self.newest_seal(partition, trust, now).await? else { return Ok(None) };
        let Some(leaf) = self.leaf_of(partition, statement).await? else { return Ok(None) };
        let place = (leaf.epoch, leaf.at.cast_unsigned());
        let read = async |number| self.sealed(&tree, number, trust, now).await;
        // The first anchor that covers the place is above `below`, and not above `covering`.
        let (mut below, mut covering) = (0, newest.number);
        while covering - below > 1 {
            let middle = below + (covering - below) / 2;
            let is_covered =
                read(middle).await?.is_some_and(|sealed| reaches(&sealed.checkpoint) > place);
            if is_covered { covering = middle } else { below = middle }
        }
        let Some(later) = read(covering).await? else { return Ok(None) };
        if later.checkpoint.origin.epoch() != place.0 || reaches(&later.checkpoint) <= place {
            return Ok(None);
        }
        let earlier = read(below).await?;
        let earlier = earlier.filter(|earlier| earlier.checkpoint.origin.epoch() == place.0);
        let mut reached = earlier.map_or_else(Frontier::empty, |earlier| earlier.frontier.clone());
        let leaves = Leaves {
            documents: &*self.documents,
            partition,
            epoch: place.0,
            trust,
            anchored: None,
            now,
        };
        let first = reached.size();
        let between = leaves.hashes(first..later.checkpoint.size).await?;
        for hash in &between {
            reached.push(*hash);
        }
        let own = leaf_hash(leaf.statement.as_str().as_bytes());
        let offset = place.1.checked_sub(first).and_then(|offset| usize::try_from(offset).ok());
        let is_there = offset.and_then(|offset| between.get(offset)) == Some(&own);
        if reached != later.frontier || !is_there {
            return Err(NotProven::Violation("leaves are not those that were anchored"));
        }
        let anchored = later.checkpoint.seal.time;
        let statements = &mut lock(&tree.moments).statements;
        if statements.len() < MOST_REMEMBERED {
            statements.insert(statement, anchored);
        }
        Ok(Some(anchored))
    }

    async fn leaf_of(
        &self,
        partition: &Partition,
        statement: Digest,
    ) -> Result<Option<StoredLeaf>, NotProven> {
        let equals = Some(("digest", statement.to_string()));
        let query = Query { kind: LEAF, equals, not_after: None, limit: 1 };
        let found = self.documents.query(partition, &query).await?.into_iter().next();
        let Some(found) = found else { return Ok(None) };
        let leaf: StoredLeaf = serde_json::from_value(found.json)
            .map_err(|error| PortError::Broken(Box::new(error)))?;
        Ok(Some(leaf).filter(|leaf| leaf.statement.digest() == statement))
    }

    /// What the anchor of that number seals, or the one before it if it is a refusal.
    async fn sealed(
        &self,
        tree: &Tree,
        number: u64,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<Arc<Sealed>>, NotProven> {
        if let Some(sealed) = lock(&tree.moments).anchors.get(&number) {
            return Ok(sealed.clone());
        }
        let mut sealed = None;
        // A refusal stands on what was sealed before it, if anything was.
        for number in [number, number.saturating_sub(1)] {
            if number == 0 {
                break;
            }
            match self.anchors.read(tree.partition.key(), number, trust, now).await? {
                Some(Anchor::Sealed(found)) => {
                    sealed = Some(Arc::from(found));
                    break;
                }
                Some(Anchor::Refused(_)) => {}
                None => return Err(NotProven::Violation("anchor was there and is not")),
            }
        }
        let anchors = &mut lock(&tree.moments).anchors;
        if anchors.len() < MOST_REMEMBERED {
            anchors.insert(number, sealed.clone());
        }
        Ok(sealed)
    }
}

/// The place after the last that a checkpoint covers.
fn reaches(checkpoint: &crate::ledger::checkpoint::Checkpoint) -> (u32, u64) {
    (checkpoint.origin.epoch(), checkpoint.size)
}
