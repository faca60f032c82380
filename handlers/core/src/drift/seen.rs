//! What was read in one round, source by source.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    actual::{
        Admirer, AppRole, AzureRole, CustomRole, Delegated, DirectoryChange, DirectoryRole,
        Federated, FrontDoor, Function, ManagedIdentity, Registration, Resource, RoleAssignment,
        Running, ServicePrincipal, Settings, Site,
    },
    desired::Desired,
    looks::Overlooked,
};
use crate::{
    binding::{Isolation, Terms},
    comparing::Policies,
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
    /// Service principals of Airlock's applications in a tenant.
    ServicePrincipals,
    /// Service principals of Airlock's managed identities, in the deployment's tenant.
    Identities,
    /// Owners of such service principals, in a tenant or of the deployment.
    PrincipalOwners,
    /// App roles that they hold.
    AppRoles,
    /// Delegated grants that they hold.
    DelegatedGrants,
    /// Directory roles that they hold.
    DirectoryRoles,
    /// Directory roles of the deployment's tenant that are not Entra's.
    CustomRoles,
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
    /// Azure's roles that are not built in.
    AzureRoles,
    /// Managed identities in Azure, and whom they trust.
    ManagedIdentities,
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
            Self::Identities => "identities",
            Self::CustomRoles => "custom-roles",
            Self::OwnedApplications => "owned-applications",
            Self::AccessPolicies => "access-policies",
            Self::DirectoryAudits => "directory-audits",
            Self::Applications => "applications",
            Self::Sites => "sites",
            Self::AppSettings => "app-settings",
            Self::Functions => "functions",
            Self::Stores => "stores",
            Self::RoleAssignments => "role-assignments",
            Self::AzureRoles => "azure-roles",
            Self::ManagedIdentities => "managed-identities",
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

/// Sources of one place of which nothing is known in this round. All others were read, or nobody
/// needs them now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Those that could not be read: each is told of.
    pub unread: BTreeSet<Source>,
    /// Those that were not come to, for want of one that could not be read.
    pub missed: BTreeSet<Source>,
}

impl FromIterator<(Source, Option<Unread>)> for Sources {
    /// Of each reading: the source that it is of, and the one that could not be read.
    fn from_iter<I: IntoIterator<Item = (Source, Option<Unread>)>>(readings: I) -> Self {
        let mut sources = Self::default();
        for (source, unread) in readings {
            let Some(Unread(unread)) = unread else { continue };
            sources.unread.insert(unread);
            sources.missed.insert(source);
        }
        sources.missed.retain(|source| !sources.unread.contains(source));
        sources
    }
}

/// What could not be read, if anything.
fn unread<T>(reading: &Reading<T>) -> Option<Unread> {
    reading.as_ref().err().copied()
}

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
    /// Managed identities, in the directory and in Azure.
    pub identities: Identities,
    /// Directory roles of its tenant that are not Entra's.
    pub custom_roles: Reading<Vec<CustomRole>>,
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
    /// Azure's roles that are not built in.
    pub azure_roles: Reading<Vec<AzureRole>>,
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
    /// Tenants that were not looked at for long.
    pub overlooked: Vec<Overlooked>,
}

/// Airlock's managed identities.
#[derive(Clone)]
pub struct Identities {
    /// Their service principals, in the deployment's tenant.
    pub principals: Reading<Vec<ServicePrincipal>>,
    /// Owners of these, by object id.
    pub owners: Reading<BTreeMap<ObjectId, Vec<ObjectId>>>,
    /// App roles that they hold, by object id.
    pub app_roles: Reading<BTreeMap<ObjectId, Vec<AppRole>>>,
    /// Delegated grants that they hold, by object id.
    pub delegated: Reading<BTreeMap<ObjectId, Vec<Delegated>>>,
    /// Directory roles that they hold, by object id.
    pub directory_roles: Reading<BTreeMap<ObjectId, Vec<DirectoryRole>>>,
    /// What they are in Azure.
    pub in_azure: Reading<Vec<ManagedIdentity>>,
}

/// What was read of the deployment's own tenant and counts in others.
#[derive(Clone)]
pub struct AtHome {
    /// Object ids of Airlock's registrations, by client id.
    pub registered: Reading<BTreeMap<ObjectId, ObjectId>>,
    /// Directory roles that are not Entra's.
    pub custom_roles: Reading<Vec<CustomRole>>,
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
    /// Directory roles of the deployment's tenant that are not Entra's, if this is it. None was
    /// declared elsewhere.
    pub custom_roles: Reading<Vec<CustomRole>>,
    /// Object ids of Airlock's registrations in the deployment's tenant, by client id.
    pub registered: Reading<BTreeMap<ObjectId, ObjectId>>,
    /// What the rotator owns there, by object id.
    pub owned: Reading<Vec<ObjectId>>,
    /// Applications whose secrets it is bound to change, by object id.
    pub bound: Reading<BTreeSet<ObjectId>>,
    /// Conditional-access policies.
    pub policies: Policies,
    /// Applications that trust Airlock's identities.
    pub admirers: Reading<Vec<Admirer>>,
    /// Changes by Airlock's service principals, or of them, that nothing accounts for.
    pub unaccounted: Reading<Vec<Unaccounted>>,
    /// Secrets that are changed on schedule.
    pub rotations: Reading<Vec<Rotating>>,
}

