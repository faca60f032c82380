//! Recording what people decide.

use super::{
    Caller, Looking, NotReceived, Reception, RequestName, View, fresh, permitting::Entry, small,
    view::view,
};
use crate::{
    decision::{Decided, Deciding, Decision, DecisionEvidence, NotDecided, Verdict, approvals},
    jws::Signed,
    keyset::Trust,
    ledger::{Happened, NotCommitted},
    record::{Record, State},
    request::{NotAuthorized, Request},
    step_up::Backed,
    tenancy::TenantScope,
    time::Timestamp,
};

/// Tries to write a decision while others decide the same request.
const RACES: u32 = 8;

impl Reception {
    pub(super) async fn try_decide(
        &self,
        caller: &Caller,
        name: RequestName,
        decision: Signed<Decision>,
        traceparent: Option<String>,
    ) -> Result<View, NotReceived> {
        small(&decision)?;
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let scope = self.trust.scope(&trust, name.tenant).await?;
        let standing = scope.standing(&caller.person)?;
        self.not_revoked(&trust, &caller.person, now).await?;
        let evidence = DecisionEvidence { decision, person: caller.evidence.clone() };
        let (_, signed) = caller
            .evidence
            .open(&evidence.decision, &trust, now)
            .map_err(|error| NotReceived::NotDecided(NotDecided::NotVerified(error)))?;
        fresh(signed.iat, now)?;
        let looking = Looking::new(caller, &standing, (&scope, &trust), now);
        for _ in 0..RACES {
            let document = self.read(&scope, &trust, name.digest, now).await?;
            self.may_see(&document.body, &looking).await?;
            let mut record = document.body.clone();
            let happened = self.decided(&mut record, &evidence, &scope, &trust, now).await?;
            let entry = Entry {
                record: &record,
                previous: Some(&document),
                happened,
                by: caller.person.id().to_string(),
                markers: Vec::new(),
                counts: Vec::new(),
                told: None,
                traceparent: traceparent.clone(),
            };
            match self.write(&scope, &trust, entry, now).await {
                Ok(()) => return Ok(view(name, &record, None, now)),
                Err(NotReceived::NotCommitted(NotCommitted::Conflict)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(NotReceived::NotCommitted(NotCommitted::Conflict))
    }

    /// Adds a decision to a record; says what happened by it.
    async fn decided(
        &self,
        record: &mut Record,
        evidence: &DecisionEvidence,
        scope: &TenantScope,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<Happened, NotReceived> {
        let waits = record.state == State::Pending || record.is_review_due();
        if !waits {
            return Err(NotReceived::State);
        }
        // An emergency is reviewed when its own time is long over.
        let at = if record.is_review_due() { record.summary.asked_at } else { now };
        let request = Request::authenticate(&record.evidence, trust, Some(scope), at)?;
        let operation = request.change().entry().name;
        let documents = &*self.ports.documents;
        let backed = Backed::read(documents, trust, scope, operation, &self.newest, now).await?;
        let bound = request.bound(documents, trust, scope, now).await?;
        let by_what = Deciding {
            request: &request,
            bound: bound.as_ref(),
            scope,
            trust,
            policies: &self.policies,
            backed: &backed,
            now,
        };
        let new = evidence.verify(&by_what).map_err(NotReceived::NotDecided)?;
        match (record.is_review_due(), new.verdict()) {
            (true, Verdict::Review) => {
                record.review = Some(evidence.clone());
                return Ok(Happened::Reviewed);
            }
            (false, Verdict::Approve | Verdict::Deny | Verdict::Withdraw) => {}
            (true, _) | (false, Verdict::Review) => return Err(NotReceived::State),
        }
        let counted = counted(record, &by_what);
        let is_requester = record.summary.requester == new.by().to_string();
        let counted = add(record, evidence, new, counted, is_requester)?;
        record.approvals = u32::try_from(approvals(&counted).len()).unwrap_or(u32::MAX);
        match request.authorize(scope, &self.policies, &counted, bound.as_ref().into()) {
            Ok(authorized) => {
                self.permit(record, &authorized, scope, trust, now).await?;
                Ok(Happened::Permitted)
            }
            Err(NotAuthorized::NeedsApprovals(needed)) => {
                record.needs_approvals = needed;
                Ok(Happened::Decided)
            }
            Err(NotAuthorized::TurnedDown) => {
                record.state = State::TurnedDown;
                Ok(Happened::TurnedDown)
            }
            Err(NotAuthorized::Withdrawn) => {
                record.state = State::Withdrawn;
                Ok(Happened::Withdrawn)
            }
            Err(refusal) => Err(NotReceived::NotAllowed(refusal)),
        }
    }
}

/// The earlier decisions that still count. One whose time is over is dropped and not an error:
/// its maker may decide again.
fn counted(record: &mut Record, by_what: &Deciding<'_>) -> Vec<Decided> {
    let mut counted = Vec::new();
    record.decisions.retain(|earlier| match earlier.verify(by_what) {
        Ok(decided) => {
            counted.push(decided);
            true
        }
        Err(error) => {
            tracing::info!(error = %error, "earlier decision no longer counts");
            false
        }
    });
    counted
}

/// Adds a new decision to those that count.
fn add(
    record: &mut Record,
    evidence: &DecisionEvidence,
    new: Decided,
    mut counted: Vec<Decided>,
    is_requester: bool,
) -> Result<Vec<Decided>, NotReceived> {
    let approved =
        |earlier: &Decided| earlier.by() == new.by() && earlier.verdict() == Verdict::Approve;
    let has_approved = counted.iter().any(approved);
    match new.verdict() {
        // Gone, and not only outweighed: a withdrawal expires like any decision, and what it
        // took back must not come back by that.
        Verdict::Withdraw if has_approved => {
            let mut stays = counted.iter().map(|earlier| !approved(earlier));
            record.decisions.retain(|_| stays.next().unwrap_or(true));
            counted.retain(|earlier| !approved(earlier));
        }
        Verdict::Withdraw if !is_requester => return Err(NotReceived::State),
        Verdict::Approve if has_approved => return Err(NotReceived::State),
        Verdict::Approve | Verdict::Deny | Verdict::Withdraw | Verdict::Review => {}
    }
    counted.push(new);
    record.decisions.push(evidence.clone());
    Ok(counted)
}
