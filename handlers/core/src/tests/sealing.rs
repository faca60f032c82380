//! What `drift` seals, and what it refuses to.

mod epochs;
mod faults;
mod revocations;
mod tampering;
mod watching;

use std::sync::Arc;

use serde_json::Value;

use crate::{
    identity::{App, TenantId},
    jws::Signed,
    ledger::{
        Anchor, Anchors, Commit, Frontier, Happened, Ledger, Statement,
        anchor::{CONTAINER, Refused, Sealed},
        commit::{HEAD, StoredHead, StoredLeaf, leaf_id},
        merkle::leaf_hash,
        proof,
        published::{self, Published},
        tile::{Bundle, Resource, decode_entries},
    },
    memory::LocalKey,
    ports::Partition,
    sealing::{CONFIRM_S, Round, Sealer},
};

use super::world::{CONTOSO, FABRIKAM, LEDGER, World, key};

/// A deployment in which `intake` writes to a tenant's tree.
pub(super) struct Book {
    pub world: World,
    ledger: Ledger,
    /// The process of `drift`'s that goes on running.
    pub drift: Sealer,
}

impl Book {
    pub async fn new() -> Self {
        let world = World::new().await;
        let ports = world.ports(App::Intake);
        let ledger = Ledger::new(App::Intake, &ports, Arc::new(world.trust_store()));
        Self::of(world, ledger)
    }

    pub fn of(world: World, ledger: Ledger) -> Self {
        let drift = world.drift();
        Self { world, ledger, drift }
    }

    /// One in which some leaves are sealed and some are not.
    pub async fn half_sealed() -> Self {
        let book = Self::new().await;
        book.write(CONTOSO, 4).await;
        book.write(FABRIKAM, 2).await;
        assert_eq!(book.round().await.sealed, 3);
        book.world.clock.advance_s(5);
        book.write(CONTOSO, 3).await;
        book
    }

    pub async fn partition(&self, tenant: TenantId) -> Partition {
        Partition::tenant(&self.world.scope(tenant).await)
    }

    pub async fn contoso(&self) -> Partition {
        self.partition(CONTOSO).await
    }

    pub async fn write(&self, tenant: TenantId, count: usize) {
        let partition = self.partition(tenant).await;
        for _ in 0..count {
            let now = self.world.now();
            self.ledger.commit(&partition, said(), now).await.unwrap();
        }
    }

    pub async fn round(&self) -> Round {
        self.drift.round().await.unwrap()
    }

    /// What the process says that goes on running: at once, and when it is sure.
    pub async fn sure_round(&self) -> Round {
        self.round().await;
        self.world.clock.advance_s(CONFIRM_S);
        self.round().await
    }

    pub async fn newest(&self, partition: &Partition) -> Option<Anchor> {
        let anchors = Anchors::new(self.world.anchors.clone(), LEDGER);
        let trust = self.world.trust().await;
        anchors.newest(partition.key(), &trust, self.world.now()).await.unwrap()
    }

    pub async fn sealed(&self, partition: &Partition) -> Sealed {
        match self.newest(partition).await {
            Some(Anchor::Sealed(sealed)) => *sealed,
            other => panic!("not sealed: {other:?}"),
        }
    }

    pub async fn refused(&self, partition: &Partition) -> Option<Refused> {
        match self.newest(partition).await {
            Some(Anchor::Refused(refused)) => Some(*refused),
            _ => None,
        }
    }

    pub fn anchors(&self, partition: &Partition) -> usize {
        let names = self.world.anchors.names(CONTAINER);
        names.iter().filter(|name| name.starts_with(partition.key())).count()
    }

    /// How often it happened, as the tree tells.
    pub fn count(&self, partition: &Partition, happened: Happened) -> usize {
        let leaves = (0..self.size(partition)).map(|index| self.leaf(partition, index));
        let said = leaves.map(|leaf| {
            let text = leaf["statement"].as_str().unwrap().to_owned();
            let signed: Signed<Statement> = Signed::parse(text).unwrap();
            signed.peek().unwrap().r#type
        });
        said.filter(|said| *said == happened).count()
    }

    pub fn leaf(&self, partition: &Partition, index: u64) -> Value {
        self.world.documents.all(partition)[&leaf_id(0, index)].clone()
    }

