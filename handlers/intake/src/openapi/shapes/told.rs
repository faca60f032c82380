//! What is told of a request, and of a token.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::words::{Ending, RequestState, Reveal, Review, Verdict};
use crate::openapi::forms::{
    ContextName, OperationName, PrincipalName, Purpose, Reason, RequestId, SignedAttestation,
    SignedConfirmation, SignedEvent, SignedRequest, SignedSession, TargetWord, TenantId, Ticket,
    Timestamp,
};

/// A request, as this service tells of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RequestView {
    /// Its name.
    pub id: RequestId,
    /// How far it has come.
    pub state: RequestState,
    /// The tenant that it changes.
    pub tenant: TenantId,
    /// What it does.
    pub operation: OperationName,
    /// What it changes.
    pub target: TargetWord,
    /// Who asked.
    pub requester: PrincipalName,
    /// Why.
    pub purpose: Purpose,
    /// The ticket that it belongs to. Absent if none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Ticket)]
    pub ticket: Option<Ticket>,
    /// Whether it is an emergency. Absent if it is none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub break_glass: bool,
    /// When it was signed.
    pub asked_at: Timestamp,
    /// Until when it may be carried out.
    pub expires: Timestamp,
    /// Approvals that it needs in all.
    pub needs_approvals: u32,
    /// Approvals that it has.
    pub approvals: u32,
    /// How it ended. Absent while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Outcome)]
    pub outcome: Option<Outcome>,
    /// Whether somebody looked at it afterwards. Absent if it is no emergency, or has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Review)]
    pub review: Option<Review>,
    /// Whether its secret result can be had. Absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Reveal)]
    pub reveal: Option<Reveal>,
}

/// How a request ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// In a word.
    pub ending: Ending,
    /// Why, in constant words of the service.
    pub reason: String,
}

/// A request with its evidence. Whoever decides believes the evidence, and nothing beside it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RequestShown {
    /// What this service tells of it.
    #[serde(flatten)]
    pub view: RequestView,
    /// What its requester signed, and as whom.
    pub evidence: RequestEvidence,
    /// What was decided about it, oldest first.
    pub decisions: Vec<DecisionTold>,
    /// The authentication context that the session of whoever approves or denies it must have
    /// satisfied. Absent if the tenant wants none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ContextName)]
    pub step_up: Option<ContextName>,
}

/// What somebody decided about a request, as this service tells of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DecisionTold {
    /// Who.
    pub by: PrincipalName,
    /// What.
    pub verdict: Verdict,
    /// When it was signed.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// A request and who asked it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RequestEvidence {
    /// By the requester's own signature, which anyone can check.
    Proven {
        /// By the key that the session names in `cnf`.
        request: SignedRequest,
        /// Who holds that key.
        person: PersonEvidence,
    },
    /// By this service's word.
    Attested {
        /// By this service.
        attestation: SignedAttestation,
    },
    /// By an event producer's own signature, which anyone can check who knows the tenant's terms.
    Produced {
        /// By the key that the tenant's terms register for the producer.
        event: SignedEvent,
    },
}

/// Who signed in, by the word of two services that do not trust each other.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PersonEvidence {
    /// By the service that signs people in.
    pub session: SignedSession,
    /// By this service.
    pub confirmation: SignedConfirmation,
}

/// The claims of a token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Claims {
    /// By name, as Entra wrote them.
    #[schema(value_type = Object)]
    pub claims: Map<String, Value>,
}
