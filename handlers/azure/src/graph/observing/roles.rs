//! Directory roles that service principals hold: given to them, or to a group that they belong
//! to.

use std::collections::{BTreeMap, BTreeSet};

use airlock_core::{
    drift::actual::{DirectoryRole, Name},
    identity::{ObjectId, TenantId},
    ports::PortError,
};
use serde::{Deserialize, Deserializer};

use super::{there, understood};
use crate::graph::{Graph, OBSERVER, batch::Questions, pages::NotUnderstood};

/// What is read, for errors.
const ASSIGNED: &str = "directory roles";
const GROUPS: &str = "memberships";
const NAMES: &str = "names of directory roles";

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
        // By its id, one that has no name.
        let name = |role: &Name| known.get(role).cloned().unwrap_or_else(|| role.to_string());
        let named = |roles: BTreeSet<(Name, Option<ObjectId>)>| {
            let named = |(role, over)| DirectoryRole { name: name(&role), over };
            let all: BTreeSet<DirectoryRole> = roles.into_iter().map(named).collect();
            all.into_iter().collect()
        };
        Ok(held.into_iter().map(|(holder, roles)| (holder, named(roles))).collect())
    }

    /// Ids of the roles that were given to each of these themselves, and what each is over.
    async fn assigned(
        &self,
        tenant: TenantId,
        holders: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, BTreeSet<(Name, Option<ObjectId>)>>, PortError> {
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
                let roles = assigned.iter().map(|one| (Name::new(&one.role), one.over()));
                Ok((holder, roles.collect()))
            })
            .collect()
    }

    /// Names of all roles of a tenant, by their ids.
    async fn names(&self, tenant: TenantId) -> Result<BTreeMap<Name, String>, PortError> {
        let paths =
            [String::from("/roleManagement/directory/roleDefinitions?$select=id,displayName")];
        let questions = Questions { application: OBSERVER, tenant, what: NAMES, paths: &paths };
        let mut answers = self.ask_for_all_of_each(questions).await?;
        let roles = answers.pop().flatten().ok_or(NotUnderstood(NAMES))?;
        let roles: Vec<Definition> = understood(roles, NAMES)?;
        let named = |role: Definition| Some((Name::new(&role.id), role.display_name?));
        Ok(roles.into_iter().filter_map(named).collect())
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
    role: String,
    #[serde(rename = "directoryScopeId")]
    scope: String,
}

impl Assignment {
    /// The one object that it is over. What is not understood is taken for everything.
    fn over(&self) -> Option<ObjectId> {
        self.scope.strip_prefix('/')?.parse().ok()
    }
}

/// A `unifiedRoleDefinition`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    id: String,
    #[serde(deserialize_with = "there")]
    display_name: Option<String>,
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
