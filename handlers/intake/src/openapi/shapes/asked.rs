//! What is asked, and what of: an operation, on somebody.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::openapi::forms::{
    Lifetime, ObjectId, OperationName, Purpose, SecretName, SignedRequest, TenantId, Ticket,
};

/// What is asked, by a person or by a service.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Submission {
    /// By a person, who signs it.
    Signed(SignedSubmission),
    /// By a service, which shows a token instead. `Idempotency-Key` must be given.
    Asked(ServiceSubmission),
}

/// What a person asks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedSubmission {
    /// Signed by the caller's client key.
    pub request: SignedRequest,
}

/// What a service asks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSubmission {
    /// Signed by nobody: the token says whose it is.
    pub ask: ServiceAsk,
}

/// What a service asks, where and why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceAsk {
    /// The tenant to change.
    pub tenant: TenantId,
    /// What to do.
    pub op: Asked,
    /// Why.
    pub purpose: Purpose,
    /// The ticket that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Ticket)]
    pub ticket: Option<Ticket>,
    /// For how long it may be carried out, in seconds: 3600 if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Lifetime)]
    pub lifetime_s: Option<Lifetime>,
}

/// An operation of the catalog, on somebody.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Which operation.
    pub name: OperationName,
    /// On what. It must be of the kind that the operation takes.
    pub target: Target,
    /// Its parameters, by name, as the catalog lists them. What it does not know, it refuses.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
}

/// What an operation changes: one thing.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Target {
    /// A user.
    User(UserTarget),
    /// A secret.
    Secret(SecretTarget),
    /// An app registration of Airlock's own.
    Application(ApplicationTarget),
}

/// A user, as a target.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserTarget {
    /// A user of the tenant.
    pub user: ObjectId,
}

/// A secret, as a target.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretTarget {
    /// A secret that the tenant's secret bindings name.
    pub secret: SecretName,
}

/// An app registration, as a target. Nobody can ask for what is done to one but the service
/// itself, by what it found.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationTarget {
    /// Object id of an app registration of the tenant.
    pub application: ObjectId,
}
