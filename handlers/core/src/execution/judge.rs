//! Judging stored evidence: every signature, then where, then whether, then on whom.

use super::{End, Opened, Tools, Worker};
use crate::{
    catalog::{Eyes, Unfit, Work},
    claim::Ending,
    decision::{Decided, Deciding, NotDecided, UNBACKED},
    jws::NotVerified,
    keyset::Trust,
    policy::{Known, Ruling},
    ports::PortError,
    request::{Authorized, NotAuthenticated, NotAuthorized, NotPermitted, Principal, Request},
    revocation::{self, Revoked},
    session::Person,
    step_up::{Backed, NotTold},
    tenancy::TenantScope,
    time::Timestamp,
    trust::NotTrusted,
};

/// Why a request is not carried out, or not now.
pub(super) enum Judgement {
    /// It must not be.
    No(End),
    /// Something was not read.
    Port(PortError),
}

impl From<PortError> for Judgement {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

/// What a requester is told whose secret was bound and is not any more.
pub(super) const NOT_BOUND: &str = "the tenant binds no such secret";

/// The evidence holds, and the answer is no.
fn no(reason: &'static str) -> Judgement {
    Judgement::No(End::of(Ending::Refused, reason))
}

/// The evidence does not hold: intake should never have permitted it.
fn violation(what: &'static str) -> Judgement {
    Judgement::No(End::violation(what))
}

impl Worker {
    /// Judges a stored request as of `at`: now, or when it was claimed. Expiry bounds the first
    /// claim only; revocations and the target are always judged as they are now.
    pub(super) async fn judge(
        &self,
        opened: &Opened,
        at: Timestamp,
    ) -> Result<Request<Authorized>, Judgement> {
        let Opened { trust, scope, .. } = opened;
        let record = &opened.document.body;
        let request =
            Request::authenticate(&record.evidence, trust, Some(scope), at).map_err(|error| {
                tracing::error!(error = %error, "request not authenticated");
                match error {
                    NotAuthenticated::NotVerified(NotVerified::Expired(_)) => {
                        no("the request expired before it was carried out")
                    }
                    _ => violation("the request is not the requester's"),
                }
            })?;
        if request.tenant() != scope.tenant() {
            return Err(violation("the request is about another tenant"));
        }
        if let Principal::Proven(person) = request.principal() {
            self.not_revoked(trust, person).await?;
        }
        let operation = request.change().entry().name;
        let documents = &*self.ports.documents;
        let now = self.ports.clock.now();
        let read = Backed::read(documents, trust, scope, operation, &self.newest, now).await;
        let backed = read.map_err(not_told)?;
        let bound = request.bound(documents, trust, scope, now).await.map_err(not_bound)?;
        let by_what = Deciding {
            request: &request,
            bound: bound.as_ref(),
            scope,
            trust,
            policies: &self.policies,
            backed: &backed,
            now: at,
        };
        let mut decisions: Vec<Decided> = Vec::new();
        for evidence in &record.decisions {
            let decided = evidence.verify(&by_what);
            let decided = decided.map_err(|error| {
                tracing::error!(error = %error, "decision does not count");
                match error {
                    NotDecided::NotVerified(NotVerified::Expired(_)) => {
                        no("an approval expired before the change was carried out")
                    }
                    // It was backed when intake took it: nobody forged anything.
                    NotDecided::Unbacked => no(UNBACKED),
                    NotDecided::NotVerified(_) => violation("a decision is not the approver's"),
                    NotDecided::Admission(_) | NotDecided::Policy(_) => {
                        violation("somebody decided who may not")
                    }
                }
            })?;
            self.not_revoked(trust, decided.approver()).await?;
            decisions.push(decided);
        }
        // Policy without the target first: a sensitive change by someone who may not ask for
        // it is refused before anything is read about anybody.
        let known = bound.as_ref().into();
        match request.ruling(scope, &self.policies, &decisions, known) {
            Ok(Ruling::Allowed) => {}
            Ok(Ruling::NeedsApprovals(needed)) => {
                return Err(not_authorized(NotAuthorized::NeedsApprovals(needed)));
            }
            Ok(Ruling::Denied(reason)) => return Err(no(reason)),
            Err(refusal) => return Err(not_authorized(refusal)),
        }
        let known = match (request.change().work(), &self.tools) {
            (Work::Directory(on), Tools::Directory(directory)) => {
                let facts = directory.look_up(scope, on.user()).await?;
                Known::User(facts.ok_or_else(|| no("the target does not exist"))?)
            }
            (Work::Rotation(_) | Work::Remediation(_), Tools::Credentials { .. }) => known,
            (Work::Directory(_), Tools::Credentials { .. })
            | (Work::Rotation(_) | Work::Remediation(_), Tools::Directory(_)) => {
                return Err(violation("the permit is for something else"));
            }
        };
        let request =
            request.authorize(scope, &self.policies, &decisions, known).map_err(not_authorized)?;
        request.matches(&opened.permit, self.app).map_err(|error| {
            tracing::error!(error = %error, "permit does not fit");
            match error {
                NotPermitted::Approvals => {
                    violation("the permit rests on approvals that are not there")
                }
                _ => violation("the permit is for something else"),
            }
        })?;
        self.look(request.change().work(), scope).await?;
        Ok(request)
    }

