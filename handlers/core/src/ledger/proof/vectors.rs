//! The proof vectors of the transparency-dev Merkle libraries.
//!
//! They lie outside of the project, in `../shared/data` or below `$AIRLOCK_SHARED`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, de::DeserializeOwned};

use super::*;

/// How many there are: a folder that lost some must not pass for the whole.
const VECTORS: usize = 196;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    desc: String,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    desc: String,
    want_err: bool,
}

/// A hash; `None` if it has another length than hashes have.
fn hash(text: &str) -> Option<Digest> {
    STANDARD.decode(text).unwrap().try_into().ok().map(Digest::from_bytes)
}

/// Some vectors have roots of another length, which no type of ours can hold, and want them only
/// compared. Their digest stands in for them: equal for equal ones, and no hash of any tree.
fn root(text: &str) -> Digest {
    hash(text).unwrap_or_else(|| Digest::of(&[b"no hash: ", text.as_bytes()]))
}

/// Of a proof, the same: what is not a hash is not left to the parser to refuse.
fn hashes(proof: Option<Vec<String>>) -> Vec<Digest> {
    proof.unwrap_or_default().iter().map(|text| root(text)).collect()
}

/// Every vector below a folder.
fn files<T: DeserializeOwned>(folder: &Path) -> Vec<(PathBuf, T)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let read = |path: PathBuf| {
        let vector = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        (path, vector)
    };
    let below = folders.iter().flat_map(|folder| self::files(folder));
    files.into_iter().map(read).chain(below).collect()
}

#[test]
fn every_proof_comes_out_as_its_vector_says() {
    let shared = std::env::var_os("AIRLOCK_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("data/merkle/testdata");
    if !folder.is_dir() {
        println!("SKIPPED: reference data not found ({})", folder.display());
        return;
    }
    let (mut accepted, mut refused) = (0, 0);

    let mut count = |path: &Path, desc: &str, outcome: Result<(), NotProven>, want_err: bool| {
        assert_eq!(outcome.is_err(), want_err, "{}: {desc}", path.display());
        *(if want_err { &mut refused } else { &mut accepted }) += 1;
    };
    for (path, vector) in files::<Inclusion>(&folder.join("inclusion")) {
        let Inclusion { leaf_idx, tree_size, root, leaf_hash, proof, desc, want_err } = vector;
        let root = self::root(&root);
        let outcome = hash(&leaf_hash)
            .ok_or(NotProven::Form)
            .and_then(|leaf| verify_inclusion(leaf, leaf_idx, tree_size, &hashes(proof), root));
        count(&path, &desc, outcome, want_err);
    }
    for (path, vector) in files::<Consistency>(&folder.join("consistency")) {
        let Consistency { size1, size2, root1, root2, proof, desc, want_err } = vector;
        let (old, new) = (root(&root1), root(&root2));
        let outcome = verify_consistency(size1, size2, &hashes(proof), old, new);
        count(&path, &desc, outcome, want_err);
    }

    println!("merkle proofs: {accepted} accepted, {refused} refused, as their vectors say");
    assert_eq!(accepted + refused, VECTORS);
}
