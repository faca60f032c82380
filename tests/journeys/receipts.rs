//! Receipts and trees, as whoever asked and whoever audits gets and verifies them.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

use std::{fs, path::Path};

use airlock_core::{
    claim::{Ending, Outcome},
    ledger::{
        Checkpoint, Happened, Receipt, Statement,
        merkle::{Frontier, leaf_hash},
        note::{Note, VerifierKey},
        tile::{Bundle, Resource, Tile, decode_entries, decode_hashes},
    },
};
use airlock_tests::{Asking, Person, SOON, World, eventually, payload};
use serde_json::Value;

use crate::cli::Shell;

/// A request of Harriet's that has succeeded.
async fn done(world: &World) -> (Person, Asking) {
    let harriet = world.person("harriet").await;
    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    harriet.wait_for(&asking.id, "succeeded").await;
    (harriet, asking)
}

/// The key of a tree's checkpoints, from the vault.
async fn key_of(world: &World, origin: &str) -> VerifierKey {
    let drift = world.impostor("drift").await.key_named("drift-checkpoint").await;
    VerifierKey::new(origin, drift.key().clone()).expect("a tree's name names a key")
}

fn origin(world: &World, epoch: u32) -> String {
    format!("ledger.airlock.example/t/{}/{epoch}", world.contoso())
}

/// Has `drift` publish all that is written. What it publishes at most every half minute, it
/// publishes as soon as it starts.
async fn published(world: &World) {
    world.recorded().await;
    world.quiet().await;
    world.control().stop("drift").await;
    world.control().start("drift").await;
    let contoso = world.contoso().to_string();
    let size = world.tree(&contoso).await.leaves().len();
    // The name that sorts first is the newest's.
    let name = format!("{contoso}/0/checkpoint/{:020}", u64::MAX - size as u64);
    eventually("it is published", SOON, async || {
        world.control().fire("drift", "seal").await;
        world.control().blobs().await["blobs"]["tiles"][&name].is_object().then_some(())
    })
    .await;
}

