//! Statements that stand in a tree already, as far back as one could be slipped in again.
//!
//! A genuine leaf that is written a second time has a valid signature and gives a valid head.
//! What gives it away is that it was there before, or that it is too old to be new
//! ([`MOST_BEHIND_S`](super::leaves::MOST_BEHIND_S)); so no more need be remembered than the
//! newest anchor's last half-hour.

use std::collections::HashMap;

use super::{NotSealed, Place, Sealer, Violation, leaves};
use crate::{
    digest::Digest,
    keyset::Trust,
    ledger::{
        Checkpoint, Frontier, Note,
        anchor::{Anchor, Sealed},
    },
    time::Timestamp,
};

/// How far back from the newest anchor statements are remembered, in seconds: twice what a
/// statement's own time may lie back.
const REMEMBERED_S: i64 = 2 * leaves::MOST_BEHIND_S;

/// Anchors that are looked through for the one before that time: one in five seconds, for more
/// than an hour.
const MOST_ANCHORS: usize = 1000;

/// Digests of statements, with the time of each.
#[derive(Default)]
pub(super) struct Recent(HashMap<Digest, Timestamp>);

impl Recent {
    /// Adds a statement; says whether it was not there before.
    pub(super) fn add(&mut self, digest: Digest, at: Timestamp) -> bool {
        self.0.insert(digest, at).is_none()
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn has(&self, digest: Digest) -> bool {
        self.0.contains_key(&digest)
    }

    /// Forgets what can no longer be slipped in under an anchor of this time.
    pub(super) fn forget_before(&mut self, anchored: Timestamp) {
        let since = anchored.plus_s(-REMEMBERED_S);
        self.0.retain(|_, at| *at >= since);
    }
}

impl Sealer {
    /// Reads again what a process that has just started does not remember, and holds it against
    /// what was anchored. Remote calls: one list, one or two reads, and one for each thousand
    /// leaves of the half-hour before the newest anchor.
    pub(super) async fn recall(
        &self,
        place: &Place,
        newest: &Sealed,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Recent, NotSealed> {
        let checkpoint = &newest.checkpoint;
        let since = checkpoint.seal.time.plus_s(-REMEMBERED_S);
        let start = self.anchor_before(place, since, trust, now).await?;
        let mut recent = Recent::default();
        let mut epoch = checkpoint.origin.epoch();
        let mut end = (checkpoint.size, checkpoint.root);
        loop {
            let from = start.as_ref().filter(|start| start.checkpoint.origin.epoch() == epoch);
            let is_last = from.is_some() || epoch == 0;
            let from = from.map_or_else(Frontier::empty, |from| from.frontier.clone());
            let opened = self.recall_epoch(place, epoch, from, end, &mut recent).await?;
            let Some(previous) = opened.filter(|_| !is_last) else { break };
            epoch = previous.origin.epoch();
            end = (previous.size, previous.root);
        }
        recent.forget_before(checkpoint.seal.time);
        Ok(recent)
    }

    /// Leaves of one epoch up to an anchored end. Gives the end of the epoch before, if this one
    /// was read from its beginning and goes on from all of it.
    async fn recall_epoch(
        &self,
        place: &Place,
        epoch: u32,
        mut tree: Frontier,
        (size, root): (u64, Digest),
        recent: &mut Recent,
    ) -> Result<Option<Checkpoint>, NotSealed> {
        let mut previous = None;
        while tree.size() < size {
            let range = tree.size()..size.min(tree.size() + leaves::PAGE);
            for json in leaves::read(&*self.ports.documents, &place.partition, epoch, range).await?
            {
                let (leaf, hash, at) = leaves::recall(json)?;
                if tree.size() == 0 && epoch > 0 {
                    let first = leaf.statement.peek().map_err(|_| Violation::Anchored)?;
                    // What an order left behind is older than anything that counts here.
                    previous = first.data.opened.filter(|opened| opened.recovery.is_none());
                }
                recent.add(leaf.statement.digest(), at);
                tree.push(hash);
            }
        }
        if tree.root() != root {
            return Err(Violation::Anchored.into());
        }
        let Some(opened) = previous else { return Ok(None) };
        let note = Note::parse(&opened.previous).map_err(|_| Violation::Anchored)?;
        Ok(Some(Checkpoint::parse(note.text()).map_err(|_| Violation::Anchored)?))
    }

    /// The newest sealed anchor that is older than this; none if the first is not, or if the tree
    /// was refused then: it began anew since.
    async fn anchor_before(
        &self,
        place: &Place,
        since: Timestamp,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<Sealed>, NotSealed> {
        let key = place.partition.key();
        let listed = self.anchors.list(key, MOST_ANCHORS).await?;
        let found = listed.iter().find(|(_, at)| *at <= since);
        let Some((number, _)) = found.or_else(|| listed.get(MOST_ANCHORS - 1)) else {
            return Ok(None);
        };
        match self.anchors.read(key, *number, trust, now).await? {
            Some(Anchor::Sealed(sealed)) => Ok(Some(*sealed)),
            Some(Anchor::Refused(_)) | None => Ok(None),
        }
    }
}
