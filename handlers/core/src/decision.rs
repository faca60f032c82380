//! Approval: what a person decides about another's request, signed by their own client key.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    digest::Digest,
    identity::{PersonId, TenantId},
    jws::{Artefact, NotVerified, Signed, Typ},
    keyset::Trust,
    policy::{Approving, Policies},
    request::{Authenticated, Request},
    session::{Act, Person, PersonEvidence},
    tenancy::{NotAdmitted, TenantScope},
    time::Timestamp,
};

/// The longest that a decision may wait for its execution, in seconds.
pub const MAX_LIFETIME_S: i64 = 24 * 3600;

/// The longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 1000;

/// What an approver signs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Names the decision.
    pub jti: Uuid,
    /// When it was signed.
    pub iat: Timestamp,
    /// Until when it counts.
    pub exp: Timestamp,
    /// Tenant of the request.
    pub tnt: TenantId,
    /// Digest of the request.
    pub req: Digest,
    /// SHA-256 of the approver's session id.
    pub sid: Digest,
    /// Yes or no.
    pub verdict: Verdict,
    /// Why, in the approver's words.
    pub reason: String,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Do it.
    Approve,
    /// Do not.
    Deny,
}

impl Artefact for Decision {
    const TYP: Typ = Typ::Decision;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}

impl Act for Decision {
    fn acted_at(&self) -> Timestamp {
        self.iat
    }

    fn session(&self) -> Digest {
        self.sid
    }
}

/// A decision with the evidence for whoever made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionEvidence {
    /// Signed by the approver's client key.
    pub decision: Signed<Decision>,
    /// Who that is.
    pub person: PersonEvidence,
}

/// A decision that counts: genuine, about this request, by someone who may decide it.
#[derive(Clone, Debug)]
pub struct Decided {
    by: Person,
    verdict: Verdict,
    digest: Digest,
}

/// Why a decision does not count.
#[derive(Debug, thiserror::Error)]
pub enum NotDecided {
    /// It is not a signed-in person's decision about this request.
    #[error("decision not verified")]
    NotVerified(#[source] NotVerified),
    /// The approver's home tenant may confer nothing here.
    #[error("approver not admitted")]
    Admission(#[from] NotAdmitted),
    /// Policy does not let them decide this request.
    #[error("approver may not decide this request: {0}")]
    Policy(&'static str),
}

impl DecisionEvidence {
    /// Verifies a decision about `request`.
    ///
    /// # Errors
    ///
    /// [`NotDecided`].
    pub fn verify(
        &self,
        request: &Request<Authenticated>,
        scope: &TenantScope,
        trust: &Trust,
        policies: &Policies,
        now: Timestamp,
    ) -> Result<Decided, NotDecided> {
        let (by, decision) =
            self.person.open(&self.decision, trust, now).map_err(NotDecided::NotVerified)?;
        let other = |what| NotDecided::NotVerified(NotVerified::Other(what));
        if decision.req != request.digest() {
            return Err(other("request"));
        }
        if decision.tnt != scope.tenant() {
            return Err(other("tenant"));
        }
        if decision.reason.len() > MAX_REASON_BYTES {
            return Err(other("form"));
        }
        if decision.exp.since_s(decision.iat) > MAX_LIFETIME_S {
            return Err(other("span of time"));
        }
        let standing = scope.standing(&by)?;
        policies
            .may_decide(&Approving { approver: by.id(), standing: &standing, request })
            .map_err(NotDecided::Policy)?;
        Ok(Decided { by, verdict: decision.verdict, digest: self.decision.digest() })
    }
}

impl Decided {
    /// Who decided.
    #[must_use]
    pub fn by(&self) -> PersonId {
        self.by.id()
    }

    /// The approver.
    #[must_use]
    pub const fn approver(&self) -> &Person {
        &self.by
    }

    /// What they decided.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Digest of the decision.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

/// The approvals among decisions, one for each person at the most.
#[must_use]
pub fn approvals(decisions: &[Decided]) -> Vec<&Decided> {
    let mut counted: Vec<&Decided> = Vec::new();
    for decision in decisions.iter().filter(|decision| decision.verdict == Verdict::Approve) {
        if counted.iter().all(|other| other.by() != decision.by()) {
            counted.push(decision);
        }
    }
    counted
}
