//! What a tenant allows: the `RuntimeTenantBinding`, signed by the admin root.

use serde::{Deserialize, Serialize};

use crate::{
    identity::{ObjectId, Role, TenantId},
    jws::{Artefact, Typ},
    time::Timestamp,
};

/// The terms under which Airlock works in one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The tenant that is changed under these terms.
    pub tnt: TenantId,
    /// Its name, for people.
    pub name: String,
    /// Counts up by one with every change.
    pub ver: u64,
    /// When the admin plane signed it.
    pub iat: Timestamp,
    /// When it must have been renewed.
    pub exp: Timestamp,
    /// Tenants whose people may ask here, with the roles that each may confer.
    pub home_tenants: Vec<HomeTenant>,
    /// Groups whose members and owners are nobody's target.
    pub protected_groups: Vec<ObjectId>,
    /// Groups that memberships may be asked for.
    pub allowed_groups: Vec<ObjectId>,
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

impl Artefact for Binding {
    const TYP: Typ = Typ::Binding;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}