    /// Looks whether the target, and whatever else it is about, is as the change needs it.
    async fn look(&self, work: &Work, scope: &TenantScope) -> Result<(), Judgement> {
        let looked = match (work, &self.tools) {
            (Work::Directory(on), Tools::Directory(directory)) => {
                on.check(&Eyes::new(on, scope, &**directory)).await
            }
            (Work::Remediation(removal), Tools::Credentials { remediator, .. }) => {
                // Gone already is as good as removed.
                remediator.stands(scope, removal).await.map(drop)
            }
            (Work::Directory(_) | Work::Rotation(_) | Work::Remediation(_), _) => Ok(()),
        };
        looked.map_err(|unfit| match unfit {
            Unfit::No(reason) => no(reason),
            Unfit::Port(error) => error.into(),
        })
    }

    async fn not_revoked(&self, trust: &Trust, person: &Person) -> Result<(), Judgement> {
        let now = self.ports.clock.now();
        match revocation::check(&*self.ports.documents, trust, person.session(), now).await {
            Ok(()) => Ok(()),
            Err(Revoked::Yes) => Err(no("a session that it rests on was revoked")),
            Err(Revoked::NotVerified(error)) => {
                tracing::error!(error = %error, "revocation not verified");
                Err(violation("a revocation is not signin's"))
            }
            Err(Revoked::Port(error)) => Err(error.into()),
        }
    }
}

fn not_bound(error: NotTrusted) -> Judgement {
    match error {
        NotTrusted::Port(error) => Judgement::Port(error),
        NotTrusted::Older => Judgement::Port(PortError::Unavailable(error.into())),
        error => {
            tracing::error!(error = %error, "secret bindings not trusted");
            violation("the secret bindings are not genuine")
        }
    }
}

fn not_told(error: NotTold) -> Judgement {
    match error {
        NotTold::Port(error) => Judgement::Port(error),
        NotTold::NotGenuine(error) => {
            tracing::error!(error = %error, "finding not genuine");
            violation("a finding is not drift's")
        }
    }
}

/// What intake could judge as well is a violation; what only the worker can see is an answer.
fn not_authorized(error: NotAuthorized) -> Judgement {
    match error {
        NotAuthorized::NotAdmitted(_) => violation("the requester has no business in this tenant"),
        NotAuthorized::OtherTenant => violation("the request is about another tenant"),
        NotAuthorized::NeedsApprovals(_) => violation("approvals are missing"),
        NotAuthorized::TurnedDown => no("an approver turned it down"),
        NotAuthorized::Withdrawn => no("its requester withdrew it"),
        NotAuthorized::NotBound => no(NOT_BOUND),
        NotAuthorized::Denied(reason) => no(reason),
    }
}
