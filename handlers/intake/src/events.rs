//! `intake_event` (queue `intake-events`): what event producers ask.
//!
//! The host completes a message when it is answered with success, and abandons it at once, with
//! no pause, when it is not; after ten deliveries the broker puts it among the dead letters as it
//! came. So an event that nobody may act upon is failed each time until that has happened, and is
//! logged once; and where it is not the event's fault, the pause before the next delivery is made
//! here, or an outage of seconds would use all ten up.

use std::time::Duration;

use airlock_azure::hosting::{self, Invoked, Json};
use airlock_core::{
    functions::{Done, Invocation},
    jws::{NotVerified, Signed},
    ledger::NotCommitted,
    ports::PortError,
    reception::NotReceived,
    request::NotAuthenticated,
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::state::Desk;

/// The longest pause before a message is given back, in seconds: a message is locked for a
/// minute, and the longest that all ten deliveries can take together is then three.
const LONGEST_PAUSE_S: u64 = 30;

/// An event was not taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    /// And never will be: it goes to the dead letters.
    #[error("event can never be taken")]
    Never(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// And may be later.
    #[error("event not taken yet")]
    Later(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Takes an event, or gives it back to the broker.
pub async fn intake_event(State(desk): State<Desk>, Invoked(invocation): Invoked) -> Response {
    let delivery = invocation.metadata.delivery_count.unwrap_or(1);
    match take(&desk, &invocation).await {
        Ok(()) => Json(Done::new()).into_response(),
        Err(error @ NotTaken::Never(_)) => {
            if delivery == 1 {
                tracing::error!(cause = hosting::chain(&error), "event goes to the dead letters");
            }
            StatusCode::UNPROCESSABLE_ENTITY.into_response()
        }
        Err(error @ NotTaken::Later(_)) => {
            tracing::warn!(cause = hosting::chain(&error), delivery, "event given back");
            tokio::time::sleep(pause(delivery)).await;
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn take(desk: &Desk, invocation: &Invocation) -> Result<(), NotTaken> {
    let message = invocation.message().map_err(|error| NotTaken::Never(error.into()))?;
    let text = String::from_utf8(message).map_err(|error| NotTaken::Never(error.into()))?;
    let event = Signed::parse(text).map_err(|error| NotTaken::Never(error.into()))?;
    let connected = desk.connected().await.map_err(|error| NotTaken::Later(error.into()))?;
    let taken = connected.reception.submit_event(event, invocation.traceparent()).await;
    taken.map_err(|error| {
        if is_later(&error) { NotTaken::Later(error.into()) } else { NotTaken::Never(error.into()) }
    })
}

/// Whether the same event may be taken later: it came too early, or the trouble is not its own.
// No `_` arm: a new variant does not compile until someone decides what becomes of the event.
fn is_later(error: &NotReceived) -> bool {
    match error {
        // The producer's clock is ahead of ours.
        NotReceived::NotAuthenticated(NotAuthenticated::NotVerified(NotVerified::NotYet(_)))
        | NotReceived::Violation(_)
        | NotReceived::NotProven(_)
        | NotReceived::NotSigned(_)
        | NotReceived::NotSealed(_)
        | NotReceived::Form(_)
        | NotReceived::NotCommitted(
            NotCommitted::Conflict
            | NotCommitted::NotSigned(_)
            | NotCommitted::NoEntropy(_)
            | NotCommitted::NotProven(_)
            | NotCommitted::Form(_)
            | NotCommitted::Undecided(_),
        )
        | NotReceived::Port(
            PortError::Unavailable(_)
            | PortError::Throttled { .. }
            | PortError::Denied(_)
            | PortError::Broken(_),
        ) => true,
        // Of quotas too: the hour may be long, and whoever floods us must not keep everyone
        // else's events waiting.
        NotReceived::NotCommitted(NotCommitted::Quota)
        | NotReceived::NotAuthenticated(_)
        | NotReceived::NotFresh
        | NotReceived::TooLarge
        | NotReceived::NotThere
        | NotReceived::NotAllowed(_)
        | NotReceived::NotDecided(_)
        | NotReceived::State
        | NotReceived::Gone
        | NotReceived::Erased
        | NotReceived::KeyReused
        | NotReceived::Revoked(_) => false,
    }
}

/// 1 s after the first delivery, twice as long after each further one, up to a bound.
fn pause(delivery: u32) -> Duration {
    let doubled = 1_u64 << delivery.saturating_sub(1).min(16);
    Duration::from_secs(doubled.min(LONGEST_PAUSE_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_three_minutes_loses_no_event() {
        let deliveries = airlock_core::execution::MAX_DELIVERIES;

        // The message is dead after the last one, so the pause after it wins nothing.
        let waited: Duration = (1..deliveries).map(pause).sum();

        assert!(waited >= Duration::from_secs(150), "{waited:?}");
        assert!((1..=deliveries).all(|delivery| pause(delivery) <= Duration::from_secs(30)));
    }

    #[test]
    fn what_is_not_the_events_fault_is_tried_again() {
        let early = NotVerified::NotYet(airlock_core::time::Timestamp::from_unix_s(0));
        let later = [
            NotReceived::Port(PortError::Unavailable("down".into())),
            NotReceived::NotCommitted(NotCommitted::Undecided(None)),
            NotReceived::NotAuthenticated(early.into()),
        ];
        let never = [
            NotReceived::NotAuthenticated(NotVerified::Signature.into()),
            NotReceived::NotThere,
            NotReceived::TooLarge,
        ];

        assert!(later.iter().all(is_later));
        assert!(!never.iter().any(is_later));
    }
}
