//! An integrity violation: a leaf in the ledger and an event for whoever watches.

use serde::Serialize;

use crate::{
    digest::Digest,
    identity::App,
    ledger::{Commit, Happened, Outgoing, commit::Change},
    ports::{Entropy, Message, Partition, PortError},
    time::Timestamp,
};

/// The queue of events for the outside.
pub const EVENTS: &str = "events";

/// The event, as CloudEvents 1.0 in structured mode.
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
    data: EventData,
}

#[derive(Serialize)]
struct EventData {
    reason: &'static str,
}

/// What to commit when something is not what one of us signed: its leaf, and the event that
/// goes out with it. `change` ends the request that it was about, if that much was genuine.
///
/// # Errors
///
/// If there is no randomness for the event's id.
pub fn commit(
    app: App,
    partition: &Partition,
    request: Option<Digest>,
    what: &'static str,
    change: Option<Change>,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<Commit, PortError> {
    let mut id = [0; 16];
    entropy.fill(&mut id)?;
    let id = uuid::Builder::from_random_bytes(id).into_uuid().to_string();
    let event = Event {
        specversion: "1.0",
        id: id.clone(),
        source: format!("/airlock/{app}"),
        r#type: Happened::Violation,
        subject: request.map(|request| request.to_string()),
        time: now.to_string(),
        tenantid: partition.key(),
        data: EventData { reason: what },
    };
    let body = serde_json::to_vec(&event).map_err(|error| PortError::Broken(error.into()))?;
    let message = Message { id, body, not_before: None, traceparent: None };
    Ok(Commit {
        happened: Happened::Violation,
        principal: None,
        request,
        reason: Some(what.to_owned()),
        traceparent: None,
        change,
        markers: Vec::new(),
        outgoing: vec![Outgoing { queue: EVENTS.to_owned(), message }],
    })
}
