//! The permit: `intake`'s word that one change may be made once, by one worker, soon.
//!
//! Named like a Transaction Token's claims and typed differently (`effect-permit+jwt`): it is
//! for one audience and one use, which a Transaction Token is not.
//!
//! It names nobody. A queue and its dead letters keep it for days, an outbox until it is sent,
//! and nobody could erase a person from them. So it has neither `sub` nor `txn`: who asked, and
//! the request's own id, stand in the request, whose digest it names (`req`) and which the worker
//! reads and verifies in any case. Repeating either would check nothing, and the id is the
//! randomness that keeps the digest from being guessed. The hash of the operation is hidden in
//! the same way ([`Blinding`](crate::request::Blinding)).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    digest::Digest,
    identity::{App, TenantId},
    jws::{Artefact, Signed, Typ},
    keyset::Issued,
    time::Timestamp,
};

/// What `intake` signs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// Always `intake`.
    pub iss: App,
    /// The one worker that it is for.
    pub aud: App,
    /// Names the permit. One use.
    pub jti: Uuid,
    /// When it was signed.
    pub iat: Timestamp,
    /// From when on it counts.
    pub nbf: Timestamp,
    /// Until when it may be claimed for the first time.
    pub exp: Timestamp,
    /// The tenant to change.
    pub tnt: TenantId,
    /// Digest of the request: names the transaction from request to receipt.
    pub req: Digest,
    /// What is permitted (RFC 9396).
    pub authorization_details: [AuthorizationDetail; 1],
    /// The policies that allowed it.
    pub pol: Reference,
    /// Digests of the approvals that it rests on.
    pub apr: Vec<Digest>,
    /// The binding under which it was allowed.
    pub bnd: Reference,
    /// The keyset under which it was allowed.
    pub ks: Version,
    /// What was sealed of the tenant's ledger, as `intake` saw it.
    pub lgr: LedgerSeen,
}

/// One permitted operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationDetail {
    /// Always `airlock_operation`.
    pub r#type: String,
    /// Name of the operation.
    pub actions: [String; 1],
    /// Hash of the operation, which says nothing to who does not have the request.
    pub op_hash: Digest,
    /// How it is made.
    pub op_hash_alg: OpHashAlg,
}

/// How an operation is hashed: there is one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpHashAlg {
    /// SHA-256 over `airlock operation`, a zero byte, the first 32 bytes of the request's
    /// signature, and the SHA-256 of the operation's canonical JSON (RFC 8785).
    #[serde(rename = "sha-256/request-signature-r/sha-256-jcs")]
    BlindedByRequest,
}

/// `type` of our authorization details.
pub const DETAIL_TYPE: &str = "airlock_operation";

/// A document that was relied upon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its name.
    pub id: String,
    /// Its version.
    pub ver: u64,
    /// Its digest.
    pub hash: Digest,
}

/// A version of something of which there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// The version.
    pub ver: u64,
}

/// A tree head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerSeen {
    /// Which tree.
    pub origin: String,
    /// Leaves in it.
    pub size: u64,
    /// Its root.
    pub root: Digest,
}

impl Artefact for Permit {
    const TYP: Typ = Typ::Permit;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.nbf)
    }

    /// A claim that stands is resumed under its own limit, so expiry is judged by whoever
    /// claims and not when the permit is opened.
    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

impl Issued for Permit {
    fn issuer(&self) -> App {
        self.iss
    }
}

/// What travels to a worker: a permit. The evidence that it names stays in the store, encrypted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermittedChange {
    /// Counts deliveries that the worker asked for itself, from 0.
    pub attempt: u32,
    /// By `intake`.
    pub permit: Signed<Permit>,
}
