//! Data keys: under what a tenant's documents are encrypted.
//!
//! Each tenant has one data key for thirty days. It stands in the tenant's own partition, wrapped
//! by Key Vault and signed by one of our apps: all processes share it, and who owns the database
//! can neither read it nor put their own in its place (anybody can wrap a key of their own). So
//! encrypting costs no call to the vault, and re-wrapping under another key of the vault rewrites
//! a few documents and not all of them.

mod rewrap;
mod sealed;

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    base64url,
    envelope::{DataKey, NotOpened},
    identity::App,
    jwk::Thumbprint,
    jws::{NotVerified, Signed},
    keyset::Trust,
    ledger::{
        Commit, Contents, Document, Happened, Ledger, NotCommitted, NotGenuine, NotProven, NotRead,
        Statement, Stored, commit::Change,
    },
    ports::{Clock, Documents, Entropy, Partition, PortError, Ports, WrappedKey, Wrapper},
    time::Timestamp,
};

pub use rewrap::Rewrapped;
use sealed::SALT_BYTES;
pub use sealed::{Opened, Sealed, SealedContents};

/// For how long an unwrapped key stays in memory, in seconds.
///
/// Whoever may no longer unwrap reads nothing more after it. Every use looks for keys whose time
/// is over, and so does every timer of an app that has some ([`DataKeys::forget_old`]).
pub const KEPT_S: i64 = 5 * 60;

/// For how long a key encrypts, in seconds.
///
/// Random nonces of 96 bits are safe for 2^32 messages under one key: 1,600 a second all that
/// time, which is more than one ledger takes.
pub(crate) const PERIOD_S: i64 = 30 * 24 * 3600;

/// `kind` of a stored data key.
pub const KIND: &str = "data-key";

/// How many keys a period can have: one, and one more for each revocation of its maker's key.
const GENERATIONS: u32 = 8;

/// What the ids of data keys begin with.
const PREFIX: &str = "data-key-";

/// A data key as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    /// Name and version of the wrapping key.
    kid: String,
    /// RSA-OAEP-256 of the data key; base64url.
    wrapped: String,
    /// By whom it was made, if it was wrapped again since: that app knew it, and not the one that
    /// wrapped it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    maker: Option<Thumbprint>,
}

/// A data key, and what its document is called.
#[derive(Clone)]
pub struct NamedKey {
    /// Id of its document.
    pub id: String,
    /// The key.
    pub key: DataKey,
}

