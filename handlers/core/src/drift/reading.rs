//! Reading every source of a place, at the same time, each for itself.

use std::sync::Arc;

use futures::join;

use super::{
    Drift,
    accounts::Place,
    actual::{Registration, ServicePrincipal, Site},
    desired::{Desired, ROTATOR},
    rounds::TENANT_S,
    seen::{AtHome, Deployment, Identities, Reading, Source, Tenant, Unread},
    stored::told,
};
use crate::{
    comparing::Policies,
    identity::{ObjectId, TenantId},
    keyset::Trust,
    ports::{Partition, PortError},
    tenancy::TenantScope,
    time::Timestamp,
};

/// Reads a source that needs another one, unless that could not be read.
macro_rules! read_of {
    ($source:ident, $needed:expr => $read:expr) => {
        async {
            match &$needed {
                Ok(needed) => reading(Source::$source, $read(needed).await),
                Err(unread) => Err(*unread),
            }
        }
    };
}

impl Drift {
    /// Reads what exists once.
    pub(super) async fn deployment(
        &self,
        trust: &Trust,
        tenants: &[TenantId],
        now: Timestamp,
    ) -> Deployment {
        let (directories, resources) = (&*self.directories, &*self.resources);
        let (home, clients) = (self.desired.home, self.desired.clients());
        let of_directory = async {
            let read = directories.registrations(home, &clients).await;
            let registrations: Reading<Vec<Registration>> = reading(Source::Registrations, read);
            let objects = objects(&registrations, |each| each.object);
            let (federated, owners) = join!(
                read_of!(FederatedCredentials, objects => |all| directories.federated(home, all)),
                read_of!(ApplicationOwners, objects => |all| {
                    directories.application_owners(home, all)
                }),
            );
            (registrations, federated, owners)
        };
        let of_sites = async {
            let sites: Reading<Vec<Site>> = reading(Source::Sites, resources.sites().await);
            let (settings, functions, running) = join!(
                read_of!(AppSettings, sites => |all| resources.settings(all)),
                read_of!(Functions, sites => |all| resources.functions(all)),
                read_of!(Packages, sites => |all| resources.running(all)),
            );
            (sites, settings, functions, running)
        };
        let of_roles = async { join!(resources.role_assignments(), resources.azure_roles()) };
        let of_directory =
            async { join!(of_directory, self.identities(), directories.custom_roles(home)) };
        let (of_directory, of_sites, stores, of_roles, front_door) =
            join!(of_directory, of_sites, resources.stores(), of_roles, resources.front_door());
        let (of_directory, identities, custom_roles) = of_directory;
        let (role_assignments, azure_roles) = of_roles;
        let (registrations, federated, owners) = of_directory;
        let (sites, settings, functions, running) = of_sites;
        let (packages, artefacts) = self.artefacts(trust, tenants, now).await;
        Deployment {
            desired: Arc::clone(&self.desired),
            now,
            registrations,
            federated,
            owners,
            identities,
            custom_roles: reading(Source::CustomRoles, custom_roles),
            sites,
            settings,
            functions,
            stores: reading(Source::Stores, stores),
            role_assignments: reading(Source::RoleAssignments, role_assignments),
            azure_roles: reading(Source::AzureRoles, azure_roles),
            front_door: reading(Source::FrontDoor, front_door),
            running,
            packages,
            tenants: self.isolations(trust, tenants).await,
            artefacts,
            rotations: self.platform_rotations(trust, now).await,
            unsealed: self.unsealed(trust, tenants, now).await,
            overlooked: self.looks.overlooked(tenants, now).await,
        }
    }

    /// Reads what the managed identities are and hold, in the deployment's tenant and in Azure.
    async fn identities(&self) -> Identities {
        let (directories, home) = (&*self.directories, self.desired.home);
        let wanted: Vec<ObjectId> = self.desired.principals.values().copied().collect();
        let of_directory = async {
            let read = directories.identities(home, &wanted).await;
            let principals: Reading<Vec<ServicePrincipal>> = reading(Source::Identities, read);
            let objects = objects(&principals, |each| each.object);
            let (owners, app_roles, delegated, directory_roles) = join!(
                read_of!(PrincipalOwners, objects => |all| directories.principal_owners(home, all)),
                read_of!(AppRoles, objects => |all| directories.app_roles(home, all)),
                read_of!(DelegatedGrants, objects => |all| directories.delegated(home, all)),
                read_of!(DirectoryRoles, objects => |all| directories.directory_roles(home, all)),
            );
            (principals, owners, app_roles, delegated, directory_roles)
        };
        let (of_directory, in_azure) = join!(of_directory, self.resources.managed_identities());
        let (principals, owners, app_roles, delegated, directory_roles) = of_directory;
        let in_azure = reading(Source::ManagedIdentities, in_azure);
        Identities { principals, owners, app_roles, delegated, directory_roles, in_azure }
    }

