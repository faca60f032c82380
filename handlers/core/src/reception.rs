//! What `intake` does with a request: take it, let others decide it, permit it, show it.
//!
//! Nothing is stored or signed before the caller, the tenant, the change and the policy have
//! all been judged; a refusal leaves no trace but a log line.

mod attested;
mod deciding;
pub(crate) mod erasing;
mod findings;
mod notice;
mod permitting;
mod receipts;
mod refusals;
mod secrets;
mod seeing;
mod submitting;
mod view;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use uuid::Uuid;

use crate::{
    ask::Ask,
    claim::Outcome,
    data_keys::DataKeys,
    decision::Decision,
    digest::Digest,
    identity::{App, TenantId},
    jws::{Artefact, NotVerified, Signed, Verified},
    keyset::Trust,
    ledger::{Document, Happened, Ledger, NotCommitted, NotGenuine, NotRead},
    policy::Policies,
    ports::{Partition, Ports, Query},
    record::{KIND, REVEAL_S, REVIEW_DUE, Record, State, document_id},
    revocation,
    session::{Person, PersonEvidence},
    step_up::Newest,
    tenancy::{Standing, TenantScope},
    time::Timestamp,
    trust::{NotTrusted, TrustStore},
    violation::Violations,
};

pub use erasing::Erased;
pub use findings::{FindingView, Findings, LISTED_FINDINGS, Listed};
use permitting::Entry;
pub use receipts::{Proof, Tree};
pub use refusals::NotReceived;
pub use secrets::{Recorded, SecretStage, SecretView};
use seeing::Looking;
pub(crate) use submitting::counted_as;
pub use view::{DecisionView, OutcomeView, RequestName, Shown, View};
use view::{decisions, view};

/// How old a request or decision may be when it arrives, and how far ahead its clock may be,
/// in seconds.
const FRESH_S: i64 = 60;

/// The largest request or decision that is taken, in bytes. All of a request's evidence is stored
/// in one document.
pub const MAX_TAKEN_BYTES: usize = 8 * 1024;

/// Requests that a list shows.
const LISTED: u32 = 100;

/// Someone who is signed in now.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The evidence, to travel with what they sign.
    pub evidence: PersonEvidence,
    /// Who it is.
    pub person: Person,
}

/// `intake`'s desk.
pub struct Reception {
    ports: Ports,
    trust: Arc<TrustStore>,
    ledger: Arc<Ledger>,
    keys: DataKeys,
    policies: Arc<Policies>,
    noticed: Mutex<HashSet<(Option<TenantId>, Option<Digest>)>>,
    violations: Violations,
    newest: Newest,
    /// Orders to erase that wait for requests to end, and until when they are left alone.
    paused: Mutex<HashMap<Uuid, Timestamp>>,
}

impl Reception {
    /// A desk over these ports.
    #[must_use]
    pub fn new(ports: Ports, trust: Arc<TrustStore>, policies: Arc<Policies>) -> Self {
        let ledger = Arc::new(Ledger::new(App::Intake, &ports, Arc::clone(&trust)));
        let keys = DataKeys::new(&ports, Arc::clone(&ledger));
        Self {
            ports,
            trust,
            ledger,
            keys,
            policies,
            noticed: Mutex::default(),
            violations: Violations::default(),
            newest: Newest::default(),
            paused: Mutex::default(),
        }
    }

    /// Takes a request: stores it with its statement, and with its permit if policy allows it
    /// at once.
    ///
    /// The same signed request again is answered with what became of it.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]. Unless it is [`NotReceived::NotCommitted`], nothing was stored.
    pub async fn submit(
        &self,
        caller: &Caller,
        request: Signed<Ask>,
        key: Option<&str>,
        traceparent: Option<String>,
    ) -> Result<View, NotReceived> {
        let digest = request.digest();
        let taken = self.try_submit(caller, request, key, traceparent).await;
        self.noticed(None, Some(digest), taken).await
    }

    /// Records a person's decision about a request, and permits it if that was the last one
    /// that it needed.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]. Unless it is [`NotReceived::NotCommitted`], nothing was stored.
    pub async fn decide(
        &self,
        caller: &Caller,
        name: RequestName,
        decision: Signed<Decision>,
        traceparent: Option<String>,
    ) -> Result<View, NotReceived> {
        let decided = self.try_decide(caller, name, decision, traceparent).await;
        self.noticed(Some(name.tenant), Some(name.digest), decided).await
    }

    /// Hands out a secret result, once, to whoever asked for it.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]; [`NotReceived::Gone`] if it was handed out or its time is over.
    pub async fn reveal(
        &self,
        caller: &Caller,
        name: RequestName,
        traceparent: Option<String>,
    ) -> Result<String, NotReceived> {
        let revealed = self.try_reveal(caller, name, traceparent).await;
        self.noticed(Some(name.tenant), Some(name.digest), revealed).await
    }

