//! What a commit leaves in a partition besides the changed document.

use serde::{Deserialize, Serialize};

use super::{HEAD, Head, NotCommitted, OUTBOX, Outgoing, counters::Counters};
use crate::{
    digest::Digest,
    jws::Signed,
    keyset::Trust,
    ledger::{document::NotGenuine, merkle::Frontier, statement::Statement},
    ports::{Documents, Message, Partition},
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredHead {
    pub(super) id: String,
    pub(super) tenant: String,
    pub(super) kind: String,
    pub(super) root: Digest,
    pub(super) frontier: Frontier,
}

/// A leaf as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredLeaf {
    /// `leaf-<index, 12 digits>`.
    pub id: String,
    /// Partition key.
    pub tenant: String,
    /// Always [`LEAF`](super::LEAF).
    pub kind: String,
    /// Its position, from 0.
    pub at: i64,
    /// Digest of the statement, to find it by.
    pub digest: Digest,
    /// The leaf itself.
    pub statement: Signed<Statement>,
}

pub(super) async fn read_head(
    documents: &dyn Documents,
    partition: &Partition,
) -> Result<Head, NotCommitted> {
    let found = documents
        .read(partition, HEAD)
        .await
        .map_err(|error| NotCommitted::Undecided(Some(error)))?;
    let Some(found) = found else {
        return Ok(Head { frontier: Frontier::empty(), etag: None, counters: Counters::default() });
    };
    let stored: StoredHead = serde_json::from_value(found.json).map_err(|_| NotCommitted::Head)?;
    if stored.tenant != partition.key() || stored.root != stored.frontier.root() {
        return Err(NotCommitted::Head);
    }
    Ok(Head { frontier: stored.frontier, etag: Some(found.etag), counters: Counters::default() })
}
