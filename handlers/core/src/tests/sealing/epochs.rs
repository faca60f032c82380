//! Epochs: opened when one is full, or by the admin root's order after a refusal.

use serde_json::Value;

use super::{Book, CONTOSO, said};
use crate::{
    identity::App,
    jws::Signed,
    ledger::{
        Anchors, Ledger, Note,
        commit::{HEAD, StoredHead, StoredLeaf, leaf_id},
        merkle::{Frontier, leaf_hash},
        proof,
        published::{self, Published},
        recovery::RECOVERY_ID,
    },
    memory::LocalKey,
    ports::Partition,
    recovery::examine,
    tests::world::{LEDGER, key},
    trust::StoredArtefact,
};

impl Book {
    fn rolling(self, leaves: u64) -> Self {
        Self { drift: self.world.drift().with_epochs_of(leaves), ..self }
    }

    fn leaf_of(&self, partition: &Partition, epoch: u32, index: u64) -> Value {
        self.world.documents.all(partition)[&leaf_id(epoch, index)].clone()
    }

    fn put_epoch_head(&self, partition: &Partition, epoch: u32, size: u64) {
        let mut frontier = Frontier::empty();
        for index in 0..size {
            let leaf = self.leaf_of(partition, epoch, index);
            frontier.push(leaf_hash(leaf["statement"].as_str().unwrap().as_bytes()));
        }
        let head = serde_json::to_value(StoredHead::new(partition, epoch, frontier)).unwrap();
        self.world.documents.overwrite(partition, HEAD, head);
    }

    /// What the admin plane orders after it has looked.
    async fn order(&self) {
        self.order_by(&self.world.root).await;
    }

    async fn order_by(&self, root: &LocalKey) {
        let anchors = Anchors::new(self.world.anchors.clone(), LEDGER);
        let (trust, now) = (self.world.trust().await, self.world.now());
        let contoso = self.contoso().await;
        let examined =
            examine(&*self.world.documents, &anchors, &contoso, &trust, now).await.unwrap();
        let order = examined.order("a leaf was lost", now).unwrap();
        let artefact = Signed::sign(&order, root).await.unwrap();
        let stored = StoredArtefact {
            id: RECOVERY_ID.to_owned(),
            tenant: contoso.key().to_owned(),
            kind: RECOVERY_ID.to_owned(),
            at: now.as_unix_s(),
            artefact,
        };
        let json = serde_json::to_value(stored).unwrap();
        self.world.documents.overwrite(&Partition::bindings(CONTOSO), RECOVERY_ID, json);
    }
}

async fn stopped() -> Book {
    let book = Book::half_sealed().await;
    book.world.documents.forget(&book.contoso().await, &leaf_id(0, 6));
    assert_eq!(book.sure_round().await.refused, 1);
    book
}

#[tokio::test]
async fn a_full_epoch_is_followed_by_the_next_which_begins_with_its_end() {
    let book = Book::new().await.rolling(8);
    let contoso = book.contoso().await;
    for _ in 0..12 {
        book.write(CONTOSO, 3).await;
        book.world.clock.advance_s(5);
        let round = book.round().await;
        assert_eq!((round.refused, round.failed), (0, 0));
    }
    book.round().await;

    let sealed = book.sealed(&contoso).await;
    let epoch = sealed.checkpoint.origin.epoch();
    assert!(epoch >= 3, "{epoch}");
    for number in 1..=epoch {
        let leaf: StoredLeaf = serde_json::from_value(book.leaf_of(&contoso, number, 0)).unwrap();
        let opened = leaf.statement.peek().unwrap().data.opened.unwrap();
        let previous = Note::parse(&opened.previous).unwrap();
        let trust = book.world.trust().await;
        let previous = trust.open_checkpoint(&previous, LEDGER, book.world.now()).unwrap();
        assert_eq!(previous.origin.epoch(), number - 1);
        let tree = Published::new(book.world.blobs.clone(), contoso.key(), number - 1);
        assert_eq!(proof::root(previous.size, &tree).await.unwrap(), previous.root);
    }
    // A process that has just started goes on as well, and remembers across epochs.
    let drift = book.world.drift();
    drift.round().await.unwrap();
    let copied = book.leaf_of(&contoso, epoch - 1, 2);
    let next = book.size(&contoso);
    let statement = Signed::parse(copied["statement"].as_str().unwrap()).unwrap();
    let subject = copied["subject"].as_str().unwrap();
    let leaf = StoredLeaf::new(&contoso, epoch, next, subject, &statement);
    let json = serde_json::to_value(leaf).unwrap();
    book.world.documents.overwrite(&contoso, &leaf_id(epoch, next), json);
    book.put_epoch_head(&contoso, epoch, next + 1);
    assert_eq!(drift.round().await.unwrap().refused, 1);
    let refused = book.refused(&contoso).await.unwrap();
    assert_eq!(refused.reason.as_deref(), Some("a leaf stands in the tree twice"));
}

