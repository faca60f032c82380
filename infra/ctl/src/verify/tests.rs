use std::{fs, sync::LazyLock};

use airlock_core::{
    digest::Digest,
    identity::App,
    jws::{Artefact, Signed},
    keyset::Keyset,
    ledger::{Happened, Origin, Receipt, Seal, Statement, note::VerifierKey, tile::Resource},
    memory::{Dice, LocalKey},
    time::Timestamp,
};
use serde_json::{Value, json};

use self::tree::{SIZE, TENANT, Tree, entries, statement};
use super::*;
use crate::{cli::By, scratch::Scratch};

mod tree;
mod witness;

/// Now, long after everything was sealed.
const NOW: i64 = 1_790_100_000;

fn now() -> Timestamp {
    Timestamp::from_unix_s(NOW)
}

fn new_key() -> LocalKey {
    LocalKey::new(&airlock_core::jwe::private_key(&Dice).unwrap()).unwrap()
}

/// Keys of a deployment, and what is known of them.
struct Keys {
    root: LocalKey,
    app: LocalKey,
    ledger: LocalKey,
}

static KEYS: LazyLock<Keys> =
    LazyLock::new(|| Keys { root: new_key(), app: new_key(), ledger: new_key() });

fn origin() -> Origin {
    Origin::new("ledger.airlock.example", TENANT, 0).unwrap()
}

fn by_key() -> Judge {
    let key = VerifierKey::new(&origin().to_string(), KEYS.ledger.key().clone()).unwrap();
    let by = By { key: Some(key), keyset: None, root: None, origin: None };
    Judge::of(&by, now()).unwrap()
}

/// By the keyset, in which the app's key is revoked from a time on, or not at all.
async fn by_keyset(revoked: Option<i64>) -> Judge {
    let mut keys = json!([
        { "jwk": KEYS.app.key(), "app": "execute", "signs": ["statement", "outcome"], "nbf": 0 },
        { "jwk": KEYS.ledger.key(), "app": "drift", "signs": ["checkpoint"], "nbf": 0 },
    ]);
    if let Some(revoked) = revoked {
        keys[0]["revoked"] = revoked.into();
    }
    let claims = json!({ "ver": 1, "iat": NOW - 10, "exp": NOW + 1000, "keys": keys });
    let keyset: Keyset = serde_json::from_value(claims).unwrap();
    let signed = Signed::sign(&keyset, &KEYS.root).await.unwrap();
    let folder = Scratch::new();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        Some(path)
    };
    let by = By {
        key: None,
        keyset: file("keyset", json!({ "artefact": signed }).to_string()),
        root: file("root", json!({ "manifest": "", "root": KEYS.root.key() }).to_string()),
        origin: Some(origin()),
    };
    Judge::of(&by, now()).unwrap()
}

async fn audited(tree: &Tree, judge: &Judge, kept: &[&Tree]) -> Audited {
    let kept = kept.iter().map(|tree| ("kept".to_owned(), tree.checkpoint.clone())).collect();
    audit(&Folder::open(tree.folder()).unwrap(), judge, kept).await.unwrap()
}

fn places(audited: &Audited) -> Vec<&str> {
    audited.faults.iter().map(|fault| fault.place.as_str()).collect()
}

#[tokio::test]
async fn a_tree_holds_by_a_key_and_by_a_keyset() {
    let tree = Tree::of(&entries(SIZE).await).await;
    let before = Tree::of(&entries(300).await).await;

    for judge in [by_key(), by_keyset(None).await] {
        let audited = audited(&tree, &judge, &[&before]).await;
        assert_eq!(audited.faults, []);
        assert_eq!((audited.entries, audited.later_files), (SIZE, 0));
        // Three bundles, three tiles of leaves, one above them, and the checkpoint.
        assert_eq!(audited.files, 8);
        assert_eq!(audited.signed_by_keyset, judge.has_keyset());
    }
}

