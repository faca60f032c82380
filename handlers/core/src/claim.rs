//! What a worker signs before and after it acts.
//!
//! Both stand twice: committed to the tenant's ledger, and as create-only blobs, so that a
//! database put back to an earlier state cannot make a change happen again.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    digest::Digest,
    erasure::Concerned,
    identity::{App, TenantId},
    jws::{Artefact, Signed, Typ},
    keyset::Issued,
    time::Timestamp,
};

/// For how long a claim may be resumed, in seconds.
///
/// Longer than the broker needs for all redeliveries and the worker for its own scheduled
/// ones; after it, only a person knows what became of the change.
pub const RESUME_S: i64 = 15 * 60;

/// A change is about to be made. The first of its kind for a request wins.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The worker.
    pub iss: App,
    /// The tenant to change.
    pub tnt: TenantId,
    /// Digest of the request.
    pub req: Digest,
    /// The permit that is used up.
    pub jti: Uuid,
    /// The permit's hash of the operation, as the worker has computed it itself.
    pub op_hash: Digest,
    /// When it was signed.
    pub iat: Timestamp,
    /// Until when it may be resumed; after that the outcome is unknown.
    pub resume_until: Timestamp,
    /// Nothing is ever done under it: the request was refused, and it keeps every other worker
    /// process from beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void: bool,
    /// Whom the request names, without saying so; absent if that cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concerned: Option<Concerned>,
}

impl Artefact for Claim {
    const TYP: Typ = Typ::Claim;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

impl Issued for Claim {
    fn issuer(&self) -> App {
        self.iss
    }
}

/// How a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// It is done, as the directory or the use of a new credential has confirmed.
    Succeeded,
    /// It was not done, because it must not be.
    Refused,
    /// It was not done, because it could not be.
    Failed,
    /// Nobody knows. A person must look.
    Unknown,
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Succeeded => "succeeded",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        })
    }
}

/// How a request ended, by the worker's word.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The worker.
    pub iss: App,
    /// The tenant.
    pub tnt: TenantId,
    /// Digest of the request.
    pub req: Digest,
    /// How it ended.
    pub ending: Ending,
    /// Why, in words for the requester. Constants of ours: nothing that others wrote.
    pub reason: String,
    /// When.
    pub iat: Timestamp,
    /// SHA-256 of the encrypted result, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Digest>,
    /// The directory's own id of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
}

impl Artefact for Outcome {
    const TYP: Typ = Typ::Outcome;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

impl Issued for Outcome {
    fn issuer(&self) -> App {
        self.iss
    }
}

/// What stands in the outcome blob.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeBlob {
    /// By the worker.
    pub outcome: Signed<Outcome>,
    /// The result, encrypted to the requester's ephemeral key (compact JWE).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// Blob container of claims and outcomes.
pub const CONTAINER: &str = "claims";

/// Name of a claim's blob.
#[must_use]
pub fn claim_blob(tenant: TenantId, request: Digest) -> String {
    format!("{tenant}/{request}")
}

/// Name of an outcome's blob, beside its claim.
#[must_use]
pub fn outcome_blob(tenant: TenantId, request: Digest) -> String {
    format!("{tenant}/{request}.outcome")
}

/// Name of the blob that stands for the `n`th request that is claimed for a service in the hour
/// of `at`, counted from 0.
#[must_use]
pub fn slot_blob(tenant: TenantId, service: &str, at: Timestamp, n: u32) -> String {
    let hour = at.as_unix_s().div_euclid(3600);
    format!("{tenant}/attested/{service}/{hour}/{n}")
}
