//! Writes ledgers as files, for auditors that did not learn the formats from us.
//!
//! `export-ledger FOLDER SIZE...` makes one log of as many signed statements as the largest size
//! says, and writes it as it was at each size: `FOLDER/<size>/` with checkpoint, tiles and entry
//! bundles. Beside them: `vkey`, `keyset.jws`, `root.jwk`, for some leaves of each size a receipt
//! and its entry below `FOLDER/receipts/<size>-<index>/`, and in `FOLDER/fork/` a tree that the same
//! key signed under the same name, and that is no continuation of the smaller ones.
//!
//! All of it goes through the code that the handlers run; only the keys are this program's own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use airlock_core::{
    digest::Digest,
    identity::{App, TenantId},
    jwk::PublicKey,
    jws::Signed,
    keyset::Keyset,
    ledger::{
        Checkpoint, Note, Origin, Receipt, Seal, Statement,
        merkle::leaf_hash,
        note::vkey,
        proof::{self, Hashes},
        statement::{Data, Happened},
        tile::{Bundle, Edge, Tile, encode_entries, encode_hashes},
    },
    memory::{Dice, LocalKey},
    time::Timestamp,
};
use async_trait::async_trait;
use serde_json::json;
use uuid::Uuid;

type Failed = Box<dyn std::error::Error>;

/// When the log begins.
const BEGINNING: i64 = 1_790_000_000;

const TENANT: &str = "7f1d2f3a-0000-4000-8000-000000000001";

/// What proofs are made from.
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

/// Whoever signs: the app that makes statements, and the ledger.
struct Keys {
    app: LocalKey,
    ledger: LocalKey,
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("which folder?")?);
    let mut sizes: Vec<u64> = arguments.map(|size| size.parse()).collect::<Result<_, _>>()?;
    sizes.sort_unstable();
    let key = || LocalKey::new(&airlock_core::jwe::private_key(&Dice)?).map_err(Failed::from);
    let (root, keys) = (key()?, Keys { app: key()?, ledger: key()? });
    let origin = Origin::new("ledger.airlock.example", TENANT, 0)?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("vkey"), vkey(&origin.to_string(), keys.ledger.key()))?;
    fs::write(folder.join("root.jwk"), serde_json::to_string(root.key())?)?;
    fs::write(folder.join("keyset.jws"), keyset(&root, &keys).await?.as_str())?;

    let largest = sizes.last().copied().ok_or("which sizes?")?;
    let mut entries = Vec::new();
    for index in 0..largest {
        entries.push(statement(index, &keys.app).await?);
    }
    for (number, size) in (1..).zip(&sizes) {
        let tree = Tree::of(&entries[..usize::try_from(*size)?]);
        let note = tree.sealed(number, &origin, &keys.ledger).await?;
        tree.write(&folder.join(size.to_string()), &note)?;
        for index in [0, size / 2, size - 1] {
            let place = folder.join(format!("receipts/{size}-{index}"));
            tree.write_receipt(&place, index, &note).await?;
        }
        println!("{size} entries");
    }
    // What a ledger's own key can do that an honest ledger never does.
    let mut other = entries[..usize::try_from(sizes[sizes.len() / 2])?].to_vec();
    other.swap(0, 1);
    let fork = Tree::of(&other);
    let note = fork.sealed(u64::try_from(sizes.len())? + 1, &origin, &keys.ledger).await?;
    fork.write(&folder.join("fork"), &note)
}

/// A tree, with everything that is written of it.
struct Tree<'a> {
    entries: &'a [String],
    root: Digest,
    tiles: Tiles,
}

impl<'a> Tree<'a> {
    fn of(entries: &'a [String]) -> Self {
        let mut edge = Edge::empty();
        let mut tiles: BTreeMap<Tile, Vec<Digest>> =
            entries.iter().flat_map(|entry| edge.push(leaf_hash(entry.as_bytes()))).collect();
        tiles.extend(edge.partial().map(|(tile, row)| (tile, row.to_vec())));
        let root = edge.root();
        Self { entries, root, tiles: Tiles(tiles) }
    }

    fn size(&self) -> Result<u64, Failed> {
        Ok(u64::try_from(self.entries.len())?)
    }

    /// Its checkpoint, signed.
    async fn sealed(&self, number: u64, origin: &Origin, key: &LocalKey) -> Result<Note, Failed> {
        let size = self.size()?;
        let (time, claims) = (at(size), at(size).plus_s(-60));
        let seal = Seal { number, time, binding: 1, keyset: 1, claims };
        let checkpoint = Checkpoint { origin: origin.clone(), size, root: self.root, seal };
        Ok(Note::sign(checkpoint.text(), &origin.to_string(), key).await?)
    }

    fn write(&self, folder: &Path, checkpoint: &Note) -> Result<(), Failed> {
        write(&folder.join("checkpoint"), checkpoint.to_string().as_bytes())?;
        for (tile, row) in &self.tiles.0 {
            write(&folder.join(tile.path()), &encode_hashes(row))?;
        }
        for bundle in Bundle::of_tree(self.size()?) {
            let leaves = bundle.leaves();
            let range = usize::try_from(leaves.start)?..usize::try_from(leaves.end)?;
            write(&folder.join(bundle.path()), &encode_entries(&self.entries[range])?)?;
        }
        Ok(())
    }

    async fn write_receipt(
        &self,
        folder: &Path,
        index: u64,
        checkpoint: &Note,
    ) -> Result<(), Failed> {
        let proof = proof::inclusion(index, self.size()?, &self.tiles).await?;
        let receipt = Receipt { index, proof, checkpoint: checkpoint.clone(), extra: None };
        write(&folder.join("receipt.tlog-proof"), receipt.to_string().as_bytes())?;
        write(&folder.join("entry.jws"), self.entries[usize::try_from(index)?].as_bytes())
    }
}

fn at(index: u64) -> Timestamp {
    Timestamp::from_unix_s(BEGINNING.saturating_add_unsigned(index))
}

/// The keyset, which lists both keys.
async fn keyset(root: &LocalKey, keys: &Keys) -> Result<Signed<Keyset>, Failed> {
    let listed = |jwk: &PublicKey, app: App, signs: &str| json!({ "jwk": jwk, "app": app, "signs": [signs], "nbf": BEGINNING });
    let claims: Keyset = serde_json::from_value(json!({
        "ver": 1,
        "iat": BEGINNING,
        "exp": BEGINNING + 100 * 365 * 86_400,
        "keys": [
            listed(keys.app.key(), App::Execute, "statement"),
            listed(keys.ledger.key(), App::Drift, "checkpoint"),
        ],
    }))?;
    Ok(Signed::sign(&claims, root).await?)
}

/// An entry: a signed statement that says which it is.
async fn statement(index: u64, key: &LocalKey) -> Result<String, Failed> {
    let tenant: TenantId = TENANT.parse()?;
    let claims = Statement {
        specversion: "1.0".to_owned(),
        id: Uuid::from_u128(u128::from(index)),
        source: "/airlock/execute".to_owned(),
        r#type: Happened::Ended,
        subject: format!("request-{index}"),
        time: at(index).to_string(),
        traceparent: None,
        tenantid: tenant.to_string(),
        principal: None,
        iss: App::Execute,
        iat: at(index),
        data: Data { document: Some(Digest::of(&[&index.to_be_bytes()])), ..Data::default() },
    };
    Ok(Signed::sign(&claims, key).await?.as_str().to_owned())
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failed> {
    fs::create_dir_all(file.parent().ok_or("a file without a folder")?)?;
    Ok(fs::write(file, bytes)?)
}
