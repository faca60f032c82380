use serde_json::json;

use super::*;
use crate::{
    jws::{NotVerified, Signed},
    keyset::{Keyset, Trust},
    ledger::Note,
    memory::{Dice, LocalKey},
    time::LEEWAY_S,
};

const TENANT: &str = "7f1d2f3a-0000-4000-8000-000000000001";

fn good() -> Checkpoint {
    Checkpoint {
        origin: Origin::new("ledger.airlock.example", TENANT, 3).unwrap(),
        size: 70_000,
        root: Digest::of(&[b"root"]),
        seal: Seal {
            number: 12,
            time: Timestamp::from_unix_s(1_790_000_000),
            binding: 4,
            keyset: 2,
            claims: Timestamp::from_unix_s(1_789_999_940),
        },
    }
}

#[test]
fn a_checkpoint_is_written_as_its_format_says_and_read_as_it_was_written() {
    let text = good().text();

    insta::assert_snapshot!(text, @"
    ledger.airlock.example/t/7f1d2f3a-0000-4000-8000-000000000001/3
    70000
    SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=
    anchor 12
    time 1790000000
    binding 4
    keyset 2
    claims 1789999940
    ");
    assert_eq!(Checkpoint::parse(&text), Ok(good()));
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let text = good().text();

    let refused = [
        text.trim_end().to_owned(),
        format!("{text}\n"),
        format!("{text}more\n"),
        text.replace("\n70000\n", "\n070000\n"),
        text.replace("\n70000\n", "\n+70000\n"),
        text.replace("\n70000\n", "\n70000 \n"),
        text.replace("\n70000\n", "\n\n"),
        text.replace("\n70000\n", "\n18446744073709551616\n"),
        text.replace("=\nanchor", "\nanchor"),
        text.replace("anchor 12\ntime 1790000000", "time 1790000000\nanchor 12"),
        text.replace("anchor 12\n", ""),
        text.replace("anchor 12\n", "anchor 12\nanchor 12\n"),
        text.replace("anchor 12", "anchor  12"),
        text.replace("time 1790000000", "time -1790000000"),
        text.replace("claims", "Claims"),
        text.replace("/t/", "/T/"),
        text.replace("/3\n", "/03\n"),
        text.replace(TENANT, &TENANT.to_uppercase()),
        text.replace(TENANT, "somewhere"),
    ];
    for changed in refused {
        assert_ne!(changed, text);
        assert!(Checkpoint::parse(&changed).is_err(), "{changed}");
    }
}

#[test]
fn a_tree_has_one_name() {
    for ledger in ["ledger.example", "a", "example.com/ledgers/one-1", "x/t/platform/0"] {
        for partition in [PLATFORM, TENANT] {
            let origin = Origin::new(ledger, partition, u32::MAX).unwrap();
            assert_eq!(Origin::parse(&origin.to_string()), Ok(origin));
        }
    }
    for ledger in ["", "/", "a/", "/a", "a//b", "A", "a b", "a+b", "a\nb", "\u{e4}"] {
        assert_eq!(Origin::new(ledger, PLATFORM, 0), Err(NotAnOrigin), "{ledger}");
    }
    assert_eq!(Origin::new(&"a".repeat(MAX_NAME + 1), PLATFORM, 0), Err(NotAnOrigin));
}

const NOW: i64 = 1_790_000_100;

fn new_key() -> LocalKey {
    LocalKey::new(&crate::jwe::private_key(&Dice).unwrap()).unwrap()
}

/// A keyset that lists the key for these things, revoked from a time on or not.
async fn trust(key: &LocalKey, signs: &[&str], revoked: Option<i64>) -> Trust {
    let root = new_key();
    let mut listed = json!({ "jwk": key.key(), "app": "drift", "signs": signs, "nbf": NOW - 1000 });
    if let Some(revoked) = revoked {
        listed["revoked"] = revoked.into();
    }
    let keyset = json!({ "ver": 1, "iat": NOW - 10, "exp": NOW + 1000, "keys": [listed] });
    let keyset: Keyset = serde_json::from_value(keyset).unwrap();
    let signed = Signed::sign(&keyset, &root).await.unwrap();
    Trust::verify(root.key(), &signed, now()).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_unix_s(NOW)
}

async fn sealed(checkpoint: &Checkpoint, name: &Origin, key: &LocalKey) -> Note {
    Note::sign(checkpoint.text(), &name.to_string(), key).await.unwrap()
}

const LEDGER: &str = "ledger.airlock.example";

#[tokio::test]
async fn a_checkpoint_counts_by_a_key_that_is_listed_for_checkpoints_alone() {
    let key = new_key();
    let note = sealed(&good(), &good().origin, &key).await;

    let opened = trust(&key, &["checkpoint"], None).await.open_checkpoint(&note, LEDGER, now());
    assert_eq!(*opened.unwrap(), good());

    for trust in [
        trust(&key, &["statement", "keyset"], None).await,
        trust(&new_key(), &["checkpoint"], None).await,
    ] {
        let opened = trust.open_checkpoint(&note, LEDGER, now());
        assert_eq!(opened.unwrap_err(), NotVerified::Signature);
    }
}

#[tokio::test]
async fn a_checkpoint_of_one_tree_is_none_of_another() {
    let key = new_key();
    let trust = trust(&key, &["checkpoint"], None).await;
    let other = Origin::new(LEDGER, PLATFORM, 3).unwrap();

    let note = sealed(&good(), &good().origin, &key).await;
    let opened = trust.open_checkpoint(&note, "ledger.other.example", now());
    assert_eq!(opened.unwrap_err(), NotVerified::Other("ledger"));

    // Signed by the right key under another tree's name.
    let note = sealed(&good(), &other, &key).await;
    let opened = trust.open_checkpoint(&note, LEDGER, now());
    assert_eq!(opened.unwrap_err(), NotVerified::Signature);
}

#[tokio::test]
async fn a_revoked_key_counts_only_in_an_anchor_from_before() {
    let key = new_key();
    let note = sealed(&good(), &good().origin, &key).await;
    let time = good().seal.time.as_unix_s();

    for (revoked, counts) in [(time + 1, true), (time, false), (time - 1, false)] {
        let trust = trust(&key, &["checkpoint"], Some(revoked)).await;
        assert!(trust.open_checkpoint(&note, LEDGER, now()).is_err());
        assert_eq!(trust.open_anchored(&note, LEDGER, now()).is_ok(), counts, "{revoked}");
    }
}

#[tokio::test]
async fn a_checkpoint_from_the_future_or_of_another_form_does_not_count() {
    let key = new_key();
    let trust = trust(&key, &["checkpoint"], None).await;
    let mut early = good();
    early.seal.time = now().plus_s(LEEWAY_S + 1);

    let note = sealed(&early, &early.origin, &key).await;
    let opened = trust.open_checkpoint(&note, LEDGER, now());
    assert_eq!(opened.unwrap_err(), NotVerified::NotYet(early.seal.time));

    let name = good().origin.to_string();
    let bare = format!("{name}\n0\n{}\n", note::encode(Digest::of(&[]).as_bytes()));
    let note = Note::sign(bare, &name, &key).await.unwrap();
    let opened = trust.open_checkpoint(&note, LEDGER, now());
    assert!(matches!(opened.unwrap_err(), NotVerified::Malformed(_)));
}
