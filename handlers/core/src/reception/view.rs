//! What is shown of a request, and under which name.

use serde::Serialize;

use crate::{
    ask::RequestEvidence,
    claim::{Ending, Outcome},
    digest::Digest,
    identity::TenantId,
    jws::Verified,
    record::{Record, State, Summary},
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
