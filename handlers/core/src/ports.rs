//! Every way out of the process. All else in this crate is pure.
//!
//! Each port has two implementations from its first day: in [`memory`](crate::memory), for
//! this crate's own tests, and over Azure. What both promise is written here.

mod partition;

use std::{error::Error, fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    catalog::Effect,
    digest::Digest,
    identity::ObjectId,
    jwk::PublicKey,
    keyset::Trust,
    policy::TargetFacts,
    request::{Permitted, Request},
    signing::SigningVersion,
    tenancy::TenantScope,
    time::Timestamp,
};

pub use partition::{Container, PLATFORM, Partition};

/// What a handler reaches the world through. Handlers take what they need of it.
#[derive(Clone)]
pub struct Ports {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The app's own signing key.
    pub signer: Arc<dyn Signer>,
    /// The key that wraps data keys.
    pub wrapper: Arc<dyn Wrapper>,
    /// What is remembered.
    pub documents: Arc<dyn Documents>,
    /// What is remembered even if the database forgets.
    pub blobs: Arc<dyn Blobs>,
    /// What was sealed: an account of its own, where `drift` alone creates.
    pub anchors: Arc<dyn Blobs>,
    /// Who is told.
    pub bus: Arc<dyn Bus>,
}

/// A port did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// No answer, or an answer that says "later". Whether it was done is not known.
    #[error("no answer")]
    Unavailable(#[source] Source),
    /// Asked too much. It was not done.
    #[error("throttled")]
    Throttled {
        /// Seconds after which to ask again, if the service said so.
        after_s: Option<u64>,
    },
    /// This app may not do that. It was not done, and repeating does not help.
    #[error("denied")]
    Denied(#[source] Source),
    /// The request or its answer was not understood: a defect, ours or theirs.
    #[error("not understood")]
    Broken(#[source] Source),
}

/// The reason behind a [`PortError`], for the log.
pub type Source = Box<dyn Error + Send + Sync>;

impl PortError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Throttled { .. })
    }
}

/// The time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Cryptographic randomness.
pub trait Entropy: Send + Sync {
    /// Fills the buffer.
    ///
    /// # Errors
    ///
    /// If the system has none to give. Nothing may go on without.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), PortError>;
}

/// A P-256 key that this process may use and does not hold. It can have versions, each with a
/// public half of its own.
#[async_trait]
pub trait Signer: Send + Sync {
    /// Public half of the version that signs now. It may be another one the next time.
    fn current(&self) -> PublicKey;

    /// Signs a digest with the version that has this public half: `r || s`, 64 bytes. Whoever
    /// names a key in what is signed passes the same key here, so that no change of versions
    /// comes between.
    ///
    /// # Errors
    ///
    /// [`PortError`]. Repeating is safe: it only makes another signature. After
    /// [`PortError::Denied`], [`current`](Self::current) may name another version that signs.
    async fn sign(&self, key: &PublicKey, digest: &Digest) -> Result<[u8; 64], PortError>;

    /// Chooses the version that signs by whom a keyset lists. A key of one version has no choice.
    ///
    /// What is not chosen now, because the vault does not answer, is chosen later.
    async fn follow(&self, _: &Trust) {}
}

/// The versions of one signing key, as the app may see and use them whose key it is.
#[async_trait]
pub trait SigningVersions: Send + Sync {
    /// The newest version. Remote calls: one.
    ///
    /// # Errors
    ///
    /// [`PortError`]; [`PortError::Denied`] if it is disabled.
    async fn newest(&self) -> Result<SigningVersion, PortError>;

    /// Ids of the versions that are enabled, newest first. Remote calls: one for each page.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn usable(&self) -> Result<Vec<String>, PortError>;

    /// Public half of a version. Remote calls: one.
    ///
    /// # Errors
    ///
    /// [`PortError`]; [`PortError::Denied`] if it is disabled.
    async fn public(&self, version: &str) -> Result<PublicKey, PortError>;

    /// Signs a digest with exactly this version. Remote calls: one.
    ///
    /// # Errors
    ///
    /// [`PortError`]; [`PortError::Denied`] if it is disabled. Repeating is safe.
    async fn sign(&self, version: &str, digest: &Digest) -> Result<[u8; 64], PortError>;
}

/// A data key, wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// Name and version of the wrapping key, as the vault gives it.
    pub kid: String,
    /// RSA-OAEP-256 of the data key.
    pub wrapped: Vec<u8>,
}

/// A key-encryption key that this process may use and does not hold.
#[async_trait]
pub trait Wrapper: Send + Sync {
    /// The key that wraps a partition's data keys: this one, or the tenant's own beside it.
    fn of(&self, partition: &Partition) -> Arc<dyn Wrapper>;

    /// Wraps a data key with the current version.
    ///
    /// # Errors
    ///
    /// [`PortError`]. Repeating is safe.
    async fn wrap(&self, key: &[u8; 32]) -> Result<WrappedKey, PortError>;

    /// Unwraps a data key with the version that wrapped it.
    ///
    /// # Errors
    ///
    /// [`PortError`]; [`PortError::Broken`] if it was not wrapped by that version, or that is
    /// of another key.
    async fn unwrap(&self, key: &WrappedKey) -> Result<[u8; 32], PortError>;
}

/// The version of a stored document. Opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etag(pub String);

/// A document as it was found: JSON that nobody has verified.
#[derive(Clone, Debug)]
pub struct Found {
    /// The document, without the store's own properties.
    pub json: Value,
    /// Its version.
    pub etag: Etag,
}

/// One write of a batch. `id` is the document's `id` property.
#[derive(Clone, Debug)]
pub enum Write {
    /// The document must not exist.
    Create(Value),
    /// The document must exist in exactly this version.
    Replace(Value, Etag),
    /// The document with this id must exist in exactly this version.
    Delete(String, Etag),
}

