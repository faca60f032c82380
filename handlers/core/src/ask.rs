//! What is asked: a request as a person's client or an event producer signs it, or as `intake`
//! attests it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    catalog::Asked,
    digest::Digest,
    identity::{App, PersonId, TenantId},
    jwk::PublicKey,
    jws::{Artefact, Signed, Typ},
    keyset::Issued,
    producer::Event,
    session::{Act, PersonEvidence},
    time::Timestamp,
};

/// The longest that a request may wait for its approvals, in seconds.
pub const MAX_LIFETIME_S: i64 = 24 * 3600;

/// The longest purpose, in bytes.
pub const MAX_PURPOSE_BYTES: usize = 1000;

/// The longest name of a ticket, in bytes.
pub const MAX_TICKET_BYTES: usize = 100;

/// A privileged change, as the requester's client key signs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Makes two requests for the same thing two.
    pub jti: Uuid,
    /// When it was signed.
    pub iat: Timestamp,
    /// Until when it may be carried out.
    pub exp: Timestamp,
    /// The worker that shall carry it out.
    pub aud: App,
    /// The tenant to change.
    pub tnt: TenantId,
    /// SHA-256 of the requester's session id.
    pub sid: Digest,
    /// Who asks: whoever decides about it reads that here, and the session must say the same.
    pub by: PersonId,
    /// What to do.
    pub op: Asked,
    /// Why.
    pub purpose: String,
    /// The ticket that it belongs to, in whatever system the tenant keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Whether it is an emergency that cannot wait for approvals, and is reviewed afterwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub break_glass: bool,
    /// Whom to show a secret result: an ephemeral key of the requester's client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reveal_to: Option<PublicKey>,
}

impl Artefact for Ask {
    const TYP: Typ = Typ::Request;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}

impl Act for Ask {
    fn acted_at(&self) -> Timestamp {
        self.iat
    }

    fn session(&self) -> Digest {
        self.sid
    }
}

/// A change asked by someone whose token only `intake` saw. Signed by `intake`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// Always `intake`.
    pub iss: App,
    /// Makes two requests for the same thing two.
    pub jti: Uuid,
    /// When it was signed.
    pub iat: Timestamp,
    /// Until when it may be carried out.
    pub exp: Timestamp,
    /// The worker that shall carry it out.
    pub aud: App,
    /// The tenant to change.
    pub tnt: TenantId,
    /// Who asks: the name under which the tenant's binding registers them.
    pub sub: String,
    /// SHA-256 of the token that was shown: what its issuer can be asked about.
    pub token: Digest,
    /// What to do.
    pub op: Asked,
    /// Why.
    pub purpose: String,
    /// The ticket that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

impl Artefact for Attestation {
    const TYP: Typ = Typ::Attestation;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}

impl Issued for Attestation {
    fn issuer(&self) -> App {
        self.iss
    }
}

/// A request with the evidence for whoever asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum RequestEvidence {
    /// A person's own signature, which anyone can check.
    Proven {
        /// Signed by the person's client key.
        request: Signed<Ask>,
        /// Who that is.
        person: PersonEvidence,
    },
    /// `intake`'s word.
    Attested {
        /// Signed by `intake`.
        attestation: Signed<Attestation>,
    },
    /// An event producer's own signature, which anyone can check who knows the tenant's binding.
    Produced {
        /// Signed by the producer's registered key.
        event: Signed<Event>,
    },
}

impl RequestEvidence {
    /// The request digest: what decisions, permit and claim name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Proven { request, .. } => request.digest(),
            Self::Attested { attestation } => attestation.digest(),
            Self::Produced { event } => event.digest(),
        }
    }
}
