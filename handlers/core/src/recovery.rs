//! How a tree that `drift` refused to seal is brought back: what was sealed last, what stands
//! after it, and the order that leaves it behind.
//!
//! A person looks, and the admin root signs what that person saw: `drift` opens the next epoch
//! only if it finds the same. So what is slipped in after the look stays outside, and the look is
//! repeated.

use std::collections::BTreeSet;

use crate::{
    digest::Digest,
    jws::NotVerified,
    keyset::Trust,
    ledger::{
        Anchor, Anchors, NotAnchored,
        anchor::{Refused, Sealed},
        commit::{HEAD, LEAF, StoredHead, StoredLeaf, leaf_id},
        recovery::{Quarantined, Recovery},
    },
    ports::{Documents, Found, Partition, PortError},
    time::Timestamp,
};

/// For how long an order may be carried out, in seconds.
///
/// `drift` looks every few seconds: a day leaves time to bring it back as well.
pub const ORDERED_S: i64 = 24 * 3600;

/// Length of the longest reason, in bytes: it stands in the ledger for ever.
pub const MAX_REASON: usize = 200;

/// Anchors that are read at the most to find a good one: refusals come one by one.
const MAX_ANCHORS: u64 = 100;

/// Epochs that are looked at to find an empty one.
const MAX_EPOCHS: usize = 64;

/// Leaves that one call reads at the most: about 2 MB.
const PAGE: u32 = 1000;

/// A stopped tree, as it was found.
#[derive(Debug)]
pub struct Examined {
    /// Key of the partition.
    pub partition: String,
    /// Number of the newest anchor.
    pub newest: u64,
    /// Refusals since the tree was sealed last, newest first.
    pub refusals: Vec<Refused>,
    /// What was sealed last, if anything ever was.
    pub last: Option<Box<Sealed>>,
    /// What the head claims.
    pub head: Claimed,
    /// What would stay behind.
    pub quarantined: Quarantined,
    /// The epoch that would be opened.
    pub epoch: u32,
    /// What is wrong with it, in the words of whoever looks.
    pub faults: Vec<Fault>,
}

/// What a head claims. Nobody signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// There is none.
    Gone,
    /// It is not of the form that we write.
    NotUnderstood,
    /// A tree of that size.
    Tree {
        /// The epoch.
        epoch: u32,
        /// Number of leaves.
        size: u64,
        /// Root over them.
        root: Digest,
    },
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Id of the document, or name of the anchor.
    pub of: String,
    /// What is wrong.
    pub why: &'static str,
}

