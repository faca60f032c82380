//! What a commit leaves in a partition besides the changed document.

use serde::{Deserialize, Serialize};

use super::{HEAD, OUTBOX, Outgoing};
use crate::{
    digest::Digest,
    jws::Signed,
    keyset::Trust,
    ledger::{document::NotGenuine, merkle::Frontier, statement::Statement},
    ports::{Message, Partition},
    time::Timestamp,
};

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
    /// What the statement commits to: all of it but the trace.
    pub(super) fn digest(&self) -> Digest {
        let Message { id, body, not_before, traceparent: _ } = &self.message;
        let not_before = not_before.map_or_else(String::new, |at| at.as_unix_s().to_string());
        let parts = [self.queue.as_bytes(), id.as_bytes(), not_before.as_bytes(), body];
        // Each with its length, so that none runs into the next.
        let lengths = parts.map(|part| (part.len() as u64).to_be_bytes());
        let framed: Vec<&[u8]> =
            lengths.iter().zip(parts).flat_map(|(length, part)| [&length[..], part]).collect();
        Digest::of(&framed)
    }
}

impl StoredMessage {
    pub(super) fn new(
        partition: &Partition,
        outgoing: Outgoing,
        statement: &Signed<Statement>,
        now: Timestamp,
    ) -> Self {
        let Outgoing { queue, message } = outgoing;
        Self {
            id: format!("outbox-{}", message.id),
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
        if statement.tenantid != partition.key() {
            return Err(NotGenuine::Contents("tenant"));
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
