//! Whoever owns the database does what they like with it: it is refused, and nothing is signed.

use std::collections::BTreeMap;

use p256::ecdsa::Signature;

use super::{Book, CONFIRM_S, CONTOSO, FABRIKAM, key};
use crate::{
    base64url,
    identity::App,
    jws::Signed,
    ledger::{Statement, commit::HEAD, commit::leaf_id, published},
    ports::Partition,
    time::Timestamp,
};

/// Somebody did something to contoso's tree. It is refused for this reason, at last; nothing was
/// signed meanwhile, the event went out, and the refusal stays.
async fn assert_refused(book: &Book, reason: &str) {
    let contoso = book.contoso().await;
    let (anchors, signatures) = (book.anchors(&contoso), book.world.checkpoints.signatures());
    let platform = Partition::platform();
    let told = book.world.ledger(&platform).await.len();

    let mut round = book.round().await;
    if round.refused == 0 {
        assert_eq!(round.failed, 1, "{reason}: {round:?}");
        book.world.clock.advance_s(CONFIRM_S);
        round = book.round().await;
    }

    assert_eq!(round.refused, 1, "{reason}: {round:?}");
    let refused = book.refused(&contoso).await.unwrap();
    assert_eq!(refused.reason.as_deref(), Some(reason));
    assert_eq!(book.anchors(&contoso), anchors + 1, "{reason}");
    let told = book.world.ledger(&platform).await.split_off(told);
    assert_eq!(told, ["airlock.integrity.violation"], "{reason}");
    // What was told is the platform's to seal, and nothing else was signed.
    assert!(book.world.checkpoints.signatures() - signatures <= 1, "{reason}");
    for drift in [&book.drift, &book.world.drift()] {
        book.world.clock.advance_s(CONFIRM_S);
        assert_eq!(drift.round().await.unwrap().refused, 1, "{reason}");
    }
    assert_eq!(book.anchors(&contoso), anchors + 1, "{reason}");
}

fn forget_from(book: &Book, partition: &Partition, first: u64) {
    for index in first..book.size(partition) {
        book.world.documents.forget(partition, &leaf_id(0, index));
    }
}

#[tokio::test]
async fn a_new_leaf_whose_text_was_changed_is_refused() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let mut leaf = book.leaf(&contoso, 6);
    let text = leaf["statement"].as_str().unwrap().to_owned();
    let signed: Signed<Statement> = Signed::parse(text.as_str()).unwrap();
    let mut statement = signed.peek().unwrap();
    statement.data.reason = Some("another".to_owned());
    let mut parts: Vec<String> = text.split('.').map(ToOwned::to_owned).collect();
    parts[1] = base64url::encode(serde_json::to_vec(&statement).unwrap());
    let text = parts.join(".");
    leaf["digest"] = Signed::<Statement>::parse(text.as_str()).unwrap().digest().to_string().into();
    leaf["statement"] = text.into();
    book.put(&contoso, 6, &leaf);
    book.rewrite_head(&contoso, book.size(&contoso));

    assert_refused(&book, "a leaf is not signed").await;
}

#[tokio::test]
async fn a_new_leaf_is_refused_whichever_of_its_members_was_changed() {
    for (member, value, reason) in [
        ("kind", "leaves", "a leaf is not understood"),
        ("tenant", "platform", "a leaf is of another tenant"),
        ("subject", "another", "a leaf is not understood"),
        ("digest", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "a leaf is not understood"),
        ("statement", "x", "a leaf is not understood"),
        ("more", "x", "a leaf is not understood"),
    ] {
        let book = Book::half_sealed().await;
        let contoso = book.contoso().await;
        let mut leaf = book.leaf(&contoso, 6);
        leaf[member] = value.into();
        book.world.documents.overwrite(&contoso, &leaf_id(0, 6), leaf);

        assert_refused(&book, reason).await;
    }
    for (member, value) in [("at", 5), ("epoch", 1)] {
        let book = Book::half_sealed().await;
        let contoso = book.contoso().await;
        let mut leaf = book.leaf(&contoso, 6);
        leaf[member] = value.into();
        book.world.documents.overwrite(&contoso, &leaf_id(0, 6), leaf);

        assert_refused(&book, "a leaf is not in its place").await;
    }
}

#[tokio::test]
async fn a_new_leaf_that_is_missing_is_refused() {
    let book = Book::half_sealed().await;
    book.world.documents.forget(&book.contoso().await, &leaf_id(0, 6));

    assert_refused(&book, "a leaf is missing").await;
}

#[tokio::test]
async fn leaves_that_changed_places_are_refused() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let (one, other) = (book.leaf(&contoso, 6), book.leaf(&contoso, 7));
    book.put(&contoso, 7, &one);
    book.put(&contoso, 6, &other);

    assert_refused(&book, "the leaves do not give the tree's head").await;
}

