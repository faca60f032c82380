//! An integrity violation: a leaf in the ledger and an event for whoever watches.

use crate::{
    digest::Digest,
    event,
    identity::App,
    ledger::{Commit, Happened, commit::Change},
    ports::{Entropy, Partition, PortError},
    time::Timestamp,
};

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
    let happened = Happened::Violation;
    let outgoing = event::outgoing(app, happened, partition, request, what, entropy, now)?;
    Ok(Commit {
        happened,
        principal: None,
        request,
        reason: Some(what.to_owned()),
        traceparent: None,
        change,
        markers: Vec::new(),
        counts: Vec::new(),
        outgoing: vec![outgoing],
    })
}
