//! What of the tenants can be put back to what it was: all that an [`Alteration`] changes.
//!
//! [`Alteration`]: super::alteration::Alteration

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    access::AccessPolicy,
    audit::Log,
    custom_role::CustomRole,
    principal::{Grant, ServicePrincipal},
    registration::Registration,
    tenant::{Assignment, Group, Tenant},
    tracked::Tracked,
};

/// Nothing was kept under this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchSnapshot;

/// The tenants, as far as they can be restored.
pub struct Unaltered(BTreeMap<Uuid, Kept>);

struct Kept {
    registrations: Tracked<Registration>,
    principals: Tracked<ServicePrincipal>,
    grants: Tracked<Grant>,
    groups: BTreeMap<Uuid, Group>,
    custom_roles: Vec<CustomRole>,
    assignments: Vec<Assignment>,
    access_policies: Vec<AccessPolicy>,
    audits: Log,
}

impl Unaltered {
    /// The tenants as they are.
    pub fn of(tenants: &BTreeMap<Uuid, Tenant>) -> Self {
        let kept = |tenant: &Tenant| Kept {
            registrations: tenant.registrations.clone(),
            principals: tenant.principals.clone(),
            grants: tenant.grants.clone(),
            groups: tenant.groups.clone(),
            custom_roles: tenant.custom_roles.clone(),
            assignments: tenant.assignments.clone(),
            access_policies: tenant.access_policies.clone(),
            audits: tenant.audits.clone(),
        };
        Self(tenants.iter().map(|(id, tenant)| (*id, kept(tenant))).collect())
    }

    /// Makes the tenants what they were. What differs counts as changed: a delta tells it.
    pub fn restore(&self, tenants: &mut BTreeMap<Uuid, Tenant>) {
        for (id, kept) in &self.0 {
            let Some(tenant) = tenants.get_mut(id) else { continue };
            tenant.registrations.restore(&kept.registrations);
            tenant.principals.restore(&kept.principals);
            tenant.grants.restore(&kept.grants);
            tenant.groups.clone_from(&kept.groups);
            tenant.custom_roles.clone_from(&kept.custom_roles);
            tenant.assignments.clone_from(&kept.assignments);
            tenant.access_policies.clone_from(&kept.access_policies);
            tenant.audits.clone_from(&kept.audits);
        }
    }
}
