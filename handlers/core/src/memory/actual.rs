//! What is, in memory: directories and resources that can be changed, shuffled, and made unreadable
//! source by source.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use uuid::Uuid;

use super::{SetClock, lock};
use crate::{
    comparing::AccessPolicy,
    digest::Digest,
    drift::{
        actual::{
            Admirer, AppRole, AzureRole, Credential, CredentialKind, CustomRole, Delegated,
            DirectoryChange, DirectoryRole, Federated, FrontDoor, Function, ManagedIdentity, Name,
            Over, Registration, Resource, ResourceKind, RoleAssignment, Route, Running,
            ServicePrincipal, Settings, Site,
        },
        desired::{Application, Desired, Role, functions},
        seen::Source,
        sources::{Changed, Directories, Page, Position, Resources, Span},
    },
    identity::{App, ObjectId, TenantId},
    ports::PortError,
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
    /// After how many reads a source cannot be read any more.
    pub broken_after: Mutex<BTreeMap<Source, usize>>,
    /// How long it takes to read a source, in seconds by that clock.
    pub slow: Mutex<BTreeMap<Source, (Arc<SetClock>, i64)>>,
    /// Whose audit logs were read, and which spans.
    pub spans: Mutex<Vec<(TenantId, Span)>>,
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
    /// Service principals of managed identities.
    pub identities: Vec<ServicePrincipal>,
    /// Directory roles of the deployment's tenant that are not Entra's.
    pub custom_roles: Vec<CustomRole>,
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
    /// Azure's roles that are not built in.
    pub azure_roles: Vec<AzureRole>,
    /// Managed identities in Azure.
    pub managed: Vec<ManagedIdentity>,
    /// Routes.
    pub routes: BTreeSet<Route>,
    /// What runs.
    pub running: Vec<Running>,
}

/// The front door's id.
pub const FRONT_DOOR: &str = "5a1b9d0e-0000-4000-8000-00000000f00d";

/// Entries of a log that are read at once.
const AT_ONCE: usize = 100;

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

/// Id of the definition of a role: that of one of Entra's own is its template.
#[must_use]
pub fn definition(role: &Role) -> Uuid {
    let own = Uuid::from_u128(role.template.as_u128() ^ 0xdef);
    if role.actions.is_some() { own } else { role.template }
}

/// What of directory roles a registration's service principal holds.
fn held(desired: &Desired, tenant: TenantId, declared: &Application) -> Vec<DirectoryRole> {
    let role = |role: &Role, over| DirectoryRole {
        definition: definition(role),
        over,
        name: Some(role.name.clone()),
    };
    let whole = declared.directory_roles.iter().map(|each| role(each, Over::Directory));
    let at_home = declared.removes_credentials_of.iter().filter(|_| tenant == desired.home);
    let mended = at_home.filter_map(|name| desired.applications.get(name));
    let remover = &desired.credential_remover;
    let single = mended.map(|each| role(remover, Over::Object(object(each.client))));
    whole.chain(single).collect()
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
                is.directory_roles.insert(object, held(desired, *tenant, declared));
            }
        }
        is.identities(desired);
        is.azure(desired, packages);
        Self { is: Mutex::new(is), ..Self::default() }
    }

    fn read(&self, source: Source) -> Result<Is, PortError> {
        *lock(&self.reads).entry(source).or_default() += 1;
        let is_over = |most: &usize| lock(&self.reads).get(&source).is_some_and(|read| read > most);
        if lock(&self.broken_after).get(&source).is_some_and(is_over) {
            return Err(PortError::Unavailable("gone".into()));
        }
        if let Some((clock, takes_s)) = lock(&self.slow).get(&source) {
            clock.advance_s(*takes_s);
        }
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
    fn identities(&mut self, desired: &Desired) {
        for (app, principal) in &desired.principals {
            self.identities.push(ServicePrincipal {
                client: object(*principal),
                object: *principal,
                enabled: true,
                // The platform's own, as Azure keeps it.
                credentials: vec![Credential {
                    id: Uuid::nil(),
                    kind: CredentialKind::Key,
                    ends: Some(crate::time::Timestamp::from_unix_s(0)),
                }],
                home: None,
            });
            let calls = desired.calls.get(app).into_iter().flatten();
            self.app_roles.insert(*principal, calls.cloned().collect());
            let name = Name::new(&format!("airlock-{app}"));
            self.managed.push(ManagedIdentity { principal: *principal, name, trusts: Vec::new() });
        }
        let custom = desired.custom_roles().map(|role| CustomRole {
            id: definition(role),
            template: role.template,
            name: Some(role.name.clone()),
            enabled: true,
            actions: role.actions.clone().unwrap_or_default(),
        });
        self.custom_roles = custom.collect();
        let own = desired.azure_roles.iter().map(|role| AzureRole {
            id: role.id.clone(),
            actions: role.actions.clone(),
            data_actions: role.data_actions.clone(),
            excluded: BTreeSet::new(),
            assignable: [Name::new("")].into(),
        });
        self.azure_roles = own.collect();
    }

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
                keyed: BTreeSet::new(),
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

    async fn identities(
        &self,
        _: TenantId,
        principals: &[ObjectId],
    ) -> Result<Vec<ServicePrincipal>, PortError> {
        let mut all = self.read(Source::Identities)?.identities;
        all.retain(|each| principals.contains(&each.object));
        Ok(self.ordered(all))
    }

    async fn custom_roles(&self, _: TenantId) -> Result<Vec<CustomRole>, PortError> {
        Ok(self.ordered(self.read(Source::CustomRoles)?.custom_roles))
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
        tenant: TenantId,
        objects: &BTreeSet<ObjectId>,
        span: Span,
    ) -> Result<Option<Vec<DirectoryChange>>, PortError> {
        let Span { from, until } = span;
        let mut all = self.read(Source::DirectoryAudits)?.changes;
        all.retain(|each| from <= each.at && each.at <= until);
        if all.len() > AT_ONCE {
            return Ok(None);
        }
        let is_one = |id: &String| id.parse().is_ok_and(|id| objects.contains(&id));
        all.retain(|each| {
            each.by.is_some_and(|by| objects.contains(&by)) || each.targets.iter().any(is_one)
        });
        all.sort_by_key(|each| each.at);
        lock(&self.spans).push((tenant, span));
        Ok(Some(all))
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

    async fn azure_roles(&self) -> Result<Vec<AzureRole>, PortError> {
        Ok(self.ordered(self.read(Source::AzureRoles)?.azure_roles))
    }

    async fn managed_identities(&self) -> Result<Vec<ManagedIdentity>, PortError> {
        Ok(self.ordered(self.read(Source::ManagedIdentities)?.managed))
    }

    async fn front_door(&self) -> Result<FrontDoor, PortError> {
        let routes = self.read(Source::FrontDoor)?.routes;
        Ok(FrontDoor { id: Name::new(FRONT_DOOR), routes })
    }

    async fn running(&self, _: &[Site]) -> Result<Vec<Running>, PortError> {
        Ok(self.ordered(self.read(Source::Packages)?.running))
    }
}
