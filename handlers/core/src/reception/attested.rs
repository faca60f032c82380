//! Taking requests of callers that are no people: services, as `intake` attests them, and event
//! producers, by their own signature.

use super::{
    NotReceived, Reception, RequestName, View,
    permitting::Entry,
    small,
    submitting::{counts, marker, received},
    view::view,
};
use crate::{
    ask::{Attestation, RequestEvidence},
    binding::Service,
    catalog::Change,
    identity::App,
    jws::{NotVerified, Signed},
    keyset::Trust,
    ledger::{
        Happened, NotCommitted,
        commit::{Marker, StoredMarker},
    },
    ports::Partition,
    producer::{self, Event},
    request::{Authenticated, NotAuthenticated, NotAuthorized, Principal, Request},
    service::{self, Holder, SeenToken, ServiceAsk},
    tenancy::TenantScope,
    time::Timestamp,
};

/// What a service is told that asks for what its binding does not list.
const NOT_LISTED: &str = "the binding does not list this operation for the service";

/// What a service is told whose token does not name the operation.
const NO_SCOPE: &str = "the token has no scope for this operation";

/// Where and when a request is taken.
struct Place<'a> {
    scope: &'a TenantScope,
    trust: &'a Trust,
    now: Timestamp,
}

impl Reception {
    /// Takes what a service asks, whose token was verified just now: attests it, and stores it
    /// with its permit if policy allows it at once.
    ///
    /// The same key again, for the same thing, is answered with what became of it.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]. Unless it is [`NotReceived::NotCommitted`], nothing was stored. Before
    /// the binding lists the operation for the service and the token has its scope, nothing is
    /// signed either.
    pub async fn submit_for(
        &self,
        token: &SeenToken,
        ask: ServiceAsk,
        key: &str,
        traceparent: Option<String>,
    ) -> Result<View, NotReceived> {
        let tenant = ask.tenant;
        let received = Box::pin(self.try_submit_for(token, ask, key, traceparent)).await;
        self.noticed(Some(tenant), None, received).await
    }

    /// Takes what an event producer asks.
    ///
    /// An event that was taken before changes nothing, whatever its bytes are this time: its
    /// producer says by its `id` that it is the same.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]. Unless it is [`NotReceived::NotCommitted`], nothing was stored.
    pub async fn submit_event(
        &self,
        event: Signed<Event>,
        traceparent: Option<String>,
    ) -> Result<(), NotReceived> {
        let digest = event.digest();
        let taken = Box::pin(self.try_submit_event(event, traceparent)).await;
        self.noticed(None, Some(digest), taken).await
    }