    /// Reads one tenant.
    pub(super) async fn tenant(
        &self,
        trust: &Trust,
        scope: &TenantScope,
        at_home: &AtHome,
        now: Timestamp,
    ) -> Tenant {
        let (tenant, partition) = (scope.tenant(), Partition::tenant(scope));
        let AtHome { registered, custom_roles } = at_home;
        let is_home = tenant == self.desired.home;
        let custom_roles = if is_home { custom_roles.clone() } else { Ok(Vec::new()) };
        let (directories, clients) = (&*self.directories, self.desired.clients());
        let deadline = now.plus_s(TENANT_S);
        let read = directories.service_principals(tenant, &clients).await;
        let principals: Reading<Vec<ServicePrincipal>> = reading(Source::ServicePrincipals, read);
        let objects = objects(&principals, |each| each.object);
        let rotator = principals.as_ref().map_err(|unread| *unread);
        let rotator = rotator.map(|all| rotator_of(&self.desired, all));
        let (rotations, bound) = self.rotations(trust, scope, now).await;
        let policies = async {
            // What nobody rests on is not read.
            if scope.terms().operations.values().all(|each| each.step_up.is_none()) {
                return Policies::Read(Vec::new());
            }
            match directories.access_policies(tenant).await {
                Ok(policies) => Policies::Read(policies),
                Err(error) => {
                    told(Source::AccessPolicies, &error);
                    if error.is_transient() { Policies::NotNow } else { Policies::Withheld }
                }
            }
        };
        let owned = read_of!(OwnedApplications, rotator => |rotator: &Option<ObjectId>| {
            let rotator = *rotator;
            async move {
                match rotator {
                    Some(rotator) => directories.owned(tenant, rotator).await,
                    None => Ok(Vec::new()),
                }
            }
        });
        let unaccounted = async {
            let principals = principals.as_ref().map_err(|unread| *unread)?;
            let bound = bound.as_ref().map_err(|unread| *unread)?;
            let place =
                Place { trust, scope, partition: &partition, principals, registered, bound };
            self.unaccounted(&place, deadline).await
        };
        let (owners, app_roles, delegated, directory_roles, owned, policies) = join!(
            read_of!(PrincipalOwners, objects => |all| directories.principal_owners(tenant, all)),
            read_of!(AppRoles, objects => |all| directories.app_roles(tenant, all)),
            read_of!(DelegatedGrants, objects => |all| directories.delegated(tenant, all)),
            read_of!(DirectoryRoles, objects => |all| directories.directory_roles(tenant, all)),
            owned,
            policies,
        );
        let (admirers, unaccounted) =
            join!(self.admirers(trust, tenant, &partition, deadline), unaccounted);
        Tenant {
            desired: Arc::clone(&self.desired),
            now,
            tenant,
            terms: scope.terms().clone(),
            principals,
            owners,
            app_roles,
            delegated,
            directory_roles,
            custom_roles,
            registered: registered.clone(),
            owned,
            bound,
            policies,
            admirers,
            unaccounted,
            rotations,
        }
    }
}

fn reading<T>(source: Source, read: Result<T, PortError>) -> Reading<T> {
    read.map_err(|error| told(source, &error))
}

fn objects<T>(of: &Reading<Vec<T>>, object: fn(&T) -> ObjectId) -> Result<Vec<ObjectId>, Unread> {
    of.as_ref().map(|all| all.iter().map(object).collect()).map_err(|unread| *unread)
}

fn rotator_of(desired: &Desired, principals: &[ServicePrincipal]) -> Option<ObjectId> {
    let is_its = |each: &&ServicePrincipal| {
        desired.named(each.client).is_some_and(|(name, _)| name == ROTATOR)
    };
    principals.iter().find(is_its).map(|each| each.object)
}