#[tokio::test]
async fn leaves_of_an_epoch_before_go_once_they_are_exported_and_a_day_old() {
    let book = Book::new().await.rolling(8);
    let contoso = book.contoso().await;
    book.write(CONTOSO, 9).await;
    book.round().await;
    book.round().await;
    let left = || {
        let all = book.world.documents.all(&contoso);
        all.keys().filter(|id| id.starts_with("leaf-0000-")).count()
    };
    assert_eq!((book.sealed(&contoso).await.checkpoint.origin.epoch(), left()), (1, 10));

    book.world.clock.advance_s(86_401);
    book.round().await;

    assert_eq!(left(), 0);
    assert_eq!(book.round().await.refused, 0);
    // What is exported verifies as before.
    let tree = Published::new(book.world.blobs.clone(), contoso.key(), 0);
    let last = tree.checkpoint().await.unwrap().unwrap();
    let last = book.world.trust().await.open_checkpoint(&last, LEDGER, book.world.now()).unwrap();
    assert_eq!((last.size, last.root), (10, proof::root(10, &tree).await.unwrap()));
    assert!(!book.world.blobs.names(published::CONTAINER).is_empty());
}

#[tokio::test]
async fn a_refused_tree_goes_on_by_order_and_what_was_sealed_before_still_verifies() {
    let book = stopped().await;
    let contoso = book.contoso().await;
    let before = book.anchors(&contoso);
    book.world.clock.advance_s(60);
    assert_eq!(book.round().await.refused, 1);

    book.order().await;
    let round = book.round().await;

    assert_eq!((round.refused, round.failed), (0, 0), "{round:?}");
    let sealed = book.sealed(&contoso).await.checkpoint;
    assert_eq!((sealed.origin.epoch(), sealed.seal.number), (1, before as u64 + 1));
    let ports = book.world.ports(App::Intake);
    let trust = std::sync::Arc::new(book.world.trust_store());
    let ledger = Ledger::new(App::Intake, &ports, trust);
    let committed = ledger.commit(&contoso, said(), book.world.now()).await.unwrap();
    assert_eq!(committed.epoch, 1);
    book.world.clock.advance_s(30);
    book.round().await;
    assert_eq!(book.sealed(&contoso).await.checkpoint.size, book.size(&contoso));
    let tree = Published::new(book.world.blobs.clone(), contoso.key(), 0);
    let last = tree.checkpoint().await.unwrap().unwrap();
    let last = book.world.trust().await.open_checkpoint(&last, LEDGER, book.world.now()).unwrap();
    assert_eq!(proof::root(last.size, &tree).await.unwrap(), last.root);
    // Another process finds the same, long after the order is over.
    book.world.clock.advance_s(86_400 * 2);
    assert_eq!(book.world.seal().await.refused, 0);
}

#[tokio::test]
async fn what_an_order_left_behind_is_not_slipped_in_again() {
    for fresh in [false, true] {
        let book = stopped().await;
        let contoso = book.contoso().await;
        book.world.clock.advance_s(5);
        book.order().await;
        book.round().await;
        let left = book.leaf_of(&contoso, 0, 7);
        let drift = if fresh { book.world.drift() } else { book.drift };
        let book = Book { drift, ..Book::of(book.world, book.ledger) };
        book.round().await;
        let size = book.size(&contoso);
        let statement = Signed::parse(left["statement"].as_str().unwrap()).unwrap();
        let subject = left["subject"].as_str().unwrap();
        let leaf = StoredLeaf::new(&contoso, 1, size, subject, &statement);
        let json = serde_json::to_value(leaf).unwrap();
        book.world.documents.overwrite(&contoso, &leaf_id(1, size), json);
        book.put_epoch_head(&contoso, 1, size + 1);

        book.round().await;

        let refused = book.refused(&contoso).await.unwrap();
        assert_eq!(refused.reason.as_deref(), Some("a leaf is backdated"), "{fresh}");
    }
}

#[tokio::test]
async fn an_order_opens_one_epoch_after_one_refusal_and_nothing_else() {
    let book = stopped().await;
    let contoso = book.contoso().await;
    book.order().await;
    // Somebody changes what would stay behind: that is not what was looked at.
    let leaf = book.leaf_of(&contoso, 0, 7);
    book.world.documents.forget(&contoso, &leaf_id(0, 7));
    assert_eq!(book.round().await.refused, 1);
    book.world.documents.overwrite(&contoso, &leaf_id(0, 7), leaf);
    assert_eq!(book.round().await.refused, 0);
    book.round().await;

    // Refused again: the same order says nothing of that.
    book.world.clock.advance_s(5);
    book.world.documents.forget(&contoso, HEAD);
    assert_eq!(book.sure_round().await.refused, 1);
    assert_eq!(book.sure_round().await.refused, 1);
    assert!(book.refused(&contoso).await.is_some());

    book.world.clock.advance_s(5);
    book.order().await;
    book.round().await;
    book.round().await;
    assert_eq!(book.sealed(&contoso).await.checkpoint.origin.epoch(), 2);
}

#[tokio::test]
async fn an_order_of_yesterday_or_of_somebody_else_is_none() {
    let book = stopped().await;
    book.order().await;
    book.world.clock.advance_s(86_401);
    assert_eq!(book.round().await.refused, 1);

    let book = stopped().await;
    book.order_by(&key()).await;
    assert_eq!(book.sure_round().await.refused, 1);
}
