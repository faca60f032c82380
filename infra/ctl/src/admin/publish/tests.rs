use airlock_core::{
    digest::Digest,
    identity::App,
    jwe,
    jwk::PublicKey,
    jws::Typ,
    keyset::{Keyset, Trust},
    ledger::Anchors,
    memory::{Dice, Documented, Fault, Kept, LocalKey, SetClock},
    ports::{Container, Documents, Signer},
    root::Roots,
    trust::{BINDING_ID, KEYSET_ID, TrustStore},
};

use super::*;
use crate::admin::keyset::{self, Listed};

const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

#[async_trait]
impl Shelf for Documented {
    async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError> {
        Documents::read(self, partition, id).await
    }

    async fn write(&self, partition: &Partition, writes: &[Write]) -> Result<(), BatchError> {
        self.batch(partition, writes).await.map(drop)
    }

    async fn tenants(&self) -> Result<Vec<TenantId>, PortError> {
        let keys = Documents::partitions(self, Container::Bindings, BINDING_ID).await?;
        Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
    }
}

struct World {
    shelf: Arc<Documented>,
    root: Arc<dyn Signer>,
    clock: Arc<SetClock>,
    listed: Vec<Listed>,
}

fn local_key() -> LocalKey {
    LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap()
}

impl World {
    fn new() -> Self {
        let jwk = local_key().key().clone();
        Self {
            shelf: Arc::default(),
            root: Arc::new(local_key()),
            clock: Arc::new(SetClock::at(NOW)),
            listed: vec![Listed { app: App::Signin, jwk, signs: vec![Typ::Session] }],
        }
    }

    async fn publish(&self) -> Result<Published<Keyset>, NotPublished> {
        let documents: Arc<dyn Shelf> = Arc::<Documented>::clone(&self.shelf);
        let roots = Roots::from(&self.root.current());
        let authority = Authority { signer: Arc::clone(&self.root), roots };
        let press = Press::new(documents, Arc::new(authority), &*self.clock);
        let now = self.clock.now();
        press
            .publish(&Partition::deployment(), KEYSET_ID, |standing: Option<&Standing<Keyset>>| {
                Ok(keyset::next(standing.map(|standing| &standing.value), &self.listed, now)?)
            })
            .await
    }

    async fn trust(&self) -> Trust {
        let documents: Arc<dyn Documents> = Arc::<Documented>::clone(&self.shelf);
        let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(&self.clock);
        let anchors = Anchors::new(Arc::<Kept>::default(), "ledger.example");
        let root = self.root.current();
        TrustStore::new(root, anchors, documents, clock, 0).trust().await.unwrap()
    }
}

#[tokio::test]
async fn what_is_published_is_what_handlers_trust_and_publishing_again_changes_nothing() {
    let world = World::new();

    assert!(matches!(world.publish().await.unwrap(), Published::New(keyset) if keyset.ver == 1));
    let stored = world.shelf.all(&Partition::deployment());
    assert_eq!(world.trust().await.version(), 1);

    assert!(matches!(
        world.publish().await.unwrap(),
        Published::Unchanged(keyset) if keyset.ver == 1
    ));
    assert_eq!(world.shelf.all(&Partition::deployment()), stored);
}

#[tokio::test]
async fn a_change_is_the_next_version() {
    let mut world = World::new();
    world.publish().await.unwrap();

    world.listed[0].signs.push(Typ::Statement);

    assert!(matches!(world.publish().await.unwrap(), Published::New(keyset) if keyset.ver == 2));
    assert_eq!(world.trust().await.version(), 2);
}

#[tokio::test]
async fn an_expired_version_is_renewed_and_counted_on_from() {
    let world = World::new();
    world.publish().await.unwrap();

    world.clock.advance_s(LIFETIME_S + 1);

    assert!(matches!(world.publish().await.unwrap(), Published::New(keyset) if keyset.ver == 2));
}

#[tokio::test]
async fn what_another_root_signed_is_neither_believed_nor_replaced() {
    let mut world = World::new();
    world.publish().await.unwrap();
    let stored = world.shelf.all(&Partition::deployment());

    world.root = Arc::new(local_key());
    world.listed[0].signs.push(Typ::Statement);

    assert!(matches!(world.publish().await, Err(NotPublished::NotGenuine(_))));
    assert_eq!(world.shelf.all(&Partition::deployment()), stored);
}

#[tokio::test]
async fn a_publication_whose_answer_was_lost_is_found_to_be_ones_own() {
    let world = World::new();
    world.shelf.next_batches([Fault::Repeats]);

    assert!(matches!(world.publish().await.unwrap(), Published::New(_)));
}

#[tokio::test]
async fn what_did_not_reach_the_store_is_not_published() {
    let world = World::new();
    world.shelf.next_batches([Fault::Fails]);

    assert!(matches!(world.publish().await, Err(NotPublished::Store(_))));
    assert!(world.shelf.all(&Partition::deployment()).is_empty());
}

/// A signer that answers for another key than it names.
struct Confused(LocalKey, LocalKey);

#[async_trait]
impl Signer for Confused {
    fn current(&self) -> PublicKey {
        self.0.key().clone()
    }

    async fn sign(&self, _: &PublicKey, digest: &Digest) -> Result<[u8; 64], PortError> {
        self.1.sign(self.1.key(), digest).await
    }
}

#[tokio::test]
async fn a_signature_that_does_not_verify_is_not_stored() {
    let mut world = World::new();
    world.root = Arc::new(Confused(local_key(), local_key()));

    assert!(matches!(world.publish().await, Err(NotPublished::OtherKey(_))));
    assert!(world.shelf.all(&Partition::deployment()).is_empty());
}
