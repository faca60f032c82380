//! What a worker does with a permitted change. It believes nobody.
//!
//! Guarantee, under at-least-once delivery, lost answers and SIGKILL at any instruction: the
//! effect is there once, or converged as if once; a request that was claimed ends in
//! an outcome, by redelivery or by [`Worker::reclaim`]; what evidence does not support is not
//! done, and the ledger says that it was tried.

mod attested;
mod busy;
mod carrying_out;
mod claims;
mod erased;
mod judge;
mod mending;
mod open;
mod outcome;
mod pace;
mod reclaiming;
mod retry;
mod rotating;
mod unkept;

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    claim::Ending,
    data_keys::{self, DataKeys, TenantKeys},
    identity::App,
    jwe,
    jws::NotSigned,
    ledger::{Commit, Document, Happened, Ledger, NotCommitted},
    permit::PermittedChange,
    policy::Policies,
    ports::{Created, Directory, PortError, Ports},
    record::Record,
    remediation::Remediator,
    rotation::Rotator,
    step_up::Newest,
    trust::TrustStore,
    violation::Violations,
};
use busy::Busy;
use claims::{Claimed, Standing};
use judge::Judgement;
use open::{Opened, Unopened};
use outcome::End;
use retry::{SOON_S, pause_s};
use unkept::Unkept;

/// Deliveries after which the broker dead-letters a message.
pub const MAX_DELIVERIES: u32 = 10;

/// One worker process.
pub struct Worker {
    app: App,
    ports: Ports,
    tools: Tools,
    trust: Arc<TrustStore>,
    ledger: Arc<Ledger>,
    keys: DataKeys,
    policies: Arc<Policies>,
    holder: Uuid,
    busy: Busy,
    violations: Violations,
    unkept: Unkept,
    newest: Newest,
}

/// By what a worker carries changes out.
pub enum Tools {
    /// The directory, as the worker applications may change it: `execute` has it.
    Directory(Arc<dyn Directory>),
    /// What changes credentials: `rotate` has it.
    Credentials {
        /// Gives a bound secret a new one.
        rotator: Arc<Rotator>,
        /// Takes away what was not declared.
        remediator: Arc<Remediator>,
    },
}

impl Tools {
    /// The app that has them.
    const fn app(&self) -> App {
        match self {
            Self::Directory(_) => App::Execute,
            Self::Credentials { .. } => App::Rotate,
        }
    }
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
    /// A request could not be encrypted for the store.
    #[error("request not encrypted")]
    NotEncrypted(#[from] data_keys::NotSealed),
}

/// How one attempt went on.
enum Step {
    /// Nothing is left to do.
    Over,
    /// Again, not before so many seconds.
    Later(i64),
}

impl Worker {
    /// A worker with these tools over these ports, of the name `holder`: random, new for each
    /// process.
    #[must_use]
    pub fn new(
        tools: Tools,
        ports: Ports,
        trust: TrustStore,
        policies: Arc<Policies>,
        holder: [u8; 16],
    ) -> Self {
        let (app, trust) = (tools.app(), Arc::new(trust));
        let ledger = Arc::new(Ledger::new(app, &ports, Arc::clone(&trust)));
        let keys = DataKeys::new(&ports, Arc::clone(&ledger));
        let holder = uuid::Builder::from_random_bytes(holder).into_uuid();
        Self {
            app,
            ports,
            tools,
            trust,
            ledger,
            keys,
            policies,
            holder,
            busy: Busy::default(),
            violations: Violations::default(),
            unkept: Unkept::default(),
            newest: Newest::default(),
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
        let handled = match handled {
            // Nothing was written, and nothing was done but what a claim stands for.
            Err(NotHandled::NotCommitted(NotCommitted::NotProven(error))) => {
                self.unproven(&error, None, change.attempt).await
            }
            handled => handled,
        };
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
            Err(unopened) => {
                if let Unopened::Ended(request) = unopened {
                    self.unkept.take(request, self.ports.clock.now());
                }
                return self.turn_away(unopened, change.attempt).await;
            }
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
            return Ok(Step::Later(SOON_S));
        };
        if let Some(end) = self.unkept.take(opened.document.body.request, now) {
            self.finish(&opened, end, traceparent).await?;
            return Ok(Step::Over);
        }
        let standing = match self.standing(&opened, again || change.attempt > 0, now).await? {
            Standing::Claim(claim) => claim,
            Standing::Ended(blob) => {
                self.restore(&opened.scope, &opened.document, *blob, traceparent).await?;
                return Ok(Step::Over);
            }
            Standing::Never(ending) => {
                self.conclude(&opened, &ending, traceparent).await?;
                return Ok(Step::Over);
            }
        };
        let begun = opened.document.body.lease.is_some() || standing.is_some();
        let at = standing.as_ref().map_or(now, |standing| standing.0.iat);
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
            Some(standing) => Claimed::Before(standing.1),
            None => self.claim(&request, &opened, now).await?,
        };
        let claim = match claimed {
            Claimed::New(claim) | Claimed::Before(claim) => claim,
            // Found only now: what became of it is in its blobs.
            Claimed::Taken => return Ok(Step::Later(SOON_S)),
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
                self.conclude(&opened, &end, traceparent).await?;
                return Ok(Step::Over);
            }
        };
        if let Some(pause_s) = self.waits_for_its_turn(&request, change.attempt).await? {
            return Ok(Step::Later(pause_s));
        }
        // As large as all that can be carried out.
        Box::pin(self.carry_out(request, opened, claim, traceparent)).await
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
            return Ok(Step::Later(SOON_S));
        }
        self.conclude(opened, &end.after(begun), traceparent).await?;
        Ok(Step::Over)
    }

    /// What happened to a request.
    async fn about(
        &self,
        document: &Document<Record>,
        keys: TenantKeys<'_>,
        happened: Happened,
        traceparent: Option<String>,
    ) -> Result<Commit, NotHandled> {
        let now = self.ports.clock.now();
        Ok(Commit {
            principal: Some(document.body.summary.requester.clone()),
            request: Some(document.body.request),
            traceparent,
            change: Some(document.body.change(Some(document), keys, now).await?),
            ..Commit::of(happened)
        })
    }
}

fn broken(what: &'static str) -> NotHandled {
    NotHandled::Port(PortError::Broken(what.into()))
}
