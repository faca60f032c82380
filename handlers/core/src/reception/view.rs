//! What is shown of a request, and under which name.

use serde::Serialize;

use crate::{
    ask::RequestEvidence,
    claim::{Ending, Outcome},
    decision::{DecisionEvidence, Verdict},
    digest::Digest,
    identity::TenantId,
    jws::{NotVerified, Verified},
    keyset::Trust,
    record::{Record, State, Summary},
    step_up::Context,
    time::Timestamp,
};

/// The name of a request to the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestName {
    /// The tenant that it changes.
    pub tenant: TenantId,
    /// Its digest.
    pub digest: Digest,
}

/// What is shown of a request.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// `<tenant>.<digest>`.
    pub id: String,
    /// How far it has come.
    pub state: &'static str,
    /// The tenant that it changes.
    pub tenant: TenantId,
    /// What it is.
    #[serde(flatten)]
    pub summary: Summary,
    /// Approvals that it needs in all.
    pub needs_approvals: u32,
    /// Approvals that it has.
    pub approvals: u32,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeView>,
    /// Whether an emergency waits for its review, or had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<&'static str>,
    /// Whether a secret result can be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reveal: Option<&'static str>,
}

/// One request, with what its decision is made about.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// What `intake` says of it.
    #[serde(flatten)]
    pub view: View,
    /// What its requester signed, and as whom: a decider believes this and nothing beside it.
    pub evidence: RequestEvidence,
    /// What was decided about it, oldest first.
    pub decisions: Vec<DecisionView>,
    /// The authentication context that the tenant's terms want of whoever approves or denies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_up: Option<Context>,
}

/// What somebody decided about a request, without the evidence: a decider's session is nobody
/// else's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionView {
    /// Who.
    pub by: String,
    /// What.
    pub verdict: Verdict,
    /// When it was signed.
    pub at: Timestamp,
    /// Why, in their words.
    pub reason: String,
}

/// How a request ended.
#[derive(Clone, Debug, Serialize)]
pub struct OutcomeView {
    /// In a word.
    pub ending: Ending,
    /// Why.
    pub reason: String,
}

impl std::fmt::Display for RequestName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.tenant, self.digest)
    }
}

impl RequestName {
    /// Reads `<tenant>.<digest>`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (tenant, digest) = text.split_once('.')?;
        Some(Self { tenant: tenant.parse().ok()?, digest: Digest::parse(digest)? })
    }
}

pub(super) fn view(
    name: RequestName,
    record: &Record,
    outcome: Option<&Verified<Outcome>>,
    now: Timestamp,
) -> View {
    let over = record.summary.expires <= now && record.state == State::Pending;
    let review = match (record.is_review_due(), &record.review) {
        (true, _) => Some("due"),
        (false, Some(_)) => Some("done"),
        (false, None) => None,
    };
    let reveal = match (&record.result, record.revealed) {
        (Some(_), _) => Some("ready"),
        (None, Some(_)) => Some("revealed"),
        (None, None) => None,
    };
    View {
        id: name.to_string(),
        state: if over { "expired" } else { record.state.name() },
        tenant: name.tenant,
        summary: record.summary.clone(),
        needs_approvals: record.needs_approvals,
        approvals: record.approvals,
        review,
        outcome: outcome
            .map(|outcome| OutcomeView { ending: outcome.ending, reason: outcome.reason.clone() }),
        reveal,
    }
}

/// What was decided about a request, and its review.
///
/// One that no longer verifies is left out: the key behind its session may be revoked since, and
/// that must not hide the request from whoever has to look at it.
pub(super) fn decisions(record: &Record, trust: &Trust) -> Vec<DecisionView> {
    let mut shown = Vec::new();
    for evidence in record.decisions.iter().chain(&record.review) {
        match read(evidence, record.request, trust) {
            Ok(decision) => shown.push(decision),
            Err(error) => tracing::warn!(error = %error, "decision not shown"),
        }
    }
    shown
}

fn read(
    evidence: &DecisionEvidence,
    request: Digest,
    trust: &Trust,
) -> Result<DecisionView, NotVerified> {
    let session = trust.open_undated(&evidence.person.session)?;
    let decision = evidence.decision.verify_undated(&session.cnf.jwk)?;
    if decision.req != request {
        return Err(NotVerified::Other("request"));
    }
    if decision.sid != session.sid_hash() {
        return Err(NotVerified::Other("session"));
    }
    Ok(DecisionView {
        by: session.person().to_string(),
        verdict: decision.verdict,
        at: decision.iat,
        reason: decision.reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        binding::Conditions,
        finding,
        identity::Role::{Approver, HelpdeskAgent},
        tests::world::{CONTOSO, NINA, World},
    };

    #[tokio::test]
    async fn whoever_may_see_a_request_sees_who_decided_what_and_the_step_up_that_is_wanted() {
        let world = World::new().await;
        let c1 = Context::try_from("c1".to_owned()).unwrap();
        let wanted =
            Conditions { step_up: Some(c1.clone()), approvals: 2, ..Conditions::default() };
        world
            .change_terms(CONTOSO, |terms| {
                terms.operations.insert("account.disable".to_owned(), wanted);
            })
            .await;
        world.find(&c1, finding::Verdict::Match).await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let april = world.step_up(CONTOSO, 2, &[Approver], &["c1"]).await;
        let ask = world.ask(&harriet, "account.disable", NINA);
        let asked = world.submit(&harriet, &ask).await.unwrap();
        let name = RequestName::parse(&asked.id).unwrap();
        let show = async || world.reception.show(&harriet.caller, name).await.unwrap();
        assert_eq!((show().await.decisions, show().await.step_up), (vec![], Some(c1)));

        let decision = world.decision(&april, name.digest, Verdict::Approve);
        world.decide(&april, &asked.id, Verdict::Approve).await.unwrap();

        let shown = show().await;
        let approved = DecisionView {
            by: april.id().to_string(),
            verdict: Verdict::Approve,
            at: decision.iat,
            reason: decision.reason,
        };
        assert_eq!(shown.decisions, [approved]);
        let told = serde_json::to_string(&shown.decisions).unwrap();
        assert!(!told.contains("cookie") && !told.contains("sid"), "{told}");

        world.decide(&harriet, &asked.id, Verdict::Withdraw).await.unwrap();
        let verdicts: Vec<_> = show().await.decisions.iter().map(|each| each.verdict).collect();
        assert_eq!(verdicts, [Verdict::Approve, Verdict::Withdraw]);

        let other = world.ask(&harriet, "sessions.revoke", NINA);
        let other = world.submit(&harriet, &other).await.unwrap();
        let name = RequestName::parse(&other.id).unwrap();
        let shown = world.reception.show(&harriet.caller, name).await.unwrap();
        assert_eq!((shown.decisions, shown.step_up), (vec![], None));
    }
}
