//! Inclusion and consistency proofs (RFC 6962, sections 2.1.1 and 2.1.2; verified as RFC 9162,
//! sections 2.1.3.2 and 2.1.4.2, says): that a leaf is in a tree, and that a tree only grew.
//!
//! A proof is made from [tiles](super::tile) alone, so whoever makes one needs no database.

use std::collections::{BTreeMap, btree_map::Entry};

use async_trait::async_trait;

use super::{
    merkle::{node_hash, perfect_root},
    tile::Tile,
};
use crate::digest::Digest;

/// Hashes in the longest proof: one for each bit of a size, and one more for consistency.
pub const MAX_HASHES: usize = 65;

/// A proof does not prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// No proof for these numbers has this form: an index beyond the tree, a tree that shrank or
    /// was empty, too few hashes or too many.
    #[error("no proof for these sizes has this form")]
    Form,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// A proof could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade<E: std::error::Error + 'static> {
    /// There is none: the index is beyond the tree, or the tree was empty or shrank.
    #[error("no such proof")]
    NoSuchProof,
    /// A tile has another number of hashes than a tree of that size has.
    #[error("tile {} has another number of hashes than its name says", .0.path())]
    Width(Tile),
    /// A tile was not read.
    #[error("tile not read")]
    NotRead(#[source] E),
}

/// Where the hashes of one tree are read.
#[async_trait]
pub trait Hashes: Send + Sync {
    /// Why they are not.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The hashes of one tile, as many as its width.
    ///
    /// # Errors
    ///
    /// If they were not read. What was read is not trusted: a proof made of wrong hashes does
    /// not verify.
    async fn tile(&self, tile: Tile) -> Result<Vec<Digest>, Self::Error>;
}

/// Leaves that stand side by side, from `start` up to `end`: a subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u64,
    end: u64,
}

/// The proof that the leaf at `index` is in the tree of `size` leaves: hashes from the leaf's
/// sibling up to the root's child.
///
/// # Errors
///
/// [`NotMade`].
pub async fn inclusion<H: Hashes>(
    index: u64,
    size: u64,
    hashes: &H,
) -> Result<Vec<Digest>, NotMade<H::Error>> {
    if index >= size {
        return Err(NotMade::NoSuchProof);
    }
    read(&inclusion_spans(index, size), size, hashes).await
}

/// The proof that the tree of `to` leaves begins with that of `from` leaves.
///
/// # Errors
///
/// [`NotMade`].
pub async fn consistency<H: Hashes>(
    from: u64,
    to: u64,
    hashes: &H,
) -> Result<Vec<Digest>, NotMade<H::Error>> {
    if from == 0 || from > to {
        return Err(NotMade::NoSuchProof);
    }
    read(&consistency_spans(from, to), to, hashes).await
}

/// The root of the tree of `size` leaves, from its tiles.
///
/// # Errors
///
/// [`NotMade`].
pub async fn root<H: Hashes>(size: u64, hashes: &H) -> Result<Digest, NotMade<H::Error>> {
    if size == 0 {
        return Ok(Digest::of(&[]));
    }
    let whole = read(&[Span { start: 0, end: size }], size, hashes).await?;
    whole.first().copied().ok_or(NotMade::NoSuchProof)
}