    pub fn size(&self, partition: &Partition) -> u64 {
        let all = self.world.documents.all(partition);
        all[HEAD]["frontier"]["size"].as_u64().unwrap()
    }

    /// Puts a leaf at a position, in whatever way its document then says it belongs there.
    pub fn put(&self, partition: &Partition, index: u64, leaf: &Value) {
        let mut leaf = leaf.clone();
        leaf["id"] = leaf_id(0, index).into();
        leaf["at"] = index.into();
        leaf["tenant"] = partition.key().into();
        self.world.documents.overwrite(partition, &leaf_id(0, index), leaf);
    }

    /// A statement as a leaf that says everything right about itself.
    pub fn put_statement(&self, partition: &Partition, index: u64, text: &str) {
        let statement: Signed<Statement> = Signed::parse(text).unwrap();
        let subject = statement.peek().unwrap().subject;
        let leaf = StoredLeaf::new(partition, 0, index, &subject, &statement);
        let json = serde_json::to_value(leaf).unwrap();
        self.world.documents.overwrite(partition, &leaf_id(0, index), json);
    }

    /// Makes the head say what the leaves give.
    pub fn rewrite_head(&self, partition: &Partition, size: u64) {
        let mut frontier = Frontier::empty();
        for index in 0..size {
            let leaf = self.leaf(partition, index);
            frontier.push(leaf_hash(leaf["statement"].as_str().unwrap().as_bytes()));
        }
        let head = serde_json::to_value(StoredHead::new(partition, 0, frontier)).unwrap();
        self.world.documents.overwrite(partition, HEAD, head);
    }

    /// Signs a statement like the one in a leaf, with any key, changed.
    pub async fn forge(
        &self,
        partition: &Partition,
        key: &LocalKey,
        change: impl FnOnce(&mut Statement),
    ) -> String {
        let last = self.leaf(partition, self.size(partition) - 1);
        let signed = Signed::parse(last["statement"].as_str().unwrap()).unwrap();
        let mut statement: Statement = signed.peek().unwrap();
        statement.id = uuid::Uuid::new_v4();
        change(&mut statement);
        Signed::sign(&statement, key).await.unwrap().as_str().to_owned()
    }
}

pub(super) fn said() -> Commit {
    Commit::of(Happened::Undeliverable)
}

#[tokio::test]
async fn what_is_sealed_can_be_followed_from_tiles_alone() {
    let book = Book::new().await;
    let contoso = book.contoso().await;
    book.write(CONTOSO, 300).await;
    book.round().await;
    let first = book.sealed(&contoso).await;
    book.write(CONTOSO, 300).await;
    book.world.clock.advance_s(30);

    book.round().await;

    let second = book.sealed(&contoso).await;
    // One leaf more, which says which binding holds.
    assert_eq!((first.checkpoint.size, second.checkpoint.size), (301, 601));
    let tree = Published::new(book.world.blobs.clone(), contoso.key(), 0);
    for sealed in [&first, &second] {
        let root = proof::root(sealed.checkpoint.size, &tree).await.unwrap();
        assert_eq!(root, sealed.checkpoint.root);
    }
    let grown = proof::consistency(301, 601, &tree).await.unwrap();
    let (from, to) = (&first.checkpoint, &second.checkpoint);
    proof::verify_consistency(from.size, to.size, &grown, from.root, to.root).unwrap();
    let exported = tree.checkpoint().await.unwrap().unwrap();
    assert_eq!(exported.to_string(), second.note.to_string());
    let mut index = 0;
    for bundle in Bundle::of_tree(601) {
        let file = tree.resource(Resource::Entries(bundle)).await.unwrap().unwrap();
        for entry in decode_entries(&file, bundle.width()).unwrap() {
            assert_eq!(entry, book.leaf(&contoso, index)["statement"].as_str().unwrap().as_bytes());
            let proof = proof::inclusion(index, 601, &tree).await.unwrap();
            proof::verify_inclusion(leaf_hash(entry), index, 601, &proof, to.root).unwrap();
            index += 1;
        }
    }
    assert_eq!(index, 601);
}