#[tokio::test]
async fn a_leaf_of_another_tenant_is_refused_even_under_a_head_that_fits() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let foreign = book.leaf(&book.partition(FABRIKAM).await, 1);
    let size = book.size(&contoso);
    book.put(&contoso, size, &foreign);
    book.rewrite_head(&contoso, size + 1);

    assert_refused(&book, "a leaf is of another tenant").await;
}

#[tokio::test]
async fn a_leaf_that_was_there_before_is_refused_even_under_a_head_that_fits() {
    for (copied, is_twin, is_fresh) in
        [(2, false, false), (2, false, true), (2, true, false), (2, true, true), (6, false, false)]
    {
        let mut book = Book::half_sealed().await;
        let contoso = book.contoso().await;
        let mut leaf = book.leaf(&contoso, copied);
        if is_twin {
            leaf["statement"] = twin(leaf["statement"].as_str().unwrap()).into();
        }
        let size = book.size(&contoso);
        book.put(&contoso, size, &leaf);
        book.rewrite_head(&contoso, size + 1);
        if is_fresh {
            book.drift = book.world.drift();
        }

        assert_refused(&book, "a leaf stands in the tree twice").await;
    }
}

/// The same statement under the other signature that verifies as well.
fn twin(text: &str) -> String {
    let (input, signature) = text.rsplit_once('.').unwrap();
    let bytes: [u8; 64] = base64url::decode_array(signature).unwrap();
    let signature = Signature::from_slice(&bytes).unwrap();
    let (r, s) = signature.split_scalars();
    let twin = Signature::from_scalars(r, -s).unwrap();
    format!("{input}.{}", base64url::encode(twin.to_bytes()))
}

#[tokio::test]
async fn an_old_leaf_is_refused_though_nobody_remembers_it() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let old = book.leaf(&contoso, 2);
    book.world.clock.advance_s(3600);
    book.round().await;
    book.world.clock.advance_s(3600);
    book.write(FABRIKAM, 1).await;
    let drift = book.world.drift();
    drift.round().await.unwrap();
    let size = book.size(&contoso);
    book.put(&contoso, size, &old);
    book.rewrite_head(&contoso, size + 1);
    let book = Book { drift, ..book };

    assert_refused(&book, "a leaf is backdated").await;
}

#[tokio::test]
async fn a_leaf_by_a_key_that_nobody_listed_is_refused() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let text = book.forge(&contoso, &key(), |_| {}).await;
    let size = book.size(&contoso);
    book.put_statement(&contoso, size, &text);
    book.rewrite_head(&contoso, size + 1);

    assert_refused(&book, "a leaf is signed by a key that may not").await;
}

#[tokio::test]
async fn a_leaf_in_another_apps_name_is_refused() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let execute = book.world.key_of(App::Execute);
    let text = book.forge(&contoso, execute, |said| said.iss = App::Intake).await;
    let size = book.size(&contoso);
    book.put_statement(&contoso, size, &text);
    book.rewrite_head(&contoso, size + 1);

    assert_refused(&book, "a leaf is not signed").await;
}

#[tokio::test]
async fn a_leaf_from_the_future_is_refused() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let intake = book.world.key_of(App::Intake);
    let text = book.forge(&contoso, intake, |said| said.iat = said.iat.plus_s(3600)).await;
    let size = book.size(&contoso);
    book.put_statement(&contoso, size, &text);
    book.rewrite_head(&contoso, size + 1);

    assert_refused(&book, "a leaf is postdated").await;
}

#[tokio::test]
async fn a_clock_that_is_a_little_ahead_is_waited_for() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let intake = book.world.key_of(App::Intake);
    let text = book.forge(&contoso, intake, |said| said.iat = said.iat.plus_s(20)).await;
    let size = book.size(&contoso);
    book.put_statement(&contoso, size, &text);
    book.rewrite_head(&contoso, size + 1);

    assert_eq!(book.round().await.failed, 1);
    book.world.clock.advance_s(20);

    assert_eq!(book.round().await.sealed, 1);
}

/// A leaf by a stolen key of `intake`'s that was revoked, as the thief dates it.
async fn stolen(revoked_after_s: i64, dated: impl FnOnce(Timestamp) -> Timestamp) -> Book {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    book.round().await;
    book.world.clock.advance_s(revoked_after_s);
    book.world.revoke_key_of(App::Intake).await;
    let now = book.world.now();
    let intake = book.world.key_of(App::Intake);
    let text = book.forge(&contoso, intake, |said| said.iat = dated(now)).await;
    let size = book.size(&contoso);
    book.put_statement(&contoso, size, &text);
    book.rewrite_head(&contoso, size + 1);
    book
}