/// A batch was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The condition of the write at this index did not hold. Nothing was written.
    #[error("condition of write {0} not met")]
    Conflict(usize),
    /// The store did not carry it out, or did and the answer was lost.
    #[error("batch not answered")]
    Port(#[from] PortError),
}

/// What to look for in a partition.
#[derive(Clone, Debug)]
pub struct Query {
    /// Value of the `kind` property.
    pub kind: &'static str,
    /// A further property that must have this value.
    pub equals: Option<(&'static str, String)>,
    /// Created (`at`) not after this time, in seconds since 1970.
    pub not_after: Option<i64>,
    /// Documents at the most, newest (`at`) first.
    pub limit: u32,
}

/// Durable documents with compare-and-set.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Reads one document, as of the last write that was acknowledged to this process.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError>;

    /// Finds documents. May lag behind writes of other processes.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn query(&self, partition: &Partition, query: &Query) -> Result<Vec<Found>, PortError>;

    /// Finds documents by their ids: those from `ids.start` on and before `ids.end`, in the
    /// order of their ids, `limit` of them at the most. May lag behind writes of other
    /// processes.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn range(
        &self,
        partition: &Partition,
        ids: Range<&str>,
        limit: u32,
    ) -> Result<Vec<Found>, PortError>;

    /// The keys of all partitions that hold a document of that kind, of a container that all
    /// tenants share. Whose data lies elsewhere, their bindings tell.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn partitions(
        &self,
        container: Container,
        kind: &'static str,
    ) -> Result<Vec<String>, PortError>;

    /// Carries out all writes or none, durably, and gives the new versions in their order
    /// (of a deleted document: the old one).
    ///
    /// # Errors
    ///
    /// [`BatchError::Conflict`]: nothing was written. After [`BatchError::Port`] it is not
    /// known; and because an implementation repeats a batch whose answer it lost, a conflict
    /// can be the caller's own success. Look for what was written.
    async fn batch(&self, partition: &Partition, writes: &[Write])
    -> Result<Vec<Etag>, BatchError>;
}

/// Whether a create-only write made the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It did not exist; it holds these bytes now and for ever.
    New,
    /// It existed, and was left as it was. This can be the caller's own earlier attempt.
    Existed,
}

/// A blob, as a list names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its whole name.
    pub name: String,
    /// When it was created, by the store's clock.
    pub at: Timestamp,
}

/// Create-only blobs: nothing is ever overwritten or deleted by us.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Creates a blob in a container, atomically and durably.
    ///
    /// # Errors
    ///
    /// [`PortError`]. Repeating is safe.
    async fn create(&self, container: &str, name: &str, bytes: &[u8])
    -> Result<Created, PortError>;

    /// Reads a blob.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn read(&self, container: &str, name: &str) -> Result<Option<Vec<u8>>, PortError>;

    /// Names the blobs whose names begin with `prefix`, in lexical order, `limit` of them at the
    /// most; all that were created before the call are seen.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn list(
        &self,
        container: &str,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<Blob>, PortError>;
}

/// A message to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Names it for duplicate detection: a second one of the same name is swallowed.
    pub id: String,
    /// The body.
    pub body: Vec<u8>,
    /// Not delivered before this time.
    pub not_before: Option<Timestamp>,
    /// W3C trace context of what caused it.
    pub traceparent: Option<String>,
}

/// Queues.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Hands a message to the broker, which delivers it at least once.
    ///
    /// # Errors
    ///
    /// [`PortError`]. Repeating with the same id is safe while the broker remembers it.
    async fn send(&self, queue: &str, message: &Message) -> Result<(), PortError>;
}

/// What the directory answered to an effect.
#[derive(Clone)]
pub struct Answer {
    /// The body, or null.
    pub body: Value,
    /// The directory's own id of the call, for its support and its audit log.
    pub call_id: Option<String>,
}

/// The body may hold a secret.
impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Answer").field("call_id", &self.call_id).finish_non_exhaustive()
    }
}

/// The directory did not carry out an effect.
#[derive(Debug, thiserror::Error)]
pub enum NotApplied {
    /// It answered, and will not do it: the target does not allow it, or is not there.
    #[error("directory refused with {status} {code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The directory's error code.
        code: String,
    },
    /// No answer, or "later". Whether it was done is not known; doing it again converges.
    #[error("directory not reached")]
    Port(#[from] PortError),
}

/// Where changes are made.
#[async_trait]
pub trait Directory: Send + Sync {
    /// What the directory says about a target, read with the read-only worker application.
    ///
    /// # Errors
    ///
    /// [`PortError`]. Facts that could not be read are never "none".
    async fn look_up(
        &self,
        scope: &TenantScope,
        target: ObjectId,
    ) -> Result<Option<TargetFacts>, PortError>;

    /// Reads something with the read-only worker application: a path below the version, with
    /// its query. Of a collection, all pages as one. `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`PortError`]. A collection that was not read to its end is an error, never a part.
    async fn read(&self, scope: &TenantScope, path: &str) -> Result<Option<Value>, PortError>;

    /// Address of the version that all paths are below, without a slash at its end: what
    /// references to objects begin with.
    fn root(&self) -> &str;

    /// Makes one call of the change that the request was permitted and claimed for, once, with
    /// the one worker application that it needs.
    ///
    /// Every operation converges: done twice it ends in the same state.
    ///
    /// # Errors
    ///
    /// [`NotApplied`].
    async fn apply(
        &self,
        request: &Request<Permitted>,
        effect: &Effect,
    ) -> Result<Answer, NotApplied>;
}
