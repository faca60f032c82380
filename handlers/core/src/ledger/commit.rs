//! Committing: a document, its statement as the next leaf, the new head, and what goes out.
//!
//! Guarantee: when [`Ledger::commit`] says `Ok`, all of it is durable; when it says
//! [`NotCommitted::Conflict`], none of it is; when it says [`NotCommitted::Undecided`], the
//! store could not be asked, and committing again under the same statement id is safe.
//!
//! Writers of one process are joined: whoever holds a tenant's lane takes everyone who waits
//! into one batch (group commit), so that they do not race each other for the head.
//!
//! A head that this process did not write itself is built upon only once it is
//! [proven](super::proven).

mod batch;
mod counters;
mod driver;
mod stored;

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use serde_json::Value;
use tokio::sync::{Mutex, oneshot};
use tracing::Instrument as _;

use super::{
    document::{Contents, Form, Stored},
    merkle::Frontier,
    proven::{NotProven, Proven, Tree},
    statement::{ArtefactVersion, Data, Happened, Listed, Statement, commitment},
};
use crate::{
    digest::Digest,
    identity::App,
    jwk::Thumbprint,
    jws::{NotSigned, Signed},
    keyset::Trust,
    ports::{Clock, Documents, Entropy, Etag, Message, Partition, PortError, Ports, Signer},
    time::Timestamp,
    trust::TrustStore,
};

use counters::Counters;
pub use counters::{COUNTER, StoredCounter, hour};
use driver::Driver;
use stored::Salted;
pub use stored::{StoredHead, StoredLeaf, StoredMarker, StoredMessage, leaf_id};

/// Id, and `kind`, of a tree's head.
pub const HEAD: &str = "head";

/// Bytes of the largest statement: what an entry of a tile can hold.
pub const MAX_LEAF_BYTES: usize = u16::MAX as usize;

/// How old a statement may be that is sent to the store, in seconds. `drift` takes no leaf that is
/// much older than the tree around it.
const UNSENT_S: i64 = 120;

/// `kind` of a leaf.
pub const LEAF: &str = "leaf";

/// `kind` of a message that has not been sent yet.
pub const OUTBOX: &str = "outbox";

/// What is to be committed.
#[derive(Debug)]
pub struct Commit {
    /// What happened.
    pub happened: Happened,
    /// Who caused it; only a commitment to it enters the ledger.
    pub principal: Option<String>,
    /// The request that it is about.
    pub request: Option<Digest>,
    /// Why, in constant words of ours.
    pub reason: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The document that changes, if one does.
    pub change: Option<Change>,
    /// Markers to be created: their ids must not exist yet.
    pub markers: Vec<Marker>,
    /// What it uses up: counted in the same batch, so that nobody gets more by asking twice at
    /// once.
    pub counts: Vec<Count>,
    /// What goes out because of it.
    pub outgoing: Vec<Outgoing>,
    /// What it is about, if that is neither the document that changes nor a request.
    pub subject: Option<String>,
    /// The version of an artefact that it is about.
    pub artefact: Option<ArtefactVersion>,
}

impl Commit {
    /// A leaf alone: that this happened.
    #[must_use]
    pub const fn of(happened: Happened) -> Self {
        Self {
            happened,
            principal: None,
            request: None,
            reason: None,
            traceparent: None,
            change: None,
            markers: Vec::new(),
            counts: Vec::new(),
            outgoing: Vec::new(),
            subject: None,
            artefact: None,
        }
    }
}

/// A document as it shall be.
#[derive(Debug)]
pub struct Change {
    /// Its id.
    pub id: String,
    /// What kind of document.
    pub kind: &'static str,
    /// When it was created.
    pub at: i64,
    /// How far it has come: for finding it.
    pub hint: Option<String>,
    /// Its contents.
    pub contents: Contents,
    /// The version that it replaces; `None` creates it.
    pub replaces: Option<Etag>,
}

/// A document that says by its existence that something was done.
#[derive(Clone, Debug)]
pub struct Marker {
    /// Its id.
    pub id: String,
    /// What kind.
    pub kind: &'static str,
    /// What it points to.
    pub points_to: String,
}

/// One more in this hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Of what.
    pub of: String,
    /// The most that there may be in an hour.
    pub most: u32,
}

/// A message that goes out because of a commit.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The queue.
    pub queue: String,
    /// The message.
    pub message: Message,
}

/// Something was committed.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Which of the partition's trees it is in.
    pub epoch: u32,
    /// Position of its leaf there.
    pub index: u64,
    /// The changed document's new version.
    pub etag: Option<Etag>,
}

