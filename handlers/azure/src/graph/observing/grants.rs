//! Rights that service principals hold over others' interfaces.

use std::collections::{BTreeMap, BTreeSet};

use airlock_core::{
    drift::actual::{AppRole, Delegated},
    identity::{ObjectId, TenantId},
    ports::PortError,
};
use serde::Deserialize;
use uuid::Uuid;

use super::{resources::Resource, there};
use crate::graph::{Graph, pages::NotUnderstood};

/// What is read, for errors.
const APP_ROLES: &str = "app role assignments";
const DELEGATED: &str = "delegated grants";

impl Graph {
    pub(super) async fn read_app_roles(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<AppRole>>, PortError> {
        let path =
            |principal| format!("/servicePrincipals/{principal}/appRoleAssignments?$top=999");
        let found: BTreeMap<ObjectId, Vec<Assignment>> =
            self.of_objects(tenant, APP_ROLES, (principals, path)).await?;
        let mut wanted: BTreeMap<ObjectId, BTreeSet<Uuid>> = BTreeMap::new();
        for assigned in found.values().flatten() {
            wanted.entry(assigned.resource).or_default().insert(assigned.role);
        }
        let resources = self.resources_of(tenant, &wanted).await?;
        let role = |principal: ObjectId, assigned: Assignment| {
            let resource = resources.get(&assigned.resource);
            let (true, Some(resource)) = (assigned.principal == principal, resource) else {
                return Err(NotUnderstood(APP_ROLES));
            };
            Ok(assigned.over(resource))
        };
        each(found, role)
    }

    pub(super) async fn read_delegated(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<Delegated>>, PortError> {
        let path =
            |principal| format!("/servicePrincipals/{principal}/oauth2PermissionGrants?$top=999");
        let found: BTreeMap<ObjectId, Vec<Grant>> =
            self.of_objects(tenant, DELEGATED, (principals, path)).await?;
        let resources = found.values().flatten().map(|grant| grant.resource_id);
        let wanted = resources.map(|resource| (resource, BTreeSet::new())).collect();
        let resources = self.resources_of(tenant, &wanted).await?;
        let granted = |principal: ObjectId, grant: Grant| {
            let resource = resources.get(&grant.resource_id);
            let (true, Some(resource)) = (grant.client_id == principal, resource) else {
                return Err(NotUnderstood(DELEGATED));
            };
            Ok(grant.over(resource))
        };
        each(found, granted)
    }
}

/// What each principal holds, in an order of our own, each once.
fn each<Found, Held: Ord>(
    found: BTreeMap<ObjectId, Vec<Found>>,
    held: impl Fn(ObjectId, Found) -> Result<Held, NotUnderstood>,
) -> Result<BTreeMap<ObjectId, Vec<Held>>, PortError> {
    found
        .into_iter()
        .map(|(principal, found)| {
            let all: Result<BTreeSet<Held>, NotUnderstood> =
                found.into_iter().map(|found| held(principal, found)).collect();
            Ok((principal, all?.into_iter().collect()))
        })
        .collect()
}

/// An `appRoleAssignment`.
#[derive(Deserialize)]
struct Assignment {
    #[serde(rename = "appRoleId")]
    role: Uuid,
    #[serde(rename = "principalId")]
    principal: ObjectId,
    #[serde(rename = "resourceId")]
    resource: ObjectId,
}

impl Assignment {
    fn over(&self, resource: &Resource) -> AppRole {
        AppRole { resource: resource.client, role: resource.role(self.role) }
    }
}

/// An `oAuth2PermissionGrant`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grant {
    id: String,
    client_id: ObjectId,
    #[serde(deserialize_with = "there")]
    consent_type: Option<String>,
    #[serde(deserialize_with = "there")]
    principal_id: Option<ObjectId>,
    resource_id: ObjectId,
    #[serde(deserialize_with = "there")]
    scope: Option<String>,
}

impl Grant {
    fn over(self, resource: &Resource) -> Delegated {
        let scopes = self.scope.unwrap_or_default();
        // In everybody's name, unless it is certainly one person's.
        let is_one_persons = self.consent_type.as_deref() == Some("Principal");
        Delegated {
            id: self.id,
            resource: resource.client,
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            person: self.principal_id.filter(|_| is_one_persons),
        }
    }
}
