//! What is, in memory: directories and resources that can be changed, shuffled, and made unreadable
//! source by source.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use async_trait::async_trait;
use uuid::Uuid;

use super::lock;
use crate::{
    comparing::AccessPolicy,
    digest::Digest,
    drift::{
        actual::{
            Admirer, AppRole, Delegated, DirectoryChange, DirectoryRole, Federated, FrontDoor,
            Function, Name, Registration, Resource, ResourceKind, RoleAssignment, Route, Running,
            ServicePrincipal, Settings, Site,
        },
        desired::{CREDENTIAL_REMOVER, Desired, functions},
        seen::Source,
        sources::{Changed, Directories, Page, Position, Resources},
    },
    identity::{App, ObjectId, TenantId},
    ports::PortError,
    time::Timestamp,
};

/// Microsoft Graph's client id.
pub const GRAPH: ObjectId = ObjectId::new(uuid::uuid!("00000003-0000-0000-c000-000000000000"));

/// Everything that can be read.
#[derive(Default)]
pub struct Actual {
    /// What is there.
    pub is: Mutex<Is>,
    /// Sources that cannot be read, and why.
    pub broken: Mutex<BTreeMap<Source, fn() -> PortError>>,
    /// Whether lists come the other way round.
    pub reversed: Mutex<bool>,
    /// How often each source was read.
    pub reads: Mutex<BTreeMap<Source, usize>>,
}

/// What is there.
#[derive(Clone, Default)]
pub struct Is {
    /// Registrations.
    pub registrations: Vec<Registration>,
    /// Their federated credentials, and those of others.
    pub federated: BTreeMap<ObjectId, Vec<Federated>>,
    /// Owners of registrations and service principals.
    pub owners: BTreeMap<ObjectId, Vec<ObjectId>>,
    /// Service principals by tenant.
    pub principals: BTreeMap<TenantId, Vec<ServicePrincipal>>,
    /// App roles, by service principal.
    pub app_roles: BTreeMap<ObjectId, Vec<AppRole>>,
    /// Delegated grants, by service principal.
    pub delegated: BTreeMap<ObjectId, Vec<Delegated>>,
    /// Directory roles, by service principal.
    pub directory_roles: BTreeMap<ObjectId, Vec<DirectoryRole>>,
    /// Applications, by who owns them.
    pub owned: BTreeMap<ObjectId, Vec<ObjectId>>,
    /// Conditional-access policies.
    pub policies: Vec<AccessPolicy>,
    /// The audit log.
    pub changes: Vec<DirectoryChange>,
    /// Applications of others, in the order in which they changed.
    pub changed: Vec<Changed>,
    /// How often all positions were forgotten.
    pub forgotten: usize,
    /// Function apps.
    pub sites: Vec<Site>,
    /// Their settings.
    pub settings: BTreeMap<App, Settings>,
    /// Their functions.
    pub functions: BTreeMap<App, Vec<Function>>,
    /// Stores.
    pub stores: Vec<Resource>,
    /// Role assignments.
    pub role_assignments: Vec<RoleAssignment>,
    /// Routes.
    pub routes: BTreeSet<Route>,
    /// What runs.
    pub running: Vec<Running>,
}

/// The front door's id.
pub const FRONT_DOOR: &str = "5a1b9d0e-0000-4000-8000-00000000f00d";

/// Applications on a page of changes.
const PAGE: usize = 20;

/// Object id of a registration with this client id.
#[must_use]
pub fn object(client: ObjectId) -> ObjectId {
    ObjectId::new(Uuid::from_u128(client.uuid().as_u128() ^ 0x0b1e_c700))
}

/// Object id of a tenant's service principal of this client id.
#[must_use]
pub fn principal(tenant: TenantId, client: ObjectId) -> ObjectId {
    let (tenant, client) = (tenant.uuid().as_u128(), client.uuid().as_u128());
    ObjectId::new(Uuid::from_u128(tenant.rotate_left(64) ^ client ^ 0x5e_7000))
}

