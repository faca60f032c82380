//! What `signin` remembers, in the container `sessions`.
//!
//! Every document is signed, and verified when it is read: whoever owns the database can make
//! none up. They can take one away, and put back an earlier version of one: until a ledger
//! covers these documents, that undoes the end of a session or the redemption of a code, for as
//! long as it counts by its own words (a session eight hours at the most), and is of use only to
//! who also has the cookie and the client key.
//!
//! What happens to sessions the ledger is told ([`reports`](crate::reports)), in the same write.
//!
//! The database is told when it may forget each document, so that no token stays for ever, not even
//! encrypted. Nothing relies on that: each document says until when it counts.

use std::sync::Arc;

use airlock_azure::hosting::{Refusal, chain};
use airlock_core::{
    digest::Digest,
    identity::{App, TenantId},
    jws::{NotSigned, Signed},
    ledger::{Document, Happened, NotGenuine, Statement, Stored, document::Unsigned},
    ports::{BatchError, Created, Found, Partition, PortError, Ports, Query, Write},
    problem::Problem,
    session_record::{self, ABSOLUTE_S, IDLE_S, SessionRecord, TTL},
    trust::{NotTrusted, TrustStore},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    challenge::TRANSACTION_S,
    opaque,
    refused::{passing, signing_problem, trust_problem},
    reports::{Reports, Waiting},
};

/// The most sessions and codes of one Entra sign-in that front-channel sign-out ends.
const MOST_OF_ONE_SIGN_IN: u32 = 100;

/// How much longer than it counts a document is kept, in seconds: our clocks and the store's may
/// differ, and whoever looks for what happened finds it for a while.
pub const LONGER_S: i64 = 3600;

/// A kind of document in `sessions`.
pub trait Kept: Serialize + DeserializeOwned + Send + Sync {
    /// Its `kind`.
    const KIND: &'static str;

    /// For how long after it was written it can count, in seconds.
    const COUNTS_S: i64;
}

impl Kept for SessionRecord {
    const KIND: &'static str = session_record::KIND;
    // Each write moves the idle limit by no more, and none is needed where nobody calls.
    const COUNTS_S: i64 = IDLE_S;
}

/// A transaction that was used. It is never read: that it exists is what it says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {}

impl Kept for Spent {
    const KIND: &'static str = "spent";
    const COUNTS_S: i64 = TRANSACTION_S;
}

/// What came of a sign-in at Entra, filed under Entra's id of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfSignIn {
    /// A session, by the digest of its cookie.
    Session(Digest),
    /// A one-time code, by its digest.
    Code(Digest),
}

impl Kept for OfSignIn {
    const KIND: &'static str = "of-sign-in";
    const COUNTS_S: i64 = ABSOLUTE_S;
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

    /// A one-time code, by its digest.
    #[must_use]
    pub fn code(code: Digest) -> Self {
        Self::alone(format!("one-time-code-{code}"))
    }

    /// The sealing key of a day, counted from 1970.
    #[must_use]
    pub fn sealing(day: i64) -> Self {
        Self::alone(format!("sealing-{day}"))
    }

    /// That a version of the key of sessions was used on a day, counted from 1970.
    #[must_use]
    pub fn session_key(version: Digest, day: i64) -> Self {
        Self::alone(format!("session-key-{version}-{day}"))
    }

