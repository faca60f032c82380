//! The right edge of a growing tree, for whoever writes its tiles.

use super::{BITS, MAX_LEVEL, Tile, WIDTH};
use crate::{
    digest::Digest,
    ledger::{
        merkle::{Frontier, perfect_root},
        proof::{Hashes, NotMade},
    },
};

/// The right edge of a tree, in tiles: what must be kept to write the tiles of the leaves to
/// come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// Of each level, the hashes of the tile that is not full yet.
    levels: Vec<Vec<Digest>>,
}

impl Edge {
    /// Of the empty tree.
    #[must_use]
    pub const fn empty() -> Self {
        Self { size: 0, levels: Vec::new() }
    }

    /// Of a tree of `size` leaves, from its partial tiles.
    ///
    /// What they say is not verified: compare [`root`](Self::root).
    ///
    /// # Errors
    ///
    /// [`NotMade`].
    pub async fn read<H: Hashes>(size: u64, hashes: &H) -> Result<Self, NotMade<H::Error>> {
        let mut levels = Vec::new();
        for level in 0..=MAX_LEVEL {
            let count = size >> (BITS * u32::from(level));
            let width = u16::try_from(count % u64::from(WIDTH)).unwrap_or(0);
            let mut row = Vec::new();
            if let Some(tile) = Tile::new(level, count >> BITS, width) {
                row = hashes.tile(tile).await.map_err(NotMade::NotRead)?;
                if row.len() != usize::from(width) {
                    return Err(NotMade::Width(tile));
                }
            }
            levels.push(row);
        }
        while levels.last().is_some_and(Vec::is_empty) {
            levels.pop();
        }
        Ok(Self { size, levels })
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; gives the tiles that it made full.
    pub fn push(&mut self, leaf: Digest) -> Vec<(Tile, Vec<Digest>)> {
        let mut full = Vec::new();
        let mut hash = leaf;
        self.size += 1;
        for level in 0..=MAX_LEVEL {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let Some(row) = self.levels.get_mut(at) else { break };
            row.push(hash);
            if row.len() < usize::from(WIDTH) {
                break;
            }
            let index = (self.size >> (BITS * (u32::from(level) + 1))) - 1;
            let row = std::mem::take(row);
            hash = perfect_root(&row);
            if let Some(tile) = Tile::new(level, index, WIDTH) {
                full.push((tile, row));
            }
        }
        full
    }

    /// The partial tiles of the tree as it is.
    pub fn partial(&self) -> impl Iterator<Item = (Tile, &[Digest])> {
        (0..=MAX_LEVEL).zip(&self.levels).filter_map(|(level, row)| {
            let count = self.size >> (BITS * u32::from(level));
            let tile = Tile::new(level, count >> BITS, u16::try_from(row.len()).ok()?)?;
            Some((tile, row.as_slice()))
        })
    }

    /// The same edge as a frontier.
    #[must_use]
    pub fn frontier(&self) -> Frontier {
        // Largest subtrees first: levels from the top, within a level from the left.
        let hashes = self.levels.iter().rev().flat_map(|row| perfect_parts(row)).collect();
        Frontier::of_parts(self.size, hashes)
    }

    /// The root. Of the empty tree: SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.frontier().root()
    }
}

/// The roots of the perfect subtrees over a row, largest first.
fn perfect_parts(mut row: &[Digest]) -> Vec<Digest> {
    let mut parts = Vec::new();
    while let Some(bits) = row.len().checked_ilog2() {
        let (part, rest) = row.split_at(1 << bits);
        parts.push(perfect_root(part));
        row = rest;
    }
    parts
}
