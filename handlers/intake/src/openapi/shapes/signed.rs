//! What somebody signs: the claims of each kind of JWS.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    asked::Asked,
    words::{Issuer, Role, Verdict, Worker},
};
use crate::openapi::forms::{
    Coordinate, Digest, Lifetime, ObjectId, Purpose, Reason, SignedFinding, TenantId, Thumbprint,
    Ticket, Timestamp, UniqueId,
};

/// What a requester signs (`typ` `request+jwt`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Makes two requests for the same thing two.
    pub jti: UniqueId,
    /// When it is signed: not more than 60 seconds before or after it arrives.
    pub iat: Timestamp,
    /// Until when it may be carried out: at most 24 hours (86400 seconds) after `iat`.
    pub exp: Timestamp,
    /// The worker of the operation.
    pub aud: Worker,
    /// The tenant to change.
    pub tnt: TenantId,
    /// SHA-256 of the id of the requester's session.
    pub sid: Digest,
    /// The requester: whom the session names.
    pub by: Person,
    /// What to do.
    pub op: Asked,
    /// Why.
    pub purpose: Purpose,
    /// The ticket that it belongs to, in whatever system the tenant keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Ticket)]
    pub ticket: Option<Ticket>,
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
    pub jti: UniqueId,
    /// When it was signed.
    pub iat: Timestamp,
    /// Until when it may be carried out.
    pub exp: Timestamp,
    /// The worker of the operation.
    pub aud: Worker,
    /// The tenant to change.
    pub tnt: TenantId,
    /// Who asks: the name under which the tenant's terms register them.
    pub sub: String,
    /// SHA-256 of the token that was shown.
    pub token: Digest,
    /// What to do.
    pub op: Asked,
    /// Why.
    pub purpose: Purpose,
    /// The ticket that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Ticket)]
    pub ticket: Option<Ticket>,
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
    pub tenantid: TenantId,
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
    pub purpose: Purpose,
    /// The ticket that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Ticket)]
    pub ticket: Option<Ticket>,
    /// For how long it may be carried out, in seconds: 3600 if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Lifetime)]
    pub lifetime_s: Option<Lifetime>,
    /// What was found, if the service itself asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = SignedFinding)]
    pub finding: Option<SignedFinding>,
}

/// What a decider signs (`typ` `decision+jwt`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Names the decision.
    pub jti: UniqueId,
    /// When it is signed: not more than 60 seconds before or after it arrives.
    pub iat: Timestamp,
    /// Until when it counts: at most 24 hours (86400 seconds) after `iat`.
    pub exp: Timestamp,
    /// Tenant of the request.
    pub tnt: TenantId,
    /// Digest of the request.
    pub req: Digest,
    /// SHA-256 of the id of the decider's session.
    pub sid: Digest,
    /// What they decide.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
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
    pub tid: TenantId,
    /// The person there.
    pub oid: ObjectId,
    /// Roles that Entra conferred. What they mean in a tenant, that tenant's terms say.
    pub roles: Vec<Role>,
    /// Authentication contexts that were satisfied.
    pub acrs: Vec<String>,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// When it was signed.
    pub iat: Timestamp,
    /// The absolute end of the session.
    pub exp: Timestamp,
    /// The person's client key.
    pub cnf: Confirms,
    /// SHA-256 of the session's cookie.
    pub cookie: Digest,
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
    pub session: Digest,
    /// Tenant in the ID token.
    pub tid: TenantId,
    /// The person there.
    pub oid: ObjectId,
    /// The client key that the ID token's nonce commits to.
    pub jkt: Thumbprint,
    /// When it was signed.
    pub iat: Timestamp,
    /// Not later than the session's.
    pub exp: Timestamp,
}

/// A person: an object id means nothing without its tenant.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The tenant that the person signs in to.
    pub tid: TenantId,
    /// The person there.
    pub oid: ObjectId,
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
    pub x: Coordinate,
    /// The point must be on the curve.
    pub y: Coordinate,
}
