//! What `signin` remembers, in the container `sessions`.
//!
//! Every document is signed, and verified when it is read: whoever owns the database can take
//! one away, and can put none there. Nothing relies on the database to forget: each document
//! says until when it counts.

use std::sync::Arc;

use airlock_azure::hosting::Refusal;
use airlock_core::{
    digest::Digest,
    identity::{App, TenantId},
    jws::NotSigned,
    ledger::{Document, Happened, NotGenuine, Stored, document::Unsigned},
    ports::{BatchError, Created, Found, Partition, PortError, Ports, Query, Write},
    problem::Problem,
    session_record::{self, SessionRecord},
    trust::{NotTrusted, TrustStore},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    opaque::{self, Opaque},
    refused::{passing, signing_problem, trust_problem},
};

/// The most sessions of one Entra sign-in that front-channel sign-out ends.
const MOST_OF_ONE_SIGN_IN: u32 = 100;

/// A kind of document in `sessions`.
pub trait Kept: Serialize + DeserializeOwned + Send + Sync {
    /// Its `kind`.
    const KIND: &'static str;
}

impl Kept for SessionRecord {
    const KIND: &'static str = session_record::KIND;
}

/// A transaction that was used. It is never read: that it exists is what it says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {}

impl Kept for Spent {
    const KIND: &'static str = "spent";
}

/// A session, filed under Entra's id of the sign-in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfSignIn {
    /// Id of the session's document.
    pub session: Digest,
}

impl Kept for OfSignIn {
    const KIND: &'static str = "of-sign-in";
}

/// Where a document stands. Ids of different kinds cannot meet: a session's is 43 characters
/// of base64url, and every other one is longer.
#[derive(Clone, Debug)]
pub struct At {
    partition: Partition,
    id: String,
}

impl At {
    fn alone(id: String) -> Self {
        Self { partition: Partition::session(&id), id }
    }

    /// A session.
    #[must_use]
    pub fn session(id: Digest) -> Self {
        Self::alone(id.to_string())
    }

    /// The mark of a transaction that was used, by the random value in it.
    #[must_use]
    pub fn spent(random: &[u8; 32]) -> Self {
        Self::alone(format!("spent-{}", Digest::of(&[random])))
    }

    /// A one-time code.
    #[must_use]
    pub fn code(code: &Opaque) -> Self {
        Self::alone(format!("one-time-code-{}", code.digest()))
    }

    /// The sealing key of a day, counted from 1970.
    #[must_use]
    pub fn sealing(day: i64) -> Self {
        Self::alone(format!("sealing-{day}"))
    }