/// A tree could not be looked at, or needs no recovery.
#[derive(Debug, thiserror::Error)]
pub enum NotExamined {
    /// It was sealed last, and goes on.
    #[error("nobody refused to seal this tree: it goes on")]
    GoesOn,
    /// Nothing was ever anchored, so nothing was refused either.
    #[error("nothing was ever anchored of this tree")]
    NeverAnchored,
    /// There were so many refusals that the last good anchor was not reached.
    #[error("no anchor among the newest {MAX_ANCHORS} is one to go on from")]
    NoGoodAnchor,
    /// Somebody has been in all of them.
    #[error("none of the next {MAX_EPOCHS} epochs is empty")]
    NoEpoch,
    /// Anchors were not read.
    #[error("anchors not read")]
    Anchors(#[source] NotAnchored),
    /// The store did not answer.
    #[error("tree not read")]
    Port(#[from] PortError),
}

/// A reason that cannot stand in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason is one line of 1 to {MAX_REASON} bytes")]
pub struct NotAReason;

/// Looks at a tree that stands still. Remote calls: one list, one read for each anchor since the
/// last good one, one read of the head, one for each epoch that is tried, and one for each
/// thousand leaves that stay behind.
///
/// # Errors
///
/// [`NotExamined`].
pub async fn examine(
    documents: &dyn Documents,
    anchors: &Anchors,
    partition: &Partition,
    trust: &Trust,
    now: Timestamp,
) -> Result<Examined, NotExamined> {
    let key = partition.key();
    let listed = anchors.list(key, 1).await.map_err(NotExamined::Anchors)?;
    let (newest, _) = listed.first().copied().ok_or(NotExamined::NeverAnchored)?;
    let mut faults = Vec::new();
    let (refusals, last) = last_good(anchors, key, newest, trust, now, &mut faults).await?;
    if refusals.is_empty() && faults.is_empty() {
        return Err(NotExamined::GoesOn);
    }
    let head = claimed(documents, partition).await?;
    let epoch = next_epoch(documents, partition, last.as_deref()).await?;
    let (good, from) = last
        .as_deref()
        .map_or((0, 0), |sealed| (sealed.checkpoint.origin.epoch(), sealed.checkpoint.size));
    let stored = left_behind(documents, partition, (good, from), epoch).await?;
    faults.extend(leaf_faults(&stored, partition, (good, from), trust, now));
    faults.extend(head_faults(&stored, last.as_deref(), head));
    let quarantined = Quarantined::of(from, stored.iter().map(|found| &found.json));
    let partition = key.to_owned();
    Ok(Examined { partition, newest, refusals, last, head, quarantined, epoch, faults })
}

impl Examined {
    /// The order to go on without what was found.
    ///
    /// # Errors
    ///
    /// [`NotAReason`].
    pub fn order(&self, reason: &str, now: Timestamp) -> Result<Recovery, NotAReason> {
        let is_line = !reason.chars().any(char::is_control) && !reason.trim().is_empty();
        if !is_line || reason.len() > MAX_REASON {
            return Err(NotAReason);
        }
        let sealed = self.last.as_deref();
        Ok(Recovery {
            tnt: self.partition.clone(),
            epoch: self.epoch,
            after: sealed.map_or(0, |sealed| sealed.checkpoint.seal.number),
            previous: sealed.map_or_else(String::new, |sealed| sealed.note.to_string()),
            quarantined: self.quarantined,
            reason: reason.to_owned(),
            iat: now,
            exp: now.plus_s(ORDERED_S),
        })
    }
}

/// Every stored leaf from a position of an epoch on and before another epoch, in their order,
/// whatever they are.
///
/// # Errors
///
/// [`PortError`].
pub async fn left_behind(
    documents: &dyn Documents,
    partition: &Partition,
    (epoch, from): (u32, u64),
    before: u32,
) -> Result<Vec<Found>, PortError> {
    let end = leaf_id(before, 0);
    let mut start = leaf_id(epoch, from);
    let mut found = Vec::new();
    loop {
        let page = documents.range(partition, start.as_str()..end.as_str(), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        found.extend(page);
        let newest = found.last().and_then(|found| found.json["id"].as_str());
        match newest {
            // The least id after it.
            Some(id) if !is_last => start = format!("{id}\0"),
            _ => return Ok(found),
        }
    }
}

async fn last_good(
    anchors: &Anchors,
    key: &str,
    newest: u64,
    trust: &Trust,
    now: Timestamp,
    faults: &mut Vec<Fault>,
) -> Result<(Vec<Refused>, Option<Box<Sealed>>), NotExamined> {
    let mut refusals = Vec::new();
    for number in (1..=newest).rev() {
        if newest - number >= MAX_ANCHORS {
            return Err(NotExamined::NoGoodAnchor);
        }
        let mut fault = |why| faults.push(Fault { of: format!("anchor {number}"), why });
        match anchors.read(key, number, trust, now).await {
            Ok(Some(Anchor::Sealed(sealed))) => return Ok((refusals, Some(sealed))),
            Ok(Some(Anchor::Refused(refused))) => refusals.push(*refused),
            Ok(None) => fault("is gone"),
            Err(NotAnchored::Port(error)) => return Err(error.into()),
            Err(_) => fault("is not what drift anchors"),
        }
    }
    Ok((refusals, None))
}

async fn claimed(documents: &dyn Documents, partition: &Partition) -> Result<Claimed, PortError> {
    let Some(found) = documents.read(partition, HEAD).await? else { return Ok(Claimed::Gone) };
    Ok(match serde_json::from_value::<StoredHead>(found.json) {
        Ok(head) if head.tenant == partition.key() && head.root == head.frontier.root() => {
            Claimed::Tree { epoch: head.epoch, size: head.frontier.size(), root: head.root }
        }
        _ => Claimed::NotUnderstood,
    })
}

/// The first epoch after that of what was sealed in which nothing stands: an earlier recovery may
/// have been refused in its turn, and whoever owns the store may have been there already.
async fn next_epoch(
    documents: &dyn Documents,
    partition: &Partition,
    last: Option<&Sealed>,
) -> Result<u32, NotExamined> {
    let sealed = last.map_or(0, |sealed| sealed.checkpoint.origin.epoch());
    for epoch in (sealed..).skip(1).take(MAX_EPOCHS) {
        let (start, end) = (leaf_id(epoch, 0), leaf_id(epoch.saturating_add(1), 0));
        let found = documents.range(partition, start.as_str()..end.as_str(), 1).await?;
        if found.is_empty() {
            return Ok(epoch);
        }
    }
    Err(NotExamined::NoEpoch)
}

fn leaf_faults(
    stored: &[Found],
    partition: &Partition,
    (epoch, from): (u32, u64),
    trust: &Trust,
    now: Timestamp,
) -> Vec<Fault> {
    let mut seen = BTreeSet::new();
    let mut expected = from;
    let mut faults = Vec::new();
    for found in stored {
        let id = found.json["id"].as_str().unwrap_or("a document without id").to_owned();
        let mut fault = |why| faults.push(Fault { of: id.clone(), why });
        let Ok(leaf) = serde_json::from_value::<StoredLeaf>(found.json.clone()) else {
            fault("is not a leaf");
            continue;
        };
        if leaf.epoch == epoch && leaf.at != expected.cast_signed() {
            fault("does not follow the one before");
        }
        expected = leaf.at.cast_unsigned().wrapping_add(1);
        if leaf.id != leaf_id(leaf.epoch, leaf.at.cast_unsigned()) || leaf.kind != LEAF {
            fault("is not in its place");
        }
        if !seen.insert(leaf.statement.digest()) {
            fault("stands there twice");
        }
        match trust.open(&leaf.statement, now) {
            Err(NotVerified::UnknownKey(_)) => fault("is signed by a key that may not, or no more"),
            Err(_) => fault("is not signed"),
            Ok(says) if says.tenantid != partition.key() || leaf.tenant != partition.key() => {
                fault("is of another tenant");
            }
            Ok(_) => {}
        }
    }
    faults
}

fn head_faults(stored: &[Found], last: Option<&Sealed>, head: Claimed) -> Vec<Fault> {
    let fault = |why| Fault { of: HEAD.to_owned(), why };
    let Claimed::Tree { epoch, size, root } = head else {
        let why = if head == Claimed::Gone { "is gone" } else { "is not understood" };
        return vec![fault(why)];
    };
    let Some(sealed) = last.filter(|sealed| sealed.checkpoint.origin.epoch() == epoch) else {
        return match last {
            Some(_) => vec![fault("is of another epoch")],
            None => Vec::new(),
        };
    };
    if size < sealed.checkpoint.size {
        return vec![fault("is smaller than what was sealed")];
    }
    let mut frontier = sealed.frontier.clone();
    for found in stored.iter().filter(|found| found.json["epoch"] == epoch) {
        frontier.push(Quarantined::leaf(&found.json));
    }
    if (frontier.size(), frontier.root()) == (size, root) {
        Vec::new()
    } else {
        vec![fault("is not what was sealed with the leaves after it")]
    }
}
