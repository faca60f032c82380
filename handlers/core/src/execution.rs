//! What a worker does with a permitted change. It believes nobody.
//!
//! Guarantee, under at-least-once delivery, lost answers and SIGKILL at any instruction: the
//! effect is in the directory once, or converged as if once; a request that was claimed ends in
//! an outcome, by redelivery or by [`Worker::reclaim`]; what evidence does not support is not
//! done, and the ledger says that it was tried.

mod busy;
mod claims;
mod judge;
mod outcome;

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    catalog::{Effect, Reveals},
    claim::{Claim, Ending},
    identity::App,
    jwe,
    jws::{NotSigned, Signed, Verified},
    keyset::Trust,
    ledger::{Commit, Document, Happened, Ledger, NotCommitted},
    permit::{Permit, PermittedChange},
    policy::Policies,
    ports::{
        Answer, Container, Directory, Message, NotApplied, Partition, PortError, Ports, Query,
    },
    reception::queue,
    record::{KIND, LEASE_S, Lease, Record, State},
    request::{NotPermitted, Permitted, Request},
    secret::Secret,
    tenancy::TenantScope,
    time::Timestamp,
    trust::TrustStore,
};
use busy::Busy;
use claims::Claimed;
use judge::{Judged, Refusal};

/// Deliveries after which the broker dead-letters a message.
pub const MAX_DELIVERIES: u32 = 10;

/// Pauses before the attempts that the worker asks for itself, in seconds; the last repeats.
const BACK_OFF_S: [i64; 5] = [2, 5, 15, 30, 60];

/// Requests that one round of reclaiming looks at, for each tenant and state.
const ROUND: u32 = 100;

/// One worker process.
pub struct Worker {
    app: App,
    ports: Ports,
    directory: Arc<dyn Directory>,
    trust: TrustStore,
    ledger: Ledger,
    policies: Arc<Policies>,
    holder: Uuid,
    busy: Busy,
}

