//! A request as it is remembered: all the evidence, and how far it has come.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    ask::RequestEvidence,
    catalog::{Target, target},
    claim::{Claim, Ending, Outcome},
    data_keys::{NotSealed, TenantKeys},
    decision::DecisionEvidence,
    digest::Digest,
    jws::Signed,
    ledger::{Contents, Document, commit::Change},
    permit::Permit,
    time::Timestamp,
};

/// `kind` of a stored request.
pub const KIND: &str = "request";

/// Id of the document of a request.
#[must_use]
pub fn document_id(request: Digest) -> String {
    format!("request-{request}")
}

/// The body of a stored request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Digest of the request.
    pub request: Digest,
    /// The request, and who asked.
    pub evidence: RequestEvidence,
    /// What was decided, and by whom.
    pub decisions: Vec<DecisionEvidence>,
    /// How far it has come.
    pub state: State,
    /// Approvals that it needs in all, as intake judged.
    pub needs_approvals: u32,
    /// Approvals that it has, as intake counted.
    #[serde(default)]
    pub approvals: u32,
    /// `intake`'s permit, once it is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<Signed<Permit>>,
    /// The worker's claim, once it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Signed<Claim>>,
    /// Whose turn it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The worker's word on how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Signed<Outcome>>,
    /// The encrypted result, until it was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// When it was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revealed: Option<Timestamp>,
    /// Who looked at an emergency afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<DecisionEvidence>,
    /// What a reader needs of the request, so that a list needs not parse each.
    pub summary: Summary,
}

/// What is shown of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Name of the operation.
    pub operation: String,
    /// What it changes, in a word.
    #[serde(with = "target::in_a_word")]
    pub target: Target,
    /// Who asked.
    pub requester: String,
    /// Why.
    pub purpose: String,
    /// The ticket that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Whether it is an emergency.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub break_glass: bool,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Until when it may be carried out.
    pub expires: Timestamp,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for approvals.
    Pending,
    /// Permitted and sent.
    Permitted,
    /// Claimed by the worker.
    Executing,
    /// Done.
    Succeeded,
    /// Must not be done.
    Refused,
    /// Could not be done.
    Failed,
    /// A person must look.
    Unknown,
    /// An approver said no.
    TurnedDown,
    /// Whoever asked took it back.
    Withdrawn,
}

impl State {
    /// The name in documents and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Permitted => "permitted",
            Self::Executing => "executing",
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::TurnedDown => "turned_down",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state of a request that ended so.
    #[must_use]
    pub const fn ended(ending: Ending) -> Self {
        match ending {
            Ending::Succeeded => Self::Succeeded,
            Ending::Refused => Self::Refused,
            Ending::Failed => Self::Failed,
            Ending::Unknown => Self::Unknown,
        }
    }

    /// Whether nothing more will happen to it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Permitted | Self::Executing)
    }
}

/// Whose turn it is to carry a request out. Fenced: a commit of an older attempt fails,
/// because the document has changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Counts the attempts.
    pub attempt: u32,
    /// The process.
    pub holder: Uuid,
    /// Until when others leave it alone.
    pub until: Timestamp,
}

/// For how long a lease holds, in seconds: longer than the longest directory call, and short
/// enough that a crash is made good while the requester still waits.
pub const LEASE_S: i64 = 30;

/// How long a result can be revealed after it was made, in seconds.
pub const REVEAL_S: i64 = 10 * 60;

/// What [`Record::hint`] says of an emergency that has ended and waits for its review.
pub const REVIEW_DUE: &str = "review_due";

impl Record {
    /// Whether somebody else must still look at it.
    #[must_use]
    pub const fn is_review_due(&self) -> bool {
        self.summary.break_glass && self.state.is_final() && self.review.is_none()
    }

    /// By what it is found.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        if self.is_review_due() { REVIEW_DUE } else { self.state.name() }
    }

    /// The change to commit, replacing `previous` or creating the document. It names people and
    /// holds what they wrote, so it is encrypted.
    ///
    /// # Errors
    ///
    /// [`NotSealed`].
    pub async fn change(
        &self,
        previous: Option<&Document<Self>>,
        keys: TenantKeys<'_>,
        now: Timestamp,
    ) -> Result<Change, NotSealed> {
        let id = document_id(self.request);
        let text = Zeroizing::new(serde_json::to_string(self)?);
        let salt = previous.map(|document| document.salt);
        Ok(Change {
            contents: Contents::Sealed(keys.seal(&id, salt, &text).await?),
            id,
            kind: KIND,
            at: previous.map_or(now.as_unix_s(), |document| document.at),
            hint: Some(self.hint().to_owned()),
            replaces: previous.map(|document| document.etag.clone()),
        })
    }
}