#[tokio::test]
async fn a_leaf_by_a_revoked_key_is_refused_and_so_is_one_that_is_backdated() {
    let book = stolen(10, |now| now).await;
    assert_refused(&book, "a leaf is signed by a revoked key").await;

    let book = stolen(10, |now| now.plus_s(-3600)).await;
    assert_refused(&book, "a leaf is backdated").await;
}

#[tokio::test]
async fn a_backdated_leaf_is_refused_once_the_tree_was_anchored_after_the_revocation() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    book.world.clock.advance_s(1);
    book.world.revoke_key_of(App::Intake).await;
    book.world.clock.advance_s(5);
    // What `intake` wrote before is sealed, and counts for nothing that is not anchored earlier.
    assert_eq!(book.round().await.refused, 0);
    let intake = book.world.key_of(App::Intake);
    let text = book.forge(&contoso, intake, |said| said.iat = said.iat.plus_s(-1)).await;
    let size = book.size(&contoso);
    book.put_statement(&contoso, size, &text);
    book.rewrite_head(&contoso, size + 1);

    assert_refused(&book, "a leaf is signed by a revoked key").await;
}

#[tokio::test]
async fn a_tree_that_was_cut_off_or_put_back_is_refused() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    forget_from(&book, &contoso, 3);
    book.rewrite_head(&contoso, 3);
    assert_refused(&book, "the tree is smaller than what was anchored").await;

    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let before: BTreeMap<_, _> = book.world.documents.all(&contoso);
    book.round().await;
    book.world.clock.advance_s(5);
    book.write(CONTOSO, 3).await;
    book.round().await;
    for id in book.world.documents.all(&contoso).keys() {
        book.world.documents.forget(&contoso, id);
    }
    for (id, json) in before {
        book.world.documents.overwrite(&contoso, &id, json);
    }
    assert_refused(&book, "the tree is smaller than what was anchored").await;
}

#[tokio::test]
async fn another_tree_of_the_same_size_is_refused() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    book.round().await;
    let (one, other) = (book.leaf(&contoso, 6), book.leaf(&contoso, 7));
    book.put(&contoso, 7, &one);
    book.put(&contoso, 6, &other);
    book.rewrite_head(&contoso, book.size(&contoso));

    assert_refused(&book, "the tree is not the one that was anchored").await;
}

#[tokio::test]
async fn a_head_that_is_gone_or_nonsense_or_of_another_epoch_is_refused() {
    let book = Book::half_sealed().await;
    book.world.documents.forget(&book.contoso().await, HEAD);
    assert_refused(&book, "the tree's head is gone").await;

    for (member, value) in [("root", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"), ("x", "y")] {
        let book = Book::half_sealed().await;
        let contoso = book.contoso().await;
        let mut head = book.world.documents.all(&contoso)[HEAD].clone();
        head[member] = value.into();
        book.world.documents.overwrite(&contoso, HEAD, head);
        assert_refused(&book, "the tree's head contradicts itself").await;
    }

    for epoch in [1, 7] {
        let book = Book::half_sealed().await;
        let contoso = book.contoso().await;
        let mut head = book.world.documents.all(&contoso)[HEAD].clone();
        head["epoch"] = epoch.into();
        book.world.documents.overwrite(&contoso, HEAD, head);
        assert_refused(&book, "the tree is of an epoch that nobody opened").await;
    }
}

#[tokio::test]
async fn an_anchored_leaf_that_was_changed_is_refused_by_who_reads_it_again() {
    for index in 0..4 {
        for spoil in [true, false] {
            let mut book = Book::half_sealed().await;
            let contoso = book.contoso().await;
            if spoil {
                let other = book.leaf(&contoso, 4);
                book.put(&contoso, index, &other);
            } else {
                book.world.documents.forget(&contoso, &leaf_id(0, index));
            }
            book.drift = book.world.drift();

            let reason =
                if spoil { "anchored leaves are not what they were" } else { "a leaf is missing" };
            assert_refused(&book, reason).await;
        }
    }
}

#[tokio::test]
async fn an_exported_tile_that_is_another_is_refused() {
    let mut book = Book::half_sealed().await;
    let contoso = book.contoso().await;
    let prefix = format!("{}/0/tile/0/", contoso.key());
    let names = book.world.blobs.names(published::CONTAINER);
    let tile = names.iter().find(|name| name.starts_with(&prefix)).unwrap();
    book.world.blobs.overwrite(published::CONTAINER, tile, &[7; 32]);
    book.drift = book.world.drift();

    assert_refused(&book, "an exported tile is not the tree's").await;
}
