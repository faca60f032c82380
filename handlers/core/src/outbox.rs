//! The outbox: what was committed to be sent, and has not been taken off yet.
//!
//! A message is sent, then its document is removed: the one write without a leaf. A crash in
//! between sends it again under the same `MessageId`, which the broker swallows.

use crate::{
    ledger::commit::{OUTBOX, StoredMessage},
    ports::{BatchError, Message, Partition, PortError, Ports, Query, Write},
};

/// Messages that one round takes from one partition.
const ROUND: u32 = 100;

/// Id of a message's outbox document.
#[must_use]
pub fn document_id(message: &Message) -> String {
    format!("outbox-{}", message.id)
}

/// Sends one message that was just committed, unless somebody else already has.
///
/// # Errors
///
/// [`PortError`]: it stays in the outbox.
pub async fn send_one(ports: &Ports, partition: &Partition, id: &str) -> Result<(), PortError> {
    match ports.documents.read(partition, id).await? {
        Some(found) => send(ports, partition, found).await,
        None => Ok(()),
    }
}

/// Sends whatever waits in a partition's outbox; says how many messages were sent.
///
/// # Errors
///
/// [`PortError`] of the last that could not be sent. One that cannot be sent keeps none of the
/// others waiting.
pub async fn drain(ports: &Ports, partition: &Partition) -> Result<usize, PortError> {
    let query = Query { kind: OUTBOX, equals: None, limit: ROUND };
    let mut sent = 0;
    let mut failed = None;
    for found in ports.documents.query(partition, &query).await? {
        match send(ports, partition, found).await {
            Ok(()) => sent += 1,
            Err(error) => {
                tracing::warn!(error = %error, "message not sent; it stays in the outbox");
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(sent), Err)
}

async fn send(
    ports: &Ports,
    partition: &Partition,
    found: crate::ports::Found,
) -> Result<(), PortError> {
    let stored: StoredMessage =
        serde_json::from_value(found.json).map_err(|error| PortError::Broken(Box::new(error)))?;
    ports.bus.send(&stored.queue, &stored.to_message()).await?;
    let remove = [Write::Delete(stored.id, found.etag)];
    match ports.documents.batch(partition, &remove).await {
        // Somebody else sent and removed it: the broker swallows one of the two.
        Ok(_) | Err(BatchError::Conflict(_)) => Ok(()),
        Err(BatchError::Port(error)) => Err(error),
    }
}
