//! Events for whoever watches from outside: CloudEvents 1.0 in structured mode.

use serde::Serialize;

use crate::{
    digest::Digest,
    identity::App,
    ledger::{Happened, Outgoing},
    ports::{Entropy, Message, Partition, PortError},
    time::Timestamp,
};

/// The queue of events for the outside.
pub const EVENTS: &str = "events";

#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: Happened,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: String,
    tenantid: &'a str,
    data: Data,
}

#[derive(Serialize)]
struct Data {
    reason: &'static str,
}

/// What goes out when this has happened. It names nobody, and says why in words of ours.
///
/// # Errors
///
/// If there is no randomness for the event's id.
pub fn outgoing(
    app: App,
    happened: Happened,
    partition: &Partition,
    request: Option<Digest>,
    reason: &'static str,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<Outgoing, PortError> {
    let mut id = [0; 16];
    entropy.fill(&mut id)?;
    let id = uuid::Builder::from_random_bytes(id).into_uuid().to_string();
    let event = Event {
        specversion: "1.0",
        id: id.clone(),
        source: format!("/airlock/{app}"),
        r#type: happened,
        subject: request.map(|request| request.to_string()),
        time: now.to_string(),
        tenantid: partition.key(),
        data: Data { reason },
    };
    let body = serde_json::to_vec(&event).map_err(|error| PortError::Broken(error.into()))?;
    let message = Message { id, body, not_before: None, traceparent: None };
    Ok(Outgoing { queue: EVENTS.to_owned(), message })
}
