//! Directory roles that service principals hold: given to them, or to a group that they belong
//! to.

use std::collections::{BTreeMap, BTreeSet};

use airlock_core::{
    drift::actual::{CustomRole, DirectoryRole, Name, Over},
    identity::{ObjectId, TenantId},
    ports::PortError,
};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::{there, understood};
use crate::graph::{Graph, OBSERVER, batch::Questions, pages::NotUnderstood};

/// What is read, for errors.
const ASSIGNED: &str = "directory roles";
const GROUPS: &str = "memberships";
const NAMES: &str = "names of directory roles";
const CUSTOM: &str = "directory roles of a tenant's own";

const GROUP: &str = "#microsoft.graph.group";

impl Graph {
    pub(super) async fn read_directory_roles(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<DirectoryRole>>, PortError> {
        let mut held = self.assigned(tenant, principals).await?;
        let groups = self.groups_with_roles(tenant, principals).await?;
        let all: Vec<ObjectId> = groups.values().flatten().copied().collect();
        let through = self.assigned(tenant, &all).await?;
        for (principal, groups) in groups {
            let inherited = groups.iter().filter_map(|group| through.get(group)).flatten();
            held.entry(principal).or_default().extend(inherited.cloned());
        }
        let known = if held.values().all(BTreeSet::is_empty) {
            BTreeMap::new()
        } else {
            self.names(tenant).await?
        };
        let named = |(definition, over)| DirectoryRole {
            definition,
            over,
            name: known.get(&definition).cloned(),
        };
        let roles = |held: BTreeSet<(Uuid, Over)>| held.into_iter().map(named).collect();
        Ok(held.into_iter().map(|(holder, held)| (holder, roles(held))).collect())
    }

    /// Ids of the roles that were given to each of these themselves, and what each is over.
    async fn assigned(
        &self,
        tenant: TenantId,
        holders: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, BTreeSet<(Uuid, Over)>>, PortError> {
        let path = |holder| {
            format!(
                "/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'{holder}'"
            )
        };
        let found: BTreeMap<ObjectId, Vec<Assignment>> =
            self.of_objects(tenant, ASSIGNED, (holders, path)).await?;
        found
            .into_iter()
            .map(|(holder, assigned)| {
                if assigned.iter().any(|one| one.principal != holder) {
                    return Err(NotUnderstood(ASSIGNED).into());
                }
                let roles = assigned.iter().map(|one| (one.role, one.over()));
                Ok((holder, roles.collect()))
            })
            .collect()
    }

    /// Names of all roles of a tenant, by their ids.
    async fn names(&self, tenant: TenantId) -> Result<BTreeMap<Uuid, String>, PortError> {
        let paths =
            [String::from("/roleManagement/directory/roleDefinitions?$select=id,displayName")];
        let questions = Questions { application: OBSERVER, tenant, what: NAMES, paths: &paths };
        let mut answers = self.ask_for_all_of_each(questions).await?;
        let roles = answers.pop().flatten().ok_or(NotUnderstood(NAMES))?;
        let roles: Vec<Named> = understood(roles, NAMES)?;
        let named = |role: Named| Some((role.id, role.display_name?));
        Ok(roles.into_iter().filter_map(named).collect())
    }

    pub(super) async fn read_custom_roles(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<CustomRole>, PortError> {
        // What Entra's own allow is a third of a megabyte, and nobody can change it.
        let paths = [String::from(
            "/roleManagement/directory/roleDefinitions?$filter=isBuiltIn%20eq%20false\
             &$select=id,templateId,displayName,isBuiltIn,isEnabled,rolePermissions",
        )];
        let questions = Questions { application: OBSERVER, tenant, what: CUSTOM, paths: &paths };
        let mut answers = self.ask_for_all_of_each(questions).await?;
        let roles = answers.pop().flatten().ok_or(NotUnderstood(CUSTOM))?;
        let roles: Vec<Definition> = understood(roles, CUSTOM)?;
        // Else the filter meant nothing, and what is missing would not be missed.
        if roles.iter().any(|role| role.is_built_in) {
            return Err(NotUnderstood(CUSTOM).into());
        }
        Ok(roles.into_iter().map(CustomRole::from).collect())
    }

    /// The groups to which roles can be given and that each of these belongs to.
    async fn groups_with_roles(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Vec<ObjectId>>, PortError> {
        // Not narrowed to groups: that needs the index that lags behind.
        let path = |principal| {
            format!(
                "/servicePrincipals/{principal}/transitiveMemberOf\
                 ?$select=id,isAssignableToRole&$top=999"
            )
        };
        let found: BTreeMap<ObjectId, Vec<Membership>> =
            self.of_objects(tenant, GROUPS, (principals, path)).await?;
        found
            .into_iter()
            .map(|(principal, memberships)| {
                let groups: Result<Vec<_>, _> = memberships
                    .iter()
                    .filter_map(|one| one.group_with_roles().transpose())
                    .collect();
                Ok((principal, groups?))
            })
            .collect()
    }
}

/// A `unifiedRoleAssignment`.
#[derive(Deserialize)]
struct Assignment {
    #[serde(rename = "principalId")]
    principal: ObjectId,
    #[serde(rename = "roleDefinitionId")]
    role: Uuid,
    /// Null, if it is over a part that an application knows.
    #[serde(rename = "directoryScopeId", deserialize_with = "there")]
    scope: Option<String>,
    #[serde(rename = "appScopeId", default)]
    part: Option<String>,
}

impl Assignment {
    /// What it is over. Only what is certainly the directory or one object is taken for it.
    fn over(&self) -> Over {
        let Some(scope) = &self.scope else {
            return Over::Part(Name::new(self.part.as_deref().unwrap_or_default()));
        };
        let object = scope.strip_prefix('/').and_then(|rest| rest.parse().ok());
        match object {
            Some(object) => Over::Object(object),
            None if scope == "/" => Over::Directory,
            None => Over::Part(Name::new(scope)),
        }
    }
}

/// The name of a `unifiedRoleDefinition`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    id: Uuid,
    #[serde(deserialize_with = "there")]
    display_name: Option<String>,
}

/// A `unifiedRoleDefinition`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    id: Uuid,
    template_id: Uuid,
    #[serde(deserialize_with = "there")]
    display_name: Option<String>,
    is_built_in: bool,
    is_enabled: bool,
    role_permissions: Vec<Permission>,
}

/// A `unifiedRolePermission`. Its condition only takes away, and so does what it excludes: neither
/// is counted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    allowed_resource_actions: Vec<String>,
}

impl From<Definition> for CustomRole {
    fn from(found: Definition) -> Self {
        let actions = found.role_permissions.iter().flat_map(|one| &one.allowed_resource_actions);
        Self {
            id: found.id,
            template: found.template_id,
            enabled: found.is_enabled,
            actions: actions.map(|action| Name::new(action)).collect(),
            name: found.display_name,
        }
    }
}

/// A group, a directory role, an administrative unit.
#[derive(Deserialize)]
struct Membership {
    #[serde(rename = "@odata.type")]
    kind: String,
    id: ObjectId,
    /// Of groups alone; null, if roles cannot be given to them.
    #[serde(rename = "isAssignableToRole", default, deserialize_with = "flag")]
    has_roles: Option<bool>,
}

/// A property that is true, false or null.
fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    there(from).map(|flag| Some(flag.unwrap_or(false)))
}

impl Membership {
    fn group_with_roles(&self) -> Result<Option<ObjectId>, NotUnderstood> {
        if self.kind != GROUP {
            // A directory role that a service principal is in was given to it or to its group.
            return Ok(None);
        }
        let has_roles = self.has_roles.ok_or(NotUnderstood(GROUPS))?;
        Ok(has_roles.then_some(self.id))
    }
}
