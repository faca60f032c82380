//! A tree as far as one process has verified it: nothing here asks anyone.

use std::collections::VecDeque;

use crate::{
    digest::Digest,
    ledger::{anchor::Sealed, merkle::Frontier},
    time::Timestamp,
};

/// A leaf that no anchor is known to cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Its hash in the tree.
    pub hash: Digest,
    /// When it was signed.
    pub iat: Timestamp,
}

/// One epoch's tree.
///
/// INVARIANT: `covered` and then the `uncovered` leaves are `head`.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    epoch: u32,
    head: Frontier,
    covered: Frontier,
    uncovered: VecDeque<Leaf>,
}

impl Known {
    /// What an anchor covers, and the leaves on top of it.
    pub(crate) fn new(epoch: u32, covered: Frontier, leaves: Vec<Leaf>) -> Self {
        let mut known = Self { epoch, head: covered.clone(), covered, uncovered: VecDeque::new() };
        known.extend(leaves);
        known
    }

    pub(crate) const fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) const fn head(&self) -> &Frontier {
        &self.head
    }

    /// Whether it is of this epoch and has so many leaves.
    pub(crate) const fn is(&self, epoch: u32, size: u64) -> bool {
        self.epoch == epoch && self.head.size() == size
    }

    pub(crate) fn extend(&mut self, leaves: Vec<Leaf>) {
        for leaf in leaves {
            self.head.push(leaf.hash);
            self.uncovered.push_back(leaf);
        }
    }

    /// Whether it holds every leaf that an anchor covers.
    pub(crate) const fn covers_all(&self) -> bool {
        self.covered.size() == self.head.size()
    }

    /// When the first leaf was signed that no anchor covers.
    pub(crate) fn oldest_uncovered(&self) -> Option<Timestamp> {
        self.uncovered.front().map(|leaf| leaf.iat)
    }

    pub(crate) fn position_of(&self, hash: Digest) -> Option<(u32, u64)> {
        let position = self.uncovered.iter().position(|leaf| leaf.hash == hash)?;
        Some((self.epoch, self.covered.size() + position as u64))
    }

    /// Whether an anchor covers more than is known.
    pub(crate) fn is_behind(&self, sealed: &Sealed) -> bool {
        let (epoch, size) = (sealed.checkpoint.origin.epoch(), sealed.checkpoint.size);
        epoch > self.epoch || (epoch == self.epoch && size > self.head.size())
    }

    /// Takes an anchor. One that covers more than is known, or another epoch, changes nothing.
    pub(crate) fn cover(&mut self, sealed: &Sealed) -> Result<(), &'static str> {
        if sealed.checkpoint.origin.epoch() != self.epoch || self.is_behind(sealed) {
            return Ok(());
        }
        let size = sealed.checkpoint.size;
        if size < self.covered.size() {
            return Err("an anchor covers less than the one before");
        }
        let mut covered = self.covered.clone();
        let more = usize::try_from(size - self.covered.size()).unwrap_or(usize::MAX);
        for leaf in self.uncovered.iter().take(more) {
            covered.push(leaf.hash);
        }
        if covered != sealed.frontier {
            return Err("an anchor covers another tree than was seen");
        }
        self.covered = covered;
        self.uncovered.drain(..more);
        Ok(())
    }
}