/// Nothing was committed, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum NotCommitted {
    /// The document or a marker is not as it was expected to be. Read again and decide again.
    #[error("document changed meanwhile")]
    Conflict,
    /// There were as many in this hour as there may be.
    #[error("quota used up")]
    Quota,
    /// The statement was not signed.
    #[error("statement not signed")]
    NotSigned(#[from] NotSigned),
    /// There was no randomness.
    #[error("no randomness")]
    NoEntropy(#[source] PortError),
    /// The tree is not what was sealed, or not sealed for too long for what was to be done.
    #[error("ledger not proven")]
    NotProven(#[from] NotProven),
    /// It has no JSON form.
    #[error("commit not written as JSON")]
    Form(#[source] serde_json::Error),
    /// The store did not answer, or others were faster for too long. It may have been written.
    #[error("commit not decided")]
    Undecided(#[source] Option<PortError>),
}

/// The ledgers of all tenants, as one app writes to them.
pub struct Ledger {
    app: App,
    documents: Arc<dyn Documents>,
    signer: Arc<dyn Signer>,
    entropy: Arc<dyn Entropy>,
    clock: Arc<dyn Clock>,
    trust: Arc<TrustStore>,
    lanes: Mutex<HashMap<Partition, Arc<Lane>>>,
}

/// One tenant's writers in this process.
struct Lane {
    tree: Arc<Tree>,
    waiting: Mutex<Vec<Waiting>>,
    head: Mutex<Option<Head>>,
}

#[derive(Clone)]
struct Head {
    epoch: u32,
    frontier: Frontier,
    etag: Option<Etag>,
    /// Counters as they are under this head: none changes without it.
    counters: Counters,
}

/// A signed commit on its way into a batch.
struct Waiting {
    prepared: Prepared,
    done: oneshot::Sender<Result<Committed, NotCommitted>>,
}

struct Prepared {
    statement: Signed<Statement>,
    /// What the statement says it is about, and when it was signed.
    subject: String,
    iat: Timestamp,
    /// Whether it may only be written to a tree that is proven at that time.
    decides: bool,
    /// From when on it is no longer sent.
    until: Timestamp,
    changed: Option<(Value, Option<Etag>)>,
    creates: Vec<Value>,
    counts: Vec<Count>,
    at: Timestamp,
}

impl Ledger {
    /// The ledgers, written in the name of `app`, as far as these trust them.
    #[must_use]
    pub fn new(app: App, ports: &Ports, trust: Arc<TrustStore>) -> Self {
        Self {
            app,
            documents: Arc::clone(&ports.documents),
            signer: Arc::clone(&ports.signer),
            entropy: Arc::clone(&ports.entropy),
            clock: Arc::clone(&ports.clock),
            trust,
            lanes: Mutex::default(),
        }
    }

    /// Commits.
    ///
    /// Remote calls: one signature and one batch, as long as no other process writes to the tree.
    /// For each race that is lost one read of the head and one query of the leaves that others
    /// wrote. For the first commit of this process to a tree that it has not proven yet, what
    /// [proving](super::proven::Trees::proven) it costs.
    ///
    /// # Errors
    ///
    /// [`NotCommitted`].
    pub async fn commit(
        &self,
        partition: &Partition,
        commit: Commit,
        now: Timestamp,
    ) -> Result<Committed, NotCommitted> {
        let prepared = self.prepare(partition, commit, None, now).await?;
        self.join(partition, prepared).await
    }

    /// Commits what another app said that writes to no tree: its statement, as it was signed,
    /// stands whole in the leaf. That it is that app's is for the caller to know.
    ///
    /// The leaf is this app's own, signed now: so what was said long ago, because something was in
    /// the way, is no leaf from long ago.
    ///
    /// # Errors
    ///
    /// [`NotCommitted`].
    pub async fn record(
        &self,
        partition: &Partition,
        commit: Commit,
        event: Signed<Statement>,
        now: Timestamp,
    ) -> Result<Committed, NotCommitted> {
        let prepared = self.prepare(partition, commit, Some(event), now).await?;
        self.join(partition, prepared).await
    }

    /// Proves a tree. Every writer does so before it decides; see
    /// [`Trees::proven`](super::proven::Trees::proven).
    ///
    /// # Errors
    ///
    /// [`NotProven`].
    pub async fn proven(
        &self,
        partition: &Partition,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Proven, NotProven> {
        self.trust.trees().proven(partition, trust, now).await
    }

    /// Whom to trust about something that `key` signed and that a document holds whose statement
    /// is this one: if the key was revoked after that statement was anchored, it still counts.
    ///
    /// Remote calls: none for a key that was not revoked; else what
    /// [`Trees::anchored_at`](super::proven::Trees::anchored_at) says, once for each statement.
    ///
    /// # Errors
    ///
    /// [`NotProven`].
    pub(crate) async fn trust_about<'t>(
        &self,
        partition: &Partition,
        statement: Digest,
        key: Thumbprint,
        trust: &'t Trust,
        now: Timestamp,
    ) -> Result<Cow<'t, Trust>, NotProven> {
        let Some(revoked) = trust.revoked(key) else { return Ok(Cow::Borrowed(trust)) };
        let anchored = self.trust.trees().anchored_at(partition, statement, trust, now).await?;
        Ok(match anchored {
            Some(anchored) if anchored < revoked => Cow::Owned(trust.as_of(anchored)),
            Some(_) | None => Cow::Borrowed(trust),
        })
    }

    async fn join(
        &self,
        partition: &Partition,
        prepared: Prepared,
    ) -> Result<Committed, NotCommitted> {
        let lane = self.lane(partition).await;
        let (done, result) = oneshot::channel();
        lane.waiting.lock().await.push(Waiting { prepared, done });
        // A task of its own: whoever asked may go away, but others wait in the same batch.
        let driver = Driver {
            documents: Arc::clone(&self.documents),
            entropy: Arc::clone(&self.entropy),
            clock: Arc::clone(&self.clock),
            trust: Arc::clone(&self.trust),
            partition: partition.clone(),
        };
        tokio::spawn(async move { driver.drive(&lane).await }.in_current_span());
        result.await.unwrap_or(Err(NotCommitted::Undecided(None)))
    }

    async fn lane(&self, partition: &Partition) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().await;
        let lane = lanes.entry(partition.clone()).or_insert_with(|| {
            let tree = self.trust.trees().tree(partition);
            Arc::new(Lane { tree, waiting: Mutex::default(), head: Mutex::default() })
        });
        Arc::clone(lane)
    }

    /// A leaf by a key that nobody admitted would stop the tree: `drift` refuses it, and so does
    /// everyone who reads it.
    fn check_listed(&self, now: Timestamp) -> Result<(), NotSigned> {
        let lists = |trust: Trust| trust.lists::<Statement>(&self.signer.current(), self.app, now);
        let is_listed = self.trust.trees().trusted().is_none_or(lists);
        if is_listed { Ok(()) } else { Err(NotSigned::Unlisted) }
    }

    async fn prepare(
        &self,
        partition: &Partition,
        commit: Commit,
        event: Option<Signed<Statement>>,
        now: Timestamp,
    ) -> Result<Prepared, NotCommitted> {
        self.check_listed(now)?;
        let kept = commit.change.as_ref().and_then(|change| change.contents.salt());
        let salt = if let Some(salt) = kept {
            salt
        } else {
            let mut salt = [0; 16];
            self.entropy.fill(&mut salt).map_err(NotCommitted::NoEntropy)?;
            salt
        };
        let mut id = [0; 16];
        self.entropy.fill(&mut id).map_err(NotCommitted::NoEntropy)?;
        let id = uuid::Builder::from_random_bytes(id).into_uuid();
        let changed = commit.change.as_ref().map(|change| change.id.clone());
        let subject = changed
            .or(commit.subject)
            .or_else(|| commit.request.map(|request| format!("request-{request}")))
            .unwrap_or_else(|| id.to_string());
        let decides = commit.happened.decides();
        let mut markers = Vec::new();
        for marker in commit.markers {
            // A salt of its own, which stands beside it in clear.
            let mut salt = [0; 16];
            self.entropy.fill(&mut salt).map_err(NotCommitted::NoEntropy)?;
            markers.push(Salted { marker, salt });
        }
        let listed = |change: &Change| Listed {
            kind: change.kind.to_owned(),
            at: change.at,
            hint: change.hint.clone(),
        };
        let about = subject.clone();
        let statement = Statement {
            specversion: "1.0".to_owned(),
            id,
            source: format!("/airlock/{}", self.app),
            r#type: commit.happened,
            subject,
            time: now.to_string(),
            traceparent: commit.traceparent.clone(),
            tenantid: partition.key().to_owned(),
            principal: commit.principal.map(|name| commitment(&salt, name.as_bytes())),
            iss: self.app,
            iat: now,
            data: Data {
                document: commit.change.as_ref().map(|change| change.contents.commitment(&salt)),
                listed: commit.change.as_ref().map(listed),
                markers: markers.iter().map(Salted::commitment).collect(),
                request: commit.request,
                reason: commit.reason,
                outgoing: commit.outgoing.iter().map(Outgoing::digest).collect(),
                artefact: commit.artefact,
                event,
                ..Data::default()
            },
        };
        let statement = Signed::sign(&statement, &*self.signer).await?;
        if statement.as_str().len() > MAX_LEAF_BYTES {
            return Err(NotSigned::TooLarge.into());
        }
        let mut creates = Vec::new();
        for marker in markers {
            let stored = StoredMarker::new(partition, marker, &statement, now);
            creates.push(serde_json::to_value(stored).map_err(NotCommitted::Form)?);
        }
        for outgoing in commit.outgoing {
            let stored = StoredMessage::new(partition, outgoing, &statement, now);
            creates.push(serde_json::to_value(stored).map_err(NotCommitted::Form)?);
        }
        let changed = match commit.change {
            None => None,
            Some(change) => {
                let Form { body, salt, sealed, erased } = change.contents.form(&salt);
                let stored = Stored {
                    id: change.id,
                    tenant: partition.key().to_owned(),
                    kind: change.kind.to_owned(),
                    at: change.at,
                    hint: change.hint,
                    body,
                    salt,
                    sealed,
                    erased,
                    statement: statement.clone(),
                };
                Some((stored.to_json().map_err(NotCommitted::Form)?, change.replaces))
            }
        };
        Ok(Prepared {
            statement,
            subject: about,
            iat: now,
            decides,
            until: now.plus_s(UNSENT_S),
            changed,
            creates,
            counts: commit.counts,
            at: now,
        })
    }
}
