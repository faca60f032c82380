//! Publishing: what the root signs is stored where every handler reads it, one version after
//! the other.

use std::sync::Arc;

use airlock_core::{
    jws::{Artefact, NotSigned, NotVerified, Signed},
    ports::{BatchError, Clock, Etag, Found, Partition, PortError, Signer, Write},
    time::Timestamp,
    trust::StoredArtefact,
};
use async_trait::async_trait;

use super::keyset::NotPlanned;

/// How long keyset and bindings count, in seconds: 90 days.
///
/// Long enough for a quarter without a release; short enough that whoever can put an old one
/// back, or keep a new one away, cannot do so for ever. When it is over everything stops, so
/// each run renews what is older than [`RENEW_S`].
pub const LIFETIME_S: i64 = 90 * 24 * 3600;

/// Age from which on a run renews what has not changed, in seconds: a third of the life.
pub const RENEW_S: i64 = LIFETIME_S / 3;

/// Where signed artefacts are stored. The part of the store that the admin plane needs.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// Reads a document.
    async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError>;

    /// Creates or replaces one, on its condition.
    async fn write(&self, partition: &Partition, id: &str, write: Write) -> Result<(), BatchError>;
}

/// Signs and stores.
pub struct Press<'a> {
    shelf: Arc<dyn Shelf>,
    root: Arc<dyn Signer>,
    clock: &'a dyn Clock,
}

/// What came of a publication.
#[derive(Debug)]
pub enum Published<T> {
    /// A new version was signed and stored.
    New(T),
    /// The one that is stored still says it all.
    Unchanged(T),
}

