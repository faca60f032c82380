//! Why a request does not earn its next stage.

use crate::{ask, catalog::NotUnderstood, jws::NotVerified, tenancy::NotAdmitted};

/// Why evidence does not make a request.
#[derive(Debug, thiserror::Error)]
pub enum NotAuthenticated {
    /// A signature, a time or a link between the parts does not hold.
    #[error("evidence not verified")]
    NotVerified(#[from] NotVerified),
    /// It asks for nothing that we do.
    #[error("change not understood")]
    NotUnderstood(#[from] NotUnderstood),
    /// It may not wait for so long.
    #[error("lifetime longer than {} s", ask::MAX_LIFETIME_S)]
    Lifetime,
    /// It says nothing about why, or too much.
    #[error("purpose not 1 to {} bytes", ask::MAX_PURPOSE_BYTES)]
    Purpose,
    /// It names a ticket that is none.
    #[error("ticket not 1 to {} bytes", ask::MAX_TICKET_BYTES)]
    Ticket,
    /// It names a worker that does not do this.
    #[error("for another worker")]
    OtherWorker,
}

/// Why a request is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthorized {
    /// The caller's home tenant has no business there.
    #[error("caller not admitted")]
    NotAdmitted(#[from] NotAdmitted),
    /// It changes another tenant.
    #[error("scope is another tenant's")]
    OtherTenant,
    /// Someone who may decide said no.
    #[error("an approver turned it down")]
    TurnedDown,
    /// Whoever asked took it back.
    #[error("the requester withdrew it")]
    Withdrawn,
    /// It needs this many approvals in all.
    #[error("needs {0} approvals")]
    NeedsApprovals(u32),
    /// The tenant binds no secret of that name.
    #[error("no such secret is bound")]
    NotBound,
    /// Policy forbids it, or does not allow it.
    #[error("policy denies it: {0}")]
    Denied(&'static str),
}

/// Why a permit does not permit this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPermitted {
    /// It is for another worker, tenant, request or operation.
    #[error("permit is for another {0}")]
    Other(&'static str),
    /// It rests on approvals that are not there.
    #[error("permit rests on other approvals")]
    Approvals,
    /// It was not claimed in time.
    #[error("permit expired unclaimed")]
    Expired,
    /// The claim is not this request's.
    #[error("claim is for another {0}")]
    OtherClaim(&'static str),
    /// The claim can no longer be resumed.
    #[error("claim no longer resumable")]
    ClaimOver,
}
