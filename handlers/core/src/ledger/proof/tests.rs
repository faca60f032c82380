use super::*;
use crate::ledger::{Frontier, merkle::leaf_hash, tile::Edge};

/// The tiles of a tree, in memory.
#[derive(Clone, Default)]
pub(in crate::ledger) struct Held(BTreeMap<Tile, Vec<Digest>>);

#[async_trait]
impl Hashes for Held {
    type Error = Missing;

    async fn tile(&self, tile: Tile) -> Result<Vec<Digest>, Missing> {
        self.0.get(&tile).cloned().ok_or(Missing(tile))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no tile {0:?}")]
pub(in crate::ledger) struct Missing(Tile);

pub(in crate::ledger) fn leaf(index: u64) -> Digest {
    leaf_hash(&index.to_be_bytes())
}

/// The tiles of the tree of `size` leaves, and its root.
pub(in crate::ledger) fn tree(size: u64) -> (Held, Digest) {
    let mut edge = Edge::empty();
    let mut tiles: BTreeMap<Tile, Vec<Digest>> =
        (0..size).flat_map(|index| edge.push(leaf(index))).collect();
    tiles.extend(edge.partial().map(|(tile, row)| (tile, row.to_vec())));
    (Held(tiles), edge.root())
}

/// RFC 6962, section 2.1.1, as it defines the path.
fn path_defined(index: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, other) = if index < left.len() {
        (path_defined(index, left), right)
    } else {
        (path_defined(index - left.len(), right), left)
    };
    path.push(root_defined(other));
    path
}

/// RFC 6962, section 2.1.2, as it defines the proof.
fn proof_defined(from: usize, leaves: &[Digest], is_known: bool) -> Vec<Digest> {
    if from == leaves.len() {
        return if is_known { Vec::new() } else { vec![root_defined(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut proof, other) = if from <= left.len() {
        (proof_defined(from, left, is_known), right)
    } else {
        (proof_defined(from - left.len(), right, false), left)
    };
    proof.push(root_defined(other));
    proof
}

fn root_defined(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::empty();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

fn leaves(size: u64) -> Vec<Digest> {
    (0..size).map(leaf).collect()
}

#[tokio::test]
async fn every_leaf_of_every_tree_is_proven_as_rfc_6962_defines_it() {
    for size in 1..=300 {
        let (tiles, root_of_tree) = tree(size);
        let leaves = leaves(size);
        assert_eq!(root(size, &tiles).await.unwrap(), root_of_tree, "{size}");
        for index in 0..size {
            let what = format!("leaf {index} of {size}");
            let proof = inclusion(index, size, &tiles).await.unwrap();

            // The definition hashes the whole tree for each leaf: not for every large one.
            if size <= 80 || (255..=257).contains(&size) {
                let defined = path_defined(usize::try_from(index).unwrap(), &leaves);
                assert_eq!(proof, defined, "{what}");
            }
            let outcome = verify_inclusion(leaf(index), index, size, &proof, root_of_tree);
            assert_eq!(outcome, Ok(()), "{what}");
        }
    }
}

#[tokio::test]
async fn every_growth_is_proven_as_rfc_6962_defines_it() {
    let mut roots = vec![Digest::of(&[])];
    for to in 1..=130_u64 {
        let (tiles, root) = tree(to);
        roots.push(root);
        let leaves = leaves(to);
        for from in 1..=to {
            let what = format!("from {from} to {to}");
            let proof = consistency(from, to, &tiles).await.unwrap();

            let defined = proof_defined(usize::try_from(from).unwrap(), &leaves, true);
            assert_eq!(proof, defined, "{what}");
            let old = roots[usize::try_from(from).unwrap()];
            assert_eq!(verify_consistency(from, to, &proof, old, root), Ok(()), "{what}");
        }
    }
}

#[tokio::test]
async fn proofs_are_made_across_levels_of_tiles() {
    const SIZE: u64 = 66_000;
    let (tiles, whole) = tree(SIZE);

    for index in [0, 1, 255, 256, 65_279, 65_280, 65_535, 65_536, 65_537, SIZE - 1] {
        let proof = inclusion(index, SIZE, &tiles).await.unwrap();
        assert_eq!(verify_inclusion(leaf(index), index, SIZE, &proof, whole), Ok(()), "{index}");
    }
    for from in [1, 255, 256, 257, 65_535, 65_536, 65_537, 65_999, SIZE] {
        let proof = consistency(from, SIZE, &tiles).await.unwrap();
        let (_, old) = tree(from);
        assert_eq!(verify_consistency(from, SIZE, &proof, old, whole), Ok(()), "{from}");
    }
}

/// Every proof that differs from this one in one place.
fn tampered(proof: &[Digest]) -> Vec<Vec<Digest>> {
    let mut all = Vec::new();
    for at in 0..proof.len() {
        for byte in [0, 13, 31] {
            let mut bytes = *proof[at].as_bytes();
            bytes[byte] ^= 0x10;
            let mut changed = proof.to_vec();
            changed[at] = Digest::from_bytes(bytes);
            all.push(changed);
        }
        let mut shorter = proof.to_vec();
        shorter.remove(at);
        all.push(shorter);
        let mut longer = proof.to_vec();
        longer.insert(at, proof[at]);
        all.push(longer);
        if at > 0 && proof[at] != proof[at - 1] {
            let mut swapped = proof.to_vec();
            swapped.swap(at, at - 1);
            all.push(swapped);
        }
    }
    all.push([proof, &[leaf(0)]].concat());
    all
}

#[tokio::test]
async fn a_proof_that_differs_anywhere_proves_nothing() {
    let mut refused = 0_u32;
    for size in [1, 2, 3, 5, 8, 13, 64, 65, 100, 255, 256, 257] {
        let (tiles, root) = tree(size);
        for index in (0..size).step_by(7).chain([size - 1]) {
            let proof = inclusion(index, size, &tiles).await.unwrap();
            for other in tampered(&proof) {
                assert!(verify_inclusion(leaf(index), index, size, &other, root).is_err());
                refused += 1;
            }
            assert!(verify_inclusion(leaf(index + 1), index, size, &proof, root).is_err());
            assert!(
                verify_inclusion(leaf(index), index, size, &proof, leaf(0)).is_err() || size == 1
            );
            for other in (0..size + 3).filter(|other| *other != index) {
                assert!(verify_inclusion(leaf(index), other, size, &proof, root).is_err());
            }
        }
        for from in (1..=size).step_by(5) {
            let old = root_defined(&leaves(from));
            let proof = consistency(from, size, &tiles).await.unwrap();
            for other in tampered(&proof) {
                assert!(verify_consistency(from, size, &other, old, root).is_err());
                refused += 1;
            }
            assert!(verify_consistency(from, size, &proof, leaf(9999), root).is_err());
            assert!(verify_consistency(from, size, &proof, old, leaf(9999)).is_err());
        }
    }
    println!("{refused} tampered proofs refused");
}

#[tokio::test]
async fn there_is_no_proof_of_what_is_not_in_a_tree() {
    let (tiles, root) = tree(7);

    assert!(matches!(inclusion(7, 7, &tiles).await, Err(NotMade::NoSuchProof)));
    assert!(matches!(consistency(0, 7, &tiles).await, Err(NotMade::NoSuchProof)));
    assert!(matches!(consistency(8, 7, &tiles).await, Err(NotMade::NoSuchProof)));
    assert_eq!(verify_inclusion(leaf(0), 0, 0, &[], root), Err(NotProven::Form));
    assert_eq!(verify_consistency(0, 7, &[], Digest::of(&[]), root), Err(NotProven::Form));
    assert_eq!(verify_inclusion(leaf(0), u64::MAX, u64::MAX, &[], root), Err(NotProven::Form));
}

#[tokio::test]
async fn a_tile_that_is_missing_or_short_makes_no_proof() {
    let (mut tiles, _) = tree(300);
    let first = Tile::new(0, 0, 256).unwrap();

    tiles.0.get_mut(&first).unwrap().pop();
    assert!(matches!(inclusion(3, 300, &tiles).await, Err(NotMade::Width(tile)) if tile == first));
    tiles.0.remove(&first);
    assert!(matches!(inclusion(3, 300, &tiles).await, Err(NotMade::NotRead(Missing(_)))));
}
