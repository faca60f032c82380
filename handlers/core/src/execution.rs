//! What a worker does with a permitted change. It believes nobody.
//!
//! Guarantee, under at-least-once delivery, lost answers and SIGKILL at any instruction: the
//! effect is in the directory once, or converged as if once; a request that was claimed ends in
//! an outcome, by redelivery or by [`Worker::reclaim`]; what evidence does not support is not
//! done, and the ledger says that it was tried.

mod attested;
mod busy;
mod claims;
mod judge;
mod open;
mod outcome;
mod pace;
mod strangers;

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    catalog::{Hands, NotDone},
    claim::{Claim, Ending},
    identity::App,
    jwe,
    jws::{NotSigned, Signed},
    keyset::Trust,
    ledger::{Commit, Document, Happened, Ledger, NotCommitted},
    permit::PermittedChange,
    policy::Policies,
    ports::{
        Container, Created, Directory, Message, NotApplied, Partition, PortError, Ports, Query,
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
use claims::{Claimed, Standing};
use judge::Judgement;
use open::Opened;
use outcome::End;
use strangers::Strangers;

/// Deliveries after which the broker dead-letters a message.
pub const MAX_DELIVERIES: u32 = 10;

/// Pauses before the attempts that the worker asks for itself, in seconds; the last repeats.
const BACK_OFF_S: [i64; 5] = [2, 5, 15, 30, 60];

/// The longest call to the directory, in seconds: a lease must outlast it.
const LONGEST_CALL_S: i64 = 12;

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
    strangers: Strangers,
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
        Self {
            app,
            ports,
            directory,
            trust,
            ledger,
            policies,
            holder,
            busy: Busy::default(),
            strangers: Strangers::default(),
        }
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
    /// Says how many requests it ended.
    ///
    /// # Errors
    ///
    /// [`NotHandled`] if the tenants could not be listed. What a tenant or a request is in
    /// trouble with is logged, and keeps none of the others waiting.
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
                Ok((trust, scope)) => match Box::pin(self.reclaim_in(&trust, &scope)).await {
                    Ok(reclaimed) => count += reclaimed,
                    Err(error) => tracing::error!(%tenant, error = ?error, "not reclaimed"),
                },
                Err(error) => tracing::error!(%tenant, error = ?error, "tenant not entered"),
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
                    // One request's trouble keeps none of the others waiting.
                    match Box::pin(self.attempt(&change, true, None)).await {
                        Ok(Step::Over) => count += 1,
                        Ok(Step::Later(pause_s)) => self.try_later(change, pause_s, None).await?,
                        Err(error) => tracing::error!(error = ?error, "request not reclaimed"),
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

    /// One attempt, from the message to wherever it leads.
    ///
    /// Whose turn it is comes before what is right: nobody ends a request that somebody else
    /// is carrying out.
    async fn attempt(
        &self,
        change: &PermittedChange,
        again: bool,
        traceparent: Option<String>,
    ) -> Result<Step, NotHandled> {
        let opened = match self.open(change).await {
            Ok(opened) => opened,
            Err(unopened) => return self.turn_away(unopened, change.attempt).await,
        };
        let now = self.ports.clock.now();
        if let Some(lease) = opened.document.body.lease
            && lease.until > now
            && lease.holder != self.holder
        {
            return Ok(Step::Later(lease.until.since_s(now) + 1));
        }
        // Two deliveries of one message in this process would make the change twice, and the
        // second secret would replace the first, which is the one that is kept.
        let Some(_ours) = self.busy.enter(opened.document.body.request) else {
            return Ok(Step::Later(BACK_OFF_S[0]));
        };
        let standing = match self.standing(&opened, again || change.attempt > 0, now).await? {
            Standing::Claim(claim) => claim,
            Standing::Ended(blob) => {
                self.restore(&opened.scope, &opened.document, *blob, traceparent).await?;
                return Ok(Step::Over);
            }
            Standing::Never(ending) => {
                self.conclude(&opened, ending, traceparent).await?;
                return Ok(Step::Over);
            }
        };
        let begun = opened.document.body.lease.is_some() || standing.is_some();
        let at = standing.as_ref().map_or(now, |(claim, _)| claim.iat);
        let request = match self.judge(&opened, at).await {
            Ok(request) => request,
            Err(Judgement::Port(error)) if error.is_transient() => {
                tracing::warn!(error = %error, "evidence or target not read");
                return Ok(Step::Later(pause_s(&error, change.attempt + 1)));
            }
            Err(Judgement::Port(error)) => return Err(error.into()),
            Err(Judgement::No(no)) => {
                return self.refuse(&opened, no, begun, traceparent).await;
            }
        };
        let claimed = match standing {
            Some((_, signed)) => Claimed::Before(signed),
            None => self.claim(&request, &opened, now).await?,
        };
        let claim = match claimed {
            Claimed::New(claim) | Claimed::Before(claim) => claim,
            // Found only now: what became of it is in its blobs.
            Claimed::Taken => return Ok(Step::Later(BACK_OFF_S[0])),
            Claimed::Not(reason) => {
                let no = End::of(Ending::Refused, reason);
                return self.refuse(&opened, no, begun, traceparent).await;
            }
        };
        let verified = opened.trust.open(&claim, now);
        let verified = verified.map_err(|error| PortError::Broken(error.into()))?;
        let request = match request.permit(&opened.permit, &verified, self.app, now) {
            Ok(request) => request,
            Err(not_permitted) => {
                tracing::error!(error = %not_permitted, "claim does not fit");
                let end = End::violation("the claim is for something else").after(begun);
                self.conclude(&opened, end, traceparent).await?;
                return Ok(Step::Over);
            }
        };
        if let Some(pause_s) = self.waits_for_its_turn(&request, change.attempt).await? {
            return Ok(Step::Later(pause_s));
        }
        self.carry_out(request, opened, claim, traceparent).await
    }

    /// Ends a request that must not be carried out. One that nobody has begun is barred first:
    /// another process that judged otherwise must not begin it while this one refuses.
    async fn refuse(
        &self,
        opened: &Opened,
        end: End,
        begun: bool,
        traceparent: Option<String>,
    ) -> Result<Step, NotHandled> {
        let now = self.ports.clock.now();
        if !begun && self.bar(opened, now).await? == Created::Existed {
            return Ok(Step::Later(BACK_OFF_S[0]));
        }
        self.conclude(opened, end.after(begun), traceparent).await?;
        Ok(Step::Over)
    }

    /// Commits the attempt, makes the change, commits the outcome.
    async fn carry_out(
        &self,
        request: Request<Permitted>,
        opened: Opened,
        claim: Signed<Claim>,
        traceparent: Option<String>,
    ) -> Result<Step, NotHandled> {
        let Some((opened, number)) =
            self.lease(&request, opened, claim, traceparent.clone()).await?
        else {
            return Ok(Step::Later(BACK_OFF_S[0]));
        };
        // What is sent is computed from the parsed change whose digest the permit names, just
        // checked, and each call is one that its operation declares.
        let lease_ends = opened.document.body.lease.map_or(request.resume_until(), |it| it.until);
        let tools = (&*self.ports.entropy, &*self.ports.clock);
        let until = lease_ends.plus_s(-LONGEST_CALL_S);
        let mut hands = Hands::new(&request, &*self.directory, tools, until);
        let done = request.change().carry_out(&mut hands).await;
        // This attempt may have been carried out in part; an earlier one wholly, its answer lost.
        let begun = number > 1 || hands.has_written();
        let end = match done {
            Ok(secret) => End {
                result: self.result(&request, secret)?,
                call_id: hands.into_call_id(),
                ..End::of(Ending::Succeeded, "the directory confirmed it")
            },
            Err(NotDone::Cannot(reason)) => End::of(Ending::Failed, reason).after(begun),
            Err(NotDone::NotApplied(NotApplied::Refused { status, code })) => {
                tracing::warn!(status, code, "directory refused");
                End::of(Ending::Failed, refusal_words(status)).after(begun)
            }
            Err(NotDone::NotApplied(NotApplied::Port(error))) if error.is_transient() => {
                tracing::warn!(error = %error, attempt = number, "directory not reached");
                return Ok(Step::Later(pause_s(&error, number)));
            }
            Err(NotDone::NotApplied(NotApplied::Port(error))) => {
                tracing::error!(error = ?error, "directory's answer not understood");
                let reason = "the directory answered in a way that is not understood";
                End::of(Ending::Unknown, reason)
            }
        };
        self.conclude(&opened, end, traceparent).await?;
        Ok(Step::Over)
    }

    /// Commits that this process works on the request now, and which attempt that is; `None`
    /// if somebody else does, or the lease was nearly over by the time that it was had.
    async fn lease(
        &self,
        request: &Request<Permitted>,
        mut opened: Opened,
        claim: Signed<Claim>,
        traceparent: Option<String>,
    ) -> Result<Option<(Opened, u32)>, NotHandled> {
        let now = self.ports.clock.now();
        let record = &mut opened.document.body;
        let number = record.lease.map_or(1, |lease| lease.attempt + 1);
        let first = record.claim.is_none();
        let until = now.plus_s(LEASE_S);
        record.claim = Some(claim);
        record.state = State::Executing;
        record.lease = Some(Lease { attempt: number, holder: self.holder, until });
        tracing::info!(attempt = number, permit = %opened.permit.jti, "claimed");
        let happened = if first { Happened::Claimed } else { Happened::Resumed };
        let commit = self.about(&opened.document, happened, traceparent)?;
        let partition = Partition::tenant(request.scope());
        match self.ledger.commit(&partition, commit, now).await {
            Ok(committed) => {
                if let Some(etag) = committed.etag {
                    opened.document.etag = etag;
                }
                let left_s = until.since_s(self.ports.clock.now());
                Ok((left_s >= LONGEST_CALL_S).then_some((opened, number)))
            }
            Err(NotCommitted::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The secret result of an operation, encrypted to whoever asked for it.
    fn result(
        &self,
        request: &Request<Permitted>,
        secret: Option<Secret>,
    ) -> Result<Option<String>, NotHandled> {
        let Some(secret) = secret else { return Ok(None) };
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
            counts: Vec::new(),
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
