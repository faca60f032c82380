//! How requests end: outcomes, and what is recorded when a message leads nowhere.

use std::error::Error;

use super::{
    NotHandled, Opened, Step, Worker, broken,
    open::Unopened,
    retry::{STOPPED_S, back_off_s, pause_s},
};
use crate::{
    claim::{CONTAINER, Ending, Outcome, OutcomeBlob, outcome_blob},
    digest::Digest,
    jws::Signed,
    ledger::{Commit, Document, Happened, NotCommitted, NotProven},
    ports::{Created, NotApplied, Partition},
    record::{Record, State},
    tenancy::TenantScope,
    violation,
};

/// How a request shall end.
pub(super) struct End {
    pub ending: Ending,
    /// In constant words of ours.
    pub reason: &'static str,
    /// Whether it ends because its evidence does not hold.
    pub is_violation: bool,
    /// Whether an earlier attempt may have been carried out.
    pub after_attempt: bool,
    /// The encrypted result.
    pub result: Option<String>,
    /// The directory's own id of the call.
    pub call_id: Option<String>,
}

impl End {
    pub(super) fn of(ending: Ending, reason: &'static str) -> Self {
        let (result, call_id) = (None, None);
        Self { ending, reason, is_violation: false, after_attempt: false, result, call_id }
    }

    pub(super) fn violation(what: &'static str) -> Self {
        Self { is_violation: true, ..Self::of(Ending::Refused, what) }
    }

    /// The same, for a request of which an attempt may have been carried out: then nobody
    /// knows that it was not done.
    pub(super) fn after(mut self, attempt: bool) -> Self {
        if attempt {
            self.ending = Ending::Unknown;
            self.after_attempt = true;
        }
        self
    }

    /// How a request ends whose change the directory did not make; or the seconds after which
    /// it is tried again. `begun`: an attempt may have been carried out in part.
    pub(super) fn not_applied(error: &NotApplied, begun: bool, number: u32) -> Result<Self, i64> {
        match error {
            NotApplied::Refused { status, code } => {
                tracing::warn!(status, code, "directory refused");
                Ok(Self::of(Ending::Failed, refusal_words(*status)).after(begun))
            }
            NotApplied::Port(error) if error.is_transient() => {
                tracing::warn!(error = %error, attempt = number, "directory not reached");
                Err(pause_s(error, number))
            }
            NotApplied::Port(error) => {
                let error = error as &(dyn Error + 'static);
                tracing::error!(error, "directory's answer not understood");
                let reason = "the directory answered in a way that is not understood";
                Ok(Self::of(Ending::Unknown, reason))
            }
        }
    }

    fn words(&self) -> String {
        let reason = self.reason;
        match (self.after_attempt, self.is_violation) {
            (true, _) => format!("it was begun, and may have been done; it was stopped: {reason}"),
            (false, true) => format!("the evidence for it does not hold: {reason}"),
            (false, false) => reason.to_owned(),
        }
    }
}

impl Worker {
    /// Records why a message leads nowhere. The request that it names stays as it is.
    pub(super) async fn turn_away(
        &self,
        unopened: Unopened,
        attempt: u32,
    ) -> Result<Step, NotHandled> {
        match unopened {
            Unopened::Ended(_) => Ok(Step::Over),
            Unopened::Violation { scope, request, what } => {
                self.violated(scope.as_deref(), request, what).await?;
                Ok(Step::Over)
            }
            Unopened::NotProven(error) => self.unproven(&error, None, attempt).await,
            Unopened::Port(error) if error.is_transient() => {
                tracing::warn!(error = %error, "not read");
                Ok(Step::Later(pause_s(&error, attempt + 1)))
            }
            Unopened::Port(error) => Err(error.into()),
        }
    }

    /// Concludes what was carried out. If that cannot be, how it ended is remembered: the
    /// directory has answered, and must not be asked to do it again.
    pub(super) async fn finish(
        &self,
        opened: &Opened,
        end: End,
        traceparent: Option<String>,
    ) -> Result<(), NotHandled> {
        let concluded = self.conclude(opened, &end, traceparent).await;
        if concluded.is_err() {
            self.unkept.remember(opened.document.body.request, end, self.ports.clock.now());
        }
        concluded
    }

    /// Ends a request: the outcome is signed, kept create-only, then committed. The outcome
    /// that was kept first is the one that counts.
    pub(super) async fn conclude(
        &self,
        opened: &Opened,
        end: &End,
        traceparent: Option<String>,
    ) -> Result<(), NotHandled> {
        let (tenant, request) = (opened.scope.tenant(), opened.document.body.request);
        let outcome = Outcome {
            iss: self.app,
            tnt: tenant,
            req: request,
            ending: end.ending,
            reason: end.words(),
            iat: self.ports.clock.now(),
            result: end.result.as_ref().map(|result| Digest::of(&[result.as_bytes()])),
            call_id: end.call_id.clone(),
        };
        let outcome = Signed::sign(&outcome, &*self.ports.signer).await?;
        let blob = OutcomeBlob { outcome, result: end.result.clone() };
        let bytes = serde_json::to_vec(&blob)?;
        let name = outcome_blob(tenant, request);
        let created = self.ports.blobs.create(CONTAINER, &name, &bytes).await?;
        let (blob, what) = match created {
            Created::New => (blob, end.is_violation.then_some(end.reason)),
            Created::Existed => {
                let kept = self.kept_outcome(&opened.trust, tenant, request).await?;
                (kept.ok_or_else(|| broken("outcome neither created nor found"))?, None)
            }
        };
        self.commit_outcome(&opened.scope, &opened.document, blob, what, traceparent).await
    }

