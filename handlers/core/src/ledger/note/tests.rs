use super::*;
use crate::memory::{Dice, LocalKey};

const NAME: &str = "ledger.airlock.example/t/platform/0";
const TEXT: &str = "one line\n\nand another\n";

fn key() -> LocalKey {
    LocalKey::new(&crate::jwe::private_key(&Dice).unwrap()).unwrap()
}

async fn signed(by: &LocalKey) -> Note {
    Note::sign(TEXT.to_owned(), NAME, by).await.unwrap()
}

#[tokio::test]
async fn a_note_is_signed_by_its_key_under_its_name_and_by_no_other() {
    let (ours, other) = (key(), key());
    let note = signed(&ours).await;

    assert!(note.is_signed_by(NAME, ours.key()));
    assert!(!note.is_signed_by(NAME, other.key()));
    assert!(!note.is_signed_by("ledger.airlock.example/t/platform/1", ours.key()));
}

#[tokio::test]
async fn a_note_is_read_as_it_was_written() {
    let ours = key();
    let note = signed(&ours).await;

    let read = Note::parse(&note.to_string()).unwrap();

    assert_eq!(read, note);
    assert_eq!(read.text(), TEXT);
    assert!(read.is_signed_by(NAME, ours.key()));
}

#[tokio::test]
async fn every_changed_letter_spoils_a_note() {
    let ours = key();
    let file = signed(&ours).await.to_string();

    for at in 0..file.len() {
        let mut bytes = file.clone().into_bytes();
        bytes[at] ^= 1;
        let changed = String::from_utf8(bytes).ok().and_then(|file| Note::parse(&file).ok());
        assert!(!changed.is_some_and(|note| note.is_signed_by(NAME, ours.key())), "byte {at}");
    }
}

#[tokio::test]
async fn what_others_signed_stays_and_says_nothing() {
    let (ours, witness) = (key(), key());
    let by_witness = Note::sign(TEXT.to_owned(), "witness.example", &witness).await.unwrap();
    let line = "\u{2014} other.example AAAAAAQ=\n";
    let file = format!("{}{}\n{line}", signed(&ours).await, by_witness.signatures()[0]);

    let note = Note::parse(&file).unwrap();

    assert_eq!(note.signatures().len(), 3);
    assert!(note.is_signed_by(NAME, ours.key()));
    assert!(note.is_signed_by("witness.example", witness.key()));
    assert_eq!(note.to_string(), file);
}

#[tokio::test]
async fn a_line_that_only_claims_to_be_by_our_key_spoils_the_note() {
    let ours = key();
    let other = Note::sign("another text\n".to_owned(), NAME, &ours).await.unwrap();
    let file = format!("{}{}\n", signed(&ours).await, other.signatures()[0]);

    assert!(!Note::parse(&file).unwrap().is_signed_by(NAME, ours.key()));
}

#[tokio::test]
async fn a_signature_has_one_encoding() {
    let ours = key();
    let note = signed(&ours).await;
    let line = &note.signatures()[0];
    let der = &line.bytes;
    let (r, s) = der[2..].split_at(2 + usize::from(der[3]));
    let sequence = |length: &[u8], parts: &[&[u8]]| [&[0x30], length, &parts.concat()].concat();
    let length = der[1];
    let longer = |integer: &[u8]| [&[0x02, integer[1] + 1, 0], &integer[2..]].concat();

    assert_eq!(sequence(&[length], &[r, s]), *der);
    for bytes in [
        [der, &[0][..]].concat(),
        der[..der.len() - 1].to_vec(),
        sequence(&[0x81, length], &[r, s]),
        sequence(&[length + 1], &[&longer(r), s]),
        sequence(&[length + 1], &[r, &longer(s)]),
        sequence(&[6], &[&[0x02, 1, 0], &[0x02, 1, 0]]),
        [r[2..].to_vec(), s[2..].to_vec()].concat(),
    ] {
        let other = NoteSignature { bytes, ..line.clone() };
        let note = Note { signatures: vec![other], ..note.clone() };
        assert!(!note.is_signed_by(NAME, ours.key()), "{note:?}");
    }
}

#[test]
fn what_is_not_a_note_is_not_read() {
    let line = "\u{2014} name AAAAAAQ=\n";
    assert!(Note::parse(&format!("text\n\n{line}")).is_ok());

    let refused = [
        String::new(),
        "text\n".to_owned(),
        "text\n\n".to_owned(),
        format!("text\n{line}"),
        format!("text\n\n{}", line.trim_end()),
        format!("text\n\n{line}\n"),
        format!("text\n\n{line}more\n"),
        format!("te\txt\n\n{line}"),
        format!("text\r\n\n{line}"),
        "text\n\n- name AAAAAAQ=\n".to_owned(),
        "text\n\n\u{2014} AAAAAAQ=\n".to_owned(),
        "text\n\n\u{2014}  AAAAAAQ=\n".to_owned(),
        "text\n\n\u{2014} na+me AAAAAAQ=\n".to_owned(),
        "text\n\n\u{2014} na\u{2003}me AAAAAAQ=\n".to_owned(),
        // Four bytes: a key id and no signature.
        "text\n\n\u{2014} name AAAAAA==\n".to_owned(),
        // Not padded; not canonical.
        "text\n\n\u{2014} name AAAAAAQ\n".to_owned(),
        "text\n\n\u{2014} name AAAAAAR=\n".to_owned(),
        format!("{}\n\n{line}", "t".repeat(MAX_BYTES)),
    ];
    for file in refused {
        assert_eq!(Note::parse(&file), Err(NotANote), "{file:.60}");
    }
}

