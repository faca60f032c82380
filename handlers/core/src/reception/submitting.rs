//! Taking requests.

use super::{
    Caller, LISTED, NotReceived, Reception, RequestName, View, fresh, permitting::Entry, small,
    view::view,
};
use crate::{
    ask::{Ask, RequestEvidence},
    digest::Digest,
    jws::Signed,
    keyset::Trust,
    ledger::{
        Count, Document, Happened, NotCommitted, NotRead,
        commit::{Marker, StoredMarker},
    },
    ports::{Partition, Query},
    record::{KIND, REVIEW_DUE, Record, State, Summary},
    request::{Authenticated, NotAuthorized, Request},
    tenancy::TenantScope,
    time::Timestamp,
};

/// Why somebody who broke the glass before may not do it again.
const REVIEW_FIRST: &str = "an earlier emergency of yours has not been reviewed yet";

impl Reception {
    pub(super) async fn try_submit(
        &self,
        caller: &Caller,
        request: Signed<Ask>,
        key: Option<&str>,
        traceparent: Option<String>,
    ) -> Result<View, NotReceived> {
        small(&request)?;
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let evidence = RequestEvidence::Proven { request, person: caller.evidence.clone() };
        let authenticated = Request::authenticate(&evidence, &trust, None, now)?;
        fresh(authenticated.asked_at(), now)?;
        let scope = self.trust.scope(&trust, authenticated.tenant()).await?;
        scope.standing(&caller.person)?;
        self.not_revoked(&trust, &caller.person, now).await?;
        let name = RequestName { tenant: scope.tenant(), digest: authenticated.digest() };
        let mut record = received(&authenticated, evidence);
        let documents = &*self.ports.documents;
        let bound = authenticated.bound(documents, &trust, &scope, now).await?;
        let known = bound.as_ref().into();
        let happened = match authenticated.authorize(&scope, &self.policies, &[], known) {
            Ok(authorized) => {
                if authorized.breaks_glass() {
                    self.no_review_due(&scope, &trust, name, caller, now).await?;
                }
                self.permit(&mut record, &authorized, &scope, &trust, now).await?;
                if authorized.breaks_glass() { Happened::BrokeGlass } else { Happened::Permitted }
            }
            Err(NotAuthorized::NeedsApprovals(needed)) => {
                record.needs_approvals = needed;
                Happened::Received
            }
            Err(refusal) => return Err(NotReceived::NotAllowed(refusal)),
        };
        let markers =
            key.map(|key| marker(&caller.person.id().to_string(), key, name)).into_iter().collect();
        let by = caller.person.id().to_string();
        let told = (happened == Happened::BrokeGlass)
            .then(|| self.told(&scope, happened, name, "an emergency", now))
            .transpose()?;
        let entry = Entry {
            record: &record,
            previous: None,
            happened,
            counts: counts(&scope, &by),
            by,
            markers,
            told,
            traceparent,
        };
        match self.write(&scope, &trust, entry, now).await {
            Ok(()) => Ok(view(name, &record, None, now)),
            Err(NotReceived::NotCommitted(NotCommitted::Conflict)) => {
                self.taken_before(&scope, &trust, name, caller, key, now).await
            }
            Err(error) => Err(error),
        }
    }

    /// Whoever breaks the glass has had every earlier emergency of theirs reviewed.
    ///
    /// One that is still being carried out counts as not reviewed. Two that are sent at once
    /// from two places can both pass here: each is a leaf, an event and a review of its own.
    async fn no_review_due(
        &self,
        scope: &TenantScope,
        trust: &Trust,
        name: RequestName,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), NotReceived> {
        let partition = Partition::tenant(scope);
        let keys = self.keys.of(trust, &partition);
        let requester = caller.person.id().to_string();
        for hint in [REVIEW_DUE, State::Permitted.name(), State::Executing.name()] {
            let equals = Some(("hint", hint.to_owned()));
            let query = Query { kind: KIND, equals, not_after: None, limit: LISTED };
            for found in self.ports.documents.query(&partition, &query).await? {
                let opened = Document::<Record>::open_sealed(found, keys, now).await;
                let Record { request, summary, .. } = match opened {
                    // The review of an erased emergency was not due any more.
                    Err(NotRead::Erased) => continue,
                    opened => opened?.body,
                };
                let is_another = request != name.digest;
                if is_another && summary.break_glass && summary.requester == requester {
                    return Err(NotReceived::NotAllowed(NotAuthorized::Denied(REVIEW_FIRST)));
                }
            }
        }
        Ok(())
    }

    /// Answers for a request that was taken before, or for a key that named another.
    async fn taken_before(
        &self,
        scope: &TenantScope,
        trust: &Trust,
        name: RequestName,
        caller: &Caller,
        key: Option<&str>,
        now: Timestamp,
    ) -> Result<View, NotReceived> {
        match self.read(scope, trust, name.digest, now).await {
            Ok(document) => {
                let outcome = self.outcome(&document, scope, trust, now).await?;
                Ok(view(name, &document.body, outcome.as_ref(), now))
            }
            Err(NotReceived::NotThere) => {
                let Some(key) = key else {
                    return Err(NotReceived::NotCommitted(NotCommitted::Conflict));
                };
                let marker = marker(&caller.person.id().to_string(), key, name);
                let partition = Partition::tenant(scope);
                let keys = self.keys.of(trust, &partition);
                match StoredMarker::read(&*self.ports.documents, keys, &marker.id, now).await? {
                    Some(_) => Err(NotReceived::KeyReused),
                    None => Err(NotReceived::NotCommitted(NotCommitted::Conflict)),
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// A request as it is first remembered.
pub(super) fn received(request: &Request<Authenticated>, evidence: RequestEvidence) -> Record {
    Record {
        request: request.digest(),
        evidence,
        decisions: Vec::new(),
        state: State::Pending,
        needs_approvals: 0,
        approvals: 0,
        permit: None,
        claim: None,
        lease: None,
        outcome: None,
        result: None,
        revealed: None,
        review: None,
        summary: Summary {
            operation: request.change().entry().name.to_owned(),
            target: request.change().target().clone(),
            requester: request.principal().to_string(),
            purpose: request.purpose().to_owned(),
            ticket: request.ticket().map(str::to_owned),
            break_glass: request.breaks_glass(),
            asked_at: request.asked_at(),
            expires: request.expires(),
        },
    }
}

/// What a request uses up of the tenant's quotas.
pub(super) fn counts(scope: &TenantScope, caller: &str) -> Vec<Count> {
    let quotas = scope.terms().quotas;
    let mosts = [quotas.tenant, quotas.caller];
    counted_as(caller).into_iter().zip(mosts).map(|(of, most)| Count { of, most }).collect()
}

/// As what a caller's request is counted: one of the tenant's, and one of theirs.
pub(crate) fn counted_as(caller: &str) -> [String; 2] {
    ["tenant".to_owned(), Digest::of(&[caller.as_bytes()]).to_string()]
}

/// A caller's idempotency key is theirs alone, and is kept as a digest.
pub(super) fn marker(caller: &str, key: &str, name: RequestName) -> Marker {
    let digest = Digest::of(&[caller.as_bytes(), b"\0", key.as_bytes()]);
    Marker { id: format!("once-{digest}"), kind: "once", points_to: name.to_string() }
}
