//! How large proofs are and how long they take, in trees of a thousand, a hundred thousand and a
//! million entries. Prints a table; asserts that every proof verifies, and nothing about time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use airlock_core::{
    digest::Digest,
    ledger::{
        Checkpoint, Note, Origin, Receipt, Seal,
        merkle::leaf_hash,
        note::VerifierKey,
        proof::{self, Hashes, consistency, inclusion, verify_consistency, verify_inclusion},
        tile::{Edge, Tile},
    },
    memory::{Dice, LocalKey},
    time::Timestamp,
};
use async_trait::async_trait;

type Failed = Box<dyn std::error::Error>;

const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];

/// Proofs of which the mean is told.
const SAMPLES: u32 = 500;

struct Tiles(BTreeMap<Tile, Vec<Digest>>);

#[derive(Debug, thiserror::Error)]
#[error("there is no tile {0:?}")]
struct NoTile(Tile);

#[async_trait]
impl Hashes for Tiles {
    type Error = NoTile;

    async fn tile(&self, tile: Tile) -> Result<Vec<Digest>, NoTile> {
        self.0.get(&tile).cloned().ok_or(NoTile(tile))
    }
}

/// An entry as long as most statements are.
fn entry(index: u64) -> Vec<u8> {
    let mut entry = index.to_be_bytes().to_vec();
    entry.resize(900, b'.');
    entry
}

/// How long something takes, as the mean of many.
#[derive(Default)]
struct Spent(Duration);

impl Spent {
    fn on<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        self.0 += start.elapsed();
        done
    }

    fn mean(&self) -> String {
        format!("{:.1} us", self.0.as_secs_f64() * 1e6 / f64::from(SAMPLES))
    }
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let key = LocalKey::new(&airlock_core::jwe::private_key(&Dice)?)?;
    let heads = [
        "entries",
        "append",
        "hashes",
        "proof",
        "receipt",
        "made",
        "hashes verified",
        "receipt verified",
        "growth",
        "growth verified",
    ];
    let mut lines = vec![heads.map(str::to_owned)];
    for size in SIZES {
        lines.push(line(size, &key).await?);
    }
    println!("\nProofs, by the number of entries (means of {SAMPLES}; tiles in memory)\n");
    for line in &lines {
        let cells = (0..).zip(line).map(|(at, cell)| {
            let width = lines.iter().map(|line| line[at].len()).max().unwrap_or(0);
            format!("{cell:>width$}")
        });
        println!("    {}", cells.collect::<Vec<_>>().join("  "));
    }
    Ok(())
}

async fn line(size: u64, key: &LocalKey) -> Result<[String; 10], Failed> {
    let mut edge = Edge::empty();
    let mut tiles = BTreeMap::new();
    let mut half = None;
    let start = Instant::now();
    for index in 0..size {
        if index == size / 2 {
            half = Some(edge.root());
        }
        tiles.extend(edge.push(leaf_hash(&entry(index))));
    }
    let appended = start.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(size)?);
    tiles.extend(edge.partial().map(|(tile, row)| (tile, row.to_vec())));
    let (root, tiles) = (edge.root(), Tiles(tiles));
    let origin = Origin::new("ledger.airlock.example", "platform", 0)?;
    let time = Timestamp::from_unix_s(1_790_000_000);
    let seal = Seal { number: 1, time, binding: 1, keyset: 1, claims: time };
    let text = Checkpoint { origin: origin.clone(), size, root, seal }.text();
    let note = Note::sign(text, &origin.to_string(), key).await?;
    let verifier = VerifierKey::new(&origin.to_string(), key.key().clone())?;

    let (mut made, mut hashes_verified, mut receipt_verified, mut growth_verified) =
        (Spent::default(), Spent::default(), Spent::default(), Spent::default());
    let (mut hashes, mut bytes) = (0, 0);
    let from = size / 2;
    let growth = consistency(from, size, &tiles).await?;
    let half = half.ok_or("no half")?;
    for sample in 0..u64::from(SAMPLES) {
        // All over the tree, and the same in each run.
        let index = sample.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size;
        let start = Instant::now();
        let proof = inclusion(index, size, &tiles).await?;
        made.0 += start.elapsed();
        let entry = entry(index);
        let leaf = leaf_hash(&entry);
        hashes_verified.on(|| verify_inclusion(leaf, index, size, &proof, root))?;
        hashes += proof.len();
        let receipt = Receipt { index, proof, checkpoint: note.clone(), extra: None }.to_string();
        bytes += receipt.len();
        receipt_verified.on(|| -> Result<_, Failed> {
            Ok(Receipt::parse(&receipt)?.verify(&entry, &verifier)?)
        })?;
        growth_verified.on(|| verify_consistency(from, size, &growth, half, root))?;
    }
    assert_eq!(proof::root(size, &tiles).await?, root);
    let samples = usize::try_from(SAMPLES)?;
    let mean = |sum: usize| (sum + samples / 2) / samples;
    Ok([
        size.to_string(),
        format!("{appended:.0} ns"),
        mean(hashes).to_string(),
        format!("{} B", mean(hashes * 32)),
        format!("{} B", mean(bytes)),
        made.mean(),
        hashes_verified.mean(),
        receipt_verified.mean(),
        format!("{} B", growth.len() * 32),
        growth_verified.mean(),
    ])
}