/// A message was not dealt with. The host abandons it, and the broker delivers it again.
#[derive(Debug, thiserror::Error)]
pub enum NotHandled {
    /// A port did not do what was needed even to try later.
    #[error("message not handled")]
    Port(#[from] PortError),
    /// What happened could not be committed.
    #[error("not committed")]
    NotCommitted(#[from] NotCommitted),
    /// A claim or an outcome could not be signed.
    #[error("not signed")]
    NotSigned(#[from] NotSigned),
    /// Something has no JSON form.
    #[error("not written as JSON")]
    Form(#[from] serde_json::Error),
    /// A secret result could not be encrypted.
    #[error("result not encrypted")]
    NotSealed(#[from] jwe::NotSealed),
}

/// How one attempt went on.
enum Step {
    /// Nothing is left to do.
    Over,
    /// Again, not before so many seconds.
    Later(i64),
}

/// A request that is ours to carry out, with all that an attempt needs.
struct Attempt {
    document: Document<Record>,
    permit: Verified<Permit>,
    claim: Signed<Claim>,
    number: u32,
    /// Whether the ledger knows of an earlier attempt.
    resumed: bool,
}

impl Worker {
    /// A worker over these ports, of the name `holder`: random, new for each process.
    #[must_use]
    pub fn new(
        app: App,
        ports: Ports,
        directory: Arc<dyn Directory>,
        trust: TrustStore,
        policies: Arc<Policies>,
        holder: [u8; 16],
    ) -> Self {
        let ledger = Ledger::new(
            app,
            Arc::clone(&ports.documents),
            Arc::clone(&ports.signer),
            Arc::clone(&ports.entropy),
        );
        let holder = uuid::Builder::from_random_bytes(holder).into_uuid();
        Self { app, ports, directory, trust, ledger, policies, holder, busy: Busy::default() }
    }

    /// Deals with one delivery. `Ok` lets the broker forget the message.
    ///
    /// # Errors
    ///
    /// [`NotHandled`]: deliver it again.
    pub async fn handle(
        &self,
        body: &[u8],
        delivery: u32,
        traceparent: Option<String>,
    ) -> Result<(), NotHandled> {
        let Ok(change) = serde_json::from_slice::<PermittedChange>(body) else {
            return self.violated(None, None, "the message is not a permitted change").await;
        };
        // Boxed: the whole of an attempt is too large to be carried on a stack of futures.
        let handled = Box::pin(self.attempt(&change, delivery > 1, traceparent.clone())).await;
        let failed = match handled {
            Ok(Step::Over) => return Ok(()),
            Ok(Step::Later(pause_s)) => self.try_later(change, pause_s, traceparent).await.err(),
            Err(error) => Some(error),
        };
        match failed {
            None => Ok(()),
            Some(error) => {
                if delivery >= MAX_DELIVERIES {
                    self.undeliverable().await?;
                }
                Err(error)
            }
        }
    }

    /// Finishes what was claimed and then left: its message was lost, or its process killed.
    /// Says how many requests it dealt with.
    ///
    /// # Errors
    ///
    /// [`NotHandled`] of the first that could not be dealt with; the next round tries again.
    pub async fn reclaim(&self) -> Result<usize, NotHandled> {
        let mut count = 0;
        for key in self.ports.documents.partitions(Container::Bindings, "binding").await? {
            let Ok(tenant) = key.parse() else { continue };
            let entered = async {
                let trust = self.trust.trust().await?;
                let scope = self.trust.scope(&trust, tenant).await?;
                Ok::<_, crate::trust::NotTrusted>((trust, scope))
            };
            match entered.await {
                Ok((trust, scope)) => count += Box::pin(self.reclaim_in(&trust, &scope)).await?,
                Err(error) => tracing::error!(%tenant, error = %error, "tenant not entered"),
            }
        }
        Ok(count)
    }

    async fn reclaim_in(&self, trust: &Trust, scope: &TenantScope) -> Result<usize, NotHandled> {
        let now = self.ports.clock.now();
        let partition = Partition::tenant(scope);
        let mut count = 0;
        for state in [State::Executing, State::Permitted] {
            let equals = Some(("hint", state.name().to_owned()));
            let query = Query { kind: KIND, equals, limit: ROUND };
            for found in self.ports.documents.query(&partition, &query).await? {
                let opened = Document::<Record>::open(found, &partition, trust, now);
                let document = match opened {
                    Ok(document) => document,
                    Err(error) => {
                        tracing::error!(error = %error, "stored request not genuine");
                        continue;
                    }
                };
                if self.is_stale(&document.body, trust, now)
                    && let Some(change) = change_of(&document.body)
                {
                    count += 1;
                    let step = Box::pin(self.attempt(&change, true, None)).await?;
                    if let Step::Later(pause_s) = step {
                        self.try_later(change, pause_s, None).await?;
                    }
                }
            }
        }
        Ok(count)
    }

    /// Whether nobody works on a request any more that is meant for this worker.
    fn is_stale(&self, record: &Record, trust: &Trust, now: Timestamp) -> bool {
        let ours = record
            .permit
            .as_ref()
            .and_then(|permit| trust.open(permit, now).ok())
            .filter(|permit| permit.aud == self.app);
        let Some(permit) = ours else { return false };
        match record.state {
            State::Executing => record.lease.is_none_or(|lease| lease.until <= now),
            State::Permitted => permit.exp.plus_s(LEASE_S) <= now,
            _ => false,
        }
    }

    /// One attempt, from the evidence to wherever it leads.
    async fn attempt(
        &self,
        change: &PermittedChange,
        again: bool,
        traceparent: Option<String>,
    ) -> Result<Step, NotHandled> {
        let judged = match self.judge(change, again || change.attempt > 0).await {
            Ok(judged) => judged,
            Err(refusal) => return self.turn_away(refusal, traceparent).await,
        };
        let Judged { trust, scope, request, permit, mut document, claim } = judged;
        let resumed = document.body.claim.is_some();
        let now = self.ports.clock.now();
        if let Some(lease) = document.body.lease
            && lease.until > now
            && lease.holder != self.holder
        {
            return Ok(Step::Later(lease.until.since_s(now) + 1));
        }
        // Two deliveries of one message in this process would make the change twice, and the
        // second secret would replace the first, which is the one that is kept.
        let Some(_ours) = self.busy.enter(request.digest()) else {
            return Ok(Step::Later(BACK_OFF_S[0]));
        };
        let claim = match self.standing_or_new(claim, &request, &permit, now).await? {
            Claimed::New(claim) => claim,
            Claimed::Before(claim) => {
                document.body.claim = Some(claim.clone());
                if let Some(blob) = self.kept_outcome(&trust, &request).await? {
                    self.restore(&scope, &document, blob, traceparent).await?;
                    return Ok(Step::Over);
                }
                claim
            }
            Claimed::Not(not_permitted) => {
                let reason = words(not_permitted);
                self.end(&scope, &document, Ending::Refused, reason, traceparent).await?;
                return Ok(Step::Over);
            }
        };
        let opened = match trust.open(&claim, now) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(error = %error, "claim not verified");
                let what = "the claim is not a worker's";
                self.violated(Some(&scope), Some(request.digest()), what).await?;
                return Ok(Step::Over);
            }
        };
        let request = match request.permit(&permit, &opened, self.app, now) {
            Ok(request) => request,
            Err(NotPermitted::ClaimOver) => {
                let reason =
                    "it was begun and not finished in time; nobody knows whether it was done";
                self.end(&scope, &document, Ending::Unknown, reason, traceparent).await?;
                return Ok(Step::Over);
            }
            Err(other) => {
                tracing::error!(error = %other, "claim does not fit");
                let what = "the claim is for something else";
                self.violated(Some(&scope), Some(document.body.request), what).await?;
                return Ok(Step::Over);
            }
        };
        let number = document.body.lease.map_or(1, |lease| lease.attempt + 1);
        let attempt = Attempt { document, permit, claim, number, resumed };
        self.carry_out(request, attempt, traceparent).await
    }

    /// Commits the attempt, makes the change, commits the outcome.
    async fn carry_out(
        &self,
        request: Request<Permitted>,
        attempt: Attempt,
        traceparent: Option<String>,
    ) -> Result<Step, NotHandled> {
        let Some(document) = self.lease(&request, &attempt, traceparent.clone()).await? else {
            return Ok(Step::Later(BACK_OFF_S[0]));
        };
        // Computed from the parsed change whose digest the permit names, just checked.
        let effect = request.change().effect(&*self.ports.entropy)?;
        let scope = request.scope();
        match self.directory.apply(&request, &effect).await {
            Ok(answer) => {
                let result = self.result(&request, effect, &answer)?;
                let reason = "the directory confirmed it";
                self.finish(
                    scope,
                    &document,
                    Ending::Succeeded,
                    reason,
                    result,
                    answer.call_id,
                    traceparent,
                )
                .await?;
                Ok(Step::Over)
            }
            Err(NotApplied::Refused { status, code }) => {
                tracing::warn!(status, code, "directory refused");
                let reason = refusal_words(status);
                self.end(scope, &document, Ending::Failed, reason, traceparent).await?;
                Ok(Step::Over)
            }
            Err(NotApplied::Port(error)) if error.is_transient() => {
                tracing::warn!(error = %error, attempt = attempt.number, "directory not reached");
                Ok(Step::Later(pause_s(&error, attempt.number)))
            }
            Err(NotApplied::Port(error)) => {
                tracing::error!(error = ?error, "directory's answer not understood");
                let reason = "the directory answered in a way that is not understood";
                self.end(scope, &document, Ending::Unknown, reason, traceparent).await?;
                Ok(Step::Over)
            }
        }
    }

    /// Commits that this process works on the request now; `None` if somebody else does.
    async fn lease(
        &self,
        request: &Request<Permitted>,
        attempt: &Attempt,
        traceparent: Option<String>,
    ) -> Result<Option<Document<Record>>, NotHandled> {
        let now = self.ports.clock.now();
        let mut document = attempt.document.clone();
        document.body.claim = Some(attempt.claim.clone());
        document.body.state = State::Executing;
        document.body.lease = Some(Lease {
            attempt: attempt.number,
            holder: self.holder,
            until: now.plus_s(LEASE_S),
        });
        tracing::info!(attempt = attempt.number, permit = %attempt.permit.jti, "claimed");
        let happened = if attempt.resumed { Happened::Resumed } else { Happened::Claimed };
        let commit = self.about(&document, happened, traceparent)?;
        let partition = Partition::tenant(request.scope());
        match self.ledger.commit(&partition, commit, now).await {
            Ok(committed) => {
                if let Some(etag) = committed.etag {
                    document.etag = etag;
                }
                Ok(Some(document))
            }
            Err(NotCommitted::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The secret result of an effect, encrypted to whoever asked for it.
    fn result(
        &self,
        request: &Request<Permitted>,
        effect: Effect,
        answer: &Answer,
    ) -> Result<Option<String>, NotHandled> {
        let secret = match effect.reveals {
            Reveals::Nothing => return Ok(None),
            Reveals::Chosen(secret) => secret,
            Reveals::InAnswer(property) => match answer.body.get(property) {
                Some(serde_json::Value::String(text)) => Secret::new(text.clone()),
                _ => return Err(broken("directory's answer lacks the secret")),
            },
        };
        let recipient =
            request.reveal_to().ok_or_else(|| broken("request with a secret names no key"))?;
        Ok(Some(jwe::seal(&secret, recipient, &*self.ports.entropy)?))
    }

    /// Sends oneself a copy for later. The host would deliver at once, without any pause.
    async fn try_later(
        &self,
        mut change: PermittedChange,
        pause_s: i64,
        traceparent: Option<String>,
    ) -> Result<(), NotHandled> {
        change.attempt += 1;
        let message = Message {
            // Another name than the first message's, or duplicate detection swallows it.
            id: format!("{}-{}", change.permit.digest(), change.attempt),
            body: serde_json::to_vec(&change)?,
            not_before: Some(self.ports.clock.now().plus_s(pause_s)),
            traceparent,
        };
        Ok(self.ports.bus.send(queue(self.app), &message).await?)
    }

    /// What happened to a request.
    fn about(
        &self,
        document: &Document<Record>,
        happened: Happened,
        traceparent: Option<String>,
    ) -> Result<Commit, NotHandled> {
        Ok(Commit {
            happened,
            principal: Some(document.body.summary.requester.clone()),
            request: Some(document.body.request),
            reason: None,
            traceparent,
            change: Some(document.body.change(Some(document), self.ports.clock.now())?),
            markers: Vec::new(),
            outgoing: Vec::new(),
        })
    }
}

/// The message that a stored request would be sent with.
fn change_of(record: &Record) -> Option<PermittedChange> {
    Some(PermittedChange {
        attempt: record.lease.map_or(0, |lease| lease.attempt),
        permit: record.permit.clone()?,
        request: record.evidence.clone(),
        decisions: record.decisions.clone(),
    })
}

/// How long to wait: as long as the service said, or longer with each attempt.
fn pause_s(error: &PortError, attempt: u32) -> i64 {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let own = BACK_OFF_S[index.min(BACK_OFF_S.len() - 1)];
    match error {
        PortError::Throttled { after_s: Some(after_s) } => {
            i64::try_from(*after_s).unwrap_or(own).clamp(1, 300)
        }
        _ => own,
    }
}

fn broken(what: &'static str) -> NotHandled {
    NotHandled::Port(PortError::Broken(what.into()))
}

/// What a requester is told about a permit that does not permit.
fn words(not_permitted: NotPermitted) -> &'static str {
    match not_permitted {
        NotPermitted::Expired => "the permit expired before it was carried out",
        NotPermitted::ClaimOver => "the claim can no longer be resumed",
        NotPermitted::Other(_) | NotPermitted::Approvals | NotPermitted::OtherClaim(_) => {
            "the permit is for something else"
        }
    }
}

/// What a requester is told about a directory's refusal.
const fn refusal_words(status: u16) -> &'static str {
    match status {
        404 => "the directory does not know the target",
        403 => "the directory does not allow it",
        _ => "the directory refused the change",
    }
}
