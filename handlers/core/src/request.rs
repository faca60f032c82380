//! A request and the stages that it earns. The whole trusted base of what is carried out.
//!
//! ```text
//! evidence -> Authenticated -> Authorized -> Permitted -> (the directory)
//! ```
//!
//! Each step consumes its stage. The next handler earns them all again from the evidence:
//! evidence is stored and sent, stages never are. No stage can be cloned, parsed or made elsewhere:
//!
//! ```compile_fail
//! # use airlock_core::request::{Authenticated, Request};
//! fn twice(request: Request<Authenticated>) -> (Request<Authenticated>, Request<Authenticated>) {
//!     (request.clone(), request)
//! }
//! ```
//! ```compile_fail
//! # use airlock_core::request::{Permitted, Request};
//! fn parse(text: &str) -> Request<Permitted> {
//!     serde_json::from_str(text).unwrap()
//! }
//! ```
//! ```compile_fail
//! # use airlock_core::request::{Authorized, Permitted, Request};
//! # use airlock_core::{tenancy::TenantScope, time::Timestamp};
//! fn skip(request: Request<Authorized>, scope: TenantScope, until: Timestamp) -> Request<Permitted> {
//!     request.advance(Permitted { scope, claimed_at: until, resume_until: until })
//! }
//! ```
//! ```compile_fail
//! # use airlock_core::{catalog::Effect, ports::Directory, request::{Authorized, Request}};
//! async fn early(directory: &dyn Directory, request: &Request<Authorized>, effect: &Effect) {
//!     directory.apply(request, effect).await;
//! }
//! ```

mod asked;
mod blinding;
mod bound;
mod correlation;
mod founded;
mod refusals;

use uuid::Uuid;

use crate::{
    ask::RequestEvidence,
    catalog::{Change, NotUnderstood},
    claim::Claim,
    decision::{Decided, Verdict, approvals},
    digest::Digest,
    identity::{App, TenantId},
    jwk::PublicKey,
    jws::Verified,
    keyset::Trust,
    permit::{DETAIL_TYPE, Permit},
    policy::{Known, Policies, Ruling},
    secret_binding::SecretName,
    tenancy::{NotAdmitted, Standing, TenantScope},
    time::{LEEWAY_S, Timestamp},
};

pub use asked::Principal;
use asked::{AskedBy, Opened};
pub use blinding::Blinding;
pub use correlation::correlation;
pub use founded::FRESH_S;
pub use refusals::{NotAuthenticated, NotAuthorized, NotPermitted};

/// A request at a stage.
#[derive(Debug)]
pub struct Request<Stage> {
    digest: Digest,
    asked: AskedBy,
    change: Change,
    op_hash: Digest,
    stage: Stage,
}

/// The evidence was verified: caller and change are as the caller signed them.
#[derive(Debug)]
pub struct Authenticated(());

/// Policy allows this caller this change with the approvals given.
#[derive(Debug)]
pub struct Authorized {
    approvals: Vec<Digest>,
    scope: TenantScope,
}

/// A permit for exactly this was verified, and claimed.
#[derive(Debug)]
pub struct Permitted {
    scope: TenantScope,
    claimed_at: Timestamp,
    resume_until: Timestamp,
}

impl Request<Authenticated> {
    /// Earns the first stage from evidence.
    ///
    /// Without the scope of the tenant that it changes, an event producer is nobody: its key
    /// stands in that tenant's binding.
    ///
    /// # Errors
    ///
    /// [`NotAuthenticated`].
    pub fn authenticate(
        evidence: &RequestEvidence,
        trust: &Trust,
        scope: Option<&TenantScope>,
        now: Timestamp,
    ) -> Result<Self, NotAuthenticated> {
        let Opened { by: asked, tenant, op } = Opened::verify(evidence, trust, scope, now)?;
        let change = Change::understand(tenant, &op)?;
        let worker = change.entry().worker;
        if asked.worker.is_some_and(|named| named != worker) {
            return Err(NotAuthenticated::OtherWorker);
        }
        // Nobody else ever names a key; policy refuses them secrets anyway.
        let is_person = matches!(asked.principal, Principal::Proven(_));
        if is_person && asked.reveal_to.is_some() != change.entry().secret {
            return Err(NotUnderstood::RevealTo.into());
        }
        founded::check(&asked, &change)?;
        // Computed from what was parsed, which is what the effect is made of.
        let op_hash = Blinding::of(evidence)?.op_hash(&change);
        let stage = Authenticated(());
        Ok(Self { digest: evidence.digest(), asked, change, op_hash, stage })
    }