    async fn try_submit_for(
        &self,
        token: &SeenToken,
        ask: ServiceAsk,
        key: &str,
        traceparent: Option<String>,
    ) -> Result<View, NotReceived> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let scope = self.trust.scope(&trust, ask.tenant).await?;
        let place = Place { scope: &scope, trust: &trust, now };
        let service = admitted(&scope, token, &ask.op.name)?;
        let lifetime_s = ask.lifetime_s().ok_or(NotAuthenticated::Lifetime)?;
        let change =
            Change::understand(ask.tenant, &ask.op).map_err(NotAuthenticated::NotUnderstood)?;
        let by = Principal::Attested(service.name.clone()).to_string();
        if let Some(view) = self.asked_before(&place, &by, key, &ask, &change).await? {
            return Ok(view);
        }
        let attestation = Attestation {
            iss: App::Intake,
            jti: self.uuid()?,
            iat: now,
            exp: now.plus_s(lifetime_s),
            aud: change.entry().worker,
            tnt: ask.tenant,
            sub: service.name.clone(),
            token: token.digest,
            op: ask.op.clone(),
            purpose: ask.purpose.clone(),
            ticket: ask.ticket.clone(),
        };
        let attestation = Signed::sign(&attestation, &*self.ports.signer).await?;
        let evidence = RequestEvidence::Attested { attestation };
        let request = Request::authenticate(&evidence, &trust, Some(&scope), now)?;
        let name = RequestName { tenant: scope.tenant(), digest: request.digest() };
        let marker = marker(&by, key, name);
        match self.take(&place, request, evidence, marker, traceparent).await {
            // Somebody else was faster with the same key.
            Err(NotReceived::NotCommitted(NotCommitted::Conflict)) => self
                .asked_before(&place, &by, key, &ask, &change)
                .await?
                .ok_or(NotReceived::NotCommitted(NotCommitted::Conflict)),
            other => other,
        }
    }

    async fn try_submit_event(
        &self,
        event: Signed<Event>,
        traceparent: Option<String>,
    ) -> Result<(), NotReceived> {
        small(&event)?;
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let tenant = producer::named_tenant(&event).map_err(NotAuthenticated::NotVerified)?;
        let scope = self.trust.scope(&trust, tenant).await?;
        let (_, opened) = producer::open(&event, scope.terms(), &trust, now)
            .map_err(NotAuthenticated::NotVerified)?;
        let marker_id = format!("event-{}", opened.identity());
        let evidence = RequestEvidence::Produced { event };
        let request = Request::authenticate(&evidence, &trust, Some(&scope), now)?;
        let name = RequestName { tenant, digest: request.digest() };
        let marker = Marker { id: marker_id.clone(), kind: "event", points_to: name.to_string() };
        let place = Place { scope: &scope, trust: &trust, now };
        match self.take(&place, request, evidence, marker, traceparent).await {
            Ok(_) => Ok(()),
            Err(NotReceived::NotCommitted(NotCommitted::Conflict)) => {
                let partition = Partition::tenant(&scope);
                let keys = self.keys.of(&trust, &partition);
                match StoredMarker::read(&*self.ports.documents, keys, &marker_id, now).await? {
                    Some(_) => {
                        tracing::info!(request = %name.digest, "event was taken before");
                        Ok(())
                    }
                    None => Err(NotReceived::NotCommitted(NotCommitted::Conflict)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Judges a request and stores it, with its permit if policy allows it at once.
    async fn take(
        &self,
        place: &Place<'_>,
        request: Request<Authenticated>,
        evidence: RequestEvidence,
        marker: Marker,
        traceparent: Option<String>,
    ) -> Result<View, NotReceived> {
        let Place { scope, trust, now } = *place;
        let name = RequestName { tenant: scope.tenant(), digest: request.digest() };
        let by = request.principal().to_string();
        let mut record = received(&request, evidence);
        let bound = request.bound(&*self.ports.documents, trust, scope, now).await?;
        let known = bound.as_ref().into();
        let happened = match request.authorize(scope, &self.policies, &[], known) {
            Ok(authorized) => {
                self.permit(&mut record, &authorized, scope, trust, now).await?;
                Happened::Permitted
            }
            Err(NotAuthorized::NeedsApprovals(needed)) => {
                record.needs_approvals = needed;
                Happened::Received
            }
            Err(refusal) => return Err(NotReceived::NotAllowed(refusal)),
        };
        let entry = Entry {
            record: &record,
            previous: None,
            happened,
            counts: counts(scope, &by),
            by,
            markers: vec![marker],
            told: None,
            traceparent,
        };
        self.write(scope, trust, entry, now).await?;
        Ok(view(name, &record, None, now))
    }

    /// What became of a request that the same service sent with the same key.
    async fn asked_before(
        &self,
        place: &Place<'_>,
        by: &str,
        key: &str,
        ask: &ServiceAsk,
        change: &Change,
    ) -> Result<Option<View>, NotReceived> {
        let Place { scope, trust, now } = *place;
        let nothing = RequestName { tenant: scope.tenant(), digest: change.digest() };
        let id = marker(by, key, nothing).id;
        let partition = Partition::tenant(scope);
        let keys = self.keys.of(trust, &partition);
        let points_to = StoredMarker::read(&*self.ports.documents, keys, &id, now).await?;
        let Some(points_to) = points_to else { return Ok(None) };
        // What it points to is shown only if it is this service's own.
        let name = RequestName::parse(&points_to);
        let name = name.filter(|name| name.tenant == scope.tenant());
        let name = name.ok_or_else(|| NotReceived::Violation("marker names no request".into()))?;
        let document = self.read(scope, trust, name.digest, now).await?;
        let record = &document.body;
        let asked_at = record.summary.asked_at;
        let earlier = Request::authenticate(&record.evidence, trust, Some(scope), asked_at)?;
        let is_same = earlier.principal().to_string() == by
            && earlier.change().digest() == change.digest()
            && earlier.purpose() == ask.purpose
            && earlier.ticket() == ask.ticket.as_deref();
        if !is_same {
            return Err(NotReceived::KeyReused);
        }
        let outcome = self.outcome(&document, scope, trust, now).await?;
        Ok(Some(view(name, record, outcome.as_ref(), now)))
    }
}

/// The service that a token is here, if it may ask for this operation at all.
fn admitted<'t>(
    scope: &'t TenantScope,
    token: &SeenToken,
    operation: &str,
) -> Result<&'t Service, NotReceived> {
    let unknown = |what| NotAuthenticated::NotVerified(NotVerified::Other(what));
    let service = service::of_token(scope.terms(), token).ok_or(unknown("service"))?;
    // A certificate that nobody registered says nothing: it comes by a header, and only whoever
    // registers a service as bound says that the API's front writes that header itself.
    let wanted = if service.certificate_bound { Holder::Certificate } else { Holder::Anyone };
    if token.holder != wanted {
        return Err(unknown("certificate").into());
    }
    if !service.operations.iter().any(|listed| listed == operation) {
        return Err(NotReceived::NotAllowed(NotAuthorized::Denied(NOT_LISTED)));
    }
    if !token.has_scope(&service::scope_of(operation)) {
        return Err(NotReceived::NotAllowed(NotAuthorized::Denied(NO_SCOPE)));
    }
    Ok(service)
}
