//! Carrying out what the admin plane ordered to be erased.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    sync::{MutexGuard, PoisonError},
};

use uuid::Uuid;

use super::{NotReceived, Reception};
use crate::{
    erasure::{self, Concern, ERASED, Order, Proof, StoredOrder, may_follow, proof_id},
    identity::TenantId,
    keyset::Trust,
    ledger::{
        Commit, Contents, Document, Happened, NotCommitted, NotRead,
        commit::{Change, Marker, StoredMarker},
    },
    ports::{Found, Partition, Query},
    record::{KIND, REVEAL_S, Record, State},
    tenancy::TenantScope,
    time::{LEEWAY_S, Timestamp},
};

/// Requests that are read at once.
const PAGE: u32 = 200;

/// Orders of one tenant that are looked at in one round.
const ORDERS: u32 = 100;

/// How long a process leaves an order alone that it could not carry out to its end, in seconds:
/// every look reads and decrypts all requests of the tenant.
pub(crate) const PAUSE_S: i64 = 10 * 60;

/// `kind` of the marker of an order that is carried out.
const DONE: &str = "erasure-done";

/// `kind` of what shows that an order is about what it erased.
const PROOF: &str = "erasure-proof";

/// What one round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Requests that were erased.
    pub requests: usize,
    /// Requests that name somebody who is to be erased, and have not ended or could not be read.
    pub waiting: usize,
    /// Orders that are carried out.
    pub orders: usize,
    /// Orders that the admin root did not give, or whose time is over: nobody erases anything
    /// because of them.
    pub refused: usize,
}

/// What is to be done with one request for an order.
enum Task {
    /// It is about others.
    None,
    /// It names the person, and nothing more happens to it. Erased with this proof, unless it was
    /// never permitted.
    Erase(Box<Document<Record>>, Option<Proof>),
    /// It names the person and has not ended, or could not be read.
    Waits,
}

