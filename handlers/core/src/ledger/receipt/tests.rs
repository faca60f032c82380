use super::*;
use crate::{
    ledger::{
        checkpoint::{Origin, Seal},
        proof::{inclusion, tests::tree},
    },
    memory::{Dice, LocalKey},
    time::Timestamp,
};

const INDEX: u64 = 258;
const SIZE: u64 = 1000;

fn entry() -> [u8; 8] {
    INDEX.to_be_bytes()
}

fn at(origin: Origin) -> Checkpoint {
    let seal = Seal {
        number: 1,
        time: Timestamp::from_unix_s(1_790_000_000),
        binding: 1,
        keyset: 1,
        claims: Timestamp::from_unix_s(0),
    };
    Checkpoint { origin, size: SIZE, root: tree(SIZE).1, seal }
}

fn origin() -> Origin {
    Origin::new("ledger.airlock.example", "platform", 0).unwrap()
}

async fn receipt() -> (Receipt, VerifierKey) {
    let key = LocalKey::new(&crate::jwe::private_key(&Dice).unwrap()).unwrap();
    let name = origin().to_string();
    let checkpoint = Note::sign(at(origin()).text(), &name, &key).await.unwrap();
    let proof = inclusion(INDEX, SIZE, &tree(SIZE).0).await.unwrap();
    let receipt = Receipt { index: INDEX, proof, checkpoint, extra: None };
    (receipt, VerifierKey::new(&name, key.key().clone()).unwrap())
}

#[tokio::test]
async fn a_receipt_says_that_an_entry_is_in_a_sealed_tree() {
    let (receipt, key) = receipt().await;

    assert_eq!(receipt.verify(&entry(), &key), Ok(at(origin())));
    assert_eq!(
        receipt.verify(b"another entry", &key),
        Err(NotReceived::NotProven(NotProven::Root))
    );
}

#[tokio::test]
async fn a_receipt_is_read_as_it_was_written() {
    let (mut receipt, _) = receipt().await;
    for extra in [None, Some(Vec::new()), Some(b"anything".to_vec())] {
        receipt.extra = extra;
        let file = receipt.to_string();

        assert!(file.starts_with("c2sp.org/tlog-proof@v1\n"));
        assert_eq!(Receipt::parse(&file).as_ref(), Ok(&receipt), "{file}");
    }
}

#[tokio::test]
async fn every_changed_letter_spoils_a_receipt() {
    let (receipt, key) = receipt().await;
    let file = receipt.to_string();

    for at in 0..file.len() {
        let mut bytes = file.clone().into_bytes();
        bytes[at] ^= 1;
        let changed = String::from_utf8(bytes).ok().and_then(|file| Receipt::parse(&file).ok());
        let outcome = changed.map(|receipt| receipt.verify(&entry(), &key));
        assert!(!matches!(outcome, Some(Ok(_))), "byte {at}");
    }
}

#[tokio::test]
async fn a_receipt_of_one_tree_is_none_of_another() {
    let (receipt, key) = receipt().await;
    let elsewhere = Origin::new("ledger.airlock.example", "platform", 1).unwrap().to_string();

    let other_name = VerifierKey::new(&elsewhere, key.key().clone()).unwrap();
    assert_eq!(receipt.verify(&entry(), &other_name), Err(NotReceived::NotSigned));

    // The right key, under the name of a tree that the checkpoint is not about.
    let signer = LocalKey::new(&crate::jwe::private_key(&Dice).unwrap()).unwrap();
    let checkpoint = Note::sign(at(origin()).text(), &elsewhere, &signer).await.unwrap();
    let other_tree = VerifierKey::new(&elsewhere, signer.key().clone()).unwrap();
    let moved = Receipt { checkpoint, ..receipt };
    assert_eq!(moved.verify(&entry(), &other_tree), Err(NotReceived::NotACheckpoint));
}

#[tokio::test]
async fn what_is_not_a_receipt_is_not_read() {
    let (receipt, _) = receipt().await;
    let file = receipt.to_string();
    let hash = note::encode(receipt.proof[0].as_bytes());

    for changed in [
        String::new(),
        file.replace("@v1", "@v2"),
        file.replace("index 258", "index 0258"),
        file.replace("index 258\n", ""),
        file.replace("index 258\n", "index 258\nextra AAAA\n"),
        file.replace("index 258\n", "extra A\nindex 258\n"),
        file.replace("index 258\n", "extra AAAA\nextra AAAA\nindex 258\n"),
        file.replace(&format!("{hash}\n"), &format!("{hash}=\n")),
        file.replace(&format!("{hash}\n"), &format!("{hash}\n").repeat(MAX_HASHES)),
        file.replace(&format!("{hash}\n"), "AAAA\n"),
        file.trim_end().to_owned(),
        format!("{file}\n"),
    ] {
        assert_ne!(changed, file);
        assert_eq!(Receipt::parse(&changed), Err(NotAReceipt), "{changed}");
    }
}