    /// Commits an outcome that stands. Somebody else's commit of the same is as good.
    pub(super) async fn restore(
        &self,
        scope: &TenantScope,
        document: &Document<Record>,
        blob: OutcomeBlob,
        traceparent: Option<String>,
    ) -> Result<(), NotHandled> {
        self.commit_outcome(scope, document, blob, None, traceparent).await
    }

    async fn commit_outcome(
        &self,
        scope: &TenantScope,
        document: &Document<Record>,
        blob: OutcomeBlob,
        what: Option<&'static str>,
        traceparent: Option<String>,
    ) -> Result<(), NotHandled> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await.map_err(|_| broken("keyset not read"))?;
        let outcome =
            trust.open(&blob.outcome, now).map_err(|_| broken("outcome not a worker's"))?;
        let mut document = document.clone();
        document.body.state = State::ended(outcome.ending);
        document.body.lease = None;
        document.body.outcome = Some(blob.outcome);
        // A result that was shown stays shown.
        document.body.result = blob.result.filter(|_| document.body.revealed.is_none());
        let partition = Partition::tenant(scope);
        let keys = self.keys.of(&trust, &partition);
        let commit = match what {
            None => self.about(&document, keys, Happened::Ended, traceparent).await?,
            Some(what) => {
                tracing::error!(what, "integrity violation; nothing was done");
                let change = document.body.change(Some(&document), keys, now).await?;
                let request = Some(document.body.request);
                let entropy = &*self.ports.entropy;
                violation::commit(self.app, &partition, request, what, Some(change), entropy, now)?
            }
        };
        self.ledger.commit(&partition, commit, now).await?;
        tracing::info!(ending = %outcome.ending, "request ended");
        Ok(())
    }

    /// Records that somebody wanted something done on evidence that does not hold.
    pub(super) async fn violated(
        &self,
        scope: Option<&TenantScope>,
        request: Option<Digest>,
        what: &'static str,
    ) -> Result<(), NotHandled> {
        tracing::error!(what, "integrity violation; nothing was done");
        let partition = scope.map_or_else(Partition::platform, Partition::tenant);
        let now = self.ports.clock.now();
        let (ledger, entropy) = ((&*self.ledger, self.app), &*self.ports.entropy);
        let record = async |partition| {
            self.violations.record(ledger, partition, request, what, entropy, now).await
        };
        let platform = Partition::platform();
        let mut recorded = record(&partition).await;
        // Nothing is added to a tree that is not proven.
        if matches!(recorded, Err(NotCommitted::NotProven(_))) && partition != platform {
            recorded = record(&platform).await;
        }
        match recorded {
            Err(NotCommitted::NotProven(error)) => {
                let error = &error as &(dyn Error + 'static);
                tracing::error!(what, error, "integrity violation; no ledger to record it in");
                Ok(())
            }
            recorded => Ok(recorded?),
        }
    }

    /// What becomes of a message while the ledger that it leads to is not proven. Nothing was done.
    pub(super) async fn unproven(
        &self,
        error: &NotProven,
        request: Option<Digest>,
        attempt: u32,
    ) -> Result<Step, NotHandled> {
        {
            let error = error as &(dyn Error + 'static);
            tracing::warn!(error, "ledger not proven");
        }
        let pause_s = match error {
            NotProven::Violation(_) | NotProven::Anchor(_) => {
                self.violated(None, request, "a ledger is not what was sealed").await?;
                return Ok(Step::Over);
            }
            NotProven::Refused => STOPPED_S,
            NotProven::Port(error) => pause_s(error, attempt.saturating_add(1)),
            NotProven::Stale | NotProven::NoKeyset => back_off_s(attempt.saturating_add(1)),
        };
        Ok(Step::Later(pause_s))
    }

    /// Records that a message goes to the dead letters; the broker keeps its envelope.
    pub(super) async fn undeliverable(&self) -> Result<(), NotHandled> {
        let commit = undeliverable("not processed in all its deliveries");
        self.ledger.commit(&Partition::platform(), commit, self.ports.clock.now()).await?;
        Ok(())
    }
}

/// A statement that changes no document.
fn undeliverable(what: &'static str) -> Commit {
    Commit { reason: Some(what.to_owned()), ..Commit::of(Happened::Undeliverable) }
}

/// What a requester is told about a directory's refusal.
const fn refusal_words(status: u16) -> &'static str {
    match status {
        404 => "the directory does not know the target",
        403 => "the directory does not allow it",
        _ => "the directory refused the change",
    }
}
