//! What a commit leaves in a partition besides the changed document.

use serde::{Deserialize, Serialize};

use super::{HEAD, Marker, OUTBOX, Outgoing};
use crate::{
    base64url,
    data_keys::TenantKeys,
    digest::Digest,
    jws::Signed,
    keyset::Trust,
    ledger::{
        document::{NotGenuine, NotRead},
        merkle::Frontier,
        statement::{Statement, commitment},
    },
    ports::{Documents, Message, Partition},
    time::Timestamp,
};

/// A marker as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredMarker {
    /// Its id.
    pub id: String,
    /// Partition key.
    pub tenant: String,
    /// What kind.
    pub kind: String,
    /// When it was committed.
    pub at: i64,
    /// What it points to.
    pub points_to: String,
    /// Salt of the commitment to it, 16 bytes.
    pub salt: String,
    /// The statement of the commit, which commits to the marker as well.
    pub statement: Signed<Statement>,
}

/// A marker that is to be committed to.
pub(super) struct Salted {
    pub(super) marker: Marker,
    pub(super) salt: [u8; 16],
}

/// Parts one after the other, each with its length, so that none runs into the next.
fn framed<const N: usize>(parts: [&[u8]; N]) -> Vec<u8> {
    let framed = parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes(), *part].concat());
    framed.collect()
}

/// What a statement says of a marker.
fn marker_commitment(salt: &[u8; 16], id: &str, kind: &str, points_to: &str) -> Digest {
    let parts = [b"marker", id.as_bytes(), kind.as_bytes(), points_to.as_bytes()];
    commitment(salt, &framed(parts))
}

impl Salted {
    /// What the statement says of it.
    pub(super) fn commitment(&self) -> Digest {
        let Marker { id, kind, points_to } = &self.marker;
        marker_commitment(&self.salt, id, kind, points_to)
    }
}

impl StoredMarker {
    pub(super) fn new(
        partition: &Partition,
        Salted { marker, salt }: Salted,
        statement: &Signed<Statement>,
        now: Timestamp,
    ) -> Self {
        Self {
            id: marker.id,
            tenant: partition.key().to_owned(),
            kind: marker.kind.to_owned(),
            at: now.as_unix_s(),
            points_to: marker.points_to,
            salt: base64url::encode(salt),
            statement: statement.clone(),
        }
    }

    /// Reads what a marker points to, if there is one. Remote calls: one read, and what it costs
    /// to tell [whom to trust about it](TenantKeys::trust_about).
    ///
    /// # Errors
    ///
    /// [`NotRead`] if the store did not answer, or nobody of ours committed it.
    pub async fn read(
        documents: &dyn Documents,
        keys: TenantKeys<'_>,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<String>, NotRead> {
        let found = documents.read(keys.partition(), id).await.map_err(NotRead::Port)?;
        let Some(found) = found else { return Ok(None) };
        let stored: Self = serde_json::from_value(found.json).map_err(NotGenuine::Form)?;
        let trust = keys.trust_about(&stored.statement, now).await?;
        stored.open(keys.partition(), &trust, now)?;
        Ok(Some(stored.points_to))
    }

    /// What its statement says of it, if one of our apps committed exactly that in this partition.
    ///
    /// # Errors
    ///
    /// [`NotGenuine`].
    pub fn open(
        &self,
        partition: &Partition,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Digest, NotGenuine> {
        let statement = trust.open(&self.statement, now).map_err(NotGenuine::Statement)?;
        if statement.tenantid != partition.key() || self.tenant != partition.key() {
            return Err(NotGenuine::Contents("tenant"));
        }
        let salt = base64url::decode_array(&self.salt).ok_or(NotGenuine::Contents("salt"))?;
        let committed = marker_commitment(&salt, &self.id, &self.kind, &self.points_to);
        if !statement.data.markers.contains(&committed) || self.at != statement.iat.as_unix_s() {
            return Err(NotGenuine::Contents("marker"));
        }
        Ok(committed)
    }
}

/// An outbox document.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredMessage {
    /// `outbox-<message id>`.
    pub id: String,
    /// Partition key.
    pub tenant: String,
    /// Always [`OUTBOX`].
    pub kind: String,
    /// When it was committed.
    pub at: i64,
    /// The queue.
    pub queue: String,
    /// `MessageId`.
    pub message: String,
    /// Body, as text: everything that we send is JSON.
    pub body: String,
    /// Not delivered before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The statement of the commit, which commits to the message as well.
    pub statement: Signed<Statement>,
}

