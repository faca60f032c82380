//! What is looked through again and again: claims, and everything that was anchored.

use serde_json::Value;

use super::{Book, CONTOSO, FABRIKAM, said};
use crate::{
    claim::{CONTAINER, claim_blob},
    digest::Digest,
    ledger::{
        Commit, Contents, Happened,
        commit::{Change, leaf_id},
    },
    ports::{Blobs as _, Partition},
    sealing::CONFIRM_S,
    trust::BINDING_ID,
};

async fn keep_claim(book: &Book, request: Digest) {
    let name = claim_blob(CONTOSO, request);
    book.world.blobs.create(CONTAINER, &name, b"a claim").await.unwrap();
}

fn violations(ledger: &[String]) -> usize {
    ledger.iter().filter(|happened| *happened == "airlock.integrity.violation").count()
}

#[tokio::test]
async fn a_claim_that_the_ledger_does_not_tell_of_is_a_violation_once() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    keep_claim(&book, Digest::of(&[b"untold"])).await;
    book.world.clock.advance_s(900);
    for _ in 0..3 {
        book.world.clock.advance_s(61);
        book.round().await;
    }
    assert_eq!(violations(&book.world.contoso_ledger().await), 0, "it may be resumed yet");

    for _ in 0..20 {
        book.world.clock.advance_s(61);
        let round = book.round().await;
        assert_eq!((round.refused, round.failed), (0, 0));
    }
    assert_eq!(violations(&book.world.contoso_ledger().await), 1);
    // Another process knows by the checkpoint how far was looked.
    book.write(CONTOSO, 1).await;
    book.round().await;
    book.world.clock.advance_s(61);
    book.world.seal().await;
    assert_eq!(violations(&book.world.contoso_ledger().await), 1);
    let claims = book.sealed(&contoso).await.checkpoint.seal.claims;
    assert!(book.world.now().since_s(claims) < 2000);
}

#[tokio::test]
async fn a_claim_that_the_ledger_tells_of_is_none() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let request = Digest::of(&[b"told"]);
    keep_claim(&book, request).await;
    let claimed = Commit { happened: Happened::Ended, request: Some(request), ..said() };
    book.ledger.commit(&contoso, claimed, book.world.now()).await.unwrap();
    for _ in 0..40 {
        book.world.clock.advance_s(61);
        book.round().await;
    }

    assert_eq!(violations(&book.world.contoso_ledger().await), 0);
}

fn thing(id: &str, body: &str) -> Commit {
    let contents = Contents::Clear { salt: None, body: format!("{{\"is\":\"{body}\"}}") };
    let (id, hint) = (id.to_owned(), None);
    let change = Change { id, kind: "thing", at: 0, hint, contents, replaces: None };
    Commit { change: Some(change), ..said() }
}

/// A deployment with documents, of which one has changed, all of it audited once.
async fn with_things() -> (Book, Partition, Value) {
    let book = Book::new().await;
    let contoso = book.contoso().await;
    for id in ["thing-a", "thing-b"] {
        book.ledger.commit(&contoso, thing(id, "one"), book.world.now()).await.unwrap();
    }
    let before = book.world.documents.all(&contoso)["thing-a"].clone();
    let etag = book.etag(&contoso, "thing-a").await;
    let mut change = thing("thing-a", "two");
    change.change.as_mut().unwrap().replaces = Some(etag);
    book.ledger.commit(&contoso, change, book.world.now()).await.unwrap();
    for _ in 0..30 {
        book.world.clock.advance_s(61);
        let round = book.round().await;
        assert_eq!((round.refused, round.failed), (0, 0));
    }
    (book, contoso, before)
}

impl Book {
    async fn etag(&self, partition: &Partition, id: &str) -> crate::ports::Etag {
        use crate::ports::Documents as _;
        self.world.documents.read(partition, id).await.unwrap().unwrap().etag
    }

