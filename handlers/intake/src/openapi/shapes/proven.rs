//! What is proven of a request: how it ended, and that it stands in the ledger.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::words::{Ending, Worker};
use crate::openapi::forms::{
    Digest, SignedOutcome, SignedStatement, TenantId, Timestamp, UniqueId,
};

/// The proof of how a request ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RequestProof {
    /// A C2SP tlog-proof (`c2sp.org/tlog-proof@v1`): that the text of `statement` is an entry of
    /// the tenant's tree, and the tree's signed checkpoint.
    pub receipt: String,
    /// The worker's statement that it ended.
    pub statement: SignedStatement,
    /// The worker's word on how.
    pub outcome: SignedOutcome,
}

/// What an app says that happened (`typ` `statement+jwt`): a `CloudEvents` 1.0 event.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Statement {
    /// Always `1.0`.
    #[schema(pattern = r"^1\.0$")]
    pub specversion: String,
    /// Names the statement.
    pub id: UniqueId,
    /// The app, as `/airlock/<app>`.
    pub source: String,
    /// What happened: for a request that ended, `airlock.request.ended`.
    pub r#type: String,
    /// What it is about.
    pub subject: String,
    /// When, RFC 3339.
    pub time: String,
    /// W3C trace context in which it happened. Absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub traceparent: Option<String>,
    /// The tenant whose tree it belongs to, or `platform`.
    pub tenantid: String,
    /// Salted commitment to whoever caused it. Absent if nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Digest)]
    pub principal: Option<Digest>,
    /// The app.
    pub iss: String,
    /// When it was signed.
    pub iat: Timestamp,
    /// Digests, and constant words.
    pub data: Map<String, Value>,
}

/// A worker's word on how a request ended (`typ` `outcome+jwt`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeClaims {
    /// The worker.
    pub iss: Worker,
    /// The tenant.
    pub tnt: TenantId,
    /// Digest of the request.
    pub req: Digest,
    /// In a word.
    pub ending: Ending,
    /// Why, in constant words.
    pub reason: String,
    /// When.
    pub iat: Timestamp,
    /// SHA-256 of the encrypted result. Absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Digest)]
    pub result: Option<Digest>,
    /// The directory's own id of the call. Absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub call_id: Option<String>,
}
