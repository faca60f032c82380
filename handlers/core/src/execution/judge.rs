//! Judging the evidence: every signature, then where, then whether, then on whom.

use crate::{
    claim::Claim,
    decision::{Decided, NotDecided},
    digest::Digest,
    jws::{NotVerified, Signed, Verified},
    keyset::Trust,
    ledger::Document,
    permit::{Permit, PermittedChange},
    ports::{Partition, PortError},
    record::{Record, document_id},
    request::{Authorized, NotAuthenticated, NotAuthorized, NotPermitted, Principal, Request},
    revocation::{self, Revoked},
    tenancy::TenantScope,
    time::Timestamp,
    trust::NotTrusted,
};

use super::{NotHandled, Worker};

/// Evidence that holds.
pub(super) struct Judged {
    pub trust: Trust,
    pub scope: TenantScope,
    pub request: Request<Authorized>,
    pub permit: Verified<Permit>,
    pub document: Document<Record>,
    /// The claim that stands already.
    pub claim: Option<Signed<Claim>>,
}

/// Why nothing is done, or not now.
pub(super) enum Refusal {
    /// The evidence is not what our apps and people sign. Where that is recorded depends on
    /// how far the tenant is known.
    Violation {
        scope: Option<Box<TenantScope>>,
        /// The stored request, if that much was genuine: it ends here.
        document: Option<Box<Document<Record>>>,
        request: Option<Digest>,
        what: &'static str,
    },
    /// The evidence holds, and the answer is no.
    No { scope: Box<TenantScope>, document: Box<Document<Record>>, reason: &'static str },
    /// The request has ended already.
    Ended,
    /// Something was not read.
    Port(NotHandled),
}

impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        Self::Port(error.into())
    }
}

impl From<NotHandled> for Refusal {
    fn from(error: NotHandled) -> Self {
        Self::Port(error)
    }
}