/// Keys and checkpoints of logs that others run, as the tests of transparency-dev/formats have
/// them: Sigstore's Rekor, and Google's for Pixel phones.
const IN_USE: [(&str, &str); 2] = [
    (
        "rekor.sigstore.dev+c0d23d6a+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNhtmPtrWm3U1eQXBogSMdGvX\
         wBcK5AW5i0hrZLOC96l+smGNM7nwZ4QvFK/4sueRoVj//QP22Ni4Qt9DPfkWLc=",
        "Rekor\n798034\nf+7CoKgXKE/tNys9TTXcr/ad6U/K3xvznmzew9y6SP0=\n\n\u{2014} rekor.sigstore.dev \
         wNI9ajBEAiARInWIWyCdyG27CO6LPnPekyw20qO0YJfoaPaowGp/XgIgc+qEHS3+GKVClgqq20uDLet7MCoTURUCR\
         dxwWBHHufk=\n",
    ),
    (
        "pixel6_transparency_log+91c16e30+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABN+4x0Jk1yTwvLFI9A4N\
         DdGZcX0aiWVdWM5XJVy0M4VWD3AvyW5Q6Hs9A0mcDkpUoYgn+KKPNzFC0H3nN3q6JQ8=",
        "DEFAULT\n10\nbsWRucJU5xJPHb5eBdOm6+DM+VelCZBuvtI3sHERJ9Y=\n\n\u{2014} \
         pixel6_transparency_log kcFuMDBFAiEAhqMAP8P6qf6QxtUJhzMhbN+MbZ9dwfUHzGQJmffJHtoCIGD0cNe47\
         dHWBoPwYdgBCepB06/+g5O1FmYjXl06owL4\n",
    ),
];

#[test]
fn notes_of_logs_in_use_are_signed_by_their_keys_and_by_no_others() {
    for (key, file) in IN_USE {
        let verifier: VerifierKey = key.parse().unwrap();
        let note = Note::parse(file).unwrap();

        assert!(note.is_signed_by(verifier.name(), verifier.key()), "{file}");
        assert_eq!(verifier.to_string(), key);
        assert_eq!(note.to_string(), file);

        let changed = Note::parse(&file.replacen('0', "1", 1)).unwrap();
        assert!(!changed.is_signed_by(verifier.name(), verifier.key()), "{file}");
        for (other, _) in IN_USE.iter().filter(|(other, _)| *other != key) {
            let other: VerifierKey = other.parse().unwrap();
            assert!(!note.is_signed_by(verifier.name(), other.key()), "{file}");
        }
    }
}

#[test]
fn keys_that_the_same_tests_refuse_are_refused() {
    let (_, encoded) = IN_USE[0].0.rsplit_once('+').unwrap();

    for key in [
        "bananas.sigstore.dev+12344556".to_owned(),
        "rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!".to_owned(),
        "rekor.sigstore.dev+12345678+AwEB".to_owned(),
        format!("rekor.sigstore.dev+NOT_A_NUMBER+{encoded}"),
        format!("rekor.sigstore.dev+00000000+{encoded}"),
        // Ed25519, and a certificate log's.
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".to_owned(),
    ] {
        assert!(key.parse::<VerifierKey>().is_err(), "{key}");
    }
}

#[tokio::test]
async fn what_nobody_could_read_is_not_signed() {
    let ours = key();

    for (text, name) in [("no newline", NAME), ("\ttab\n", NAME), (TEXT, ""), (TEXT, "a name")] {
        let outcome = Note::sign(text.to_owned(), name, &ours).await;
        assert!(matches!(outcome, Err(NotSigned::Text)), "{text:?} {name:?}");
    }
}

#[test]
fn a_verifier_key_is_read_as_it_was_written_and_no_other_way() {
    let key = VerifierKey::new(NAME, key().key().clone()).unwrap();
    let text = key.to_string();

    assert_eq!(text.parse(), Ok(key));
    let (name, rest) = text.split_once('+').unwrap();
    let (id, encoded) = rest.split_once('+').unwrap();
    let ed25519 = encoded.replacen('A', "B", 1);
    for changed in [
        format!("+{rest}"),
        format!("{name}+00000000+{encoded}"),
        format!("{name}++{encoded}"),
        format!("{name}+{id}+{encoded}+"),
        format!("{name}+{id}+{ed25519}"),
        format!("{name}+{id}"),
    ] {
        assert!(changed.parse::<VerifierKey>().is_err(), "{changed}");
    }
}
