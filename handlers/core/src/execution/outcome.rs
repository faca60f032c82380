//! How requests end: outcomes, and what is recorded when nothing may be done.

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

use super::{NotHandled, Refusal, Step, Worker, broken};

impl Worker {
    /// Records why nothing is done.
    pub(super) async fn turn_away(
        &self,
        refusal: Refusal,
        traceparent: Option<String>,
    ) -> Result<Step, NotHandled> {
        match refusal {
            Refusal::Ended => Ok(Step::Over),
            Refusal::Violation { scope: Some(scope), document: Some(document), what, .. } => {
                tracing::error!(what, "integrity violation; nothing was done");
                let outcome = Outcome {
                    iss: self.app,
                    tnt: scope.tenant(),
                    req: document.body.request,
                    ending: Ending::Refused,
                    reason: format!("the evidence for it does not hold: {what}"),
                    iat: self.ports.clock.now(),
                    result: None,
                    call_id: None,
                };
                let outcome = Signed::sign(&outcome, &*self.ports.signer).await?;
                let blob = OutcomeBlob { outcome, result: None };
                self.commit_outcome(&scope, &document, blob, Some(what), traceparent).await?;
                Ok(Step::Over)
            }
            Refusal::Violation { scope, request, what, .. } => {
                self.violated(scope.as_deref(), request, what).await?;
                Ok(Step::Over)
            }
            Refusal::No { scope, document, reason } => {
                self.end(&scope, &document, Ending::Refused, reason, traceparent).await?;
                Ok(Step::Over)
            }
            Refusal::Port(NotHandled::Port(error)) if error.is_transient() => {
                tracing::warn!(error = %error, "evidence not read");
                Ok(Step::Later(super::pause_s(&error, 1)))
            }
            Refusal::Port(error) => Err(error),
        }
    }

    /// Ends a request without a result.
    pub(super) async fn end(
        &self,
        scope: &TenantScope,
        document: &Document<Record>,
        ending: Ending,
        reason: &'static str,
        traceparent: Option<String>,
    ) -> Result<(), NotHandled> {
        self.finish(scope, document, ending, reason, None, None, traceparent).await
    }

    /// Ends a request: the outcome is signed, kept create-only, then committed.
    #[expect(clippy::too_many_arguments, reason = "an outcome says all of this, once")]
    pub(super) async fn finish(
        &self,
        scope: &TenantScope,
        document: &Document<Record>,
        ending: Ending,
        reason: &'static str,
        result: Option<String>,
        call_id: Option<String>,
        traceparent: Option<String>,
    ) -> Result<(), NotHandled> {
        let outcome = Outcome {
            iss: self.app,
            tnt: scope.tenant(),
            req: document.body.request,
            ending,
            reason: reason.to_owned(),
            iat: self.ports.clock.now(),
            result: result.as_ref().map(|result| Digest::of(&[result.as_bytes()])),
            call_id,
        };
        let outcome = Signed::sign(&outcome, &*self.ports.signer).await?;
        let mut blob = OutcomeBlob { outcome, result };
        // What was never claimed needs no memory outside of the database: if that is put back,
        // it is judged again.
        if document.body.claim.is_some() {
            let name = outcome_blob(scope.tenant(), document.body.request);
            let bytes = serde_json::to_vec(&blob)?;
            if self.ports.blobs.create(CONTAINER, &name, &bytes).await? == Created::Existed {
                let kept = self.ports.blobs.read(CONTAINER, &name).await?;
                let kept = kept.ok_or_else(|| broken("outcome neither created nor found"))?;
                blob = serde_json::from_slice(&kept)?;
            }
        }
        self.restore(scope, document, blob, traceparent).await
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
        violation: Option<&'static str>,
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
        let commit = match violation {
            None => self.about(&document, Happened::Ended, traceparent)?,
            Some(what) => {
                let change = document.body.change(Some(&document), now)?;
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
        let entropy = &*self.ports.entropy;
        let commit = violation::commit(self.app, &partition, request, what, None, entropy, now)?;
        self.ledger.commit(&partition, commit, now).await?;
        Ok(())
    }

    /// Records that a message goes to the dead letters; the broker keeps its envelope.
    pub(super) async fn undeliverable(&self) -> Result<(), NotHandled> {
        let what = "not processed in all its deliveries";
        self.ledger
            .commit(&Partition::platform(), undeliverable(what), self.ports.clock.now())
            .await?;
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
        outgoing: Vec::new(),
    }
}