impl Worker {
    /// Judges what arrived. Reads the keyset, the binding, the revocations and the stored
    /// request afresh each time.
    pub(super) async fn judge(
        &self,
        change: &PermittedChange,
        again: bool,
    ) -> Result<Judged, Refusal> {
        let now = self.ports.clock.now();
        let digest = change.request.digest();
        let nowhere = |what| violation_at(None, None, digest, what);
        let trust = self.trust.trust().await.map_err(|error| untrusted(error, digest))?;
        let permit = trust.open(&change.permit, now).map_err(|error| {
            tracing::error!(error = %error, "permit not verified");
            nowhere("the permit is not intake's")
        })?;
        if permit.aud != self.app {
            return Err(nowhere("the permit is for another worker"));
        }
        let scope =
            self.trust.scope(&trust, permit.tnt).await.map_err(|error| untrusted(error, digest))?;
        let document = self.recorded(&trust, &scope, change, now).await?;
        let violation = |what| violation_at(Some(&scope), Some(&document), digest, what);
        if document.body.state.is_final() {
            return Err(Refusal::Ended);
        }
        let claim = self.standing_claim(&document, &permit, digest, again).await?;
        // What was claimed in time stays judged by the time of its claim: expiry bounds the
        // first claim only.
        let at = claim
            .as_ref()
            .and_then(|claim| trust.open(claim, now).ok())
            .map_or(now, |claim| claim.iat);
        let no = |reason| Refusal::No {
            scope: Box::new(scope.clone()),
            document: Box::new(document.clone()),
            reason,
        };
        let request = Request::authenticate(&change.request, &trust, at).map_err(|error| {
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
            self.not_revoked(&trust, person, now, &violation, &no).await?;
        }
        let mut decisions: Vec<Decided> = Vec::new();
        for evidence in &change.decisions {
            let decided = evidence.verify(&request, &scope, &trust, &self.policies, at);
            let decided = decided.map_err(|error| {
                tracing::error!(error = %error, "decision does not count");
                match error {
                    NotDecided::NotVerified(NotVerified::Expired(_)) => {
                        no("an approval expired before the change was carried out")
                    }
                    NotDecided::NotVerified(_) => violation("a decision is not the approver's"),
                    NotDecided::Admission(_) | NotDecided::Policy(_) => {
                        violation("somebody decided who may not")
                    }
                }
            })?;
            self.not_revoked(&trust, decided.approver(), now, &violation, &no).await?;
            decisions.push(decided);
        }
        // Policy without the target first: a sensitive change by someone who may not ask for
        // it is refused before anything is read about anybody.
        let facts = match self.policies_allow(&request, &scope, &decisions) {
            Ok(()) => self.directory.look_up(&scope, request.change().target()).await?,
            Err(refusal) => return Err(not_authorized(refusal, &violation, &no)),
        };
        let Some(facts) = facts else { return Err(no("the target does not exist")) };
        let request = request
            .authorize(&scope, &self.policies, &decisions, Some(facts))
            .map_err(|refusal| not_authorized(refusal, &violation, &no))?;
        request.matches(&permit, self.app).map_err(|error| {
            tracing::error!(error = %error, "permit does not fit");
            match error {
                NotPermitted::Approvals => {
                    violation("the permit rests on approvals that are not there")
                }
                _ => violation("the permit is for something else"),
            }
        })?;
        Ok(Judged { trust, scope, request, permit, document, claim })
    }

    /// Whether policy allows the request as far as intake could judge it.
    fn policies_allow(
        &self,
        request: &Request<crate::request::Authenticated>,
        scope: &TenantScope,
        decisions: &[Decided],
    ) -> Result<(), NotAuthorized> {
        use crate::policy::Ruling;
        let standing = request.standing(scope)?;
        let approvals = crate::decision::approvals(decisions).len();
        let approvals = u32::try_from(approvals).unwrap_or(u32::MAX);
        match self.policies.judge(&standing, request, approvals, None) {
            Ruling::Allowed => Ok(()),
            Ruling::NeedsApprovals(needed) => Err(NotAuthorized::NeedsApprovals(needed)),
            Ruling::Denied(reason) => Err(NotAuthorized::Denied(reason)),
        }
    }

    /// The stored request: it must be there, genuine, and hold this very permit.
    async fn recorded(
        &self,
        trust: &Trust,
        scope: &TenantScope,
        change: &PermittedChange,
        now: Timestamp,
    ) -> Result<Document<Record>, Refusal> {
        let digest = change.request.digest();
        let violation = |what| violation_at(Some(scope), None, digest, what);
        let partition = Partition::tenant(scope);
        let found = self.ports.documents.read(&partition, &document_id(digest)).await?;
        let found =
            found.ok_or_else(|| violation("the request is not in the ledger's documents"))?;
        let document: Document<Record> =
            Document::open(found, &partition, trust, now).map_err(|error| {
                tracing::error!(error = %error, "stored request not genuine");
                violation("the stored request is not genuine")
            })?;
        let recorded = document.body.permit.as_ref().map(Signed::digest);
        if document.body.request != digest || recorded != Some(change.permit.digest()) {
            return Err(violation("the permit is not the one that was recorded"));
        }
        Ok(document)
    }

    /// The claim that stands for the request, from its document or its blob.
    async fn standing_claim(
        &self,
        document: &Document<Record>,
        permit: &Verified<Permit>,
        digest: Digest,
        again: bool,
    ) -> Result<Option<Signed<Claim>>, Refusal> {
        match &document.body.claim {
            Some(claim) => Ok(Some(claim.clone())),
            // A first delivery finds it by creating it: one call less.
            None if again => Ok(self.kept_claim(permit.tnt, digest).await?),
            None => Ok(None),
        }
    }

    async fn not_revoked(
        &self,
        trust: &Trust,
        person: &crate::session::Person,
        now: Timestamp,
        violation: &(dyn Fn(&'static str) -> Refusal + Sync),
        no: &(dyn Fn(&'static str) -> Refusal + Sync),
    ) -> Result<(), Refusal> {
        let documents = &*self.ports.documents;
        match revocation::check(documents, trust, person.session(), now).await {
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

fn violation_at(
    scope: Option<&TenantScope>,
    document: Option<&Document<Record>>,
    request: Digest,
    what: &'static str,
) -> Refusal {
    Refusal::Violation {
        scope: scope.cloned().map(Box::new),
        document: document.cloned().map(Box::new),
        request: Some(request),
        what,
    }
}

fn untrusted(error: NotTrusted, request: Digest) -> Refusal {
    let what = match &error {
        NotTrusted::NoBinding => "the tenant has no binding",
        NotTrusted::NoKeyset => "the deployment has no keyset",
        NotTrusted::Form(_) | NotTrusted::NotVerified(_) => {
            "the keyset or a binding is not genuine"
        }
        NotTrusted::Port(_) => "",
    };
    match error {
        NotTrusted::Port(error) => error.into(),
        error => {
            tracing::error!(error = %error, "not trusted");
            violation_at(None, None, request, what)
        }
    }
}

/// Evidence that intake should never have permitted is a violation; what only the worker can
/// see is an answer.
fn not_authorized(
    error: NotAuthorized,
    violation: &dyn Fn(&'static str) -> Refusal,
    no: &dyn Fn(&'static str) -> Refusal,
) -> Refusal {
    match error {
        NotAuthorized::NotAdmitted(_) => violation("the requester has no business in this tenant"),
        NotAuthorized::OtherTenant => violation("the request is about another tenant"),
        NotAuthorized::NeedsApprovals(_) => violation("approvals are missing"),
        NotAuthorized::TurnedDown => no("an approver turned it down"),
        NotAuthorized::Denied(reason) => no(reason),
    }
}
