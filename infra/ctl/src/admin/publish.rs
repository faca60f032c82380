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

use super::{binding::WouldMove, keyset::NotPlanned};

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
    /// What is to be signed is not what stands where the tenant's data is.
    #[error(transparent)]
    Moves(#[from] WouldMove),
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
        next: impl FnOnce(Option<&T>) -> Result<Option<T>, NotPublished>,
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
mod tests;