#[tokio::test]
async fn whoever_asked_gets_a_receipt_that_verifies_and_nobody_else_gets_it() {
    let world = World::start().await;
    let (harriet, asking) = done(&world).await;
    let path = format!("/api/requests/{}/receipt", asking.id);

    let answer = harriet.get(&path).await.ok();
    let receipt = Receipt::parse(answer["receipt"].as_str().unwrap()).unwrap();
    let entry = answer["statement"].as_str().unwrap();
    let key = key_of(&world, &origin(&world, 0)).await;
    let checkpoint = receipt.verify(entry.as_bytes(), &key).unwrap();

    // It is the leaf that stands there, and that says that this request has ended.
    let ledger = world.ledger(world.contoso()).await;
    let leaf = &ledger.leaves()[usize::try_from(receipt.index).unwrap()];
    assert_eq!(leaf.text, entry);
    let statement: Statement = payload(entry);
    assert_eq!(
        (statement.r#type, statement.data.request),
        (Happened::Ended, Some(asking.digest()))
    );
    let outcome: Outcome = payload(answer["outcome"].as_str().unwrap());
    assert_eq!((outcome.req, outcome.ending), (asking.digest(), Ending::Succeeded));
    let mut tree = Frontier::empty();
    for leaf in &ledger.leaves()[..usize::try_from(checkpoint.size).unwrap()] {
        tree.push(leaf_hash(leaf.text.as_bytes()));
    }
    assert_eq!(tree.root(), checkpoint.root);

    // Of any other entry, under any other key, and with any other proof it proves nothing.
    let other = ledger.leaves()[0].text.as_bytes();
    assert!(receipt.verify(other, &key).is_err());
    let of_another_epoch = key_of(&world, &origin(&world, 1)).await;
    assert!(receipt.verify(entry.as_bytes(), &of_another_epoch).is_err());
    let mut elsewhere = receipt.clone();
    elsewhere.index -= 1;
    assert!(elsewhere.verify(entry.as_bytes(), &key).is_err());
    let mut shorter = receipt;
    shorter.proof.pop();
    assert!(shorter.verify(entry.as_bytes(), &key).is_err());

    // Sam did not ask for it, and Fiona is of another tenant; Audrey sees all that Contoso does.
    for user in ["sam", "fiona"] {
        world.person(user).await.get(&path).await.assert_problem("not-found");
    }
    assert_eq!(world.person("audrey").await.get(&path).await.ok()["statement"], entry);
}

#[tokio::test]
async fn the_program_verifies_a_receipt_offline_and_the_tree_that_an_auditor_reads() {
    let world = World::start().await;
    let shell = Shell::in_world(&world);
    let (harriet, asking) = done(&world).await;
    let answer = harriet.get(&format!("/api/requests/{}/receipt", asking.id)).await.ok();
    let (file, changed) = (world.state().join("receipt.json"), world.state().join("changed.json"));
    fs::write(&file, answer.to_string()).unwrap();
    let mut another = answer.clone();
    another["statement"] = world.ledger(world.contoso()).await.leaves()[0].text.clone().into();
    fs::write(&changed, another.to_string()).unwrap();
    let keyset = world.state().join("keyset.json");
    fs::write(&keyset, world.control().published("platform").await.to_string()).unwrap();
    let manifest = world.state().join("apps/drift/manifest.json");
    let (text, origin) = (|path: &Path| path.to_str().unwrap().to_owned(), origin(&world, 0));
    let by = ["--keyset", &text(&keyset), "--root", &text(&manifest), "--origin", &origin];
    let verify =
        |person: &str, words: &[&str]| shell.types(person, &[&["verify"], words, &by].concat());

    let found = verify("nobody", &["receipt", &text(&file)]).done();
    assert!(found.contains("outcome succeeded"), "{found}");
    verify("nobody", &["receipt", &text(&changed)])
        .ended_with(1, "the proof leads to another root");

    published(&world).await;
    shell.signs_in("harriet");
    shell.signs_in("audrey");
    verify("harriet", &["live", "--request", &asking.id]).done();
    let found = verify("audrey", &["live", "--json"]).json();
    assert_eq!(found["faults"], Value::Array(Vec::new()), "{found}");
    let leaves = world.ledger(world.contoso()).await.leaves().len();
    assert!(found["entries"].as_u64().unwrap() >= leaves as u64 - 2, "{found}");
}

#[tokio::test]
async fn auditors_read_their_own_tenants_tree_and_nobody_else_learns_that_it_is_there() {
    let world = World::start().await;
    let (harriet, _) = done(&world).await;
    published(&world).await;
    let leaves = world.ledger(world.contoso()).await;
    let tree = format!("/api/ledger/{}/0", world.contoso());
    let audrey = world.person("audrey").await;

    let note = audrey.get(&format!("{tree}/checkpoint")).await;
    note.assert_ok();
    let note = Note::parse(&note.text).unwrap();
    let key = key_of(&world, &origin(&world, 0)).await;
    assert!(note.is_signed_by(key.name(), key.key()));
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    let size = checkpoint.size;
    let width = u16::try_from(size).expect("a small tree is one tile wide");
    let bundle = Resource::Entries(Bundle::new(0, width).unwrap()).path();
    let hashes = Resource::Hashes(Tile::new(0, 0, width).unwrap()).path();
    let read = async |person: &Person, path: &str| {
        let call = person.call(http::Method::GET, &format!("{tree}/{path}"));
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    };
    let (status, file) = read(&audrey, &bundle).await;
    assert_eq!(status, 200);
    let entries = decode_entries(&file, width).unwrap();
    let (status, file) = read(&audrey, &hashes).await;
    assert_eq!(status, 200);
    let hashes_of = decode_hashes(&file, width).unwrap();
    let mut frontier = Frontier::empty();
    for (index, leaf) in leaves.leaves()[..usize::from(width)].iter().enumerate() {
        assert_eq!(entries[index], leaf.text.as_bytes());
        assert_eq!(hashes_of[index], leaf_hash(entries[index]));
        frontier.push(hashes_of[index]);
    }
    assert_eq!(frontier.root(), checkpoint.root);

    // For all others it is as if there were no tree: as for one that nobody has.
    let nowhere = format!("/api/ledger/{}/0/checkpoint", uuid::Uuid::new_v4());
    let mut others = vec![harriet];
    for user in ["sam", "fay", "fiona"] {
        others.push(world.person(user).await);
    }
    for other in &others {
        for path in ["checkpoint", &bundle, &hashes] {
            let refused = other.get(&format!("{tree}/{path}")).await;
            refused.assert_problem("not-found");
            assert_eq!(refused.json.get("detail"), None);
        }
        other.get(&nowhere).await.assert_problem("not-found");
    }
    // Nor does an auditor get what is not there, or is not named as it is.
    let elsewhere = format!("/api/ledger/{}/0/checkpoint", world.fabrikam());
    for path in [&elsewhere, &nowhere, &format!("/api/ledger/{}/00/checkpoint", world.contoso())] {
        audrey.get(path).await.assert_problem("not-found");
    }
    for path in ["tile/entries/001", "tile/0/000.p/0", "tile/9/000", "tile/entries/%2e%2e/1"] {
        audrey.get(&format!("{tree}/{path}")).await.assert_problem("not-found");
    }
}
