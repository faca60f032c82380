//! Objects, by the members that they travel with.
//!
//! Core's types say the same to serde. The tests read what those write with these, and compare
//! what these write with it: so neither changes alone. What we read refuses a member that it does
//! not know, and says so here; what we answer may have more of them one day.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::forms;

/// How far a request has come. `pending`: it waits for approvals. `permitted`: it was sent to
/// the worker. `executing`: the worker has begun. `succeeded`: the directory confirmed it.
/// `refused`: it must not be done. `failed`: the directory would not. `unknown`: nobody knows,
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

/// How a request ended, by the worker's signed word. `succeeded`: the directory confirmed it.
/// `refused`: it was not done, because it must not be. `failed`: it was not done, because the
/// directory would not. `unknown`: nobody knows, and a person must look.
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
/// somebody cannot work. `high`: somebody else's account.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    Low,
    Medium,
    High,
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

/// A request, as this service tells of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RequestView {
    /// Its name.
    #[schema(value_type = forms::RequestId)]
    pub id: String,
    /// How far it has come.
    pub state: RequestState,
    /// The tenant that it changes.
    #[schema(value_type = forms::TenantId)]
    pub tenant: String,
    /// What it does.
    #[schema(value_type = forms::OperationName)]
    pub operation: String,
    /// Whom it changes.
    #[schema(value_type = forms::ObjectId)]
    pub target: String,
    /// Who asked.
    #[schema(value_type = forms::PrincipalName)]
    pub requester: String,
    /// Why.
    #[schema(value_type = forms::Purpose)]
    pub purpose: String,
    /// The ticket that it belongs to. Absent if none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = forms::Ticket)]
    pub ticket: Option<String>,
    /// Whether it is an emergency. Absent if it is none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub break_glass: bool,
    /// When it was signed.
    #[schema(value_type = forms::Timestamp)]
    pub asked_at: i64,
    /// Until when it may be carried out.
    #[schema(value_type = forms::Timestamp)]
    pub expires: i64,
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
}

/// A request and who asked it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RequestEvidence {
    /// By the requester's own signature, which anyone can check.
    Proven {
        /// By the key that the session names in `cnf`.
        #[schema(value_type = forms::SignedRequest)]
        request: String,
        /// Who holds that key.
        person: PersonEvidence,
    },
    /// By this service's word.
    Attested {
        /// By this service.
        #[schema(value_type = forms::SignedAttestation)]
        attestation: String,
    },
    /// By an event producer's own signature, which anyone can check who knows the tenant's terms.
    Produced {
        /// By the key that the tenant's terms register for the producer.
        #[schema(value_type = forms::SignedEvent)]
        event: String,
    },
}

/// Who signed in, by the word of two services that do not trust each other.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PersonEvidence {
    /// By the service that signs people in.
    #[schema(value_type = forms::SignedSession)]
    pub session: String,
    /// By this service.
    #[schema(value_type = forms::SignedConfirmation)]
    pub confirmation: String,
}

/// A P-256 public key: exactly these four members.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// The curve.
    #[schema(pattern = "^P-256$")]
    pub crv: String,
    /// The type of key.
    #[schema(pattern = "^EC$")]
    pub kty: String,
    /// The point must be on the curve.
    #[schema(value_type = forms::Coordinate)]
    pub x: String,
    /// The point must be on the curve.
    #[schema(value_type = forms::Coordinate)]
    pub y: String,
}

/// What a requester signs (`typ` `request+jwt`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Makes two requests for the same thing two.
    #[schema(value_type = forms::UniqueId)]
    pub jti: String,
    /// When it is signed: not more than 60 seconds before or after it arrives.
    #[schema(value_type = forms::Timestamp)]
    pub iat: i64,
    /// Until when it may be carried out: at most 24 hours (86400 seconds) after `iat`.
    #[schema(value_type = forms::Timestamp)]
    pub exp: i64,
    /// The worker of the operation.
    pub aud: Worker,
    /// The tenant to change.
    #[schema(value_type = forms::TenantId)]
    pub tnt: String,
    /// SHA-256 of the id of the requester's session.
    #[schema(value_type = forms::Digest)]
    pub sid: String,
    /// The requester: whom the session names.
    pub by: Person,
    /// What to do.
    pub op: Asked,
    /// Why.
    #[schema(value_type = forms::Purpose)]
    pub purpose: String,
    /// The ticket that it belongs to, in whatever system the tenant keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = forms::Ticket)]
    pub ticket: Option<String>,
    /// Whether it is an emergency that cannot wait for approvals, and is reviewed afterwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub break_glass: bool,
    /// Whom to show a secret result: a key made for this request alone. Given exactly if the
    /// operation has a secret result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PublicKey)]
    pub reveal_to: Option<PublicKey>,
}

/// What this service signs for a caller whose token nobody else can check (`typ`
/// `attestation+jwt`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// This service.
    pub iss: Issuer,
    /// Makes two requests for the same thing two.
    #[schema(value_type = forms::UniqueId)]
    pub jti: String,
    /// When it was signed.
    #[schema(value_type = forms::Timestamp)]
    pub iat: i64,
    /// Until when it may be carried out.
    #[schema(value_type = forms::Timestamp)]
    pub exp: i64,
    /// The worker of the operation.
    pub aud: Worker,
    /// The tenant to change.
    #[schema(value_type = forms::TenantId)]
    pub tnt: String,
    /// Who asks: the name under which the tenant's terms register them.
    pub sub: String,
    /// SHA-256 of the token that was shown.
    #[schema(value_type = forms::Digest)]
    pub token: String,
    /// What to do.
    pub op: Asked,
    /// Why.
    #[schema(value_type = forms::Purpose)]
    pub purpose: String,
    /// The ticket that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = forms::Ticket)]
    pub ticket: Option<String>,
}

