//! Azure Resource Manager: how the deployment's resources are set up, for whoever compares that with
//! what was declared.
//!
//! Read with the managed identity's own token, in the one resource group that the manifest names.
//! What Azure adds is passed over; what is needed and is not there, or is not of its form, is an
//! error: a comparison on half an answer would find what is not so, or miss what is.

mod calls;
mod front_door;
mod identities;
mod role_definitions;
mod roles;
mod running;
mod sites;
mod stores;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use airlock_core::{
    drift::{
        actual::{
            AzureRole, FrontDoor, Function, ManagedIdentity, Name, Resource, RoleAssignment,
            Running, Settings, Site,
        },
        sources::Resources,
    },
    identity::{App, ObjectId},
    manifest::Manifest,
    ports::PortError,
};
use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use self::calls::Calls;
use crate::transport::Wire;

/// Calls at a time. Azure counts them, and nobody waits.
const AT_ONCE: usize = 4;

/// Versions of the providers' interfaces.
mod version {
    pub(super) const WEB: &str = "2025-03-01";
    pub(super) const VAULT: &str = "2026-02-01";
    pub(super) const COSMOS: &str = "2026-03-15";
    pub(super) const BUS: &str = "2026-01-01";
    pub(super) const STORAGE: &str = "2026-04-01";
    pub(super) const DOOR: &str = "2025-12-01";
    pub(super) const ROLES: &str = "2022-04-01";
    pub(super) const IDENTITY: &str = "2024-11-30";
}

/// The resource group of the deployment.
pub(crate) struct ResourceManager {
    calls: Calls,
    http: reqwest::Client,
    group: String,
    sites: BTreeMap<Name, App>,
    principals: BTreeSet<ObjectId>,
    anchors: Name,
}

impl ResourceManager {
    /// Calls nothing yet.
    ///
    /// # Errors
    ///
    /// If an address in the manifest is not one.
    pub(crate) fn new(
        manifest: &Manifest,
        identity: Arc<dyn TokenCredential>,
        wire: &Wire,
        http: reqwest::Client,
    ) -> azure_core::Result<Self> {
        let anchors = azure_core::http::Url::parse(&manifest.anchors)?;
        let account = anchors.host_str().and_then(|host| host.split('.').next());
        Ok(Self {
            calls: Calls::new(&manifest.resource_manager, &manifest.resources, identity, wire)?,
            http,
            group: manifest.resources.clone(),
            sites: manifest.sites.iter().map(|(app, name)| (Name::new(name), *app)).collect(),
            principals: manifest.principals.values().copied().collect(),
            anchors: Name::new(account.unwrap_or_default()),
        })
    }

    /// Path of what is of one type in the group.
    fn all(&self, kind: &str) -> String {
        format!("{}/providers/{kind}", self.group)
    }

    async fn site(&self, listed: sites::Listed) -> Result<Site, PortError> {
        let path = listed.path(&self.group)?;
        let config = format!("{path}/config/web");
        let config = self.calls.get(&config, version::WEB);
        let policies = format!("{path}/basicPublishingCredentialsPolicies");
        let policies = self.calls.list(&policies, version::WEB);
        let (config, policies) = tokio::try_join!(config, policies)?;
        let app = self.sites.get(&listed.name()).copied();
        Ok(listed.read(app, &config, &policies)?)
    }

    async fn identity(&self, listed: identities::Listed) -> Result<ManagedIdentity, PortError> {
        let path = format!("{}/federatedIdentityCredentials", listed.path(&self.group)?);
        let federated = self.calls.list(&path, version::IDENTITY).await?;
        Ok(listed.read(federated)?)
    }

    async fn account(&self, account: stores::Account) -> Result<Resource, PortError> {
        let path = account.path(&self.group)?;
        let containers = format!("{path}/blobServices/default/containers");
        let containers = self.calls.list(&containers, version::STORAGE).await?;
        Ok(account.read(&self.anchors, &containers)?)
    }
}

#[async_trait]
impl Resources for ResourceManager {
    async fn sites(&self) -> Result<Vec<Site>, PortError> {
        let listed = self.calls.list(&self.all("Microsoft.Web/sites"), version::WEB).await?;
        let listed: Vec<sites::Listed> = words::understood("function apps", listed)?;
        let read = stream::iter(listed).map(|listed| self.site(listed));
        read.buffered(AT_ONCE).try_collect().await
    }

    async fn settings(&self, sites: &[Site]) -> Result<BTreeMap<App, Settings>, PortError> {
        let read = stream::iter(of_ours(sites)).map(|(app, name)| async move {
            let path =
                format!("{}/{name}/config/appsettings/list", self.all("Microsoft.Web/sites"));
            let settings = self.calls.post(&path, version::WEB).await?;
            Ok((app, sites::settings(settings)?))
        });
        read.buffered(AT_ONCE).try_collect().await
    }

    async fn functions(&self, sites: &[Site]) -> Result<BTreeMap<App, Vec<Function>>, PortError> {
        let read = stream::iter(of_ours(sites)).map(|(app, name)| async move {
            let path = format!("{}/{name}/functions", self.all("Microsoft.Web/sites"));
            let functions = self.calls.list(&path, version::WEB).await?;
            Ok((app, sites::functions(functions)?))
        });
        read.buffered(AT_ONCE).try_collect().await
    }