    /// Why an audit stops the tree, if it does within a quarter of an hour.
    pub async fn audited(&self) -> Option<String> {
        let contoso = self.contoso().await;
        for _ in 0..80 {
            self.world.clock.advance_s(CONFIRM_S + 2);
            self.round().await;
            if let Some(refused) = self.refused(&contoso).await {
                return refused.reason;
            }
        }
        None
    }
}

#[tokio::test]
async fn an_audit_finds_nothing_where_nothing_was_done() {
    let (book, ..) = with_things().await;

    assert_eq!(book.audited().await, None);
}

#[tokio::test]
async fn an_audit_finds_a_document_that_was_put_back_or_changed_or_taken_away() {
    let (book, contoso, before) = with_things().await;
    book.world.documents.overwrite(&contoso, "thing-a", before);
    let reason = book.audited().await;
    assert_eq!(reason.as_deref(), Some("a document was put back to an earlier state"));

    for (member, value) in [("body", r#"{"is":"three"}"#), ("tenant", "platform"), ("more", "x")] {
        let (book, contoso, _) = with_things().await;
        let mut thing = book.world.documents.all(&contoso)["thing-b"].clone();
        thing[member] = value.into();
        book.world.documents.overwrite(&contoso, "thing-b", thing);
        let reason = book.audited().await;
        assert_eq!(reason.as_deref(), Some("a document is not genuine"), "{member}");
    }

    let (book, contoso, _) = with_things().await;
    book.world.documents.forget(&contoso, "thing-b");
    assert_eq!(book.audited().await.as_deref(), Some("a document is missing"));

    let (book, contoso, _) = with_things().await;
    let mut copy = book.world.documents.all(&contoso)["thing-b"].clone();
    copy["id"] = "thing-c".into();
    book.world.documents.overwrite(&contoso, "thing-c", copy);
    // Genuine, and of another name: its statement says which.
    assert_eq!(book.audited().await.as_deref(), Some("a document is not genuine"));
}

#[tokio::test]
async fn an_audit_finds_an_anchored_leaf_whichever_of_its_members_was_changed() {
    for (member, value) in [
        ("kind", Value::from("leaves")),
        ("tenant", "platform".into()),
        ("at", 5.into()),
        ("epoch", 3.into()),
        ("subject", "x".into()),
        ("digest", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU".into()),
        ("statement", "x".into()),
    ] {
        let (book, contoso, _) = with_things().await;
        let mut leaf = book.leaf(&contoso, 1);
        leaf[member] = value;
        book.world.documents.overwrite(&contoso, &leaf_id(0, 1), leaf);

        let reason = book.audited().await;

        assert_eq!(reason.as_deref(), Some("anchored leaves are not what they were"), "{member}");
    }
}

#[tokio::test]
async fn a_tenant_whose_binding_is_gone_is_told_of_once_and_the_others_go_on() {
    let book = Book::half_sealed().await;
    let bindings = Partition::bindings(CONTOSO);
    let binding = book.world.documents.all(&bindings)[BINDING_ID].clone();
    book.world.documents.forget(&bindings, BINDING_ID);
    // One that was there all the time, and one that knows nothing from before.
    for drift in [&book.drift, &book.world.drift()] {
        book.write(FABRIKAM, 1).await;
        book.world.clock.advance_s(31);
        assert_eq!(drift.round().await.unwrap().failed, 1);
        book.world.clock.advance_s(CONFIRM_S);
        let round = drift.round().await.unwrap();
        assert_eq!((round.failed, round.refused), (1, 0));
    }
    for _ in 0..5 {
        book.world.clock.advance_s(CONFIRM_S);
        book.round().await;
    }

    let platform = Partition::platform();
    assert_eq!(book.count(&platform, Happened::Violation), 2, "each process says it once");
    let fabrikam = book.partition(FABRIKAM).await;
    assert_eq!(book.sealed(&fabrikam).await.checkpoint.size, book.size(&fabrikam));
    book.world.documents.overwrite(&bindings, BINDING_ID, binding);
    let round = book.round().await;
    assert_eq!((round.failed, round.refused), (0, 0));
}
