//! What `drift` sees of a directory, as `airlock-observer`, which may only read.
//!
//! A reading is whole or it fails: one question of a batch that was refused, or one page that was
//! not had, and nothing of it is given. What Graph says of an object and is not known here is left
//! aside, unless it could hide something: then it is taken for the worse, and the place says so.
//! A property that was asked for and is missing is not taken for one that is not set.

mod admirers;
mod audits;
mod changed;
mod credentials;
pub(super) mod federated;
mod grants;
mod owners;
mod registrations;
mod resources;
mod roles;
mod service_principals;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use airlock_core::{
    comparing::AccessPolicy,
    drift::{
        actual::{
            Admirer, AppRole, CustomRole, Delegated, DirectoryChange, DirectoryRole, Federated,
            Registration, ServicePrincipal,
        },
        sources::{Changed, Directories, Page, Position, Span},
    },
    identity::{ObjectId, TenantId},
    ports::PortError,
};
use async_trait::async_trait;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

pub(super) use self::resources::Resources;
use super::{Graph, OBSERVER, batch::Questions, pages::NotUnderstood};
use crate::failure::in_time;

/// An object was there when it was listed, and is not any more.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0} of an object that is gone")]
struct Gone(&'static str);

impl From<Gone> for PortError {
    fn from(error: Gone) -> Self {
        Self::Broken(error.into())
    }
}

/// Each method says how many calls it makes, for N objects and where every collection fits on one
/// page. A page more is a call more.
#[async_trait]
impl Directories for Graph {
    /// N / 20 calls.
    async fn registrations(
        &self,
        tenant: TenantId,
        clients: &[ObjectId],
    ) -> Result<Vec<Registration>, PortError> {
        in_time(self.read_registrations(tenant, clients)).await
    }

    /// N / 20 calls.
    async fn federated(
        &self,
        tenant: TenantId,
        applications: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<Federated>>, PortError> {
        in_time(self.read_federated(tenant, applications)).await
    }

    /// N / 20 calls.
    async fn application_owners(
        &self,
        tenant: TenantId,
        applications: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<ObjectId>>, PortError> {
        in_time(self.read_owners(tenant, "applications", applications)).await
    }

    /// N / 20 calls.
    async fn service_principals(
        &self,
        tenant: TenantId,
        clients: &[ObjectId],
    ) -> Result<Vec<ServicePrincipal>, PortError> {
        in_time(self.read_service_principals(tenant, clients)).await
    }

    /// N / 20 calls.
    async fn identities(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<Vec<ServicePrincipal>, PortError> {
        in_time(self.read_identities(tenant, principals)).await
    }

    /// N / 20 calls.
    async fn principal_owners(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<ObjectId>>, PortError> {
        in_time(self.read_owners(tenant, "servicePrincipals", principals)).await
    }

    /// N / 20 calls, and one for 20 interfaces whose roles are not known from the last hour.
    async fn app_roles(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<AppRole>>, PortError> {
        in_time(self.read_app_roles(tenant, principals)).await
    }

    /// N / 20 calls, and one for 20 interfaces that are not known from the last hour.
    async fn delegated(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<Delegated>>, PortError> {
        in_time(self.read_delegated(tenant, principals)).await
    }

    /// 2 N / 20 calls, one for 20 groups that may hold roles and that they belong to, and one for
    /// the names, if there are any roles.
    async fn directory_roles(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<DirectoryRole>>, PortError> {
        in_time(self.read_directory_roles(tenant, principals)).await
    }

    /// One call.
    async fn custom_roles(&self, tenant: TenantId) -> Result<Vec<CustomRole>, PortError> {
        in_time(self.read_custom_roles(tenant)).await
    }

    /// One call.
    async fn owned(
        &self,
        tenant: TenantId,
        principal: ObjectId,
    ) -> Result<Vec<ObjectId>, PortError> {
        in_time(self.read_owned(tenant, principal)).await
    }

    /// One call.
    async fn access_policies(&self, tenant: TenantId) -> Result<Vec<AccessPolicy>, PortError> {
        in_time(self.all_access_policies(tenant)).await
    }

    /// One call for 999 entries that the tenant's log has of that time, by whomever: two seconds
    /// apart, each for itself in time, and ten at most.
    async fn changes(
        &self,
        tenant: TenantId,
        objects: &BTreeSet<ObjectId>,
        span: Span,
    ) -> Result<Option<Vec<DirectoryChange>>, PortError> {
        self.read_changes(tenant, objects, span).await
    }

    /// One call, and one for 20 changed applications whose client id Graph leaves out.
    async fn changed_applications(
        &self,
        tenant: TenantId,
        from: Option<&Position>,
    ) -> Result<Page, PortError> {
        in_time(self.read_changed(tenant, from)).await
    }

    /// N / 20 calls, each for itself in time: a first page can have hundreds.
    async fn admirers(
        &self,
        tenant: TenantId,
        applications: &[Changed],
        subjects: &[ObjectId],
    ) -> Result<Vec<Admirer>, PortError> {
        self.read_admirers(tenant, applications, subjects).await
    }
}

impl Graph {
    /// The objects of a collection that have these client ids, as far as they are there.
    async fn of_clients<T: DeserializeOwned>(
        &self,
        tenant: TenantId,
        (collection, properties, what): (&str, &str, &'static str),
        (clients, client): (&[ObjectId], impl Fn(&T) -> ObjectId + Sync),
    ) -> Result<Vec<T>, PortError> {
        let clients: BTreeSet<ObjectId> = clients.iter().copied().collect();
        // Not `appId in (…)`: of applications Graph documents `eq` alone, and it does not take
        // more than fifteen alternatives.
        let paths: Vec<String> = clients
            .iter()
            .map(|client| {
                format!("/{collection}?$filter=appId%20eq%20'{client}'&$select={properties}")
            })
            .collect();
        let questions = Questions { application: OBSERVER, tenant, what, paths: &paths };
        let answers = self.ask_for_all_of_each(questions).await?;
        let mut found = Vec::with_capacity(answers.len());
        for (asked, answer) in clients.iter().zip(answers) {
            let mut objects: Vec<T> = understood(answer.ok_or(NotUnderstood(what))?, what)?;
            match (objects.pop(), objects.pop()) {
                (None, _) => {}
                (Some(object), None) if client(&object) == *asked => found.push(object),
                _ => return Err(NotUnderstood(what).into()),
            }
        }
        Ok(found)
    }

    /// A collection of each of these objects, by their ids.
    async fn of_objects<T: DeserializeOwned + Send>(
        &self,
        tenant: TenantId,
        what: &'static str,
        (objects, path): (&[ObjectId], impl Fn(ObjectId) -> String + Sync),
    ) -> Result<BTreeMap<ObjectId, Vec<T>>, PortError> {
        let objects: BTreeSet<ObjectId> = objects.iter().copied().collect();
        let paths: Vec<String> = objects.iter().copied().map(path).collect();
        let questions = Questions { application: OBSERVER, tenant, what, paths: &paths };
        let answers = self.ask_for_all_of_each(questions).await?;
        objects
            .into_iter()
            .zip(answers)
            .map(|(object, answer)| Ok((object, understood(answer.ok_or(Gone(what))?, what)?)))
            .collect()
    }
}

/// Reads objects of a collection.
fn understood<T: DeserializeOwned>(
    objects: Vec<Value>,
    what: &'static str,
) -> Result<Vec<T>, NotUnderstood> {
    // Without the parser's reason: it repeats what was written.
    let read = |object| serde_json::from_value(object).map_err(|_| NotUnderstood(what));
    objects.into_iter().map(read).collect()
}

/// A property that may be null and is there.
fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}