/// Nothing new was published.
#[derive(Debug, thiserror::Error)]
pub enum NotPublished {
    /// What is stored is not what the admin plane writes. It is left as it is: evidence.
    #[error("what is stored is not an artefact of the admin plane")]
    Form(#[source] serde_json::Error),
    /// What is stored is not by this root. It is left as it is: evidence.
    #[error("what is stored is not signed by this root")]
    NotGenuine(#[source] NotVerified),
    /// There is nothing to sign.
    #[error(transparent)]
    Plan(#[from] NotPlanned),
    /// The root did not sign.
    #[error("root did not sign")]
    NotSigned(#[from] NotSigned),
    /// The root's signature does not verify by its public key.
    #[error("root signed with another key")]
    OtherKey(#[source] NotVerified),
    /// Nothing is stored, and nothing is to be.
    #[error("there is nothing to publish")]
    Nothing,
    /// Somebody else published meanwhile.
    #[error("somebody else published at the same time: run it again")]
    Raced,
    /// The store did not answer.
    #[error("store did not answer")]
    Store(#[from] PortError),
}

struct Standing<T> {
    value: T,
    etag: Etag,
    text: String,
}

impl<'a> Press<'a> {
    /// Signs by this root and stores on this shelf.
    #[must_use]
    pub fn new(shelf: Arc<dyn Shelf>, root: Arc<dyn Signer>, clock: &'a dyn Clock) -> Self {
        Self { shelf, root, clock }
    }

    /// Publishes the next version, if `next` says that there is one.
    ///
    /// # Errors
    ///
    /// [`NotPublished`]. What was stored before still counts.
    pub async fn publish<T: Artefact + Clone>(
        &self,
        partition: &Partition,
        id: &str,
        next: impl FnOnce(Option<&T>) -> Result<Option<T>, NotPlanned>,
    ) -> Result<Published<T>, NotPublished> {
        let standing: Option<Standing<T>> = self.standing(partition, id).await?;
        let previous = standing.as_ref().map(|standing| &standing.value);
        let (value, over) = match (next(previous)?, standing) {
            (Some(value), standing) => (value, standing.map(|standing| standing.etag)),
            (None, Some(standing)) => return Ok(Published::Unchanged(standing.value)),
            (None, None) => return Err(NotPublished::Nothing),
        };
        let now = self.clock.now();
        let artefact = Signed::sign(&value, &*self.root).await?;
        // What nobody could verify must not replace what everybody can.
        artefact.verify(self.root.key(), now).map_err(NotPublished::OtherKey)?;
        let text = artefact.as_str().to_owned();
        let stored = StoredArtefact {
            id: id.to_owned(),
            tenant: partition.key().to_owned(),
            kind: id.to_owned(),
            at: now.as_unix_s(),
            artefact,
        };
        let stored = serde_json::to_value(&stored).map_err(NotPublished::Form)?;
        let write = match over {
            Some(etag) => Write::Replace(stored, etag),
            None => Write::Create(stored),
        };
        match self.shelf.write(partition, id, write).await {
            Ok(()) => Ok(Published::New(value)),
            Err(BatchError::Port(error)) => Err(error.into()),
            // The store's client repeats a write whose answer was lost, and then meets its own.
            Err(BatchError::Conflict(_)) => {
                let standing: Option<Standing<T>> = self.standing(partition, id).await?;
                match standing {
                    Some(standing) if standing.text == text => Ok(Published::New(value)),
                    _ => Err(NotPublished::Raced),
                }
            }
        }
    }

    async fn standing<T: Artefact + Clone>(
        &self,
        partition: &Partition,
        id: &str,
    ) -> Result<Option<Standing<T>>, NotPublished> {
        let Some(found) = self.shelf.read(partition, id).await? else { return Ok(None) };
        let stored: StoredArtefact<T> =
            serde_json::from_value(found.json).map_err(NotPublished::Form)?;
        if stored.tenant != partition.key() || stored.id != id {
            return Err(NotPublished::NotGenuine(NotVerified::Other("place")));
        }
        let value = self.verified(&stored.artefact, self.clock.now())?;
        Ok(Some(Standing { value, etag: found.etag, text: stored.artefact.as_str().to_owned() }))
    }

    /// Whether it is over or not: the next version counts on from it.
    fn verified<T: Artefact + Clone>(
        &self,
        signed: &Signed<T>,
        now: Timestamp,
    ) -> Result<T, NotPublished> {
        let verified = match signed.verify(self.root.key(), now) {
            Err(NotVerified::Expired(at)) => signed.verify(self.root.key(), at.plus_s(-1)),
            verified => verified,
        };
        Ok(verified.map_err(NotPublished::NotGenuine)?.value().clone())
    }
}

#[cfg(test)]
mod tests {
    use airlock_core::{
        identity::App,
        jwe,
        jws::Typ,
        keyset::{Keyset, Trust},
        memory::{Dice, Documented, Fault, LocalKey, SetClock},
        ports::Documents,
        trust::{KEYSET_ID, TrustStore},
    };

    use super::*;
    use crate::admin::keyset::{self, Listed};

    const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

    #[async_trait]
    impl Shelf for Documented {
        async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError> {
            Documents::read(self, partition, id).await
        }

        async fn write(&self, partition: &Partition, _: &str, write: Write) -> Result<(), BatchError> {
            self.batch(partition, &[write]).await.map(drop)
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
            let press = Press::new(documents, Arc::clone(&self.root), &*self.clock);
            let now = self.clock.now();
            press
                .publish(&Partition::deployment(), KEYSET_ID, |previous| {
                    keyset::next(previous, &self.listed, &[], now)
                })
                .await
        }

        async fn trust(&self) -> Trust {
            let documents: Arc<dyn Documents> = Arc::<Documented>::clone(&self.shelf);
            let clock: Arc<dyn Clock> = Arc::<SetClock>::clone(&self.clock);
            TrustStore::new(self.root.key().clone(), documents, clock, 0).trust().await.unwrap()
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
        fn key(&self) -> &airlock_core::jwk::PublicKey {
            self.0.key()
        }

        async fn sign(
            &self,
            digest: &airlock_core::digest::Digest,
        ) -> Result<[u8; 64], PortError> {
            self.1.sign(digest).await
        }
    }

    #[tokio::test]
    async fn a_signature_that_does_not_verify_is_not_stored() {
        let mut world = World::new();
        world.root = Arc::new(Confused(local_key(), local_key()));

        assert!(matches!(world.publish().await, Err(NotPublished::OtherKey(_))));
        assert!(world.shelf.all(&Partition::deployment()).is_empty());
    }
}
