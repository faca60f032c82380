//! The permit: `intake`'s word that one change may be made once, by one worker, soon.
//!
//! Named like a Transaction Token's claims and typed differently (`effect-permit+jwt`): it is
//! for one audience and one use, which a Transaction Token is not.

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
    /// Who asked.
    pub sub: String,
    /// Names the permit. One use.
    pub jti: Uuid,
    /// Names the transaction from request to receipt: the request's `jti`.
    pub txn: Uuid,
    /// When it was signed.
    pub iat: Timestamp,
    /// From when on it counts.
    pub nbf: Timestamp,
    /// Until when it may be claimed for the first time.
    pub exp: Timestamp,
    /// The tenant to change.
    pub tnt: TenantId,
    /// Digest of the request.
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
    /// The ledger as `intake` saw it.
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
    /// SHA-256 over the canonical JSON of the operation.
    pub op_hash: Digest,
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

/// What travels to a worker: a permit.
///
/// Of people it holds the requester's object id. The evidence that it names stays in the store,
/// encrypted: a queue and its dead letters keep
/// what they hold for days, and nobody could erase a person from them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermittedChange {
    /// Counts deliveries that the worker asked for itself, from 0.
    pub attempt: u32,
    /// By `intake`.
    pub permit: Signed<Permit>,
}