    /// Shows one request, with its evidence.
    ///
    /// # Errors
    ///
    /// [`NotReceived::NotThere`] too if the caller may not know of it.
    pub async fn show(&self, caller: &Caller, name: RequestName) -> Result<Shown, NotReceived> {
        let shown = self.try_show(caller, name).await;
        self.noticed(Some(name.tenant), Some(name.digest), shown).await
    }

    /// Lists the newest requests of a tenant that the caller may see.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]. A stored request that is not genuine is left out, and recorded.
    pub async fn list(
        &self,
        caller: &Caller,
        tenant: TenantId,
        state: Option<State>,
    ) -> Result<Vec<View>, NotReceived> {
        let listed = self.try_list(caller, tenant, state).await;
        self.noticed(Some(tenant), None, listed).await
    }

    async fn try_reveal(
        &self,
        caller: &Caller,
        name: RequestName,
        traceparent: Option<String>,
    ) -> Result<String, NotReceived> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let scope = self.trust.scope(&trust, name.tenant).await?;
        scope.standing(&caller.person)?;
        self.not_revoked(&trust, &caller.person, now).await?;
        let document = self.read(&scope, &trust, name.digest, now).await?;
        let mut record = document.body.clone();
        if record.summary.requester != caller.person.id().to_string() {
            return Err(NotReceived::NotThere);
        }
        let outcome = self.outcome(&document, &scope, &trust, now).await?;
        let (Some(outcome), Some(result)) = (outcome, record.result.take()) else {
            return Err(if record.revealed.is_some() {
                NotReceived::Gone
            } else {
                NotReceived::State
            });
        };
        if outcome.result != Some(Digest::of(&[result.as_bytes()])) {
            return Err(NotReceived::Violation("result is not the worker's".into()));
        }
        if now.since_s(outcome.iat) > REVEAL_S {
            return Err(NotReceived::Gone);
        }
        record.revealed = Some(now);
        let entry = Entry {
            record: &record,
            previous: Some(&document),
            happened: Happened::Revealed,
            by: caller.person.id().to_string(),
            markers: Vec::new(),
            counts: Vec::new(),
            told: None,
            traceparent,
        };
        // Committed first: a result that was handed out twice would be worse than one that
        // must be asked for again.
        match self.write(&scope, &trust, entry, now).await {
            Ok(()) => Ok(result),
            Err(NotReceived::NotCommitted(NotCommitted::Conflict)) => Err(NotReceived::Gone),
            Err(error) => Err(error),
        }
    }

    async fn try_show(&self, caller: &Caller, name: RequestName) -> Result<Shown, NotReceived> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let scope = self.trust.scope(&trust, name.tenant).await?;
        let standing = scope.standing(&caller.person)?;
        self.not_revoked(&trust, &caller.person, now).await?;
        let document = self.read(&scope, &trust, name.digest, now).await?;
        let looking = Looking::new(caller, &standing, (&scope, &trust), now);
        self.may_see(&document.body, &looking).await?;
        let outcome = self.outcome(&document, &scope, &trust, now).await?;
        Ok(Shown {
            view: view(name, &document.body, outcome.as_ref(), now),
            evidence: document.body.evidence.clone(),
            decisions: decisions(&document.body, &trust),
            step_up: scope.terms().conditions(&document.body.summary.operation).step_up,
        })
    }

    async fn try_list(
        &self,
        caller: &Caller,
        tenant: TenantId,
        state: Option<State>,
    ) -> Result<Vec<View>, NotReceived> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let scope = self.trust.scope(&trust, tenant).await?;
        let standing = scope.standing(&caller.person)?;
        self.not_revoked(&trust, &caller.person, now).await?;
        let partition = Partition::tenant(&scope);
        let keys = self.keys.of(&trust, &partition);
        let mut found = Vec::new();
        for hint in hints(state) {
            let equals = hint.map(|hint| ("hint", hint.to_owned()));
            let query = Query { kind: KIND, equals, not_after: None, limit: LISTED };
            found.extend(self.ports.documents.query(&partition, &query).await?);
        }
        let looking = Looking::new(caller, &standing, (&scope, &trust), now);
        let mut views = Vec::new();
        for found in found {
            let document = match Document::<Record>::open_sealed(found, keys, now).await {
                Ok(document) => document,
                Err(NotRead::Erased) => continue,
                Err(NotRead::Port(error)) => return Err(error.into()),
                // One that was tampered with must not hide all the others.
                Err(NotRead::NotGenuine(error)) => {
                    tracing::error!(error = %error, "stored request not genuine");
                    self.notice(Some(tenant), None).await;
                    continue;
                }
            };
            let is_asked = state.is_none_or(|state| document.body.state == state);
            if !is_asked {
                continue;
            }
            match self.may_see(&document.body, &looking).await {
                Ok(()) => {}
                Err(NotReceived::NotThere) => continue,
                Err(error) => return Err(error),
            }
            let outcome = self.outcome(&document, &scope, &trust, now).await?;
            let name = RequestName { tenant, digest: document.body.request };
            views.push(view(name, &document.body, outcome.as_ref(), now));
        }
        Ok(views)
    }

    /// The tenants that a person may work in.
    ///
    /// # Errors
    ///
    /// [`NotReceived`]. A tenant whose binding does not verify is left out and logged.
    pub async fn tenants(
        &self,
        caller: &Caller,
    ) -> Result<Vec<(TenantScope, Standing)>, NotReceived> {
        let trust = self.trust.trust().await?;
        self.not_revoked(&trust, &caller.person, self.ports.clock.now()).await?;
        let mut tenants = Vec::new();
        for tenant in self.trust.tenants().await? {
            // Nothing is decided here: a list of tenants proves none of their ledgers.
            match self.trust.scope_as_signed(&trust, tenant).await {
                Ok(scope) => {
                    if let Ok(standing) = scope.standing(&caller.person) {
                        tenants.push((scope, standing));
                    }
                }
                Err(NotTrusted::Port(error)) => return Err(error.into()),
                Err(error) => tracing::error!(%tenant, error = %error, "tenant not entered"),
            }
        }
        Ok(tenants)
    }

    async fn read(
        &self,
        scope: &TenantScope,
        trust: &Trust,
        request: Digest,
        now: Timestamp,
    ) -> Result<Document<Record>, NotReceived> {
        let partition = Partition::tenant(scope);
        let id = document_id(request);
        let found =
            self.ports.documents.read(&partition, &id).await?.ok_or(NotReceived::NotThere)?;
        let keys = self.keys.of(trust, &partition);
        let document: Document<Record> = Document::open_sealed(found, keys, now).await?;
        if document.body.request != request || document.body.evidence.digest() != request {
            return Err(NotGenuine::Contents("request").into());
        }
        Ok(document)
    }

    /// The worker's word behind a final state: no other app can say how a request ended. That of
    /// a worker whose key was revoked counts if it was anchored before.
    async fn outcome(
        &self,
        document: &Document<Record>,
        scope: &TenantScope,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Option<Verified<Outcome>>, NotReceived> {
        let record = &document.body;
        let violation = |what: &'static str| NotReceived::Violation(what.into());
        let Some(signed) = &record.outcome else {
            let by_people = matches!(record.state, State::TurnedDown | State::Withdrawn);
            let ended = record.state.is_final() && !by_people;
            return if ended { Err(violation("state without an outcome")) } else { Ok(None) };
        };
        let (partition, statement) = (Partition::tenant(scope), document.statement.digest());
        let trust = self.ledger.trust_about(&partition, statement, signed.key(), trust, now).await;
        let outcome = trust
            .map_err(NotReceived::NotProven)?
            .open(signed, now)
            .map_err(|error: NotVerified| NotReceived::Violation(error.into()))?;
        if outcome.req != record.request
            || State::ended(outcome.ending) != record.state
            || !matches!(outcome.iss, App::Execute | App::Rotate)
        {
            return Err(violation("outcome is another's"));
        }
        Ok(Some(outcome))
    }

    async fn not_revoked(
        &self,
        trust: &Trust,
        person: &Person,
        now: Timestamp,
    ) -> Result<(), NotReceived> {
        Ok(revocation::check(&*self.ports.documents, trust, person.session(), now).await?)
    }
}

/// By what the requests of a state are found: an emergency that has ended is found by the review
/// that it waits for.
fn hints(state: Option<State>) -> Vec<Option<&'static str>> {
    let mut hints = vec![state.map(State::name)];
    hints.extend(state.filter(|state| state.is_final()).map(|_| Some(REVIEW_DUE)));
    hints
}

/// The queue of a worker's permits.
#[must_use]
pub const fn queue(worker: App) -> &'static str {
    match worker {
        App::Rotate => "permits-rotate",
        _ => "permits-execute",
    }
}

pub(super) fn small<T: Artefact>(signed: &Signed<T>) -> Result<(), NotReceived> {
    if signed.as_str().len() > MAX_TAKEN_BYTES { Err(NotReceived::TooLarge) } else { Ok(()) }
}

pub(super) fn fresh(signed: Timestamp, now: Timestamp) -> Result<(), NotReceived> {
    if now.since_s(signed).abs() > FRESH_S { Err(NotReceived::NotFresh) } else { Ok(()) }
}
