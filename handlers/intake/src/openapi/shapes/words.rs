//! Words that stand for one of several.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a request has come. `pending`: it waits for approvals. `permitted`: it was sent to
/// the worker. `executing`: the worker has begun. `succeeded`: whoever keeps the target confirmed
/// it. `refused`: it must not be done. `failed`: it could not be done. `unknown`: nobody knows,
/// and a person must look. `turned_down`: an approver said no. `expired`: its time was over
/// before it had its approvals. `withdrawn`: whoever asked took it back.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    Pending,
    Permitted,
    Executing,
    Succeeded,
    Refused,
    Failed,
    Unknown,
    TurnedDown,
    Withdrawn,
    Expired,
}

/// Which stored state to list. A request whose time is over is still stored as `pending`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoredState {
    Pending,
    Permitted,
    Executing,
    Succeeded,
    Refused,
    Failed,
    Unknown,
    TurnedDown,
    Withdrawn,
}

/// How a request ended, by the worker's signed word. `succeeded`: whoever keeps the target
/// confirmed it. `refused`: it was not done, because it must not be. `failed`: it was not done,
/// because it could not be. `unknown`: nobody knows, and a person must look.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    Succeeded,
    Refused,
    Failed,
    Unknown,
}

/// Whether a secret result can be had. `ready`: once. `revealed`: it was handed out, and no
/// copy is left.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reveal {
    Ready,
    Revealed,
}

/// Whether an emergency was looked at afterwards. `due`: it waits for that. `done`: it was.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Review {
    Due,
    Done,
}

/// Who asks and decides. `HelpdeskAgent`: asks for everyday work; sensitive work needs an
/// approval. `SeniorAgent`: asks for sensitive work without one. `Approver`: decides what others
/// ask. `Auditor`: sees everything and changes nothing. `TenantAdmin`: answers for a tenant.
/// `PlatformAdmin`: answers for the deployment.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Role {
    HelpdeskAgent,
    SeniorAgent,
    Approver,
    Auditor,
    TenantAdmin,
    PlatformAdmin,
}

/// How much harm an operation does in the wrong hands. `low`: an inconvenience. `medium`:
/// somebody cannot work. `high`: somebody else's account, or a secret that others rely on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    Low,
    Medium,
    High,
}

/// What an operation acts on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    User,
    Secret,
    Application,
}

/// A worker: the app that carries an operation out.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Worker {
    Execute,
    Rotate,
}

/// An app of the service that signs people in or takes requests.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Issuer {
    Signin,
    Intake,
}

/// What somebody makes of a request. `approve`: do it. `deny`: do not. `withdraw`: an approver's
/// approval no longer counts; of the requester, the request itself. `review`: an emergency was
/// looked at afterwards.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Approve,
    Deny,
    Withdraw,
    Review,
}
