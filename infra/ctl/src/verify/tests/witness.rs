//! A witness that does what C2SP tlog-witness demands of one, and remembers.

use std::sync::{Arc, Mutex};

use airlock_core::ledger::proof::verify_consistency;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Url;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::verify::{folder::Folder, witness::Witness};

/// A cosignature of a key that we do not know: 0x04, of the right length.
fn line() -> String {
    format!("— witness.example/w1 {}\n", STANDARD.encode([7; 4 + 8 + 64]))
}

/// What a witness remembers: the largest tree that it cosigned.
type Latest = Arc<Mutex<Option<Checkpoint>>>;

/// Answers one request: status and body.
fn judged(body: &str, latest: &Latest) -> (u16, String) {
    let (head, note) = body.split_once("\n\n").unwrap();
    let mut lines = head.split('\n');
    let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
    let proof: Vec<Digest> = lines
        .map(|line| serde_json::from_value(json!(base64url(&STANDARD.decode(line).unwrap()))))
        .collect::<Result<_, _>>()
        .unwrap();
    let note = Note::parse(note).unwrap();
    if !note.is_signed_by(&origin().to_string(), KEYS.ledger.key()) {
        return (403, String::new());
    }
    let new = Checkpoint::parse(note.text()).unwrap();
    let mut latest = latest.lock().unwrap();
    let known = latest.as_ref().map_or(0, |latest| latest.size);
    if old > new.size {
        return (400, String::new());
    }
    if old != known {
        return (409, format!("{known}\n"));
    }
    let grew = match latest.as_ref() {
        None => proof.is_empty(),
        Some(before) => {
            verify_consistency(before.size, new.size, &proof, before.root, new.root).is_ok()
        }
    };
    if !grew {
        return (422, String::new());
    }
    *latest = Some(new);
    (200, line())
}

fn base64url(bytes: &[u8]) -> String {
    airlock_core::base64url::encode(bytes)
}

async fn answering(latest: Latest) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            let body = loop {
                let mut some = [0; 4096];
                let count = stream.read(&mut some).await.unwrap();
                read.extend_from_slice(&some[..count]);
                let text = String::from_utf8_lossy(&read).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length: usize = head
                    .lines()
                    .find_map(|line| {
                        line.to_lowercase().strip_prefix("content-length: ")?.parse().ok()
                    })
                    .unwrap();
                assert!(head.starts_with("POST /here/add-checkpoint "), "{head}");
                if body.len() >= length {
                    break body.to_owned();
                }
            };
            let (status, said) = judged(&body, &latest);
            let answer = format!(
                "HTTP/1.1 {status} it\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
                said.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    Url::parse(&format!("http://{address}/here/")).unwrap()
}

#[tokio::test]
async fn a_witness_cosigns_a_tree_and_then_what_grew_from_it() {
    let latest = Latest::default();
    let witness = Witness::new(&answering(Arc::clone(&latest)).await).unwrap();
    let all = entries(SIZE).await;
    let mut before = 0;

    for size in [1, 255, 256, 300, 300, 600] {
        let tree = Tree::of(&all[..size]).await;
        let folder = Folder::open(tree.folder()).unwrap();
        let cosigned = witness.cosign(&folder, &by_key()).await.unwrap();

        assert_eq!((cosigned.before, cosigned.checkpoint.size), (before, size as u64));
        assert_eq!(cosigned.note.signatures().len(), 2);
        assert!(cosigned.note.to_string().ends_with(&line()));
        before = size as u64;
    }
    assert_eq!(latest.lock().unwrap().as_ref().map(|latest| latest.size), Some(SIZE));
}

#[tokio::test]
async fn what_a_witness_saw_is_not_taken_back() {
    let latest = Latest::default();
    let witness = Witness::new(&answering(Arc::clone(&latest)).await).unwrap();
    let all = entries(400).await;
    let large = Tree::of(&all[..300]).await;
    witness.cosign(&Folder::open(large.folder()).unwrap(), &by_key()).await.unwrap();

    let rolled_back = Tree::of(&all[..200]).await;
    let folder = Folder::open(rolled_back.folder()).unwrap();
    let error = witness.cosign(&folder, &by_key()).await.unwrap_err().to_string();
    assert!(error.contains("rolled back"), "{error}");

    let mut other = all.clone();
    other.swap(3, 4);
    let fork = Tree::of(&other).await;
    let folder = Folder::open(fork.folder()).unwrap();
    let error = witness.cosign(&folder, &by_key()).await.unwrap_err().to_string();
    assert!(error.contains("did not grow"), "{error}");

    assert_eq!(latest.lock().unwrap().as_ref().map(|latest| latest.size), Some(300));
}

#[test]
fn a_witness_is_not_asked_in_clear() {
    let refused = |prefix: &str| Witness::new(&Url::parse(prefix).unwrap()).is_err();

    assert!(refused("http://witness.example/"));
    assert!(refused("ftp://127.0.0.1/"));
    assert!(!refused("https://witness.example/airlock"));
    assert!(!refused("http://127.0.0.1:7000"));
}
