//! What was read in one round, source by source.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    actual::{
        Admirer, AppRole, Delegated, DirectoryChange, DirectoryRole, Federated, FrontDoor,
        Function, Registration, Resource, RoleAssignment, Running, ServicePrincipal, Settings,
        Site,
    },
    desired::Desired,
};
use crate::{
    binding::{Isolation, Terms},
    comparing::AccessPolicy,
    digest::Digest,
    identity::{App, ObjectId, TenantId},
    time::Timestamp,
};

/// Something that is read, and can be unreadable by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Airlock's app registrations.
    Registrations,
    /// Their federated credentials.
    FederatedCredentials,
    /// Their owners.
    ApplicationOwners,
    /// Airlock's service principals in a tenant.
    ServicePrincipals,
    /// Their owners.
    PrincipalOwners,
    /// App roles that they hold.
    AppRoles,
    /// Delegated grants that they hold.
    DelegatedGrants,
    /// Directory roles that they hold.
    DirectoryRoles,
    /// What the rotator owns.
    OwnedApplications,
    /// A tenant's conditional-access policies.
    AccessPolicies,
    /// A tenant's audit log.
    DirectoryAudits,
    /// All applications of a tenant.
    Applications,
    /// Function apps.
    Sites,
    /// Their settings.
    AppSettings,
    /// Their functions.
    Functions,
    /// Vaults, databases, buses and storage.
    Stores,
    /// Azure's role assignments.
    RoleAssignments,
    /// The front door.
    FrontDoor,
    /// What the apps say that they run.
    Packages,
    /// Keyset, bindings and manifests, as they are stored.
    Bindings,
    /// Rotations, as they are stored.
    Rotations,
    /// Checkpoints, as they are anchored.
    Seals,
    /// Claims, as they are stored.
    Claims,
}

impl Source {
    /// Its name, which findings bear.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registrations => "registrations",
            Self::FederatedCredentials => "federated-credentials",
            Self::ApplicationOwners => "application-owners",
            Self::ServicePrincipals => "service-principals",
            Self::PrincipalOwners => "principal-owners",
            Self::AppRoles => "app-roles",
            Self::DelegatedGrants => "delegated-grants",
            Self::DirectoryRoles => "directory-roles",
            Self::OwnedApplications => "owned-applications",
            Self::AccessPolicies => "access-policies",
            Self::DirectoryAudits => "directory-audits",
            Self::Applications => "applications",
            Self::Sites => "sites",
            Self::AppSettings => "app-settings",
            Self::Functions => "functions",
            Self::Stores => "stores",
            Self::RoleAssignments => "role-assignments",
            Self::FrontDoor => "front-door",
            Self::Packages => "packages",
            Self::Bindings => "bindings",
            Self::Rotations => "rotations",
            Self::Seals => "seals",
            Self::Claims => "claims",
        }
    }
}

/// A source could not be read. What it was for is not known, which is neither good nor bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{} not read", .0.name())]
pub struct Unread(pub Source);

/// What a source gave, whole or not at all.
pub type Reading<T> = Result<T, Unread>;

/// What exists once.
#[derive(Clone)]
pub struct Deployment {
    /// What was declared.
    pub desired: Arc<Desired>,
    /// When this was read.
    pub now: Timestamp,
    /// Registrations.
    pub registrations: Reading<Vec<Registration>>,
    /// Their federated credentials, by object id.
    pub federated: Reading<BTreeMap<ObjectId, Vec<Federated>>>,
    /// Their owners, by object id.
    pub owners: Reading<BTreeMap<ObjectId, Vec<ObjectId>>>,
    /// Function apps.
    pub sites: Reading<Vec<Site>>,
    /// Their settings.
    pub settings: Reading<BTreeMap<App, Settings>>,
    /// Their functions.
    pub functions: Reading<BTreeMap<App, Vec<Function>>>,
    /// Vaults, databases, buses and storage.
    pub stores: Reading<Vec<Resource>>,
    /// How far each tenant is kept apart, as its terms say.
    pub tenants: Reading<Vec<(TenantId, Isolation)>>,
    /// Role assignments.
    pub role_assignments: Reading<Vec<RoleAssignment>>,
    /// The front door.
    pub front_door: Reading<FrontDoor>,
    /// What runs.
    pub running: Reading<Vec<Running>>,
    /// Packages that the admin plane signed.
    pub packages: Reading<BTreeMap<App, Digest>>,
    /// What is stored in the place of the admin plane's artefacts.
    pub artefacts: Reading<Vec<StoredArtefact>>,
    /// Secrets of the deployment's own.
    pub rotations: Reading<Vec<Rotating>>,
    /// Trees that are not sealed, the platform's and the tenants'.
    pub unsealed: Reading<Vec<Unsealed>>,
}

/// One tenant.
#[derive(Clone)]
pub struct Tenant {
    /// What was declared.
    pub desired: Arc<Desired>,
    /// When this was read.
    pub now: Timestamp,
    /// Which.
    pub tenant: TenantId,
    /// Its terms.
    pub terms: Terms,
    /// Airlock's service principals there.
    pub principals: Reading<Vec<ServicePrincipal>>,
    /// Their owners, by object id.
    pub owners: Reading<BTreeMap<ObjectId, Vec<ObjectId>>>,
    /// App roles that they hold, by object id.
    pub app_roles: Reading<BTreeMap<ObjectId, Vec<AppRole>>>,
    /// Delegated grants that they hold, by object id.
    pub delegated: Reading<BTreeMap<ObjectId, Vec<Delegated>>>,
    /// Directory roles that they hold, by object id.
    pub directory_roles: Reading<BTreeMap<ObjectId, Vec<DirectoryRole>>>,
    /// Object ids of Airlock's registrations in the deployment's tenant, by client id.
    pub registered: Reading<BTreeMap<ObjectId, ObjectId>>,
    /// What the rotator owns there, by object id.
    pub owned: Reading<Vec<ObjectId>>,
    /// Applications whose secrets it is bound to change, by object id.
    pub bound: Reading<BTreeSet<ObjectId>>,
    /// Conditional-access policies.
    pub policies: Reading<Vec<AccessPolicy>>,
    /// Applications that trust Airlock's identities.
    pub admirers: Reading<Vec<Admirer>>,
    /// Changes that Airlock's service principals made and no claim accounts for.
    pub unaccounted: Reading<Vec<DirectoryChange>>,
    /// Secrets that are changed on schedule.
    pub rotations: Reading<Vec<Rotating>>,
}

/// A secret that is changed on schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotating {
    /// Its name.
    pub name: String,
    /// Since when nothing in use is as young as it must be.
    pub overdue_since: Option<Timestamp>,
}

/// A tree that is not sealed as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// Its partition: a tenant, or the platform.
    pub tree: String,
    /// Why.
    pub why: &'static str,
}

/// Something that lies where the admin plane alone writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredArtefact {
    /// Its partition: a tenant, or the platform.
    pub partition: String,
    /// Its id.
    pub id: String,
    /// Why it is not what the admin plane published there. None: it is.
    pub wrong: Option<&'static str>,
}