impl Outgoing {
    /// What the statement commits to.
    pub(super) fn digest(&self) -> Digest {
        let Message { id, body, not_before, traceparent } = &self.message;
        let not_before = not_before.map_or_else(String::new, |at| at.as_unix_s().to_string());
        let trace = traceparent.as_deref().unwrap_or_default();
        let (queue, trace) = (self.queue.as_bytes(), trace.as_bytes());
        Digest::of(&[&framed([queue, id.as_bytes(), not_before.as_bytes(), trace, body])])
    }

    /// Id of the document in which it waits to be sent.
    fn document_id(&self) -> String {
        format!("outbox-{}", self.message.id)
    }
}

impl StoredMessage {
    pub(super) fn new(
        partition: &Partition,
        outgoing: Outgoing,
        statement: &Signed<Statement>,
        now: Timestamp,
    ) -> Self {
        let id = outgoing.document_id();
        let Outgoing { queue, message } = outgoing;
        Self {
            id,
            tenant: partition.key().to_owned(),
            kind: OUTBOX.to_owned(),
            at: now.as_unix_s(),
            queue,
            message: message.id,
            body: String::from_utf8_lossy(&message.body).into_owned(),
            not_before: message.not_before,
            traceparent: message.traceparent,
            statement: statement.clone(),
        }
    }

    /// What is to be sent, if one of our apps committed exactly that in this partition.
    ///
    /// # Errors
    ///
    /// [`NotGenuine`].
    pub fn open(
        self,
        partition: &Partition,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Outgoing, NotGenuine> {
        let statement = trust.open(&self.statement, now).map_err(NotGenuine::Statement)?;
        let outgoing = Outgoing { queue: self.queue.clone(), message: self.to_message() };
        if statement.tenantid != partition.key() || self.tenant != partition.key() {
            return Err(NotGenuine::Contents("tenant"));
        }
        let is_in_place = self.id == outgoing.document_id()
            && self.kind == OUTBOX
            && self.at == statement.iat.as_unix_s();
        if !is_in_place {
            return Err(NotGenuine::Contents("what it is found by"));
        }
        if !statement.data.outgoing.contains(&outgoing.digest()) {
            return Err(NotGenuine::Contents("message"));
        }
        Ok(outgoing)
    }

    fn to_message(&self) -> Message {
        Message {
            id: self.message.clone(),
            body: self.body.clone().into_bytes(),
            not_before: self.not_before,
            traceparent: self.traceparent.clone(),
        }
    }
}

/// A tree's head as it is stored. Nobody signed it: it counts only as far as it extends what was
/// anchored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredHead {
    /// Always [`HEAD`].
    pub id: String,
    /// Partition key.
    pub tenant: String,
    /// Always [`HEAD`].
    pub kind: String,
    /// Which of the partition's trees.
    pub epoch: u32,
    /// The root under the frontier.
    pub root: Digest,
    /// The tree's right edge.
    pub frontier: Frontier,
}

impl StoredHead {
    /// The head of a tree with this frontier.
    #[must_use]
    pub fn new(partition: &Partition, epoch: u32, frontier: Frontier) -> Self {
        Self {
            id: HEAD.to_owned(),
            tenant: partition.key().to_owned(),
            kind: HEAD.to_owned(),
            epoch,
            root: frontier.root(),
            frontier,
        }
    }
}

/// A leaf as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredLeaf {
    /// [`leaf_id`].
    pub id: String,
    /// Partition key.
    pub tenant: String,
    /// Always [`LEAF`](super::LEAF).
    pub kind: String,
    /// Which of the partition's trees it is in.
    pub epoch: u32,
    /// Its position there, from 0.
    pub at: i64,
    /// The statement's subject, to find it by.
    pub subject: String,
    /// Digest of the statement, to find it by.
    pub digest: Digest,
    /// The leaf itself.
    pub statement: Signed<Statement>,
}

impl StoredLeaf {
    /// A statement as the leaf at a position.
    #[must_use]
    pub fn new(
        partition: &Partition,
        epoch: u32,
        index: u64,
        subject: &str,
        statement: &Signed<Statement>,
    ) -> Self {
        Self {
            id: leaf_id(epoch, index),
            tenant: partition.key().to_owned(),
            kind: super::LEAF.to_owned(),
            epoch,
            at: index.cast_signed(),
            subject: subject.to_owned(),
            digest: statement.digest(),
            statement: statement.clone(),
        }
    }
}

/// Id of the leaf at a position in an epoch.
#[must_use]
pub fn leaf_id(epoch: u32, index: u64) -> String {
    format!("leaf-{epoch:04}-{index:012}")
}