    /// A session's entry among those of one sign-in at Entra.
    #[must_use]
    pub fn of_sign_in(tenant: TenantId, sid: &str, session: Digest) -> Self {
        Self { partition: sign_in_partition(tenant, sid), id: format!("of-sign-in-{session}") }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

fn sign_in_partition(tenant: TenantId, sid: &str) -> Partition {
    // The tenant is of fixed size, so it cannot run into the id.
    let both = Digest::of(&[tenant.uuid().as_bytes(), sid.as_bytes()]);
    Partition::session(&format!("sign-in-{both}"))
}

/// Documents, signed when written and verified when read.
pub struct Store {
    ports: Ports,
    trust: Arc<TrustStore>,
}

/// Nothing was read, or it is not known whether anything was written.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// Whom to trust could not be told.
    #[error("whom to trust not known")]
    Trust(#[from] NotTrusted),
    /// What is stored is not what we wrote.
    #[error("stored document not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// Our key did not sign.
    #[error("document not signed")]
    NotSigned(#[from] NotSigned),
    /// It has no JSON form.
    #[error("document not written as JSON")]
    Json(#[from] serde_json::Error),
    /// The store did not answer.
    #[error("store not reached")]
    Port(#[from] PortError),
}

/// Whether a document was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// It was, by this.
    Yes,
    /// Somebody else was faster. Nothing was written.
    Changed,
}

impl Store {
    /// Documents over these ports.
    #[must_use]
    pub const fn new(ports: Ports, trust: Arc<TrustStore>) -> Self {
        Self { ports, trust }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// [`NotKept`].
    pub async fn read<T: Kept>(&self, at: &At) -> Result<Option<Document<T>>, NotKept> {
        let Some(found) = self.ports.documents.read(&at.partition, &at.id).await? else {
            return Ok(None);
        };
        let document = self.open(found, &at.partition).await?;
        // The store answers for a place; the statement answers for the document.
        if document.id != at.id {
            return Err(NotGenuine::Contents("id").into());
        }
        Ok(Some(document))
    }

    /// The sessions of one sign-in at Entra.
    ///
    /// # Errors
    ///
    /// [`NotKept`].
    pub async fn of_sign_in(&self, tenant: TenantId, sid: &str) -> Result<Vec<Digest>, NotKept> {
        let partition = sign_in_partition(tenant, sid);
        let query = Query { kind: OfSignIn::KIND, equals: None, limit: MOST_OF_ONE_SIGN_IN };
        let mut sessions = Vec::new();
        for found in self.ports.documents.query(&partition, &query).await? {
            let entry: Document<OfSignIn> = self.open(found, &partition).await?;
            sessions.push(entry.body.session);
        }
        Ok(sessions)
    }

    async fn open<T: Kept>(
        &self,
        found: Found,
        partition: &Partition,
    ) -> Result<Document<T>, NotKept> {
        let trust = self.trust.trust().await?;
        let document: Document<T> =
            Document::open(found, partition, &trust, self.ports.clock.now())?;
        if document.by != App::Signin {
            return Err(NotGenuine::Contents("author").into());
        }
        Ok(document)
    }

    /// Creates a document, durably, unless it exists.
    ///
    /// # Errors
    ///
    /// [`NotKept`]. After [`NotKept::Port`] it is not known whether it was created.
    pub async fn create<T: Kept>(
        &self,
        at: &At,
        happened: Happened,
        body: &T,
    ) -> Result<Created, NotKept> {
        let now = self.ports.clock.now();
        let salt = opaque::random(&*self.ports.entropy)?;
        let stored = self.sign(at, T::KIND, now.as_unix_s(), salt, happened, body).await?;
        let created = self.write(at, &stored, Write::Create(stored.to_json()?)).await?;
        Ok(if created { Created::New } else { Created::Existed })
    }

    /// Replaces a document in exactly the version that was read.
    ///
    /// # Errors
    ///
    /// [`NotKept`]. After [`NotKept::Port`] it is not known whether it was replaced.
    pub async fn replace<T: Kept>(
        &self,
        at: &At,
        read: &Document<T>,
        happened: Happened,
        body: &T,
    ) -> Result<Replaced, NotKept> {
        let stored = self.sign(at, T::KIND, read.at, read.salt, happened, body).await?;
        let write = Write::Replace(stored.to_json()?, read.etag.clone());
        let replaced = self.write(at, &stored, write).await?;
        Ok(if replaced { Replaced::Yes } else { Replaced::Changed })
    }

    async fn sign<T: Kept>(
        &self,
        at: &At,
        kind: &'static str,
        created_s: i64,
        salt: [u8; 16],
        happened: Happened,
        body: &T,
    ) -> Result<Stored, NotKept> {
        let unsigned = Unsigned {
            id: at.id.clone(),
            partition: at.partition.key().to_owned(),
            kind,
            at: created_s,
            salt,
            body: serde_json::to_string(body)?,
            happened,
            statement: opaque::name(&*self.ports.entropy)?,
        };
        let now = self.ports.clock.now();
        Ok(Stored::sign(unsigned, App::Signin, &*self.ports.signer, now).await?)
    }

    /// Whether this write is the one that counts.
    async fn write(&self, at: &At, stored: &Stored, write: Write) -> Result<bool, NotKept> {
        match self.ports.documents.batch(&at.partition, &[write]).await {
            Ok(_) => Ok(true),
            // The driver repeats a batch whose answer it lost, and then meets its own work.
            Err(BatchError::Conflict(_)) => {
                let found = self.ports.documents.read(&at.partition, &at.id).await?;
                let statement = found.map(|found| found.json["statement"].clone());
                Ok(statement.is_some_and(|text| text == stored.statement.as_str()))
            }
            Err(BatchError::Port(error)) => Err(error.into()),
        }
    }
}

impl NotKept {
    /// What the caller is told.
    #[must_use]
    pub const fn problem(&self) -> Problem {
        match self {
            Self::Trust(error) => trust_problem(error),
            Self::NotGenuine(_) => Problem::INTEGRITY,
            Self::NotSigned(error) => signing_problem(error),
            Self::Json(_) => Problem::INTERNAL,
            Self::Port(error) => passing(error),
        }
    }
}

impl From<NotKept> for Refusal {
    fn from(error: NotKept) -> Self {
        Self::because(error.problem(), error)
    }
}
