//! How requests end: outcomes, and what is recorded when a message leads nowhere.

use super::{NotHandled, Opened, Step, Worker, broken, open::Unopened, retry::pause_s};
use crate::{
    claim::{CONTAINER, Ending, Outcome, OutcomeBlob, outcome_blob},
    digest::Digest,
    jws::Signed,
    ledger::{Commit, Document, Happened},
    ports::{Created, Partition},
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
            self.unkept.remember(opened.document.body.request, end);
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
                let kept = self.kept_outcome(opened).await?;
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
        if scope.is_none() && !self.strangers.is_recorded(now) {
            tracing::error!(what, "too many in this hour: not recorded");
            return Ok(());
        }
        let entropy = &*self.ports.entropy;
        let commit = violation::commit(self.app, &partition, request, what, None, entropy, now)?;
        self.ledger.commit(&partition, commit, now).await?;
        Ok(())
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
    Commit {
        happened: Happened::Undeliverable,
        principal: None,
        request: None,
        reason: Some(what.to_owned()),
        traceparent: None,
        change: None,
        markers: Vec::new(),
        counts: Vec::new(),
        outgoing: Vec::new(),
    }
}
