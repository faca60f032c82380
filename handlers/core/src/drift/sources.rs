//! Where what is can be read. Each method is a source of its own: if it cannot be read, only the
//! checks that need it say so.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::actual::{
    Admirer, AppRole, AzureRole, CustomRole, Delegated, DirectoryChange, DirectoryRole, Federated,
    FrontDoor, Function, ManagedIdentity, Registration, Resource, RoleAssignment, Running,
    ServicePrincipal, Settings, Site,
};
use crate::{
    comparing::AccessPolicy,
    identity::{App, ObjectId, TenantId},
    ports::PortError,
    time::Timestamp,
};

/// Directories, as the observer may read them.
///
/// Every method reads all there is, page by page, or fails: what was read in part is never given.
#[async_trait]
pub trait Directories: Send + Sync {
    /// Registrations of these client ids in a tenant, in any order. One that is not there is left
    /// out.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn registrations(
        &self,
        tenant: TenantId,
        clients: &[ObjectId],
    ) -> Result<Vec<Registration>, PortError>;

    /// Federated credentials of registrations, by their object ids.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn federated(
        &self,
        tenant: TenantId,
        applications: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<Federated>>, PortError>;

    /// Owners of registrations, by their object ids.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn application_owners(
        &self,
        tenant: TenantId,
        applications: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<ObjectId>>, PortError>;

    /// Service principals of these client ids in a tenant.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn service_principals(
        &self,
        tenant: TenantId,
        clients: &[ObjectId],
    ) -> Result<Vec<ServicePrincipal>, PortError>;

    /// Service principals by their object ids: those of managed identities. One that is not there
    /// is left out.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn identities(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<Vec<ServicePrincipal>, PortError>;

    /// Owners of service principals, by their object ids.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn principal_owners(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<ObjectId>>, PortError>;

    /// App roles that service principals hold, by their object ids.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn app_roles(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<AppRole>>, PortError>;

    /// Delegated grants that service principals hold, by their object ids.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn delegated(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<Delegated>>, PortError>;

    /// Directory roles that service principals hold, by their object ids.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn directory_roles(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<DirectoryRole>>, PortError>;

    /// Directory roles of a tenant's own: all that are not Entra's.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn custom_roles(&self, tenant: TenantId) -> Result<Vec<CustomRole>, PortError>;

    /// Applications that a service principal owns, by their object ids.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn owned(
        &self,
        tenant: TenantId,
        principal: ObjectId,
    ) -> Result<Vec<ObjectId>, PortError>;

    /// All conditional-access policies of a tenant.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn access_policies(&self, tenant: TenantId) -> Result<Vec<AccessPolicy>, PortError>;

    /// What these objects changed and what anybody changed of them in a span of time, as the
    /// tenant's audit log tells it: oldest first. `None` if the log has more of that time, by
    /// whomever, than is read at once.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn changes(
        &self,
        tenant: TenantId,
        objects: &BTreeSet<ObjectId>,
        span: Span,
    ) -> Result<Option<Vec<DirectoryChange>>, PortError>;

    /// The next page of which applications have changed: all of them, if it is the first.
    ///
    /// # Errors
    ///
    /// [`PortError`]. A position that is no longer known is no error: [`Page::Lost`].
    async fn changed_applications(
        &self,
        tenant: TenantId,
        from: Option<&Position>,
    ) -> Result<Page, PortError>;

    /// Of these applications, those that trust one of these subjects.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn admirers(
        &self,
        tenant: TenantId,
        applications: &[Changed],
        subjects: &[ObjectId],
    ) -> Result<Vec<Admirer>, PortError>;
}

/// A span of time, with both its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// A place in the stream of a tenant's changes: an `@odata.nextLink` or `@odata.deltaLink`. What
/// it says is the directory's own business.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Position(pub String);

/// It can tell what was asked; nobody needs to read it.
impl std::fmt::Debug for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Position")
    }
}

/// Some changes.
#[derive(Clone, Debug)]
pub enum Page {
    /// More may follow at once.
    More(Vec<Changed>, Position),
    /// No more for now.
    Last(Vec<Changed>, Position),
    /// The position is not known any more (410): everything must be read anew.
    Lost,
}

/// An application that was added, changed or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Changed {
    /// Its object id.
    pub object: ObjectId,
    /// Its client id; none, if it is gone.
    pub client: Option<ObjectId>,
}

/// What Azure has, in the group of resources that is Airlock's.
#[async_trait]
pub trait Resources: Send + Sync {
    /// Function apps.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn sites(&self) -> Result<Vec<Site>, PortError>;

    /// The settings of each site, by its name.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn settings(&self, sites: &[Site]) -> Result<BTreeMap<App, Settings>, PortError>;

    /// The functions of each site.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn functions(&self, sites: &[Site]) -> Result<BTreeMap<App, Vec<Function>>, PortError>;

    /// Vaults, databases, buses and storage.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn stores(&self) -> Result<Vec<Resource>, PortError>;

    /// Azure's role assignments in the group and below, and those of Cosmos DB.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn role_assignments(&self) -> Result<Vec<RoleAssignment>, PortError>;

    /// Roles that are not built in, and can be assigned in the group.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn azure_roles(&self) -> Result<Vec<AzureRole>, PortError>;

    /// User-assigned managed identities in the group, with whom they trust.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn managed_identities(&self) -> Result<Vec<ManagedIdentity>, PortError>;

    /// The front door, with every way from the outside.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    async fn front_door(&self) -> Result<FrontDoor, PortError>;

    /// Which package each site says that it runs.
    ///
    /// # Errors
    ///
    /// [`PortError`], if one of them does not say.
    async fn running(&self, sites: &[Site]) -> Result<Vec<Running>, PortError>;
}