/// Nothing was encrypted.
#[derive(Debug, thiserror::Error)]
pub enum NotSealed {
    /// There is no data key to be had.
    #[error("data key not had")]
    NoKey(#[from] NoKey),
    /// There was no randomness.
    #[error("no randomness")]
    NoEntropy(#[source] PortError),
    /// Encryption failed.
    #[error("not encrypted")]
    Encryption(#[source] NotOpened),
    /// It has no JSON form.
    #[error("not written as JSON")]
    Form(#[from] serde_json::Error),
}

/// A data key was not had.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// What is stored is not what one of our apps wrote.
    #[error("stored data key not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// A new one was not stored.
    #[error("data key not committed")]
    NotCommitted(#[source] Box<NotCommitted>),
    /// Store or vault did not help.
    #[error("data key not wrapped, read or unwrapped")]
    Port(#[from] PortError),
}

/// Id of the document of the key that encrypts at this time, unless the key of the app that made
/// it was revoked since.
#[must_use]
pub fn document_id(at: Timestamp) -> String {
    document_id_of(at, 0)
}

fn document_id_of(at: Timestamp, generation: u32) -> String {
    let period = at.as_unix_s().div_euclid(PERIOD_S).max(0);
    match generation {
        0 => format!("{PREFIX}{period}"),
        generation => format!("{PREFIX}{period}.{generation}"),
    }
}

/// All tenants' data keys, as one process has them.
pub struct DataKeys {
    ledger: Arc<Ledger>,
    documents: Arc<dyn Documents>,
    wrapper: Arc<dyn Wrapper>,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<(Partition, String), Arc<Cell>>>,
}

/// A key in memory. Locked while it is read: one read for all who wait.
type Cell = tokio::sync::Mutex<Option<Kept>>;

/// A key, what it was unwrapped from, and until when it may stay.
struct Kept {
    until: Timestamp,
    /// By whom it was made.
    maker: Thumbprint,
    wrapped: WrappedKey,
    key: DataKey,
}

/// A key, and who made it.
struct Made {
    maker: Thumbprint,
    key: DataKey,
}

impl Kept {
    fn made(&self) -> Made {
        Made { maker: self.maker, key: self.key.clone() }
    }
}

/// Where a key is looked for first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Memory,
    Store,
}

/// One tenant's data keys, for whoever knows whom to trust.
#[derive(Clone, Copy)]
pub struct TenantKeys<'a> {
    keys: &'a DataKeys,
    trust: &'a Trust,
    partition: &'a Partition,
}

impl DataKeys {
    /// No key is read yet.
    #[must_use]
    pub fn new(ports: &Ports, ledger: Arc<Ledger>) -> Self {
        Self {
            ledger,
            documents: Arc::clone(&ports.documents),
            wrapper: Arc::clone(&ports.wrapper),
            entropy: Arc::clone(&ports.entropy),
            clock: Arc::clone(&ports.clock),
            kept: Mutex::default(),
        }
    }

    /// The data keys of one tenant.
    #[must_use]
    pub const fn of<'a>(&'a self, trust: &'a Trust, partition: &'a Partition) -> TenantKeys<'a> {
        TenantKeys { keys: self, trust, partition }
    }

    /// Clears keys from memory whose time is over.
    pub fn forget_old(&self) {
        let now = self.clock.now();
        self.cells().retain(|_, cell| match cell.try_lock() {
            Ok(kept) => kept.as_ref().is_some_and(|kept| now < kept.until),
            // Somebody is reading it.
            Err(_) => true,
        });
    }

    fn cell(&self, partition: &Partition, id: &str) -> Arc<Cell> {
        self.forget_old();
        Arc::clone(self.cells().entry((partition.clone(), id.to_owned())).or_default())
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<(Partition, String), Arc<Cell>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> TenantKeys<'a> {
    /// Encrypts a document's text, with its salt: fresh for a new document, kept through all its
    /// changes.
    ///
    /// Remote calls: none while the key is in memory; one read and one unwrapping every
    /// [`KEPT_S`]; and for the first document of a period, wrapping and committing its key.
    ///
    /// # Errors
    ///
    /// [`NotSealed`].
    pub async fn seal(
        self,
        document: &str,
        salt: Option<[u8; SALT_BYTES]>,
        text: &str,
    ) -> Result<SealedContents, NotSealed> {
        let key = self.current().await?;
        let entropy = &*self.keys.entropy;
        SealedContents::seal(self.partition.key(), document, &key, salt, text, entropy)
    }

    /// Decrypts what [`seal`](Self::seal) encrypted.
    ///
    /// # Errors
    ///
    /// [`NoKey::NotGenuine`] if it is not what was encrypted there.
    pub async fn open(self, document: &str, sealed: &Sealed) -> Result<Opened, NoKey> {
        let is_a_key = sealed.key.strip_prefix(PREFIX).is_some_and(|period| {
            let (period, generation) = period.split_once('.').unwrap_or((period, "0"));
            [period, generation].iter().all(|number| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            })
        });
        let missing = || NotGenuine::Contents("data key");
        if !is_a_key {
            return Err(missing().into());
        }
        let key = self.had(&sealed.key, Source::Memory).await?.ok_or_else(missing)?.key;
        if let Ok(opened) = sealed.open(self.partition.key(), document, &key) {
            return Ok(opened);
        }
        // A database that was put back can have another key of the same name by now.
        let key = self.had(&sealed.key, Source::Store).await?.ok_or_else(missing)?.key;
        Ok(sealed.open(self.partition.key(), document, &key)?)
    }

    /// Whose they are.
    #[must_use]
    pub const fn partition(self) -> &'a Partition {
        self.partition
    }

