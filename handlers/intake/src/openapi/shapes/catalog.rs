//! The catalog.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::{Risk, TargetKind, Worker};
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
    /// What it takes, besides its target.
    pub parameters: Vec<Parameter>,
    /// The app that carries it out: `aud` of a request for it.
    pub worker: Worker,
    /// What it acts on.
    pub target: TargetKind,
    /// The app registration whose token it needs. Absent, with the three members that follow, if
    /// it is not made of calls to Microsoft Graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub application: Option<String>,
    /// The Microsoft Graph application permissions that cover it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>)]
    pub permissions: Option<Vec<String>>,
    /// Every call to Microsoft Graph that changes something, or reads what is shown to the
    /// requester: method and path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>)]
    pub calls: Option<Vec<String>>,
    /// What it looks at before it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>)]
    pub reads: Option<Vec<String>>,
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
