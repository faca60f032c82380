//! Reading leaves, and verifying each before it is sealed.

use std::{ops::Range, sync::Arc};

use serde_json::Value;
use tokio::task::JoinSet;

use super::{NotSealed, Violation};
use crate::{
    digest::Digest,
    jws::{NotVerified, Signed},
    keyset::Trust,
    ledger::{
        Statement,
        commit::{StoredLeaf, leaf_id},
        merkle::leaf_hash,
    },
    ports::{Documents, Partition},
    time::Timestamp,
};

/// Leaves that one call reads at the most: about 2 MB.
pub(super) const PAGE: u64 = 1000;

/// Leaves that one blocking thread verifies at a time: tens of milliseconds.
const PORTION: usize = 128;

/// How much later than another's clock ours may be before what it signed is no longer called a
/// matter of clocks, in seconds. Until then it is waited for.
const MOST_AHEAD_S: i64 = 300;

/// How much older than the anchor before it a leaf may say that it is, in seconds.
///
/// Writers send no statement that is older than two minutes, and write nothing to a tree whose
/// oldest unsealed leaf is older than one.
pub(super) const MOST_BEHIND_S: i64 = 900;

/// A leaf that may be sealed.
pub(super) struct Leaf {
    /// Hash of the leaf in the tree.
    pub hash: Digest,
    /// Digest of the statement, which is the same for both twins of its signature.
    pub digest: Digest,
    /// The statement.
    pub statement: Statement,
    /// The entry.
    pub entry: String,
}

/// What leaves are held against.
#[derive(Clone)]
pub(super) struct Against {
    /// Key of the partition.
    pub key: String,
    /// The epoch.
    pub epoch: u32,
    /// Whose word counts.
    pub trust: Arc<Trust>,
    /// When the tree was anchored before.
    pub anchored: Option<Timestamp>,
    /// Nothing older may stand in this epoch.
    pub floor: Option<Timestamp>,
    /// The time.
    pub now: Timestamp,
}

/// The stored leaves of a range, as they are found. Remote calls: one for each [`PAGE`].
pub(super) async fn read(
    documents: &dyn Documents,
    partition: &Partition,
    epoch: u32,
    range: Range<u64>,
) -> Result<Vec<Value>, NotSealed> {
    let wanted = range.end - range.start;
    let limit = u32::try_from(wanted).unwrap_or(u32::MAX);
    let (start, end) = (leaf_id(epoch, range.start), leaf_id(epoch, range.end));
    let found = documents.range(partition, start.as_str()..end.as_str(), limit).await?;
    if found.len() as u64 != wanted {
        return Err(Violation::Gap.into());
    }
    Ok(found.into_iter().map(|found| found.json).collect())
}

/// Verifies the stored leaves from `first` on, on blocking threads.
///
/// That none of them stands in the tree already, the caller looks up.
pub(super) async fn verified(
    stored: Vec<Value>,
    first: u64,
    against: &Against,
) -> Result<Vec<Leaf>, NotSealed> {
    let mut portions = JoinSet::new();
    let mut rest = stored;
    let mut at = 0;
    while !rest.is_empty() {
        let after = rest.split_off(rest.len().min(PORTION));
        let portion = std::mem::replace(&mut rest, after);
        let (start, against) = (first + at as u64, against.clone());
        at += portion.len();
        portions.spawn_blocking(move || {
            let leaves: Result<Vec<Leaf>, NotSealed> = portion
                .into_iter()
                .zip(start..)
                .map(|(json, index)| against.verify(json, index))
                .collect();
            (start, leaves)
        });
    }
    let mut done = Vec::new();
    while let Some(portion) = portions.join_next().await {
        done.push(portion.map_err(|error| NotSealed::Stopped(error.into()))?);
    }
    done.sort_by_key(|(start, _)| *start);
    let mut leaves = Vec::new();
    for (_, portion) in done {
        leaves.extend(portion?);
    }
    Ok(leaves)
}

/// Reads a stored leaf without judging it, for a tree whose root says whether it is genuine: its
/// hash in the tree, and its statement's digest and time.
pub(super) fn recall(json: Value) -> Result<(StoredLeaf, Digest, Timestamp), Violation> {
    let leaf: StoredLeaf = serde_json::from_value(json).map_err(|_| Violation::Anchored)?;
    let hash = leaf_hash(leaf.statement.as_str().as_bytes());
    let statement = leaf.statement.peek().map_err(|_| Violation::Anchored)?;
    Ok((leaf, hash, statement.iat))
}

impl Against {
    fn verify(&self, json: Value, index: u64) -> Result<Leaf, NotSealed> {
        let leaf: StoredLeaf = serde_json::from_value(json).map_err(|_| Violation::Form)?;
        if leaf.tenant != self.key {
            return Err(Violation::Foreign.into());
        }
        let place = (leaf_id(self.epoch, index), self.epoch, index.cast_signed());
        if (leaf.id, leaf.epoch, leaf.at) != place {
            return Err(Violation::Misplaced.into());
        }
        let statement = self.statement(&leaf.statement)?;
        if statement.tenantid != self.key {
            return Err(Violation::Foreign.into());
        }
        let digest = leaf.statement.digest();
        // Only for finding it; but what is found by them must be what it is.
        if leaf.kind != crate::ledger::commit::LEAF
            || leaf.digest != digest
            || leaf.subject != statement.subject
        {
            return Err(Violation::Form.into());
        }
        let entry = leaf.statement.as_str().to_owned();
        Ok(Leaf { hash: leaf_hash(entry.as_bytes()), digest, statement, entry })
    }

    /// The statement, if whoever signed it could when it must have been made.
    fn statement(&self, signed: &Signed<Statement>) -> Result<Statement, NotSealed> {
        let statement = match self.trust.open_once_valid(signed, self.now) {
            Ok(statement) => statement,
            Err(NotVerified::UnknownKey(_)) => return Err(Violation::UnknownKey.into()),
            Err(NotVerified::NotYet(at)) if at.since_s(self.now) <= MOST_AHEAD_S => {
                return Err(NotSealed::Ahead);
            }
            Err(NotVerified::NotYet(_)) => return Err(Violation::Postdated.into()),
            Err(_) => return Err(Violation::Forged.into()),
        };
        let is_before = |time: Timestamp| statement.iat < time;
        // The leaf came after the anchor before it. With a key that was revoked by then, somebody
        // backdates; with one that was revoked since, the leaf may be in the tree, and what it
        // says does not count: its anchor is younger than the revocation.
        if let Some(revoked) = self.trust.revoked(signed.key())
            && (!is_before(revoked) || self.anchored.is_some_and(|anchored| anchored >= revoked))
        {
            return Err(Violation::Revoked.into());
        }
        // What others report is written down later than it was signed, in whichever epoch.
        let is_left_behind = !statement.r#type.is_reported() && self.floor.is_some_and(is_before);
        if is_left_behind
            || self.anchored.is_some_and(|anchored| is_before(anchored.plus_s(-MOST_BEHIND_S)))
        {
            return Err(Violation::Backdated.into());
        }
        Ok(statement.value().clone())
    }
}