impl Deployment {
    /// What counts in tenants too.
    #[must_use]
    pub fn at_home(&self) -> AtHome {
        let registered = self.registrations.as_ref().map_err(|unread| *unread);
        let registered =
            registered.map(|all| all.iter().map(|each| (each.client, each.object)).collect());
        AtHome { registered, custom_roles: self.custom_roles.clone() }
    }

    /// How its sources were read. Every field is named: none can be left out.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let Self {
            desired: _,
            now: _,
            registrations,
            federated,
            owners,
            identities,
            custom_roles,
            sites,
            settings,
            functions,
            stores,
            tenants,
            role_assignments,
            azure_roles,
            front_door,
            running,
            packages,
            artefacts,
            rotations,
            unsealed,
            overlooked: _,
        } = self;
        let Identities {
            principals,
            owners: owning,
            app_roles,
            delegated,
            directory_roles,
            in_azure,
        } = identities;
        Sources::from_iter([
            (Source::Registrations, unread(registrations)),
            (Source::FederatedCredentials, unread(federated)),
            (Source::ApplicationOwners, unread(owners)),
            (Source::Identities, unread(principals)),
            (Source::PrincipalOwners, unread(owning)),
            (Source::AppRoles, unread(app_roles)),
            (Source::DelegatedGrants, unread(delegated)),
            (Source::DirectoryRoles, unread(directory_roles)),
            (Source::ManagedIdentities, unread(in_azure)),
            (Source::CustomRoles, unread(custom_roles)),
            (Source::Sites, unread(sites)),
            (Source::AppSettings, unread(settings)),
            (Source::Functions, unread(functions)),
            (Source::Stores, unread(stores)),
            (Source::Bindings, unread(tenants)),
            (Source::RoleAssignments, unread(role_assignments)),
            (Source::AzureRoles, unread(azure_roles)),
            (Source::FrontDoor, unread(front_door)),
            (Source::Packages, unread(running)),
            (Source::Bindings, unread(packages)),
            (Source::Bindings, unread(artefacts)),
            (Source::Rotations, unread(rotations)),
            (Source::Seals, unread(unsealed)),
        ])
    }
}

impl Tenant {
    /// How its sources were read. Every field is named: none can be left out.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let Self {
            desired: _,
            now: _,
            tenant: _,
            terms: _,
            principals,
            owners,
            app_roles,
            delegated,
            directory_roles,
            custom_roles,
            registered,
            owned,
            bound,
            policies,
            admirers,
            unaccounted,
            rotations,
        } = self;
        Sources::from_iter([
            (Source::ServicePrincipals, unread(principals)),
            (Source::PrincipalOwners, unread(owners)),
            (Source::AppRoles, unread(app_roles)),
            (Source::DelegatedGrants, unread(delegated)),
            (Source::DirectoryRoles, unread(directory_roles)),
            (Source::CustomRoles, unread(custom_roles)),
            (Source::Registrations, unread(registered)),
            (Source::OwnedApplications, unread(owned)),
            (Source::Rotations, unread(bound)),
            (Source::AccessPolicies, unread(&policies.reading())),
            (Source::Applications, unread(admirers)),
            (Source::DirectoryAudits, unread(unaccounted)),
            (Source::Claims, unread(unaccounted)),
            (Source::Rotations, unread(rotations)),
        ])
    }
}

/// A directory change that nothing accounts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unaccounted {
    /// The change.
    pub change: DirectoryChange,
    /// Why.
    pub why: Why,
}

/// Why nothing accounts for a directory change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It bears no request's name.
    Unnamed,
    /// No claim is kept for the request that it names.
    Unclaimed,
    /// What is kept is not a worker's claim of that request.
    NotGenuine,
    /// `intake` did not permit that request.
    Unpermitted,
    /// The ledger does not tell that it was claimed.
    Untold,
    /// It was claimed by another worker than the one that the application trusts.
    OtherWorker,
    /// It was made before the claim, or after the claim's time.
    OtherTime,
    /// The same request has changed something else.
    AnotherThing,
    /// The rotator is not bound to change it.
    Unbound,
    /// Whoever made it changes nothing.
    Forbidden,
    /// Somebody else has changed what is Airlock's.
    Stranger,
    /// Others have changed what is Airlock's, so often that this stands for several changes.
    Strangers,
}

impl Why {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unnamed => "it names no request",
            Self::Unclaimed => "the request that it names was not claimed",
            Self::NotGenuine => "the claim of the request that it names is not genuine",
            Self::Unpermitted => "the request that it names was not permitted",
            Self::Untold => "the ledger does not tell of the claim",
            Self::OtherWorker => "another worker claimed the request that it names",
            Self::OtherTime => "the claim was not in force at that time",
            Self::AnotherThing => "the request that it names has changed something else",
            Self::Unbound => "the rotator is not bound to change it",
            Self::Forbidden => "the application changes nothing",
            Self::Stranger => "it was not made by Airlock",
            Self::Strangers => "they were not made by Airlock",
        }
    }

    /// Whether others made it, and not an identity of Airlock's.
    #[must_use]
    pub const fn is_of_others(self) -> bool {
        matches!(self, Self::Stranger | Self::Strangers)
    }
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
