//! Committing: a document, its statement as the next leaf, the new head, and what goes out.
//!
//! Guarantee: when [`Ledger::commit`] says `Ok`, all of it is durable; when it says
//! [`NotCommitted::Conflict`], none of it is; when it says [`NotCommitted::Undecided`], the
//! store could not be asked, and committing again under the same statement id is safe.
//!
//! Writers of one process are joined: whoever holds a tenant's lane takes everyone who waits
//! into one batch (group commit), so that they do not race each other for the head.

mod batch;
mod counters;
mod driver;
mod stored;

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;
use tokio::sync::{Mutex, oneshot};
use tracing::Instrument as _;

use super::{
    document::{Contents, Form, Stored},
    merkle::Frontier,
    statement::{Data, Happened, Statement, commitment},
};
use crate::{
    digest::Digest,
    identity::App,
    jws::{NotSigned, Signed},
    ports::{Documents, Entropy, Etag, Message, Partition, PortError, Signer},
    time::Timestamp,
};

use counters::Counters;
use driver::Driver;
use stored::read_head;
pub use stored::{StoredLeaf, StoredMessage};

/// Id of a tree's head.
const HEAD: &str = "head";

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
    /// How far it has come: for finding it, and nothing else.
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
    /// Position of its leaf.
    pub index: u64,
    /// The changed document's new version.
    pub etag: Option<Etag>,
    /// The tree after it.
    pub size: u64,
    /// Its root.
    pub root: Digest,
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
    /// The stored head contradicts itself: nothing may be added to such a tree.
    #[error("ledger head is not genuine")]
    Head,
    /// It has no JSON form.
    #[error("commit not written as JSON")]
    Form(#[source] serde_json::Error),
    /// The store did not answer, or too many others were faster. It may have been written.
    #[error("commit not decided")]
    Undecided(#[source] Option<PortError>),
}

/// The ledgers of all tenants, as one app writes to them.
pub struct Ledger {
    app: App,
    documents: Arc<dyn Documents>,
    signer: Arc<dyn Signer>,
    entropy: Arc<dyn Entropy>,
    lanes: Mutex<HashMap<Partition, Arc<Lane>>>,
}

/// One tenant's writers in this process.
#[derive(Default)]
struct Lane {
    waiting: Mutex<Vec<Waiting>>,
    head: Mutex<Option<Head>>,
}

#[derive(Clone)]
struct Head {
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
    changed: Option<(Value, Option<Etag>)>,
    creates: Vec<Value>,
    counts: Vec<Count>,
    at: Timestamp,
}

impl Ledger {
    /// The ledgers, written in the name of `app`.
    #[must_use]
    pub fn new(
        app: App,
        documents: Arc<dyn Documents>,
        signer: Arc<dyn Signer>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { app, documents, signer, entropy, lanes: Mutex::default() }
    }

    /// Commits.
    ///
    /// Remote calls: one signature and one batch; one read more for the first commit of this
    /// process to a tree, and for each race that is lost.
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
        let prepared = self.prepare(partition, commit, now).await?;
        let lane = Arc::clone(self.lanes.lock().await.entry(partition.clone()).or_default());
        let (done, result) = oneshot::channel();
        lane.waiting.lock().await.push(Waiting { prepared, done });
        // A task of its own: whoever asked may go away, but others wait in the same batch.
        let driver = Driver {
            documents: Arc::clone(&self.documents),
            entropy: Arc::clone(&self.entropy),
            partition: partition.clone(),
        };
        tokio::spawn(async move { driver.drive(&lane).await }.in_current_span());
        result.await.unwrap_or(Err(NotCommitted::Undecided(None)))
    }

    /// The tree as this process last saw it; read if it has not seen it yet.
    ///
    /// # Errors
    ///
    /// [`NotCommitted`] if it cannot be read or is not genuine.
    pub async fn head(&self, partition: &Partition) -> Result<(u64, Digest), NotCommitted> {
        let lane = Arc::clone(self.lanes.lock().await.entry(partition.clone()).or_default());
        let mut head = lane.head.lock().await;
        if head.is_none() {
            *head = Some(read_head(&*self.documents, partition).await?);
        }
        Ok(head.as_ref().map_or_else(
            || (0, Frontier::empty().root()),
            |head| (head.frontier.size(), head.frontier.root()),
        ))
    }

    async fn prepare(
        &self,
        partition: &Partition,
        commit: Commit,
        now: Timestamp,
    ) -> Result<Prepared, NotCommitted> {
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
        let subject = commit.change.as_ref().map_or_else(
            || {
                commit
                    .request
                    .map_or_else(|| id.to_string(), |request| format!("request-{request}"))
            },
            |change| change.id.clone(),
        );
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
                request: commit.request,
                reason: commit.reason,
                outgoing: commit.outgoing.iter().map(Outgoing::digest).collect(),
            },
        };
        let statement = Signed::sign(&statement, &*self.signer).await?;
        let mut creates = Vec::new();
        for marker in commit.markers {
            creates.push(serde_json::json!({
                "id": marker.id, "tenant": partition.key(), "kind": marker.kind,
                "at": now.as_unix_s(), "points_to": marker.points_to,
            }));
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
        Ok(Prepared { statement, changed, creates, counts: commit.counts, at: now })
    }
}

/// Id of the leaf at a position.
#[must_use]
pub fn leaf_id(index: u64) -> String {
    format!("leaf-{index:012}")
}