    /// An entry of a sign-in at Entra.
    fn of_sign_in(sign_in: Digest, entry: OfSignIn) -> Self {
        let (OfSignIn::Session(digest) | OfSignIn::Code(digest)) = entry;
        Self { partition: sign_in_partition(sign_in), id: format!("of-sign-in-{digest}") }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Names a sign-in at Entra. Entra's own id of it (`sid`) is stored nowhere: whoever shows it signs
/// the person out, unasked who they are.
#[must_use]
pub fn sign_in(tenant: TenantId, sid: &str) -> Digest {
    // The tenant is of fixed size, so it cannot run into the id.
    Digest::of(&[tenant.uuid().as_bytes(), sid.as_bytes()])
}

fn sign_in_partition(sign_in: Digest) -> Partition {
    Partition::session(&format!("sign-in-{sign_in}"))
}

/// Documents, signed when written and verified when read.
pub struct Store {
    ports: Ports,
    trust: Arc<TrustStore>,
    reports: Reports,
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
    pub const fn new(ports: Ports, trust: Arc<TrustStore>, reports: Reports) -> Self {
        Self { ports, trust, reports }
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

    /// Files something under the sign-in at Entra that it came of.
    ///
    /// # Errors
    ///
    /// [`NotKept`].
    pub async fn file(&self, sign_in: Digest, entry: OfSignIn) -> Result<Created, NotKept> {
        let at = At::of_sign_in(sign_in, entry);
        self.create(&at, Happened::SignInProgressed, &entry).await
    }

    /// What came of one sign-in at Entra.
    ///
    /// An entry that is not genuine is passed over: it must not keep the genuine ones beside it
    /// from being signed out.
    ///
    /// # Errors
    ///
    /// [`NotKept`].
    pub async fn of_sign_in(&self, sign_in: Digest) -> Result<Vec<OfSignIn>, NotKept> {
        let partition = sign_in_partition(sign_in);
        let query = Query {
            kind: OfSignIn::KIND,
            equals: None,
            not_after: None,
            limit: MOST_OF_ONE_SIGN_IN,
        };
        let mut entries = Vec::new();
        for found in self.ports.documents.query(&partition, &query).await? {
            match self.open::<OfSignIn>(found, &partition).await {
                Ok(entry) => entries.push(entry.body),
                Err(NotKept::NotGenuine(error)) => {
                    tracing::error!(cause = chain(&error), "entry of a sign-in passed over");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    async fn open<T: Kept>(
        &self,
        found: Found,
        partition: &Partition,
    ) -> Result<Document<T>, NotKept> {
        let trust = self.trust.trust().await?;
        let found = session_record::without_ttl(found);
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
        self.create_and_report(at, happened, body, None).await
    }

    /// Creates a document, as [`create`](Self::create) does, and in the same write what the ledger
    /// is to be told of it.
    ///
    /// # Errors
    ///
    /// [`NotKept`], as there.
    pub async fn create_and_report<T: Kept>(
        &self,
        at: &At,
        happened: Happened,
        body: &T,
        report: Option<Signed<Statement>>,
    ) -> Result<Created, NotKept> {
        let now = self.ports.clock.now();
        let salt = opaque::random(&*self.ports.entropy)?;
        let stored = self.sign(at, T::KIND, now.as_unix_s(), salt, happened, body).await?;
        let write = Write::Create(to_json::<T>(&stored)?);
        let created = self.write(at, &stored, write, report).await?;
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
        self.replace_and_report(at, read, happened, body, None).await
    }

    /// Replaces a document, as [`replace`](Self::replace) does, and writes with it what the ledger
    /// is to be told of it.
    ///
    /// # Errors
    ///
    /// [`NotKept`], as there.
    pub async fn replace_and_report<T: Kept>(
        &self,
        at: &At,
        read: &Document<T>,
        happened: Happened,
        body: &T,
        report: Option<Signed<Statement>>,
    ) -> Result<Replaced, NotKept> {
        let stored = self.sign(at, T::KIND, read.at, read.salt, happened, body).await?;
        let write = Write::Replace(to_json::<T>(&stored)?, read.etag.clone());
        let replaced = self.write(at, &stored, write, report).await?;
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
    async fn write(
        &self,
        at: &At,
        stored: &Stored,
        write: Write,
        report: Option<Signed<Statement>>,
    ) -> Result<bool, NotKept> {
        let now = self.ports.clock.now();
        let waiting = report.map(|event| Waiting::new(&at.partition, event, now));
        let mut writes = vec![write];
        writes.extend(waiting.as_ref().map(Waiting::write).transpose()?);
        match self.ports.documents.batch(&at.partition, &writes).await {
            Ok(etags) => {
                if let (Some(waiting), [_, etag]) = (waiting, &*etags) {
                    self.reports.send_soon(&at.partition, waiting, etag.clone());
                }
                Ok(true)
            }
            // The driver repeats a batch whose answer it lost, and then meets its own work. What
            // is to be reported is sent by the timer then.
            Err(BatchError::Conflict(_)) => {
                let found = self.ports.documents.read(&at.partition, &at.id).await?;
                let statement = found.map(|found| found.json["statement"].clone());
                Ok(statement.is_some_and(|text| text == stored.statement.as_str()))
            }
            Err(BatchError::Port(error)) => Err(error.into()),
        }
    }
}

/// What is written: the document, and for how long the store is to keep it.
fn to_json<T: Kept>(stored: &Stored) -> Result<Value, serde_json::Error> {
    let mut json = stored.to_json()?;
    json[TTL] = (T::COUNTS_S + LONGER_S).into();
    Ok(json)
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