    /// Whom to trust.
    #[must_use]
    pub const fn trust(self) -> &'a Trust {
        self.trust
    }

    /// Whom to trust about a document whose last statement is this one: also whoever signed it
    /// and was revoked after it was anchored.
    ///
    /// # Errors
    ///
    /// [`NotProven`] if that could not be told.
    pub async fn trust_about(
        self,
        statement: &Signed<Statement>,
        now: Timestamp,
    ) -> Result<Cow<'a, Trust>, NotProven> {
        let (digest, key) = (statement.digest(), statement.key());
        self.keys.ledger.trust_about(self.partition, digest, key, self.trust, now).await
    }

    /// The key of the present period, which is made if there is none yet.
    async fn current(self) -> Result<NamedKey, NoKey> {
        let now = self.keys.clock.now();
        let mut refused = None;
        for generation in 0..GENERATIONS {
            let id = document_id_of(now, generation);
            match self.current_of(&id, now).await {
                // Whose app's key was revoked since: what it signed counts no longer.
                Err(NoKey::NotGenuine(NotGenuine::Statement(NotVerified::UnknownKey(kid)))) => {
                    tracing::error!(%kid, id, "data key of an app whose key counts no longer");
                    refused = Some(NotGenuine::Statement(NotVerified::UnknownKey(kid)).into());
                }
                Ok(key) => return Ok(NamedKey { id, key }),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| NotGenuine::Contents("data key").into()))
    }

    async fn current_of(self, id: &str, now: Timestamp) -> Result<DataKey, NoKey> {
        let cell = self.keys.cell(self.partition, id);
        let mut kept = cell.lock().await;
        if let Some(found) = self.found(&mut kept, id, Source::Memory).await? {
            return self.encrypts(found);
        }
        self.make(id, now).await?;
        // Whoever was faster: the key is the one that is stored.
        let found = self.found(&mut kept, id, Source::Store).await?;
        let gone = || PortError::Unavailable("data key was there and is not".into());
        self.encrypts(found.ok_or_else(gone)?)
    }

    /// A key under which something new may be encrypted. What an app knew whose key was revoked
    /// since, somebody else may know.
    fn encrypts(self, found: Made) -> Result<DataKey, NoKey> {
        match self.trust.revoked(found.maker) {
            None => Ok(found.key),
            Some(_) => Err(NotGenuine::Statement(NotVerified::UnknownKey(found.maker)).into()),
        }
    }

    /// A key by its id, if there is one.
    async fn had(self, id: &str, source: Source) -> Result<Option<Made>, NoKey> {
        let cell = self.keys.cell(self.partition, id);
        let mut kept = cell.lock().await;
        self.found(&mut kept, id, source).await
    }

    async fn found(
        self,
        kept: &mut Option<Kept>,
        id: &str,
        source: Source,
    ) -> Result<Option<Made>, NoKey> {
        let now = self.keys.clock.now();
        let valid = kept.as_ref().filter(|kept| now < kept.until);
        if source == Source::Memory
            && let Some(valid) = valid
        {
            return Ok(Some(valid.made()));
        }
        let Some((maker, wrapped)) = self.stored(id).await? else { return Ok(None) };
        // The vault is not asked for what it has just told: who spoils many documents would make
        // us ask it once for each.
        let is_known = |kept: &&Kept| (kept.maker, &kept.wrapped) == (maker, &wrapped);
        if let Some(valid) = valid.filter(is_known) {
            return Ok(Some(valid.made()));
        }
        let unwrapped = self.keys.wrapper.of(self.partition).unwrap(&wrapped).await?;
        let key = DataKey::from_bytes(unwrapped);
        let read = Kept { until: now.plus_s(KEPT_S), maker, wrapped, key };
        let made = read.made();
        *kept = Some(read);
        Ok(Some(made))
    }

    /// A key as it is stored, and who made it, if that is one of the apps that encrypt.
    async fn stored(self, id: &str) -> Result<Option<(Thumbprint, WrappedKey)>, NoKey> {
        let Some(found) = self.keys.documents.read(self.partition, id).await? else {
            return Ok(None);
        };
        let now = self.keys.clock.now();
        let trust = self.trust_about_key(&Stored::statement_of(&found)?, now).await?;
        let document: Document<StoredKey> = Document::open(found, self.partition, &trust, now)?;
        let maker = Self::maker(&document)?;
        let StoredKey { kid, wrapped, .. } = document.body;
        let wrapped = base64url::decode(&wrapped).ok_or(NotGenuine::Contents("data key"))?;
        Ok(Some((maker, WrappedKey { kid, wrapped })))
    }

    /// Whom to trust about a stored data key.
    async fn trust_about_key(
        self,
        statement: &Signed<Statement>,
        now: Timestamp,
    ) -> Result<Cow<'a, Trust>, NoKey> {
        self.trust_about(statement, now).await.map_err(|error| match error.into() {
            NotRead::Port(error) => NoKey::Port(error),
            NotRead::NotGenuine(error) => NoKey::NotGenuine(error),
            NotRead::Erased => NoKey::NotGenuine(NotGenuine::Contents("form")),
        })
    }

    /// Who made a key: one of the apps that encrypt, whoever wrapped it again since.
    fn maker(document: &Document<StoredKey>) -> Result<Thumbprint, NoKey> {
        match (document.by, document.body.maker) {
            // `signin` encrypts nothing that a tenant has, whatever its key signs.
            (App::Intake | App::Execute | App::Rotate | App::Drift, None) => {
                Ok(document.statement.key())
            }
            (App::Rotate, Some(maker)) => Ok(maker),
            _ => Err(NotGenuine::Contents("author").into()),
        }
    }

    /// Makes a key and stores it, unless another process has.
    async fn make(self, id: &str, now: Timestamp) -> Result<(), NoKey> {
        let key = DataKey::generate(&*self.keys.entropy)?;
        let WrappedKey { kid, wrapped } =
            self.keys.wrapper.of(self.partition).wrap(key.expose()).await?;
        let stored = StoredKey { kid, wrapped: base64url::encode(wrapped), maker: None };
        let body = serde_json::to_string(&stored);
        let body = body.map_err(|error| PortError::Broken(error.into()))?;
        let commit = Commit {
            change: Some(Change {
                id: id.to_owned(),
                kind: KIND,
                at: now.as_unix_s(),
                hint: None,
                contents: Contents::Clear { salt: None, body },
                replaces: None,
            }),
            ..Commit::of(Happened::DataKeyMade)
        };
        match self.keys.ledger.commit(self.partition, commit, now).await {
            Ok(_) | Err(NotCommitted::Conflict) => Ok(()),
            Err(error) => Err(NoKey::NotCommitted(Box::new(error))),
        }
    }
}
