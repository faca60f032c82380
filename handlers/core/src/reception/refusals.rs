//! Why a request is not taken, decided or shown.

use crate::{
    data_keys::{NoKey, NotSealed},
    decision::NotDecided,
    jws::NotSigned,
    ledger::{NotCommitted, NotGenuine, NotProven, NotRead},
    ports::PortError,
    request::{NotAuthenticated, NotAuthorized},
    revocation::Revoked,
    step_up::NotTold,
    tenancy::NotAdmitted,
    trust::NotTrusted,
};

/// A request was not taken, decided or shown.
#[derive(Debug, thiserror::Error)]
pub enum NotReceived {
    /// Its evidence does not hold.
    #[error("request not authenticated")]
    NotAuthenticated(#[from] NotAuthenticated),
    /// It was signed too long ago, or in the future.
    #[error("not signed just now")]
    NotFresh,
    /// It is larger than what is taken.
    #[error("larger than what is taken")]
    TooLarge,
    /// The caller has no business in that tenant, or may not know of the request.
    #[error("nothing there for this caller")]
    NotThere,
    /// Policy does not allow it.
    #[error("not allowed")]
    NotAllowed(#[source] NotAuthorized),
    /// The decision does not count.
    #[error("decision does not count")]
    NotDecided(#[source] NotDecided),
    /// It is not in a state for that.
    #[error("request is in another state")]
    State,
    /// Its result was shown already, or its time is over.
    #[error("result no longer available")]
    Gone,
    /// It was erased, by order of the admin plane.
    #[error("request was erased")]
    Erased,
    /// The idempotency key named another request before.
    #[error("idempotency key reused")]
    KeyReused,
    /// The caller's session was revoked.
    #[error("session revoked")]
    Revoked(#[source] Revoked),
    /// A stored document or artefact is not what we stored.
    #[error("integrity violation")]
    Violation(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The tenant's ledger is not proven: nothing is decided there.
    #[error("ledger not proven")]
    NotProven(#[from] NotProven),
    /// It could not be signed.
    #[error("not signed")]
    NotSigned(#[from] NotSigned),
    /// It was not committed.
    #[error("not committed")]
    NotCommitted(#[from] NotCommitted),
    /// It could not be encrypted for the store.
    #[error("not encrypted")]
    NotSealed(#[source] NotSealed),
    /// It has no JSON form.
    #[error("not written as JSON")]
    Form(#[from] serde_json::Error),
    /// A service did not answer.
    #[error("service did not answer")]
    Port(#[from] PortError),
}

impl NotReceived {
    /// Whether something that is stored is not what one of us signed.
    #[must_use]
    pub const fn is_violation(&self) -> bool {
        match self {
            Self::Violation(_) => true,
            Self::NotProven(error) | Self::NotCommitted(NotCommitted::NotProven(error)) => {
                error.is_violation()
            }
            Self::NotAuthenticated(_)
            | Self::NotFresh
            | Self::TooLarge
            | Self::NotThere
            | Self::NotAllowed(_)
            | Self::NotDecided(_)
            | Self::State
            | Self::Gone
            | Self::Erased
            | Self::KeyReused
            | Self::Revoked(_)
            | Self::NotSigned(_)
            | Self::NotCommitted(_)
            | Self::NotSealed(_)
            | Self::Form(_)
            | Self::Port(_) => false,
        }
    }
}

impl From<NotTrusted> for NotReceived {
    fn from(error: NotTrusted) -> Self {
        match error {
            NotTrusted::NoBinding => Self::NotThere,
            NotTrusted::Port(error) => Self::Port(error),
            NotTrusted::NotProven(error) => Self::NotProven(error),
            NotTrusted::Older => Self::Port(PortError::Unavailable(error.into())),
            NotTrusted::NoKeyset | NotTrusted::Form(_) | NotTrusted::NotVerified(_) => {
                Self::Violation(error.into())
            }
        }
    }
}

impl From<NotGenuine> for NotReceived {
    fn from(error: NotGenuine) -> Self {
        Self::Violation(error.into())
    }
}

impl From<NotRead> for NotReceived {
    fn from(error: NotRead) -> Self {
        match error {
            NotRead::NotGenuine(error) => error.into(),
            NotRead::Erased => Self::Erased,
            NotRead::Port(error) => Self::Port(error),
        }
    }
}

impl From<NotSealed> for NotReceived {
    fn from(error: NotSealed) -> Self {
        match error {
            NotSealed::NoKey(NoKey::NotGenuine(error)) => error.into(),
            NotSealed::NoKey(NoKey::NotCommitted(error)) => Self::NotCommitted(*error),
            NotSealed::NoKey(NoKey::Port(error)) | NotSealed::NoEntropy(error) => Self::Port(error),
            NotSealed::Encryption(_) | NotSealed::Form(_) => Self::NotSealed(error),
        }
    }
}

impl From<NotAdmitted> for NotReceived {
    fn from(_: NotAdmitted) -> Self {
        Self::NotThere
    }
}

impl From<NotTold> for NotReceived {
    fn from(error: NotTold) -> Self {
        match error {
            NotTold::Port(error) => Self::Port(error),
            NotTold::NotGenuine(error) => error.into(),
        }
    }
}

impl From<Revoked> for NotReceived {
    fn from(error: Revoked) -> Self {
        match error {
            Revoked::Port(error) => Self::Port(error),
            Revoked::NotVerified(error) => Self::Violation(error.into()),
            Revoked::Yes => Self::Revoked(error),
        }
    }
}