impl Actual {
    /// A world that is as it was declared.
    #[must_use]
    pub fn as_declared(
        desired: &Desired,
        tenants: &[TenantId],
        packages: &BTreeMap<App, Digest>,
    ) -> Self {
        let mut is = Is::default();
        for declared in desired.applications.values() {
            let client = declared.client;
            is.registrations.push(Registration {
                client,
                object: object(client),
                credentials: Vec::new(),
                redirects: declared.redirects.clone(),
                implicit: false,
                audience: Name::new("AzureADMultipleOrgs"),
                scopes: declared.scopes.clone(),
                app_roles: declared.app_roles.clone(),
                preauthorized: BTreeSet::new(),
                locked: true,
            });
            let trusted = declared.trusts.map(|subject| Federated {
                id: client,
                issuer: desired.issuer.clone(),
                subject: subject.to_string(),
                audiences: [desired.audience.to_owned()].into(),
            });
            is.federated.insert(object(client), trusted.into_iter().collect());
            for tenant in tenants {
                let object = principal(*tenant, client);
                is.principals.entry(*tenant).or_default().push(ServicePrincipal {
                    client,
                    object,
                    enabled: true,
                    credentials: Vec::new(),
                    home: Some(desired.home),
                });
                let role = |role: &String| AppRole { resource: GRAPH, role: role.clone() };
                is.app_roles.insert(object, declared.permissions.iter().map(role).collect());
                let whole = |name: &String| DirectoryRole { name: name.clone(), over: None };
                let mut roles: Vec<DirectoryRole> =
                    declared.directory_roles.iter().map(whole).collect();
                for mended in
                    declared.removes_credentials_of.iter().filter(|_| *tenant == desired.home)
                {
                    let over =
                        desired.applications.get(mended).map(|each| self::object(each.client));
                    roles.push(DirectoryRole { name: CREDENTIAL_REMOVER.to_owned(), over });
                }
                is.directory_roles.insert(object, roles);
            }
        }
        is.azure(desired, packages);
        Self { is: Mutex::new(is), ..Self::default() }
    }

    fn read(&self, source: Source) -> Result<Is, PortError> {
        *lock(&self.reads).entry(source).or_default() += 1;
        if let Some(error) = lock(&self.broken).get(&source) {
            return Err(error());
        }
        Ok(lock(&self.is).clone())
    }

    fn ordered<T>(&self, mut all: Vec<T>) -> Vec<T> {
        if *lock(&self.reversed) {
            all.reverse();
        }
        all
    }

    fn of<T: Clone>(
        &self,
        all: &BTreeMap<ObjectId, Vec<T>>,
        wanted: &[ObjectId],
    ) -> BTreeMap<ObjectId, Vec<T>> {
        let of = |id: &ObjectId| (*id, self.ordered(all.get(id).cloned().unwrap_or_default()));
        wanted.iter().map(of).collect()
    }
}

impl Is {
    fn azure(&mut self, desired: &Desired, packages: &BTreeMap<App, Digest>) {
        for (app, name) in &desired.sites {
            let outer = matches!(app, App::Signin | App::Intake);
            let door = (Name::new("AzureFrontDoor.Backend"), [Name::new(FRONT_DOOR)].into());
            self.sites.push(Site {
                app: Some(*app),
                name: name.clone(),
                identities: desired.principals.get(app).copied().into_iter().collect(),
                https_only: true,
                public: outer,
                admits: outer.then_some(door).into_iter().collect(),
                package: Name::new("https://packages.example/packages"),
                basic_publishing: false,
                host: Name::new(&format!("{name}.azurewebsites.net")),
            });
            let named = [("AIRLOCK_LOG".to_owned(), "info".to_owned())];
            self.settings.insert(*app, Settings(named.into()));
            self.functions.insert(*app, functions(*app).into_iter().collect());
            let package = packages.get(app).copied();
            self.running.extend(package.map(|package| Running { app: *app, package }));
        }
        let kinds = [
            (ResourceKind::Vault, "/providers/Microsoft.KeyVault/vaults/airlock"),
            (ResourceKind::Database, "/providers/Microsoft.DocumentDB/databaseAccounts/airlock"),
            (ResourceKind::Bus, "/providers/Microsoft.ServiceBus/namespaces/airlock"),
            (ResourceKind::Blobs, "/providers/Microsoft.Storage/storageAccounts/airlock"),
            (ResourceKind::Anchors, "/providers/Microsoft.Storage/storageAccounts/anchors"),
        ];
        self.stores = kinds
            .map(|(kind, id)| Resource {
                kind,
                id: Name::new(id),
                public: false,
                keyed: false,
                kept: true,
            })
            .into();
        self.role_assignments = desired.role_assignments.iter().cloned().collect();
        for (pattern, app) in [("/auth/*", App::Signin), ("/api/*", App::Intake)] {
            let host = desired.sites.get(&app).map(|name| format!("{name}.azurewebsites.net"));
            self.routes.insert(Route {
                id: Name::new(&format!("/routes/{app}")),
                patterns: [pattern.to_owned()].into(),
                hosts: host.iter().map(|host| Name::new(host)).collect(),
                enabled: true,
                https: true,
            });
        }
    }
}

#[async_trait]
impl Directories for Actual {
    async fn registrations(
        &self,
        _: TenantId,
        clients: &[ObjectId],
    ) -> Result<Vec<Registration>, PortError> {
        let mut all = self.read(Source::Registrations)?.registrations;
        all.retain(|each| clients.contains(&each.client));
        Ok(self.ordered(all))
    }