impl Reception {
    /// Carries out every order to erase that has not been carried out. May be run at any time by
    /// any number of processes, and be killed anywhere: what is left, the next round does.
    ///
    /// # Errors
    ///
    /// [`NotReceived`] if the tenants could not be listed. What one tenant is in trouble with is
    /// logged, and keeps none of the others waiting.
    pub async fn erase_ordered(&self) -> Result<Erased, NotReceived> {
        self.keys.forget_old();
        let trust = self.trust.trust().await?;
        let mut erased = Erased::default();
        for tenant in self.trust.tenants().await? {
            if let Err(error) = self.erase_in(&trust, tenant, &mut erased).await {
                let error = &error as &(dyn Error + 'static);
                tracing::error!(%tenant, error, "nothing erased");
            }
        }
        Ok(erased)
    }

    async fn erase_in(
        &self,
        trust: &Trust,
        tenant: TenantId,
        erased: &mut Erased,
    ) -> Result<(), NotReceived> {
        let bindings = Partition::bindings(tenant);
        let query = Query { kind: erasure::KIND, equals: None, not_after: None, limit: ORDERS };
        let found = self.ports.documents.query(&bindings, &query).await?;
        if found.is_empty() {
            return Ok(());
        }
        let scope = self.trust.scope(trust, tenant).await?;
        for found in found {
            let now = self.ports.clock.now();
            let order = serde_json::from_value::<StoredOrder>(found.json)
                .map_err(|error| NotReceived::Violation(error.into()))
                .and_then(|stored| {
                    let opened = stored.open(&bindings, trust, now);
                    opened.map_err(|error| NotReceived::Violation(error.into()))
                });
            match order {
                Ok(order) => self.erase(&scope, trust, &order, erased).await?,
                // Who owns the database makes nobody erase anything.
                Err(error) => {
                    erased.refused += 1;
                    let error = &error as &(dyn Error + 'static);
                    tracing::error!(%tenant, error, "order not carried out");
                }
            }
        }
        Ok(())
    }

    /// Carries out one order, as far as that can be done now.
    async fn erase(
        &self,
        scope: &TenantScope,
        trust: &Trust,
        order: &Order,
        erased: &mut Erased,
    ) -> Result<(), NotReceived> {
        if !self.is_due(order) {
            return Ok(());
        }
        let partition = Partition::tenant(scope);
        let done = erasure::marker_id(order.jti());
        let (keys, now) = (self.keys.of(trust, &partition), self.ports.clock.now());
        if StoredMarker::read(&*self.ports.documents, keys, &done, now).await?.is_some() {
            return Ok(());
        }
        let waiting_for_others = erased.waiting;
        let mut seen = HashSet::new();
        let mut query = Query { kind: KIND, equals: None, not_after: None, limit: PAGE };
        loop {
            let page = self.ports.documents.query(&partition, &query).await?;
            let is_last = page.len() < query.limit as usize;
            let oldest = page.last().and_then(|found| found.json["at"].as_i64());
            for found in page {
                if seen.insert(found.json["id"].to_string()) {
                    match self.task(scope, trust, order, found).await? {
                        Task::None => {}
                        Task::Waits => erased.waiting += 1,
                        Task::Erase(document, proof) => {
                            if self.give_way(&partition, &document, order, proof).await? {
                                erased.requests += 1;
                            } else {
                                erased.waiting += 1;
                            }
                        }
                    }
                }
            }
            if is_last {
                break;
            }
            // As many requests of one second as a page holds: only a larger one gets past them.
            if query.not_after == oldest {
                query.limit = query.limit.saturating_mul(2);
            }
            query.not_after = oldest;
        }
        if erased.waiting == waiting_for_others {
            self.close(&partition, done).await?;
            erased.orders += 1;
        } else {
            let until = self.ports.clock.now().plus_s(PAUSE_S);
            self.pauses().insert(order.jti(), until);
        }
        Ok(())
    }

    /// Whether an order is not paused.
    fn is_due(&self, order: &Order) -> bool {
        let now = self.ports.clock.now();
        let mut pauses = self.pauses();
        pauses.retain(|_, until| now < *until);
        !pauses.contains_key(&order.jti())
    }

    fn pauses(&self) -> MutexGuard<'_, HashMap<Uuid, Timestamp>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn task(
        &self,
        scope: &TenantScope,
        trust: &Trust,
        order: &Order,
        found: Found,
    ) -> Result<Task, NotReceived> {
        let partition = Partition::tenant(scope);
        let keys = self.keys.of(trust, &partition);
        let now = self.ports.clock.now();
        match Document::<Record>::open_sealed(found, keys, now).await {
            Ok(document) => {
                let proof = match order.concerns(&document.body) {
                    Ok(Concern::None) => return Ok(Task::None),
                    Ok(Concern::Party) => order.proof(&document.body).map(Some),
                    Ok(Concern::Reviewer) => Ok(Some(Proof::Reviewer)),
                    Err(error) => Err(error.into()),
                };
                Ok(match proof {
                    Ok(_) if !is_over(&document, now) => Task::Waits,
                    Ok(proof) => {
                        // Nobody but us has seen what was never permitted: nobody asks.
                        let proof = proof.filter(|_| document.body.permit.is_some());
                        Task::Erase(Box::new(document), proof)
                    }
                    // None of us stores what cannot be read: whoever looks must see it.
                    Err(error) => {
                        tracing::error!(error = %error, "stored request not understood");
                        Task::Waits
                    }
                })
            }
            Err(NotRead::Erased) => Ok(Task::None),
            Err(NotRead::Port(error)) => Err(error.into()),
            Err(NotRead::NotGenuine(error)) => {
                tracing::error!(error = %error, "stored request not genuine");
                self.notice(Some(scope.tenant()), None).await;
                Ok(Task::Waits)
            }
        }
    }

    /// Puts the order in the place of what a document holds, and beside it what shows that the
    /// order is about it; `false` if it changed meanwhile.
    async fn give_way(
        &self,
        partition: &Partition,
        document: &Document<Record>,
        order: &Order,
        proof: Option<Proof>,
    ) -> Result<bool, NotReceived> {
        let request = document.body.request;
        let id = proof_id(request, order.says());
        let mut markers = Vec::new();
        // It stands there already if the document was erased before, and put back.
        if let Some(proof) = proof
            && self.ports.documents.read(partition, &id).await?.is_none()
        {
            markers.push(Marker { id, kind: PROOF, points_to: proof.to_string() });
        }
        let commit = Commit {
            request: Some(request),
            change: Some(Change {
                id: document.id.clone(),
                kind: ERASED,
                at: document.at,
                hint: None,
                contents: Contents::Erased(order.signed().clone()),
                replaces: Some(document.etag.clone()),
            }),
            markers,
            ..Commit::of(Happened::Erased)
        };
        match self.ledger.commit(partition, commit, self.ports.clock.now()).await {
            Ok(_) => Ok(true),
            Err(NotCommitted::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Marks an order as carried out. Another process may have been faster.
    async fn close(&self, partition: &Partition, id: String) -> Result<(), NotReceived> {
        let commit = Commit {
            markers: vec![Marker { points_to: id.clone(), id, kind: DONE }],
            ..Commit::of(Happened::ErasureDone)
        };
        match self.ledger.commit(partition, commit, self.ports.clock.now()).await {
            Ok(_) | Err(NotCommitted::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether nothing more happens to a request: it has ended, whoever must has looked at it, and its
/// result was seen or can be no more; or it waited for approvals beyond its time.
fn is_over(document: &Document<Record>, now: Timestamp) -> bool {
    let record = &document.body;
    let is_shown = record.result.is_none() || now.since_s(document.statement.iat) > REVEAL_S;
    let is_over = match record.state {
        State::Pending => record.summary.expires.plus_s(LEEWAY_S) <= now,
        state => state.is_final() && !record.is_review_due() && is_shown,
    };
    // And whoever reads the ledger sees it too.
    is_over && may_follow(&document.statement, now)
}