#[tokio::test]
async fn whatever_is_spoiled_is_named() {
    let tree = Tree::of(&entries(SIZE).await).await;
    let judge = by_key();
    let mut spoiled = 0;

    for name in tree.names() {
        let file = tree.folder().join(&name);
        let good = fs::read(&file).unwrap();
        let mut changed: Vec<Option<Vec<u8>>> = vec![
            None,
            Some(good[..good.len() - 1].to_vec()),
            Some([&good[..], &[0]].concat()),
            Some(Vec::new()),
        ];
        for at in [0, 1, 2, good.len() / 2, good.len() - 2] {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            changed.push(Some(bytes));
        }
        for bytes in changed {
            match bytes {
                Some(bytes) => fs::write(&file, bytes).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let audited = audited(&tree, &judge, &[]).await;
            // A changed entry changes the tree, and only its bundle and what is above it.
            assert!(!audited.faults.is_empty(), "{name}");
            let is_entries = name.starts_with("tile/entries/");
            assert!(is_entries || places(&audited).contains(&name.as_str()), "{audited:?}");
            spoiled += 1;
        }
        fs::write(&file, good).unwrap();
    }

    assert_eq!(spoiled, 8 * 9);
    assert_eq!(audited(&tree, &judge, &[]).await.faults, []);
}

#[tokio::test]
async fn an_entry_that_changed_is_told_by_the_hash_that_it_should_have() {
    let tree = Tree::of(&entries(SIZE).await).await;
    let file = tree.folder().join("tile/entries/001");
    let mut bytes = fs::read(&file).unwrap();
    let (first, second) = (Tree::entry_in(&bytes, 3), Tree::entry_in(&bytes, 4));
    assert_eq!(first.len(), second.len());
    let (one, other) = (bytes[first.clone()].to_vec(), bytes[second.clone()].to_vec());
    bytes[first].copy_from_slice(&other);
    bytes[second].copy_from_slice(&one);
    fs::write(file, bytes).unwrap();

    let audited = audited(&tree, &by_key(), &[]).await;

    let told = |place: &str| audited.faults.iter().find(|fault| fault.place == place);
    assert_eq!(told("tile/0/001").unwrap().what, "another hash 3 than the entries have");
    assert_eq!(told("checkpoint").unwrap().what, "another root than its 600 entries have");
}

#[tokio::test]
async fn entries_that_no_app_made_are_named_by_their_index() {
    let good = entries(300).await;
    let mut other_tenant = statement(7);
    other_tenant.tenantid = "platform".to_owned();
    let spoiled = [
        ("not a statement", b"anything".to_vec()),
        ("no key", signed(&statement(7), &new_key()).await),
        ("about another tenant", signed(&other_tenant, &KEYS.app).await),
        ("stands in the tree before", good[3].clone()),
    ];

    for (what, entry) in spoiled {
        let mut entries = good.clone();
        entries[7] = entry;
        let tree = Tree::of(&entries).await;

        assert_eq!(audited(&tree, &by_key(), &[]).await.faults, []);
        let audited = audited(&tree, &by_keyset(None).await, &[]).await;
        let [fault] = &audited.faults[..] else { panic!("{what}: {audited:?}") };
        assert_eq!(fault.place, "tile/entries/000 (entry 7)");
        assert!(fault.what.contains(what), "{fault:?}");
    }
}

#[tokio::test]
async fn what_a_revoked_key_signed_counts_under_a_checkpoint_that_was_kept_since() {
    let (tree, before) = (Tree::of(&entries(300).await).await, Tree::of(&entries(200).await).await);
    let sealed = before.checkpoint.seal.time.as_unix_s();

    let later = by_keyset(Some(sealed + 1)).await;
    assert_eq!(audited(&tree, &later, &[]).await.faults.len(), 300);
    let audit = audited(&tree, &later, &[&before]).await;
    assert_eq!(audit.faults.len(), 100);
    assert_eq!(audit.faults[0].place, "tile/entries/000 (entry 200)");

    // Kept, but sealed when the key was revoked already.
    let earlier = by_keyset(Some(sealed)).await;
    assert_eq!(audited(&tree, &earlier, &[&before]).await.faults.len(), 300);
}

#[tokio::test]
async fn a_tree_that_was_put_back_or_written_anew_is_told() {
    let (small, large) = (Tree::of(&entries(200).await).await, Tree::of(&entries(300).await).await);
    let mut other = entries(300).await;
    other.swap(10, 11);
    let other = Tree::of(&other).await;

    let back = audited(&small, &by_key(), &[&large]).await;
    assert!(back.faults[0].what.contains("put back"), "{back:?}");
    let anew = audited(&other, &by_key(), &[&small]).await;
    assert_eq!(places(&anew), ["kept"]);
    assert_eq!(anew.faults[0].what, "another root than its 200 entries have");
}

#[tokio::test]
async fn a_checkpoint_of_another_tree_or_by_another_key_is_told() {
    let tree = Tree::of(&entries(20).await).await;
    let file = tree.folder().join("checkpoint");
    let elsewhere = Origin::new("ledger.airlock.example", TENANT, 1).unwrap();

    for (what, by, origin) in
        [("not signed", &new_key(), origin()), ("not signed", &KEYS.ledger, elsewhere)]
    {
        let checkpoint = Checkpoint { origin: origin.clone(), ..tree.checkpoint.clone() };
        let note = Note::sign(checkpoint.text(), &origin.to_string(), by).await.unwrap();
        fs::write(&file, note.to_string()).unwrap();

        let by_key = audited(&tree, &by_key(), &[]).await;
        assert_eq!(places(&by_key), ["checkpoint"]);
        assert!(by_key.faults[0].what.contains(what), "{by_key:?}");
        let by_keyset = audited(&tree, &by_keyset(None).await, &[]).await;
        assert_eq!(places(&by_keyset), ["checkpoint"]);
    }
}

#[tokio::test]
async fn files_of_a_larger_tree_are_not_looked_at_and_anything_else_is_told() {
    let (small, large) =
        (Tree::of(&entries(300).await).await, Tree::of(&entries(SIZE).await).await);
    for name in large.names() {
        if name != "checkpoint" {
            Tree::put(small.folder(), &name, &fs::read(large.folder().join(&name)).unwrap());
        }
    }

    let audit = audited(&small, &by_key(), &[]).await;
    assert_eq!((audit.entries, audit.faults.len()), (300, 0));
    // Of the third bundle and its tile.
    assert_eq!(audit.later_files, 2);

    Tree::put(small.folder(), "tile/0/0", b"");
    assert_eq!(places(&audited(&small, &by_key(), &[]).await), ["tile/0/0"]);
}

#[tokio::test]
async fn a_copy_of_what_is_stored_has_its_checkpoints_in_a_folder() {
    let (small, large) = (Tree::of(&entries(200).await).await, Tree::of(&entries(300).await).await);
    let checkpoint = fs::read(large.folder().join("checkpoint")).unwrap();
    fs::remove_file(large.folder().join("checkpoint")).unwrap();
    Tree::put(large.folder(), "checkpoint/18446744073709551315", &checkpoint);
    let before = fs::read(small.folder().join("checkpoint")).unwrap();
    Tree::put(large.folder(), "checkpoint/18446744073709551415", &before);

    assert_eq!(audited(&large, &by_key(), &[]).await.faults, []);

    let mut other = entries(200).await;
    other.swap(1, 2);
    let other = Tree::of(&other).await;
    let before = fs::read(other.folder().join("checkpoint")).unwrap();
    Tree::put(large.folder(), "checkpoint/18446744073709551415", &before);
    let audit = audited(&large, &by_key(), &[]).await;
    assert_eq!(places(&audit), ["checkpoint/18446744073709551415"]);
}

async fn signed<T: Artefact>(claims: &T, key: &LocalKey) -> Vec<u8> {
    Signed::sign(claims, key).await.unwrap().as_str().as_bytes().to_vec()
}

/// A receipt of entry 7 with an outcome for the request of `outcome`.
async fn answer(tree: &Tree, outcome: u64) -> Value {
    let claims: airlock_core::claim::Outcome = serde_json::from_value(json!({
        "iss": "execute", "tnt": TENANT, "req": Digest::of(&[&outcome.to_be_bytes()]),
        "ending": "succeeded", "reason": "done", "iat": NOW - 100,
    }))
    .unwrap();
    let entry = &tree.entries[7];
    json!({
        "receipt": tree.receipt(7).await.to_string(),
        "statement": std::str::from_utf8(entry).unwrap(),
        "outcome": Signed::sign(&claims, &KEYS.app).await.unwrap(),
    })
}

fn proof(answer: &Value) -> Proof {
    Proof::of_answer(&serde_json::from_value(answer.clone()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_receipt_holds_with_its_statement_and_its_outcome() {
    let tree = Tree::of(&entries(300).await).await;
    let answer = answer(&tree, 7).await;

    let found = proof(&answer).verify(&by_keyset(None).await).unwrap();
    assert!(found.is_judged);
    assert_eq!((found.index, found.checkpoint.size), (7, 300));
    assert_eq!(found.ending.unwrap().to_string(), "succeeded");

    let found = proof(&answer).verify(&by_key()).unwrap();
    assert!(!found.is_judged);
    assert_eq!(found.ending, None);
}

#[tokio::test]
async fn a_receipt_with_anything_else_in_it_does_not_hold() {
    let tree = Tree::of(&entries(300).await).await;
    let judge = by_keyset(None).await;
    let other = std::str::from_utf8(&tree.entries[8]).unwrap();
    let good = answer(&tree, 7).await;
    let mut spoiled = Vec::new();
    let mut spoil = |change: &dyn Fn(&mut Value)| {
        let mut answer = good.clone();
        change(&mut answer);
        spoiled.push(answer);
    };
    spoil(&|answer| answer["statement"] = other.into());
    spoil(&|answer| {
        let receipt = answer["receipt"].as_str().unwrap();
        answer["receipt"] = receipt.replace("index 7", "index 6").into();
    });
    spoil(&|answer| {
        let receipt = answer["receipt"].as_str().unwrap();
        answer["receipt"] = receipt.replace("anchor 1", "anchor 2").into();
    });
    spoil(&|answer| {
        let outcome = answer["outcome"].as_str().unwrap();
        let (claims, _) = outcome.rsplit_once('.').unwrap();
        let (_, signature) = other.rsplit_once('.').unwrap();
        answer["outcome"] = format!("{claims}.{signature}").into();
    });
    spoiled.push(answer(&tree, 8).await);

    for answer in spoiled {
        assert!(proof(&answer).verify(&judge).is_err(), "{answer}");
    }
}

#[tokio::test]
async fn a_keyset_that_another_root_signed_is_not_believed() {
    let keyset: Keyset =
        serde_json::from_value(json!({ "ver": 1, "iat": NOW - 10, "exp": NOW + 1000, "keys": [] }))
            .unwrap();
    let folder = Scratch::new();
    let (file, root) = (folder.path().join("keyset"), folder.path().join("root"));
    fs::write(&file, signed(&keyset, &new_key()).await).unwrap();
    fs::write(&root, serde_json::to_string(KEYS.root.key()).unwrap()).unwrap();
    let by = By { key: None, keyset: Some(file), root: Some(root), origin: Some(origin()) };

    let error = Judge::of(&by, now()).unwrap_err();

    assert!(format!("{error:#}").contains("not a keyset that the root signed"), "{error:#}");
}

#[test]
fn an_anchor_is_read_as_its_checkpoint() {
    let note = "text\n\n\u{2014} name AAAAAAQ=\n";

    let anchor = json!({ "checkpoint": note, "frontier": { "size": 0, "hashes": [] } }).to_string();

    assert_eq!(checkpoint_in(&anchor).unwrap(), checkpoint_in(note).unwrap());
    assert!(checkpoint_in("{}").is_err());
}
