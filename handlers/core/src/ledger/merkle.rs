//! RFC 6962 tree heads, kept as a frontier: the roots of the perfect subtrees, largest first.
//!
//! A frontier of n leaves has as many hashes as n has one-bits, so appending and taking the
//! root need no more than 64 of them, and never the leaves.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The right edge of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Written")]
pub struct Frontier {
    size: u64,
    hashes: Vec<Digest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    size: u64,
    hashes: Vec<Digest>,
}

/// The number of hashes does not fit the number of leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frontier does not fit its size")]
pub struct NotAFrontier;

impl TryFrom<Written> for Frontier {
    type Error = NotAFrontier;

    fn try_from(written: Written) -> Result<Self, NotAFrontier> {
        if written.size.count_ones() as usize == written.hashes.len() {
            Ok(Self { size: written.size, hashes: written.hashes })
        } else {
            Err(NotAFrontier)
        }
    }
}

/// The hash of a leaf: SHA-256(0x00 || entry).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest::of(&[&[0], entry])
}

/// The hash of an inner node: SHA-256(0x01 || left || right).
#[must_use]
pub fn node_hash(left: Digest, right: Digest) -> Digest {
    Digest::of(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The root over a power of two of nodes that stand side by side.
pub(super) fn perfect_root(nodes: &[Digest]) -> Digest {
    match nodes {
        [] => Digest::of(&[]),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            node_hash(perfect_root(left), perfect_root(right))
        }
    }
}

impl Frontier {
    /// INVARIANT: as many hashes as `size` has one-bits, largest subtree first.
    pub(super) const fn of_parts(size: u64, hashes: Vec<Digest>) -> Self {
        Self { size, hashes }
    }

    /// The empty tree.
    #[must_use]
    pub const fn empty() -> Self {
        Self { size: 0, hashes: Vec::new() }
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Digest) {
        self.hashes.push(leaf);
        // Each one-bit at the end of the old size is a perfect subtree as large as what was
        // just built: the two become one.
        for _ in 0..self.size.trailing_ones() {
            if let (Some(right), Some(left)) = (self.hashes.pop(), self.hashes.pop()) {
                self.hashes.push(node_hash(left, right));
            }
        }
        self.size += 1;
    }

    /// The root. Of the empty tree: SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut hashes = self.hashes.iter().rev();
        let Some(mut root) = hashes.next().copied() else { return Digest::of(&[]) };
        for left in hashes {
            root = node_hash(*left, root);
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962, section 2.1, as it defines the hash: by splitting the list of entries.
    fn defined(entries: &[Vec<u8>]) -> Digest {
        match entries {
            [] => Digest::of(&[]),
            [one] => leaf_hash(one),
            many => {
                let split = many.len().next_power_of_two() / 2;
                node_hash(defined(&many[..split]), defined(&many[split..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_rfc_6962_at_every_size() {
        let entries: Vec<Vec<u8>> = (0..300_u16).map(|n| n.to_be_bytes().to_vec()).collect();
        let mut frontier = Frontier::empty();

        for size in 0..=entries.len() {
            assert_eq!(frontier.size(), size as u64);
            assert_eq!(frontier.root(), defined(&entries[..size]), "{size}");
            if let Some(entry) = entries.get(size) {
                frontier.push(leaf_hash(entry));
            }
        }
    }

    #[test]
    fn the_roots_are_the_published_ones() {
        // The eight-leaf test tree of the Certificate Transparency reference implementation.
        let entries: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let mut frontier = Frontier::empty();

        for entry in entries {
            frontier.push(leaf_hash(entry));
        }

        let published = [
            0x5d, 0xc9, 0xda, 0x79, 0xa7, 0x06, 0x59, 0xa9, 0xad, 0x55, 0x9c, 0xb7, 0x01, 0xde,
            0xd9, 0xa2, 0xab, 0x9d, 0x82, 0x3a, 0xad, 0x2f, 0x49, 0x60, 0xcf, 0xe3, 0x70, 0xef,
            0xf4, 0x60, 0x43, 0x28,
        ];
        assert_eq!(frontier.root().as_bytes(), &published);
    }

    #[test]
    fn a_frontier_that_does_not_fit_its_size_is_not_read() {
        let text = r#"{"size":3,"hashes":[]}"#;

        assert!(serde_json::from_str::<Frontier>(text).is_err());
    }
}