#[tokio::test]
async fn a_checkpoint_says_what_was_so_when_it_was_signed() {
    let book = Book::new().await;
    let contoso = book.contoso().await;
    book.write(CONTOSO, 1).await;
    book.round().await;
    book.world.change_terms(CONTOSO, |terms| terms.name = "another name".to_owned()).await;
    book.world.clock.advance_s(7);

    let round = book.round().await;

    assert_eq!((round.sealed, round.idle), (1, 2));
    let seal = book.sealed(&contoso).await.checkpoint.seal;
    assert_eq!((seal.number, seal.binding, seal.keyset), (2, 2, 1));
    assert_eq!(seal.time, book.world.now());
    assert_eq!(book.count(&contoso, Happened::BindingPublished), 2);
    assert_eq!(book.count(&Partition::platform(), Happened::KeysetPublished), 1);
}

#[tokio::test]
async fn a_tree_that_moved_costs_one_signature_and_one_that_did_not_costs_nothing() {
    let book = Book::new().await;
    book.write(CONTOSO, 5).await;
    book.write(FABRIKAM, 5).await;
    let before = book.world.checkpoints.signatures();

    let round = book.round().await;

    assert_eq!((round.sealed, round.failed), (3, 0));
    assert_eq!(book.world.checkpoints.signatures() - before, 3);
    book.world.clock.advance_s(60);
    assert_eq!(book.round().await.idle, 3);
    let written = || {
        let (blobs, anchors) = (&book.world.blobs, &book.world.anchors);
        (blobs.names(published::CONTAINER), anchors.names(CONTAINER))
    };
    let (signatures, all) = (book.world.checkpoints.signatures(), written());
    for _ in 0..20 {
        book.world.clock.advance_s(60);
        assert_eq!(book.round().await, Round { idle: 3, ..Round::default() });
    }
    assert_eq!(book.world.checkpoints.signatures(), signatures);
    assert_eq!(written(), all);
}

#[tokio::test]
async fn two_processes_that_seal_at_once_make_one_chain_of_anchors() {
    let book = Book::new().await;
    let contoso = book.contoso().await;
    let other = book.world.drift();
    for _ in 0..10 {
        book.write(CONTOSO, 2).await;
        let (ours, theirs) = tokio::join!(book.drift.round(), other.round());
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        assert_eq!(ours.refused + theirs.refused, 0);
    }
    book.round().await;
    book.round().await;

    let anchors = Anchors::new(book.world.anchors.clone(), LEDGER);
    let trust = book.world.trust().await;
    let newest = book.sealed(&contoso).await;
    let mut size = 0;
    for number in 1..=newest.checkpoint.seal.number {
        let anchor = anchors.read(contoso.key(), number, &trust, book.world.now()).await.unwrap();
        let Some(Anchor::Sealed(sealed)) = anchor else { panic!("anchor {number}: {anchor:?}") };
        assert!(sealed.checkpoint.size > size, "{number}");
        size = sealed.checkpoint.size;
        let mut tree = Frontier::empty();
        for index in 0..size {
            let leaf = book.leaf(&contoso, index);
            tree.push(leaf_hash(leaf["statement"].as_str().unwrap().as_bytes()));
        }
        assert_eq!(tree, sealed.frontier, "{number}");
    }
    assert_eq!(size, book.size(&contoso));
}

#[tokio::test]
async fn a_process_that_has_just_started_goes_on_where_another_ended() {
    let book = Book::half_sealed().await;
    let contoso = book.contoso().await;

    let round = book.world.seal().await;

    assert_eq!((round.sealed, round.refused, round.failed), (1, 0, 0));
    assert_eq!(book.sealed(&contoso).await.checkpoint.size, book.size(&contoso));
    assert_eq!(book.anchors(&contoso), 2);
}

#[tokio::test]
async fn nobody_signs_a_checkpoint_that_nobody_would_believe() {
    let book = Book::new().await;
    book.write(CONTOSO, 1).await;
    let ports = book.world.ports(App::Drift);
    let anchors = Anchors::new(ports.anchors.clone(), LEDGER);
    let (unlisted, trust) = (Arc::new(key()), Arc::new(book.world.trust_store()));

    let round = Sealer::new(ports, unlisted, trust, anchors).round().await.unwrap();

    assert_eq!((round.sealed, round.refused), (0, 0));
    assert!(book.world.anchors.names(CONTAINER).is_empty());
}