    async fn stores(&self) -> Result<Vec<Resource>, PortError> {
        let vaults = self.all("Microsoft.KeyVault/vaults");
        let databases = self.all("Microsoft.DocumentDB/databaseAccounts");
        let buses = self.all("Microsoft.ServiceBus/namespaces");
        let accounts = self.all("Microsoft.Storage/storageAccounts");
        let (vaults, databases, buses, accounts) = tokio::try_join!(
            self.calls.list(&vaults, version::VAULT),
            self.calls.list(&databases, version::COSMOS),
            self.calls.list(&buses, version::BUS),
            self.calls.list(&accounts, version::STORAGE),
        )?;
        let mut stores = stores::vaults(vaults)?;
        stores.extend(stores::databases(databases)?);
        stores.extend(stores::buses(buses)?);
        let accounts: Vec<stores::Account> = words::understood("storage accounts", accounts)?;
        let accounts = stream::iter(accounts).map(|account| self.account(account));
        stores.extend(accounts.buffered(AT_ONCE).try_collect::<Vec<_>>().await?);
        Ok(stores)
    }

    async fn role_assignments(&self) -> Result<Vec<RoleAssignment>, PortError> {
        let azure = self.all("Microsoft.Authorization/roleAssignments");
        let accounts = self.all("Microsoft.DocumentDB/databaseAccounts");
        let (azure, accounts) = tokio::try_join!(
            self.calls.list(&azure, version::ROLES),
            self.calls.list(&accounts, version::COSMOS),
        )?;
        let mut all = roles::of_azure(azure, &self.group, &self.principals)?;
        let accounts: Vec<words::Identified> = words::understood("databases", accounts)?;
        for account in accounts {
            let path = account.path(&self.group)?;
            let path = format!("{path}/sqlRoleAssignments");
            let assigned = self.calls.list(&path, version::COSMOS).await?;
            all.extend(roles::of_cosmos(assigned, &self.group)?);
        }
        Ok(all)
    }

    async fn azure_roles(&self) -> Result<Vec<AzureRole>, PortError> {
        let path = self.all("Microsoft.Authorization/roleDefinitions");
        let listed = self.calls.list_where(&path, version::ROLES, role_definitions::FILTER).await?;
        Ok(role_definitions::custom(listed, &self.group)?)
    }

    async fn managed_identities(&self) -> Result<Vec<ManagedIdentity>, PortError> {
        let path = self.all("Microsoft.ManagedIdentity/userAssignedIdentities");
        let listed = self.calls.list(&path, version::IDENTITY).await?;
        let listed: Vec<identities::Listed> = words::understood("managed identities", listed)?;
        let read = stream::iter(listed).map(|listed| self.identity(listed));
        read.buffered(AT_ONCE).try_collect().await
    }

    async fn front_door(&self) -> Result<FrontDoor, PortError> {
        let profiles = self.calls.list(&self.all("Microsoft.Cdn/profiles"), version::DOOR).await?;
        let mut profiles = front_door::profiles(profiles)?;
        profiles.sort();
        let mut ways = BTreeSet::new();
        for profile in &profiles {
            let path = words::path(&profile.resource, &self.group)?;
            let groups = self.calls.list(&format!("{path}/originGroups"), version::DOOR).await?;
            let mut origins = BTreeMap::new();
            for group in words::understood::<words::Identified>("origin groups", groups)? {
                let path = format!("{}/origins", group.path(&self.group)?);
                let hosts = self.calls.list(&path, version::DOOR).await?;
                origins.insert(group.name(), front_door::hosts(hosts)?);
            }
            let endpoints = self.calls.list(&format!("{path}/afdEndpoints"), version::DOOR).await?;
            for endpoint in front_door::endpoints(endpoints)? {
                let path = format!("{}/routes", words::path(&endpoint.resource, &self.group)?);
                let routes = self.calls.list(&path, version::DOOR).await?;
                ways.extend(front_door::routes(routes, &endpoint, &origins)?);
            }
        }
        // With several, the ways of all are told, and that the apps are to admit the first: whoever
        // adds one is found out by its ways, or gets past no access restriction.
        let first = profiles.into_iter().next().ok_or(words::NotUnderstood("the front door"))?;
        Ok(FrontDoor { id: first.id, routes: ways })
    }

    async fn running(&self, sites: &[Site]) -> Result<Vec<Running>, PortError> {
        let ours = sites.iter().filter_map(|site| site.app.map(|app| (app, site.host.clone())));
        let ours: Vec<(App, Name)> = ours.collect();
        let asked = stream::iter(ours).map(|(app, host)| running::ask(&self.http, app, host));
        asked.buffered(AT_ONCE).try_collect().await
    }
}

/// The sites that are ours, by their names.
fn of_ours(sites: &[Site]) -> Vec<(App, Name)> {
    let ours = sites.iter().filter_map(|site| site.app.map(|app| (app, site.name.clone())));
    // What is put into a path names a resource, and nothing beside it: a name that could not stand
    // there is of no site of ours, because ours stand in the manifest.
    ours.filter(|(_, name)| words::is_name(name.as_str())).collect()
}
