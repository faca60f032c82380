//! The catalog.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::{Risk, Worker};
use crate::openapi::forms::OperationName;

/// An operation of the catalog.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// Its name in requests.
    pub name: OperationName,
    /// What it does, in one sentence for the person who asks.
    pub summary: String,
    /// How dangerous it is.
    pub risk: Risk,
    /// Whether its result is a secret for the requester alone.
    pub secret: bool,
    /// What it takes, besides the user that it is about.
    pub parameters: Vec<Parameter>,
    /// The app that carries it out: `aud` of a request for it.
    pub worker: Worker,
    /// The app registration whose token it needs.
    pub application: String,
    /// The Microsoft Graph application permissions that cover it.
    pub permissions: Vec<String>,
    /// Every call to Microsoft Graph that changes something, or reads what is shown to the
    /// requester: method and path.
    pub calls: Vec<String>,
    /// What it looks at before it begins.
    pub reads: Vec<String>,
    /// Seconds between two of it in one tenant. Absent if there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32)]
    pub pace_s: Option<u32>,
    /// How a repeat ends in the same state.
    pub converges: String,
}

/// A parameter of an operation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it says, and within which bounds.
    pub meaning: String,
    /// Whether there is no default.
    pub required: bool,
    /// A value, as it is typed.
    pub example: String,
}