    async fn federated(
        &self,
        _: TenantId,
        applications: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<Federated>>, PortError> {
        Ok(self.of(&self.read(Source::FederatedCredentials)?.federated, applications))
    }

    async fn application_owners(
        &self,
        _: TenantId,
        applications: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<ObjectId>>, PortError> {
        Ok(self.of(&self.read(Source::ApplicationOwners)?.owners, applications))
    }

    async fn service_principals(
        &self,
        tenant: TenantId,
        clients: &[ObjectId],
    ) -> Result<Vec<ServicePrincipal>, PortError> {
        let all = self.read(Source::ServicePrincipals)?.principals;
        let mut all = all.get(&tenant).cloned().unwrap_or_default();
        all.retain(|each| clients.contains(&each.client));
        Ok(self.ordered(all))
    }

    async fn principal_owners(
        &self,
        _: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<ObjectId>>, PortError> {
        Ok(self.of(&self.read(Source::PrincipalOwners)?.owners, principals))
    }

    async fn app_roles(
        &self,
        _: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<AppRole>>, PortError> {
        Ok(self.of(&self.read(Source::AppRoles)?.app_roles, principals))
    }

    async fn delegated(
        &self,
        _: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<Delegated>>, PortError> {
        Ok(self.of(&self.read(Source::DelegatedGrants)?.delegated, principals))
    }

    async fn directory_roles(
        &self,
        _: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<DirectoryRole>>, PortError> {
        Ok(self.of(&self.read(Source::DirectoryRoles)?.directory_roles, principals))
    }

    async fn owned(&self, _: TenantId, principal: ObjectId) -> Result<Vec<ObjectId>, PortError> {
        let all = self.read(Source::OwnedApplications)?.owned;
        Ok(self.ordered(all.get(&principal).cloned().unwrap_or_default()))
    }

    async fn access_policies(&self, _: TenantId) -> Result<Vec<AccessPolicy>, PortError> {
        Ok(self.ordered(self.read(Source::AccessPolicies)?.policies))
    }

    async fn changes(
        &self,
        _: TenantId,
        principals: &[ObjectId],
        since: Timestamp,
    ) -> Result<Vec<DirectoryChange>, PortError> {
        let mut all = self.read(Source::DirectoryAudits)?.changes;
        all.retain(|each| principals.contains(&each.by) && each.at >= since);
        all.sort_by_key(|each| each.at);
        Ok(all)
    }

    async fn changed_applications(
        &self,
        _: TenantId,
        from: Option<&Position>,
    ) -> Result<Page, PortError> {
        let is = self.read(Source::Applications)?;
        let from: usize = match from {
            None => 0,
            Some(Position(text)) => {
                let known = text.strip_prefix(&format!("{}/", is.forgotten));
                match known.map(str::parse) {
                    Some(Ok(from)) => from,
                    _ => return Ok(Page::Lost),
                }
            }
        };
        let page: Vec<Changed> = is.changed.iter().skip(from).take(PAGE).copied().collect();
        let next = from + page.len();
        let position = Position(format!("{}/{next}", is.forgotten));
        let more = next < is.changed.len();
        Ok(if more { Page::More(page, position) } else { Page::Last(page, position) })
    }

    async fn admirers(
        &self,
        _: TenantId,
        applications: &[Changed],
        subjects: &[ObjectId],
    ) -> Result<Vec<Admirer>, PortError> {
        let is = self.read(Source::Applications)?;
        let mut all = Vec::new();
        for Changed { object, client } in applications {
            let Some(client) = *client else { continue };
            for federated in is.federated.get(object).into_iter().flatten() {
                if subjects.iter().any(|subject| federated.subject == subject.to_string()) {
                    let federated = federated.clone();
                    all.push(Admirer { object: *object, client, federated });
                }
            }
        }
        Ok(self.ordered(all))
    }
}

#[async_trait]
impl Resources for Actual {
    async fn sites(&self) -> Result<Vec<Site>, PortError> {
        Ok(self.ordered(self.read(Source::Sites)?.sites))
    }

    async fn settings(&self, _: &[Site]) -> Result<BTreeMap<App, Settings>, PortError> {
        Ok(self.read(Source::AppSettings)?.settings)
    }

    async fn functions(&self, _: &[Site]) -> Result<BTreeMap<App, Vec<Function>>, PortError> {
        let all = self.read(Source::Functions)?.functions.into_iter();
        Ok(all.map(|(app, functions)| (app, self.ordered(functions))).collect())
    }

    async fn stores(&self) -> Result<Vec<Resource>, PortError> {
        Ok(self.ordered(self.read(Source::Stores)?.stores))
    }

    async fn role_assignments(&self) -> Result<Vec<RoleAssignment>, PortError> {
        Ok(self.ordered(self.read(Source::RoleAssignments)?.role_assignments))
    }

    async fn front_door(&self) -> Result<FrontDoor, PortError> {
        let routes = self.read(Source::FrontDoor)?.routes;
        Ok(FrontDoor { id: Name::new(FRONT_DOOR), routes })
    }

    async fn running(&self, _: &[Site]) -> Result<Vec<Running>, PortError> {
        Ok(self.ordered(self.read(Source::Packages)?.running))
    }
}
