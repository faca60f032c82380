//! What a tenant allows: the `RuntimeTenantBinding`, signed by the admin root.

mod isolation;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    identity::{App, ObjectId, Role, TenantId},
    jwk::PublicKey,
    jws::{Artefact, Typ},
    ledger::statement::ArtefactVersion,
    step_up::Context,
    time::Timestamp,
};

pub use self::isolation::{DataIsolation, Isolation, Level, NotKept, SecretsIsolation};

/// The terms under which Airlock works in one tenant, of one version.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The tenant that is changed under these terms.
    pub tnt: TenantId,
    /// Counts up by one with every change.
    pub ver: u64,
    /// When the admin plane signed it.
    pub iat: Timestamp,
    /// When it must have been renewed.
    pub exp: Timestamp,
    /// What holds.
    pub terms: Terms,
    /// Which version of the tenant's [secret bindings](crate::secret_binding) holds with it, if
    /// there are any: neither can be put back alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<ArtefactVersion>,
}

/// What holds in a tenant. As people write and review it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The tenant's name, for people.
    pub name: String,
    /// Tenants whose people may ask here, with the roles that each may confer.
    pub home_tenants: Vec<HomeTenant>,
    /// Groups whose members and owners are nobody's target.
    #[serde(default)]
    pub protected_groups: Vec<ObjectId>,
    /// Groups that memberships may be asked for.
    #[serde(default)]
    pub allowed_groups: Vec<ObjectId>,
    /// Further conditions of operations, by their names.
    #[serde(default)]
    pub operations: BTreeMap<String, Conditions>,
    /// Services that may ask, with tokens of an issuer of their own.
    #[serde(default)]
    pub services: Vec<Service>,
    /// Event producers that may ask, by a key of their own.
    #[serde(default)]
    pub producers: Vec<Producer>,
    /// How much may be asked.
    #[serde(default)]
    pub quotas: Quotas,
    /// How far it is kept apart from other tenants. For good: what it has is not moved.
    #[serde(default)]
    pub isolation: Isolation,
    /// Cedar policies of the tenant's own. Each can only forbid.
    #[serde(default)]
    pub forbids: Vec<String>,
    /// Findings of drift that are taken as they are. Those about the deployment stand in the terms
    /// of its own tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<Accepted>,
}

/// A finding of drift that is taken as it is, for a while; and not what becomes of the thing
/// meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// Its fingerprint.
    pub finding: Digest,
    /// What was seen of it ([`Drifted::evidence`](crate::finding::Drifted::evidence)). When
    /// something else is seen, it is accepted no more.
    pub evidence: Digest,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
}

/// A tenant whose people may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeTenant {
    /// Where they sign in.
    pub tenant: TenantId,
    /// The roles that it may confer; others that its tokens claim count for nothing here.
    pub roles: Vec<Role>,
}

/// What a tenant wants besides what policy wants. It can only be stricter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// The operation is not offered at all.
    #[serde(default)]
    pub off: bool,
    /// Different people who must approve it, at the least.
    #[serde(default)]
    pub approvals: u32,
    /// Authentication context that each approver's session must have satisfied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_up: Option<Context>,
    /// Whether a request must name a ticket.
    #[serde(default)]
    pub ticket: bool,
}

/// A service that may ask. Only `intake` sees its token, so it is *attested*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name here, which no other service or producer of the tenant has.
    pub name: String,
    /// Issuer of its tokens: an `https` URL whose OpenID Connect discovery names its keys.
    pub issuer: String,
    /// What its tokens must name as audience.
    pub audience: String,
    /// What its tokens must name as subject.
    pub subject: String,
    /// Operations that it may ask for. Its token must name each as a scope as well.
    pub operations: Vec<String>,
    /// Whether its tokens must be bound to a client certificate (RFC 8705).
    #[serde(default)]
    pub certificate_bound: bool,
    /// People who answer for it, of this tenant: none of them decides what it asks.
    pub owners: Vec<ObjectId>,
}

/// An event producer that may ask. Its own signature travels along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenProducer", into = "WrittenProducer")]
pub struct Producer {
    /// Its name here, which no other service or producer of the tenant has.
    pub name: String,
    /// Whose key signs its events.
    pub signed_by: SignedBy,
    /// Operations that it may ask for.
    pub operations: Vec<String>,
    /// People who answer for it, of this tenant: none of them decides what it asks.
    pub owners: Vec<ObjectId>,
}

/// Whose key signs a producer's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// A key of the producer's own, written `"key"`.
    Key(PublicKey),
    /// Airlock's own `drift`, by whichever of its keys the keyset lists: written
    /// `"app": "drift"`. No other app produces events.
    Drift,
}

/// A producer, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProducer {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<PublicKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<App>,
    operations: Vec<String>,
    owners: Vec<ObjectId>,
}

/// What a producer signs with is not said, or said twice, or an app's that produces no events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the producer {0} names neither its key nor the app drift, or more than one of them")]
pub struct NotAProducer(String);

impl TryFrom<WrittenProducer> for Producer {
    type Error = NotAProducer;

    fn try_from(written: WrittenProducer) -> Result<Self, NotAProducer> {
        let WrittenProducer { name, key, app, operations, owners } = written;
        let signed_by = match (key, app) {
            (Some(key), None) => SignedBy::Key(key),
            (None, Some(App::Drift)) => SignedBy::Drift,
            _ => return Err(NotAProducer(name)),
        };
        Ok(Self { name, signed_by, operations, owners })
    }
}

impl From<Producer> for WrittenProducer {
    fn from(producer: Producer) -> Self {
        let Producer { name, signed_by, operations, owners } = producer;
        let (key, app) = match signed_by {
            SignedBy::Key(key) => (Some(key), None),
            SignedBy::Drift => (None, Some(App::Drift)),
        };
        Self { name, key, app, operations, owners }
    }
}

/// How many requests are taken in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// In the tenant.
    pub tenant: u32,
    /// By one caller.
    pub caller: u32,
    /// By one service, as its worker counts again: `intake` cannot attest more.
    pub attested: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { tenant: 1000, caller: 100, attested: 30 }
    }
}

impl Terms {
    /// What the tenant wants of an operation.
    #[must_use]
    pub fn conditions(&self, operation: &str) -> Conditions {
        self.operations.get(operation).cloned().unwrap_or_default()
    }

    /// People who answer for a service or producer of this name.
    #[must_use]
    pub fn owners(&self, name: &str) -> &[ObjectId] {
        let service = self.services.iter().find(|service| service.name == name);
        let producer = self.producers.iter().find(|producer| producer.name == name);
        service
            .map(|service| &service.owners)
            .or_else(|| producer.map(|producer| &producer.owners))
            .map_or(&[], Vec::as_slice)
    }
}

impl Artefact for Binding {
    const TYP: Typ = Typ::Binding;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}
