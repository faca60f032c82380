//! The outbox: what was committed to be sent, and has not been taken off yet.
//!
//! A message is sent, then its document is removed: the one write without a leaf. A crash in
//! between sends it again under the same `MessageId`, which the broker swallows. What is sent is
//! what a signed statement of ours commits to: whoever owns the database can keep a message from
//! going out, and cannot have another one sent in our name.

use crate::{
    keyset::Trust,
    ledger::{
        NotGenuine,
        commit::{OUTBOX, StoredMessage},
    },
    ports::{BatchError, Found, Message, Partition, PortError, Ports, Query, Write},
};

/// Messages that one round takes from one partition.
const ROUND: u32 = 100;

/// Id of a message's outbox document.
#[must_use]
pub fn document_id(message: &Message) -> String {
    format!("outbox-{}", message.id)
}

/// A message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// None of our apps committed it: whoever owns the database put it there. It stays, as
    /// evidence, and is never sent.
    #[error("message in the outbox not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// The store or the bus did not answer; it stays in the outbox.
    #[error("message not sent")]
    Port(#[from] PortError),
}

/// What became of the messages of a partition.
#[derive(Debug, Default)]
pub struct Drained {
    /// Messages that were sent.
    pub sent: usize,
    /// Messages that none of our apps committed.
    pub forged: usize,
}

/// Sends one message that was just committed, unless somebody else already has.
///
/// # Errors
///
/// [`NotSent`].
pub async fn send_one(
    ports: &Ports,
    trust: &Trust,
    partition: &Partition,
    id: &str,
) -> Result<(), NotSent> {
    match ports.documents.read(partition, id).await? {
        Some(found) => send(ports, trust, partition, found).await,
        None => Ok(()),
    }
}

/// Sends whatever waits in a partition's outbox.
///
/// # Errors
///
/// [`PortError`] of the last that could not be sent. One that cannot be sent keeps none of the
/// others waiting.
pub async fn drain(
    ports: &Ports,
    trust: &Trust,
    partition: &Partition,
) -> Result<Drained, PortError> {
    let query = Query { kind: OUTBOX, equals: None, not_after: None, limit: ROUND };
    let mut drained = Drained::default();
    let mut failed = None;
    for found in ports.documents.query(partition, &query).await? {
        match send(ports, trust, partition, found).await {
            Ok(()) => drained.sent += 1,
            Err(NotSent::NotGenuine(error)) => {
                tracing::error!(error = %error, "message in the outbox not genuine; not sent");
                drained.forged += 1;
            }
            Err(NotSent::Port(error)) => {
                tracing::warn!(error = %error, "message not sent; it stays in the outbox");
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(drained), Err)
}

async fn send(
    ports: &Ports,
    trust: &Trust,
    partition: &Partition,
    found: Found,
) -> Result<(), NotSent> {
    let stored: StoredMessage = serde_json::from_value(found.json).map_err(NotGenuine::Form)?;
    let id = stored.id.clone();
    let outgoing = stored.open(partition, trust, ports.clock.now())?;
    ports.bus.send(&outgoing.queue, &outgoing.message).await?;
    let remove = [Write::Delete(id, found.etag)];
    match ports.documents.batch(partition, &remove).await {
        // Somebody else sent and removed it: the broker swallows one of the two.
        Ok(_) | Err(BatchError::Conflict(_)) => Ok(()),
        Err(BatchError::Port(error)) => Err(error.into()),
    }
}