/// Verifies that the leaf with this hash is the one at `index` in the tree of `size` leaves with
/// this root.
///
/// # Errors
///
/// [`NotProven`].
pub fn verify_inclusion(
    leaf: Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: Digest,
) -> Result<(), NotProven> {
    if index >= size {
        return Err(NotProven::Form);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return Err(NotProven::Form);
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(*sibling, hash);
            skip_to_right_child(&mut node, &mut last);
        } else {
            hash = node_hash(hash, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(NotProven::Form);
    }
    if hash == root { Ok(()) } else { Err(NotProven::Root) }
}

/// Verifies that the tree of `to` leaves with root `to_root` begins with the tree of `from`
/// leaves with root `from_root`.
///
/// Every tree begins with the empty one, so from that nothing can be proved: it is refused.
///
/// # Errors
///
/// [`NotProven`].
pub fn verify_consistency(
    from: u64,
    to: u64,
    proof: &[Digest],
    from_root: Digest,
    to_root: Digest,
) -> Result<(), NotProven> {
    if from == 0 || from > to || (from == to) != proof.is_empty() {
        return Err(NotProven::Form);
    }
    if from == to {
        return if from_root == to_root { Ok(()) } else { Err(NotProven::Root) };
    }
    // A tree of a power of two leaves is itself a node of the larger one: the proof leaves out
    // what the verifier has.
    let (first, rest) = match proof {
        _ if from.is_power_of_two() => (from_root, proof),
        [first, rest @ ..] => (*first, rest),
        [] => return Err(NotProven::Form),
    };
    let (mut node, mut last) = (from - 1, to - 1);
    let same = node.trailing_ones();
    node >>= same;
    last >>= same;
    let (mut old, mut new) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(NotProven::Form);
        }
        if node % 2 == 1 || node == last {
            old = node_hash(*sibling, old);
            new = node_hash(*sibling, new);
            skip_to_right_child(&mut node, &mut last);
        } else {
            new = node_hash(new, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(NotProven::Form);
    }
    if old == from_root && new == to_root { Ok(()) } else { Err(NotProven::Root) }
}

/// At the right edge of a tree that is not full, a node without a sibling moves up as it is.
fn skip_to_right_child(node: &mut u64, last: &mut u64) {
    while node.is_multiple_of(2) && *node != 0 {
        *node >>= 1;
        *last >>= 1;
    }
}

/// RFC 6962, section 2.1: the largest power of two smaller than the number of leaves.
const fn split(leaves: u64) -> u64 {
    1 << (u64::BITS - 1 - (leaves - 1).leading_zeros())
}

/// `PATH(index, D[size])`: at each fork, the side that the leaf is not on.
fn inclusion_spans(index: u64, size: u64) -> Vec<Span> {
    let (mut start, mut end) = (0, size);
    let mut spans = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            spans.push(Span { start: middle, end });
            end = middle;
        } else {
            spans.push(Span { start, end: middle });
            start = middle;
        }
    }
    spans.reverse();
    spans
}

/// `PROOF(from, D[to])`.
fn consistency_spans(from: u64, to: u64) -> Vec<Span> {
    let (mut start, mut end) = (0, to);
    let mut spans = Vec::new();
    while from != end {
        let middle = start + split(end - start);
        if from <= middle {
            spans.push(Span { start: middle, end });
            end = middle;
        } else {
            spans.push(Span { start, end: middle });
            start = middle;
        }
    }
    // What begins at the first leaf is the whole old tree: the verifier has its root.
    if start != 0 {
        spans.push(Span { start, end });
    }
    spans.reverse();
    spans
}

impl Span {
    /// The perfect subtrees that it is made of, largest first: height, and index at that height.
    fn perfect(self) -> impl Iterator<Item = (u32, u64)> {
        let mut start = self.start;
        std::iter::from_fn(move || {
            let left = self.end.checked_sub(start).filter(|left| *left > 0)?;
            let height = left.ilog2();
            let index = start >> height;
            start += 1 << height;
            Some((height, index))
        })
    }
}

/// Reads the tiles behind some spans, each once, and gives the hash of each span.
async fn read<H: Hashes>(
    spans: &[Span],
    size: u64,
    hashes: &H,
) -> Result<Vec<Digest>, NotMade<H::Error>> {
    let mut tiles: BTreeMap<Tile, Vec<Digest>> = BTreeMap::new();
    let mut found = Vec::with_capacity(spans.len());
    for span in spans {
        let mut parts = Vec::new();
        for (height, index) in span.perfect() {
            let (tile, within) = Tile::over(height, index, size).ok_or(NotMade::NoSuchProof)?;
            let row = match tiles.entry(tile) {
                Entry::Occupied(row) => row.into_mut(),
                Entry::Vacant(empty) => {
                    empty.insert(hashes.tile(tile).await.map_err(NotMade::NotRead)?)
                }
            };
            let hashes = row.get(within).filter(|_| row.len() == usize::from(tile.width()));
            parts.push(perfect_root(hashes.ok_or(NotMade::Width(tile))?));
        }
        let whole = parts.into_iter().rev().reduce(|right, left| node_hash(left, right));
        found.push(whole.ok_or(NotMade::NoSuchProof)?);
    }
    Ok(found)
}

#[cfg(test)]
pub(in crate::ledger) mod tests;
#[cfg(test)]
mod vectors;
