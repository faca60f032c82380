//! What strangers may learn from each way in which the desk says no.

use airlock_azure::hosting::Refusal;
use airlock_core::{
    decision::{NotDecided, UNBACKED},
    ledger::{NotCommitted, NotProven},
    ports::PortError,
    problem::Problem,
    reception::NotReceived,
    request::{NotAuthenticated, NotAuthorized},
    trust::NotTrusted,
};

/// After how many seconds to ask again while a ledger waits to be sealed: `drift` seals every five
/// seconds.
const SEALED_AGAIN_S: u64 = 10;

/// The answer to a request that was not received.
pub fn not_received(error: NotReceived) -> Refusal {
    let problem = problem(&error);
    let detail = detail(&error);
    let mut refusal = Refusal::because(problem, error);
    if problem == Problem::NOT_SEALED {
        refusal = refusal.retry_after_s(SEALED_AGAIN_S);
    }
    match detail {
        Some(detail) => refusal.detail(detail),
        None => refusal,
    }
}

/// The answer when a service did not do what was needed.
pub fn port(error: PortError) -> Refusal {
    Refusal::because(of_port(&error), error)
}

/// The answer when whom to trust could not be told.
pub fn untrusted(error: NotTrusted) -> Refusal {
    not_received(error.into())
}

// No `_` arm: a new variant does not compile until someone decides what strangers may learn.
fn problem(error: &NotReceived) -> Problem {
    match error {
        NotReceived::NotAuthenticated(
            NotAuthenticated::NotUnderstood(_)
            | NotAuthenticated::Lifetime
            | NotAuthenticated::Purpose
            | NotAuthenticated::Ticket
            | NotAuthenticated::OtherWorker,
        ) => Problem::NOT_UNDERSTOOD,
        NotReceived::NotAuthenticated(NotAuthenticated::NotVerified(_)) | NotReceived::NotFresh => {
            Problem::NOT_VERIFIED
        }
        NotReceived::TooLarge => Problem::TOO_LARGE,
        // What is not bound is said only to whom policy lets ask about secrets of the tenant.
        NotReceived::NotThere | NotReceived::NotAllowed(NotAuthorized::NotBound) => {
            Problem::NOT_FOUND
        }
        NotReceived::NotAllowed(_) | NotReceived::NotDecided(_) => Problem::NOT_ALLOWED,
        NotReceived::State => Problem::CONFLICT,
        NotReceived::Gone | NotReceived::Erased => Problem::GONE,
        NotReceived::KeyReused => Problem::KEY_REUSED,
        NotReceived::Revoked(_) => Problem::NOT_SIGNED_IN,
        NotReceived::Violation(_) => Problem::INTEGRITY,
        NotReceived::NotProven(error) => of_ledger(error),
        NotReceived::NotSigned(_) | NotReceived::NotSealed(_) | NotReceived::Form(_) => {
            Problem::UNAVAILABLE
        }
        NotReceived::NotCommitted(error) => match error {
            NotCommitted::Conflict => Problem::CONFLICT,
            NotCommitted::Quota => Problem::TOO_MANY,
            NotCommitted::NotSigned(_)
            | NotCommitted::NoEntropy(_)
            | NotCommitted::Form(_)
            | NotCommitted::Undecided(_) => Problem::UNAVAILABLE,
            NotCommitted::NotProven(error) => of_ledger(error),
        },
        NotReceived::Port(error) => of_port(error),
    }
}

/// The words of the policy that said no: constants of ours.
fn detail(error: &NotReceived) -> Option<&'static str> {
    match error {
        NotReceived::NotAllowed(NotAuthorized::Denied(reason))
        | NotReceived::NotDecided(NotDecided::Policy(reason)) => Some(reason),
        NotReceived::NotAllowed(NotAuthorized::NotBound) => Some("no such secret is bound here"),
        NotReceived::NotDecided(NotDecided::Unbacked) => Some(UNBACKED),
        _ => None,
    }
}

const fn of_ledger(error: &NotProven) -> Problem {
    match error {
        NotProven::Stale => Problem::NOT_SEALED,
        NotProven::Refused
        | NotProven::Violation(_)
        | NotProven::Anchor(_)
        | NotProven::NoKeyset => Problem::INTEGRITY,
        NotProven::Port(error) => of_port(error),
    }
}

const fn of_port(error: &PortError) -> Problem {
    match error {
        PortError::Unavailable(_) | PortError::Throttled { .. } => Problem::UNAVAILABLE,
        PortError::Denied(_) | PortError::Broken(_) => Problem::INTERNAL,
    }
}
