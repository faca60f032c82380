//! What callers are told when something of core's did not hold.
//!
//! One place, because each of these errors reaches several routes and must say the same on all.

use airlock_azure::hosting::Refusal;
use airlock_core::{
    jws::NotSigned, ports::PortError, problem::Problem, revocation::Revoked,
    session_record::NoSession, trust::NotTrusted,
};

/// Whether it may pass, for the caller.
pub const fn passing(error: &PortError) -> Problem {
    if error.is_transient() { Problem::UNAVAILABLE } else { Problem::INTERNAL }
}

/// Store, bus or vault did not do what it was asked.
pub fn port(error: PortError) -> Refusal {
    let problem = passing(&error);
    Refusal::because(problem, error)
}

/// Whom to trust could not be told.
pub fn trust(error: NotTrusted) -> Refusal {
    let problem = trust_problem(&error);
    Refusal::because(problem, error)
}

/// As [`trust`], for an error that is a part of another.
pub const fn trust_problem(error: &NotTrusted) -> Problem {
    match error {
        NotTrusted::NoBinding => Problem::NOT_ALLOWED,
        NotTrusted::NoKeyset => Problem::INTERNAL,
        NotTrusted::Form(_) | NotTrusted::NotVerified(_) => Problem::INTEGRITY,
        NotTrusted::NotProven(error) if error.is_violation() => Problem::INTEGRITY,
        NotTrusted::NotProven(_) | NotTrusted::Older => Problem::UNAVAILABLE,
        NotTrusted::Port(error) => passing(error),
    }
}

/// Our key did not sign.
pub const fn signing_problem(error: &NotSigned) -> Problem {
    match error {
        NotSigned::Claims(_) | NotSigned::TooLarge | NotSigned::Unlisted => Problem::INTERNAL,
        NotSigned::Key(error) => passing(error),
    }
}

/// No session was found.
pub fn no_session(error: NoSession) -> Refusal {
    let problem = match &error {
        NoSession::Over => Problem::NOT_SIGNED_IN,
        NoSession::NotGenuine(_) => Problem::INTEGRITY,
        NoSession::Port(error) => passing(error),
    };
    Refusal::because(problem, error)
}

/// A session is revoked, or it could not be told.
pub fn revoked(error: Revoked) -> Refusal {
    let problem = match &error {
        Revoked::Yes => Problem::NOT_SIGNED_IN,
        Revoked::NotVerified(_) => Problem::INTEGRITY,
        Revoked::Port(error) => passing(error),
    };
    Refusal::because(problem, error)
}