    /// What the caller is in the target tenant.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`] if their home tenant may confer nothing there.
    pub fn standing(&self, scope: &TenantScope) -> Result<Standing, NotAdmitted> {
        match &self.asked.principal {
            Principal::Proven(person) => scope.standing(person),
            Principal::Attested(_) | Principal::Produced(_) => Ok(Standing::none()),
        }
    }

    /// What policy says to it with the decisions given.
    ///
    /// # Errors
    ///
    /// [`NotAuthorized`] if nobody need ask policy.
    pub fn ruling(
        &self,
        scope: &TenantScope,
        policies: &Policies,
        decisions: &[Decided],
        known: Known<'_>,
    ) -> Result<Ruling, NotAuthorized> {
        if scope.tenant() != self.change.tenant() {
            return Err(NotAuthorized::OtherTenant);
        }
        if decisions.iter().any(|decision| decision.verdict() == Verdict::Deny) {
            return Err(NotAuthorized::TurnedDown);
        }
        let of_requester = |decision: &Decided| {
            decision.verdict() == Verdict::Withdraw
                && decision.by().to_string() == self.asked.principal.to_string()
        };
        if decisions.iter().any(of_requester) {
            return Err(NotAuthorized::Withdrawn);
        }
        let standing = self.standing(scope)?;
        let count = u32::try_from(approvals(decisions).len()).unwrap_or(u32::MAX);
        let ruling = policies.judge(scope, &standing, self, count, known);
        // After policy: who may ask for no secret hears nothing of which there are.
        if !matches!(ruling, Ruling::Denied(_)) && !self.is_bound(known) {
            return Err(NotAuthorized::NotBound);
        }
        Ok(ruling)
    }

    /// Whether what is known is of the secret that it is about, if it is about one.
    fn is_bound(&self, known: Known<'_>) -> bool {
        let named = |secret: &SecretName| known.bound().is_some_and(|bound| bound.name == *secret);
        self.change.target().secret().is_none_or(named)
    }

    /// Earns the second stage: policy allows it with the decisions given.
    ///
    /// # Errors
    ///
    /// [`NotAuthorized`].
    pub fn authorize(
        self,
        scope: &TenantScope,
        policies: &Policies,
        decisions: &[Decided],
        known: Known<'_>,
    ) -> Result<Request<Authorized>, NotAuthorized> {
        match self.ruling(scope, policies, decisions, known)? {
            Ruling::Allowed => {
                let approvals = approvals(decisions);
                let approvals = approvals.iter().map(|decided| decided.digest()).collect();
                Ok(self.advance(Authorized { approvals, scope: scope.clone() }))
            }
            Ruling::NeedsApprovals(needed) => Err(NotAuthorized::NeedsApprovals(needed)),
            Ruling::Denied(reason) => Err(NotAuthorized::Denied(reason)),
        }
    }
}

impl Request<Authorized> {
    /// Digests of the approvals that it rests on.
    #[must_use]
    pub fn approvals(&self) -> &[Digest] {
        &self.stage.approvals
    }

    /// Checks that a permit is for exactly this request, whether or not it is still in time.
    ///
    /// # Errors
    ///
    /// [`NotPermitted`].
    pub fn matches(&self, permit: &Verified<Permit>, worker: App) -> Result<(), NotPermitted> {
        let [detail] = &permit.authorization_details;
        let [action] = &detail.actions;
        if permit.aud != worker || self.change.entry().worker != worker {
            return Err(NotPermitted::Other("worker"));
        }
        if permit.tnt != self.change.tenant() {
            return Err(NotPermitted::Other("tenant"));
        }
        // Signed by the caller, or about them by intake: who asks is in it, and was verified.
        if permit.req != self.digest {
            return Err(NotPermitted::Other("request"));
        }
        if detail.r#type != DETAIL_TYPE
            || action != self.change.entry().name
            || detail.op_hash != self.op_hash
        {
            return Err(NotPermitted::Other("operation"));
        }
        let rests_on = |digest: &Digest| self.stage.approvals.contains(digest);
        if !permit.apr.iter().all(rests_on) {
            return Err(NotPermitted::Approvals);
        }
        Ok(())
    }

