//! Publishing: what the root signs is stored where every handler reads it, one version after
//! the other.

use std::sync::Arc;

use airlock_core::{
    identity::TenantId,
    jws::{Artefact, NotSigned, NotVerified, Signed, Verified},
    ports::{BatchError, Clock, Etag, Found, Partition, PortError, Write},
    time::Timestamp,
    trust::StoredArtefact,
};
use async_trait::async_trait;

use super::{authority::Authority, binding::next::NotNext, keyset::NotPlanned};

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

    /// Creates or replaces documents, each on its condition: all of them, or none.
    async fn write(&self, partition: &Partition, writes: &[Write]) -> Result<(), BatchError>;

    /// Every tenant that has a binding, whether or not it verifies.
    async fn tenants(&self) -> Result<Vec<TenantId>, PortError>;
}

/// Signs and stores.
pub struct Press<'a> {
    shelf: Arc<dyn Shelf>,
    authority: Arc<Authority>,
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

/// What is stored, by a root of this deployment.
#[derive(Debug)]
pub struct Standing<T> {
    /// What it says.
    pub value: T,
    /// As it was signed.
    pub artefact: Signed<T>,
    /// Whether the root of today signed it. What an earlier one signed is signed again, whatever
    /// it says.
    pub is_by_present_root: bool,
    etag: Etag,
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
    /// A version is kept that was replaced, and yet is not over: what stands was put back. All is
    /// left as it is: evidence.
    #[error("{0} was replaced already: an older version stands, and somebody put it back")]
    OtherHistory(String),
    /// There is nothing to sign.
    #[error(transparent)]
    Plan(#[from] NotPlanned),
    /// What is to be signed would leave something behind.
    #[error(transparent)]
    NotNext(#[from] NotNext),
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

impl<'a> Press<'a> {
    /// Signs by this root and stores on this shelf.
    #[must_use]
    pub fn new(shelf: Arc<dyn Shelf>, authority: Arc<Authority>, clock: &'a dyn Clock) -> Self {
        Self { shelf, authority, clock }
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
        next: impl FnOnce(Option<&Standing<T>>) -> Result<Option<T>, NotPublished>,
    ) -> Result<Published<T>, NotPublished> {
        let standing: Option<Standing<T>> = self.standing(partition, id).await?;
        let Some(value) = next(standing.as_ref())? else {
            let standing = standing.ok_or(NotPublished::Nothing)?;
            return Ok(Published::Unchanged(standing.value));
        };
        let artefact = self.sign(&value).await?;
        self.store(partition, id, &artefact, standing.as_ref()).await?;
        Ok(Published::New(value))
    }

    /// Opens what the root signed, if it counts today.
    ///
    /// # Errors
    ///
    /// [`NotVerified`].
    pub fn open<T: Artefact>(&self, signed: &Signed<T>) -> Result<Verified<T>, NotVerified> {
        self.authority.roots.open(signed, self.clock.now())
    }

    /// Signs, and looks whether anybody could verify it.
    ///
    /// # Errors
    ///
    /// [`NotPublished`].
    pub async fn sign<T: Artefact>(&self, value: &T) -> Result<Signed<T>, NotPublished> {
        let artefact = Signed::sign(value, &*self.authority.signer).await?;
        // What nobody could verify must not replace what everybody can.
        let (root, now) = (self.authority.roots.present(), self.clock.now());
        artefact.verify(root, now).map_err(NotPublished::OtherKey)?;
        Ok(artefact)
    }

    /// Stores what was signed, in place of what stands and of nothing else.
    ///
    /// # Errors
    ///
    /// [`NotPublished`]. What was stored before still counts.
    pub async fn store<T: Artefact + Clone>(
        &self,
        partition: &Partition,
        id: &str,
        artefact: &Signed<T>,
        over: Option<&Standing<T>>,
    ) -> Result<(), NotPublished> {
        let write = self.placing(partition, id, artefact, over)?;
        self.store_all(partition, &[write]).await
    }

    /// The write that stores what was signed, in place of what stands and of nothing else.
    ///
    /// # Errors
    ///
    /// Never: what was signed has a JSON form.
    pub fn placing<T: Artefact + Clone>(
        &self,
        partition: &Partition,
        id: &str,
        artefact: &Signed<T>,
        over: Option<&Standing<T>>,
    ) -> Result<Write, NotPublished> {
        let stored = self.document(partition, id, artefact)?;
        Ok(match over {
            Some(standing) => Write::Replace(stored, standing.etag.clone()),
            None => Write::Create(stored),
        })
    }

    /// Stores what belongs together: all of it or nothing, whatever becomes of this process.
    ///
    /// # Errors
    ///
    /// [`NotPublished`]. What was stored before still counts.
    pub async fn store_all(
        &self,
        partition: &Partition,
        writes: &[Write],
    ) -> Result<(), NotPublished> {
        match self.shelf.write(partition, writes).await {
            Ok(()) => Ok(()),
            Err(BatchError::Port(error)) => Err(error.into()),
            // The store's client repeats a write whose answer was lost, and then meets its own.
            Err(BatchError::Conflict(_)) if self.stand(partition, writes).await? => Ok(()),
            Err(BatchError::Conflict(_)) => Err(NotPublished::Raced),
        }
    }

    /// Whether the artefacts of these writes stand already.
    async fn stand(&self, partition: &Partition, writes: &[Write]) -> Result<bool, PortError> {
        for write in writes {
            let (Write::Create(wanted) | Write::Replace(wanted, _)) = write else {
                return Ok(false);
            };
            let id = wanted["id"].as_str().unwrap_or_default();
            let found = self.shelf.read(partition, id).await?;
            if found.is_none_or(|found| found.json["artefact"] != wanted["artefact"]) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The write that keeps what stands under an id of its own, before something takes its place;
    /// none, if it is kept already.
    ///
    /// # Errors
    ///
    /// [`NotPublished::OtherHistory`] if something else is kept there.
    pub async fn keeping<T: Artefact + Clone>(
        &self,
        partition: &Partition,
        id: &str,
        standing: &Standing<T>,
    ) -> Result<Option<Write>, NotPublished> {
        match self.found::<T>(partition, id).await? {
            None => self.placing(partition, id, &standing.artefact, None).map(Some),
            Some((kept, _)) if kept.as_str() == standing.artefact.as_str() => Ok(None),
            Some(_) => Err(NotPublished::OtherHistory(id.to_owned())),
        }
    }

    /// What is stored, over or not: the next version counts on from it.
    ///
    /// # Errors
    ///
    /// [`NotPublished`] if no root of this deployment signed it.
    pub async fn standing<T: Artefact + Clone>(
        &self,
        partition: &Partition,
        id: &str,
    ) -> Result<Option<Standing<T>>, NotPublished> {
        let Some((artefact, etag)) = self.found::<T>(partition, id).await? else {
            return Ok(None);
        };
        let value = self.opened(&artefact, self.clock.now()).map_err(NotPublished::NotGenuine)?;
        let present = self.authority.roots.present().thumbprint();
        let is_by_present_root = artefact.key() == present;
        Ok(Some(Standing { value, artefact, is_by_present_root, etag }))
    }

    async fn found<T: Artefact>(
        &self,
        partition: &Partition,
        id: &str,
    ) -> Result<Option<(Signed<T>, Etag)>, NotPublished> {
        let Some(found) = self.shelf.read(partition, id).await? else { return Ok(None) };
        let stored: StoredArtefact<T> =
            serde_json::from_value(found.json).map_err(NotPublished::Form)?;
        if stored.tenant != partition.key() || stored.id != id {
            return Err(NotPublished::NotGenuine(NotVerified::Other("place")));
        }
        Ok(Some((stored.artefact, found.etag)))
    }

    /// Reads what any root of this deployment signed, whether its time is over or not.
    fn opened<T: Artefact + Clone>(
        &self,
        signed: &Signed<T>,
        now: Timestamp,
    ) -> Result<T, NotVerified> {
        let by = signed.key();
        let root = self.authority.roots.named(by).ok_or(NotVerified::UnknownKey(by))?;
        let verified = match signed.verify(root, now) {
            Err(NotVerified::Expired(at)) => signed.verify(root, at.plus_s(-1)),
            verified => verified,
        };
        Ok(verified?.value().clone())
    }

    fn document<T: Artefact>(
        &self,
        partition: &Partition,
        id: &str,
        artefact: &Signed<T>,
    ) -> Result<serde_json::Value, NotPublished> {
        let stored = StoredArtefact {
            id: id.to_owned(),
            tenant: partition.key().to_owned(),
            kind: id.to_owned(),
            at: self.clock.now().as_unix_s(),
            artefact: artefact.clone(),
        };
        serde_json::to_value(&stored).map_err(NotPublished::Form)
    }
}

#[cfg(test)]
mod tests;
