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
    secret_binding::SecretBinding,
    session::{Act, Person, PersonEvidence},
    step_up::Backed,
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
    /// What they make of it.
    pub verdict: Verdict,
    /// Why, in the approver's words.
    pub reason: String,
}

/// What a person makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Do it.
    Approve,
    /// Do not.
    Deny,
    /// An approver's approval no longer counts; of the requester: the request itself.
    Withdraw,
    /// An emergency was looked at afterwards.
    Review,
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
    at: Timestamp,
    digest: Digest,
}

/// What a decision is judged by.
#[derive(Clone, Copy)]
pub struct Deciding<'a> {
    /// The request.
    pub request: &'a Request<Authenticated>,
    /// How the tenant binds the secret that it is about, if it is about one.
    pub bound: Option<&'a SecretBinding>,
    /// The tenant that it changes.
    pub scope: &'a TenantScope,
    /// Whose keys count.
    pub trust: &'a Trust,
    /// What policy says.
    pub policies: &'a Policies,
    /// Which step-ups something is behind.
    pub backed: &'a Backed,
    /// As of when.
    pub now: Timestamp,
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
    /// The approver stepped up, and `drift` does not show that a policy is behind that.
    #[error("step-up not backed")]
    Unbacked,
}

/// What an approver or a requester is told about [`NotDecided::Unbacked`].
pub const UNBACKED: &str = "no policy is known to be behind the step-up that this needs";

impl DecisionEvidence {
    /// Verifies a decision about a request.
    ///
    /// # Errors
    ///
    /// [`NotDecided`].
    pub fn verify(&self, by_what: &Deciding<'_>) -> Result<Decided, NotDecided> {
        let Deciding { request, bound, scope, trust, policies, backed, now } = *by_what;
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
        let approving = Approving { approver: by.id(), standing: &standing, scope, request, bound };
        let is_requester = by.id().to_string() == request.principal().to_string();
        let wanted = scope.terms().conditions(request.change().entry().name).step_up;
        let stepped_up = wanted
            .as_ref()
            .is_none_or(|context| by.session().acrs.iter().any(|acr| acr == context.as_str()));
        match decision.verdict {
            Verdict::Approve | Verdict::Deny => policies.may_decide(&approving, stepped_up),
            // To take something back needs no more than to have been able to give it.
            Verdict::Withdraw if is_requester => Ok(()),
            Verdict::Withdraw => policies.may_decide(&approving, true),
            Verdict::Review => policies.may_review(&approving),
        }
        .map_err(NotDecided::Policy)?;
        let decides = matches!(decision.verdict, Verdict::Approve | Verdict::Deny);
        // What backs a context stands in the tenant in which somebody signs in, and `drift` looks
        // at the policies of the tenant that is changed: of another's it knows nothing.
        let at_home = by.id().tid == scope.tenant();
        if decides && wanted.is_some_and(|context| !at_home || !backed.is(&context)) {
            return Err(NotDecided::Unbacked);
        }
        Ok(Decided {
            by,
            verdict: decision.verdict,
            at: decision.iat,
            digest: self.decision.digest(),
        })
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

/// The approvals among decisions, one for each person at the most. What a person decided last
/// counts; of two in one second, the one that takes back.
#[must_use]
pub fn approvals(decisions: &[Decided]) -> Vec<&Decided> {
    let mut counted: Vec<&Decided> = Vec::new();
    for decision in decisions.iter().filter(|decision| decision.verdict == Verdict::Approve) {
        let is_taken_back = |other: &Decided| {
            other.verdict == Verdict::Withdraw
                && other.by() == decision.by()
                && other.at >= decision.at
        };
        if counted.iter().all(|other| other.by() != decision.by())
            && !decisions.iter().any(is_taken_back)
        {
            counted.push(decision);
        }
    }
    counted
}