    /// Checks that a permit may be claimed now for the first time.
    ///
    /// # Errors
    ///
    /// [`NotPermitted::Expired`].
    pub fn claimable(&self, permit: &Verified<Permit>, now: Timestamp) -> Result<(), NotPermitted> {
        if permit.exp <= now || permit.exp.since_s(permit.nbf) > self.longest_permit_s() {
            return Err(NotPermitted::Expired);
        }
        Ok(())
    }

    /// The longest life of a permit for this, in seconds, skew included.
    fn longest_permit_s(&self) -> i64 {
        self.change.entry().risk.permit_lifetime_s() + LEEWAY_S
    }

    /// Earns the third stage: the claim that stands for this request is ours, and in time.
    ///
    /// # Errors
    ///
    /// [`NotPermitted`]. Nothing may be done then.
    pub fn permit(
        self,
        permit: &Verified<Permit>,
        claim: &Verified<Claim>,
        worker: App,
        now: Timestamp,
    ) -> Result<Request<Permitted>, NotPermitted> {
        self.matches(permit, worker)?;
        if claim.iss != worker {
            return Err(NotPermitted::OtherClaim("worker"));
        }
        if claim.tnt != self.change.tenant() {
            return Err(NotPermitted::OtherClaim("tenant"));
        }
        if claim.req != self.digest || claim.op_hash != self.op_hash {
            return Err(NotPermitted::OtherClaim("request"));
        }
        if claim.resume_until <= now {
            return Err(NotPermitted::ClaimOver);
        }
        let (claimed_at, resume_until) = (claim.iat, claim.resume_until);
        let scope = self.stage.scope.clone();
        Ok(self.advance(Permitted { scope, claimed_at, resume_until }))
    }
}

impl Request<Permitted> {
    /// Where it is carried out.
    #[must_use]
    pub const fn scope(&self) -> &TenantScope {
        &self.stage.scope
    }

    /// When it was claimed.
    #[must_use]
    pub const fn claimed_at(&self) -> Timestamp {
        self.stage.claimed_at
    }

    /// Until when it may be tried again.
    #[must_use]
    pub const fn resume_until(&self) -> Timestamp {
        self.stage.resume_until
    }
}

impl<Stage> Request<Stage> {
    /// SHA-256 of the request's signing input: its name everywhere.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The request's own id.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.asked.id
    }

    /// Who asked.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.asked.principal
    }

    /// What is asked.
    #[must_use]
    pub const fn change(&self) -> &Change {
        &self.change
    }

    /// Hash of what is asked, which says nothing to who does not have the request.
    #[must_use]
    pub const fn op_hash(&self) -> Digest {
        self.op_hash
    }

    /// Whether it names a ticket.
    #[must_use]
    pub const fn is_ticketed(&self) -> bool {
        self.asked.ticket.is_some()
    }

    /// Whether it is an emergency that does not wait for approvals.
    #[must_use]
    pub const fn breaks_glass(&self) -> bool {
        self.asked.break_glass
    }

    /// Why it is asked.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.asked.purpose
    }

    /// The check of `drift`'s that found why it is asked, if that is why.
    #[must_use]
    pub fn found_by(&self) -> Option<&str> {
        self.asked.founded.as_ref().map(founded::Founded::check)
    }

    /// The ticket that it names.
    #[must_use]
    pub fn ticket(&self) -> Option<&str> {
        self.asked.ticket.as_deref()
    }

    /// When it was asked.
    #[must_use]
    pub const fn asked_at(&self) -> Timestamp {
        self.asked.at
    }

    /// Until when it may be carried out.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.asked.expires
    }

    /// The key that a secret result is encrypted to.
    #[must_use]
    pub const fn reveal_to(&self) -> Option<&PublicKey> {
        self.asked.reveal_to.as_ref()
    }

    /// The tenant that it changes.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.change.tenant()
    }

    fn advance<Next>(self, stage: Next) -> Request<Next> {
        let Self { digest, asked, change, op_hash, stage: _ } = self;
        Request { digest, asked, change, op_hash, stage }
    }
}
