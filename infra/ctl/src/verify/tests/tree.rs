//! A tree as files, made of signed statements.

use std::{collections::BTreeMap, ops::Range, path::Path};

use airlock_core::ledger::{
    merkle::leaf_hash,
    proof::{Hashes, inclusion},
    statement::Data,
    tile::{Bundle, Edge, Tile, encode_entries, encode_hashes},
};
use async_trait::async_trait;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::*;

pub const TENANT: &str = "7f1d2f3a-0000-4000-8000-000000000001";

/// Entries of the largest tree.
pub const SIZE: u64 = 600;

/// When the first statement was made.
const BEGINNING: i64 = 1_790_000_000;

static ENTRIES: Mutex<Vec<Vec<u8>>> = Mutex::const_new(Vec::new());

/// The first entries; always the same ones.
pub async fn entries(size: u64) -> Vec<Vec<u8>> {
    let mut made = ENTRIES.lock().await;
    for index in u64::try_from(made.len()).unwrap()..size {
        made.push(signed(&statement(index), &KEYS.app).await);
    }
    made[..usize::try_from(size).unwrap()].to_vec()
}

pub fn statement(index: u64) -> Statement {
    let request = Digest::of(&[&index.to_be_bytes()]);
    Statement {
        specversion: "1.0".to_owned(),
        id: Uuid::from_u128(u128::from(index)),
        source: "/airlock/execute".to_owned(),
        r#type: Happened::Ended,
        subject: format!("request-{request}"),
        time: at(index).to_string(),
        traceparent: None,
        tenantid: TENANT.to_owned(),
        principal: None,
        iss: App::Execute,
        iat: at(index),
        data: Data { request: Some(request), ..Data::default() },
    }
}

fn at(index: u64) -> Timestamp {
    Timestamp::from_unix_s(BEGINNING.saturating_add_unsigned(index))
}

/// A tree in a folder.
pub struct Tree {
    pub entries: Vec<Vec<u8>>,
    pub checkpoint: Checkpoint,
    note: Note,
    tiles: BTreeMap<Tile, Vec<Digest>>,
    scratch: Scratch,
}

#[async_trait]
impl Hashes for Tree {
    type Error = std::io::Error;

    async fn tile(&self, tile: Tile) -> Result<Vec<Digest>, std::io::Error> {
        Ok(self.tiles[&tile].clone())
    }
}

impl Tree {
    pub async fn of(entries: &[Vec<u8>]) -> Self {
        let mut edge = Edge::empty();
        let mut tiles: BTreeMap<Tile, Vec<Digest>> =
            entries.iter().flat_map(|entry| edge.push(leaf_hash(entry))).collect();
        tiles.extend(edge.partial().map(|(tile, row)| (tile, row.to_vec())));
        let time = at(edge.size());
        let seal = Seal { number: 1, time, binding: 1, keyset: 1, claims: time };
        let checkpoint =
            Checkpoint { origin: origin(), size: edge.size(), root: edge.root(), seal };
        let name = origin().to_string();
        let note = Note::sign(checkpoint.text(), &name, &KEYS.ledger).await.unwrap();
        let scratch = Scratch::new();
        Self::put(scratch.path(), "checkpoint", note.to_string().as_bytes());
        for (tile, row) in &tiles {
            Self::put(scratch.path(), &tile.path(), &encode_hashes(row));
        }
        for bundle in Bundle::of_tree(edge.size()) {
            let Range { start, end } = bundle.leaves();
            let leaves = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
            let file = encode_entries(&entries[leaves]).unwrap();
            Self::put(scratch.path(), &bundle.path(), &file);
        }
        Self { entries: entries.to_vec(), checkpoint, note, tiles, scratch }
    }

    pub fn put(folder: &Path, name: &str, bytes: &[u8]) {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Every file of it.
    pub fn names(&self) -> Vec<String> {
        let bundles = Bundle::of_tree(self.checkpoint.size).map(Resource::Entries);
        let tiles = Tile::of_tree(self.checkpoint.size).map(Resource::Hashes);
        let resources = bundles.chain(tiles).map(|resource| resource.path());
        resources.chain(["checkpoint".to_owned()]).collect()
    }

    /// Where an entry is in the file of its bundle.
    pub fn entry_in(file: &[u8], index: usize) -> Range<usize> {
        let mut start = 0;
        for _ in 0..index {
            start += 2 + usize::from(u16::from_be_bytes([file[start], file[start + 1]]));
        }
        let length = usize::from(u16::from_be_bytes([file[start], file[start + 1]]));
        start + 2..start + 2 + length
    }

    pub async fn receipt(&self, index: u64) -> Receipt {
        let proof = inclusion(index, self.checkpoint.size, self).await.unwrap();
        Receipt { index, proof, checkpoint: self.note.clone(), extra: None }
    }
}
