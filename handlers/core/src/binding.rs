//! What a tenant allows: the `RuntimeTenantBinding`, signed by the admin root.

mod isolation;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    identity::{ObjectId, Role, TenantId},
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
#[serde(deny_unknown_fields)]
pub struct Producer {
    /// Its name here, which no other service or producer of the tenant has.
    pub name: String,
    /// The key that signs its events.
    pub key: PublicKey,
    /// Operations that it may ask for.
    pub operations: Vec<String>,
    /// People who answer for it, of this tenant: none of them decides what it asks.
    pub owners: Vec<ObjectId>,
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