/// What an event producer signs (`typ` `cloudevent+jwt`): a `CloudEvent` 1.0.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Which version of CloudEvents it is.
    #[schema(pattern = "^1\\.0$")]
    pub specversion: String,
    /// Makes two events of a producer two.
    pub id: String,
    /// The producer's name, as the tenant's terms register it.
    pub source: String,
    /// What the event says.
    #[schema(pattern = "^airlock\\.request\\.asked$")]
    pub r#type: String,
    /// When it was asked, in RFC 3339.
    #[schema(format = DateTime)]
    pub time: String,
    /// The tenant to change.
    #[schema(value_type = forms::TenantId)]
    pub tenantid: String,
    /// Of what `data` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, pattern = "^application/json$")]
    pub datacontenttype: Option<String>,
    /// What is asked.
    pub data: EventData,
}

/// What an event asks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventData {
    /// What to do.
    pub op: Asked,
    /// Why.
    #[schema(value_type = forms::Purpose)]
    pub purpose: String,
    /// The ticket that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = forms::Ticket)]
    pub ticket: Option<String>,
    /// For how long it may be carried out, in seconds: 3600 if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = forms::Lifetime)]
    pub lifetime_s: Option<u32>,
}

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
    #[schema(value_type = forms::SignedRequest)]
    pub request: String,
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
    #[schema(value_type = forms::TenantId)]
    pub tenant: String,
    /// What to do.
    pub op: Asked,
    /// Why.
    #[schema(value_type = forms::Purpose)]
    pub purpose: String,
    /// The ticket that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = forms::Ticket)]
    pub ticket: Option<String>,
    /// For how long it may be carried out, in seconds: 3600 if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = forms::Lifetime)]
    pub lifetime_s: Option<u32>,
}

/// A person: an object id means nothing without its tenant.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The tenant that the person signs in to.
    #[schema(value_type = forms::TenantId)]
    pub tid: String,
    /// The person there.
    #[schema(value_type = forms::ObjectId)]
    pub oid: String,
}

/// An operation of the catalog, on somebody.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Which operation.
    #[schema(value_type = forms::OperationName)]
    pub name: String,
    /// On whom.
    pub target: Target,
    /// Its parameters, by name, as the catalog lists them. What it does not know, it refuses.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
}

/// Whom an operation changes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// A user of the tenant.
    #[schema(value_type = forms::ObjectId)]
    pub user: String,
}

/// What a decider signs (`typ` `decision+jwt`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Names the decision.
    #[schema(value_type = forms::UniqueId)]
    pub jti: String,
    /// When it is signed: not more than 60 seconds before or after it arrives.
    #[schema(value_type = forms::Timestamp)]
    pub iat: i64,
    /// Until when it counts: at most 24 hours (86400 seconds) after `iat`.
    #[schema(value_type = forms::Timestamp)]
    pub exp: i64,
    /// Tenant of the request.
    #[schema(value_type = forms::TenantId)]
    pub tnt: String,
    /// Digest of the request.
    #[schema(value_type = forms::Digest)]
    pub req: String,
    /// SHA-256 of the id of the decider's session.
    #[schema(value_type = forms::Digest)]
    pub sid: String,
    /// What they decide.
    pub verdict: Verdict,
    /// Why.
    #[schema(value_type = forms::Reason)]
    pub reason: String,
}

/// Who signed in, and with which client key (`typ` `session+jwt`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The service that signs people in.
    pub iss: Issuer,
    /// Id of the session: 128 random bits in base64url.
    pub sid: String,
    /// Tenant that the person signed in to.
    #[schema(value_type = forms::TenantId)]
    pub tid: String,
    /// The person there.
    #[schema(value_type = forms::ObjectId)]
    pub oid: String,
    /// Roles that Entra conferred. What they mean in a tenant, that tenant's terms say.
    pub roles: Vec<Role>,
    /// Authentication contexts that were satisfied.
    pub acrs: Vec<String>,
    /// When the person last proved who they are.
    #[schema(value_type = forms::Timestamp)]
    pub auth_time: i64,
    /// When it was signed.
    #[schema(value_type = forms::Timestamp)]
    pub iat: i64,
    /// The absolute end of the session.
    #[schema(value_type = forms::Timestamp)]
    pub exp: i64,
    /// The person's client key.
    pub cnf: Confirms,
    /// SHA-256 of the session's cookie.
    #[schema(value_type = forms::Digest)]
    pub cookie: String,
}

/// The key that a session is bound to (RFC 7800).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirms {
    /// The key itself.
    pub jwk: PublicKey,
}

/// That this service looked at the sign-in itself (`typ` `confirmation+jwt`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// This service.
    pub iss: Issuer,
    /// Digest of the session's JWS signing input.
    #[schema(value_type = forms::Digest)]
    pub session: String,
    /// Tenant in the ID token.
    #[schema(value_type = forms::TenantId)]
    pub tid: String,
    /// The person there.
    #[schema(value_type = forms::ObjectId)]
    pub oid: String,
    /// The client key that the ID token's nonce commits to.
    #[schema(value_type = forms::Thumbprint)]
    pub jkt: String,
    /// When it was signed.
    #[schema(value_type = forms::Timestamp)]
    pub iat: i64,
    /// Not later than the session's.
    #[schema(value_type = forms::Timestamp)]
    pub exp: i64,
}

/// The claims of a token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Claims {
    /// By name, as Entra wrote them.
    #[schema(value_type = Object)]
    pub claims: Map<String, Value>,
}

/// An operation of the catalog.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// Its name in requests.
    #[schema(value_type = forms::OperationName)]
    pub name: String,
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

#[cfg(test)]
mod tests;
