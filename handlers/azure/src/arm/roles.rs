//! Role assignments, Azure's and Cosmos DB's own.

use std::collections::BTreeSet;

use airlock_core::{
    drift::actual::{Name, RoleAssignment},
    identity::ObjectId,
};
use serde::Deserialize;
use serde_json::Value;

use super::words::{self, NotUnderstood, below};

#[derive(Deserialize)]
struct Listed {
    properties: Assigned,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assigned {
    scope: String,
    role_definition_id: String,
    principal_id: ObjectId,
}

impl Assigned {
    fn role(&self) -> Name {
        Name::new(self.role_definition_id.rsplit('/').next().unwrap_or_default())
    }
}

/// Azure's, at the group and below, and of what is above it those of our own identities: what
/// people hold over the subscription is its owner's business, and not in this deployment's hands.
pub(super) fn of_azure(
    listed: Vec<Value>,
    group: &str,
    ours: &BTreeSet<ObjectId>,
) -> Result<Vec<RoleAssignment>, NotUnderstood> {
    let listed: Vec<Listed> = words::understood("role assignments", listed)?;
    let kept = listed.into_iter().filter_map(|Listed { properties }| {
        let scope = Name::new(&properties.scope);
        let scope = match below(scope.as_str(), group) {
            Some(below) => Name::new(below),
            None if ours.contains(&properties.principal_id) => scope,
            None => return None,
        };
        Some(RoleAssignment { scope, role: properties.role(), principal: properties.principal_id })
    });
    Ok(kept.collect())
}

/// Those of a Cosmos DB account.
pub(super) fn of_cosmos(
    listed: Vec<Value>,
    group: &str,
) -> Result<Vec<RoleAssignment>, NotUnderstood> {
    let listed: Vec<Listed> = words::understood("database roles", listed)?;
    let read = listed.into_iter().map(|Listed { properties }| {
        let scope = Name::new(&properties.scope);
        let scope = below(scope.as_str(), group).ok_or(NotUnderstood("database roles"))?;
        let (scope, role) = (Name::new(scope), properties.role());
        Ok(RoleAssignment { scope, role, principal: properties.principal_id })
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUP: &str = "/subscriptions/1/resourceGroups/A";
    const OURS: &str = "11111111-2222-4333-8444-555555555555";
    const OTHER: &str = "99999999-2222-4333-8444-555555555555";

    fn assigned(scope: &str, principal: &str) -> Value {
        json!({ "id": "x", "properties": {
            "scope": scope,
            "roleDefinitionId": "/subscriptions/1/providers/Microsoft.Authorization/roleDefinitions/ABC",
            "principalId": principal,
            "principalType": "ServicePrincipal",
        } })
    }

    fn scopes(listed: Vec<Value>) -> Vec<String> {
        let ours = BTreeSet::from([OURS.parse().unwrap()]);
        let read = of_azure(listed, GROUP, &ours).unwrap();
        assert!(read.iter().all(|one| one.role.as_str() == "abc"));
        read.into_iter().map(|one| one.scope.to_string()).collect()
    }

    #[test]
    fn a_scope_is_told_below_the_group() {
        let vault =
            "/SUBSCRIPTIONS/1/resourcegroups/a/providers/Microsoft.KeyVault/vaults/V/keys/K";

        assert_eq!(
            scopes(vec![assigned(vault, OTHER), assigned(GROUP, OTHER)]),
            ["/providers/microsoft.keyvault/vaults/v/keys/k", ""]
        );
    }

    #[test]
    fn above_the_group_only_what_our_own_identities_hold_is_told() {
        for above in ["/", "/subscriptions/1", "/subscriptions/1/resourceGroups/AB"] {
            assert!(scopes(vec![assigned(above, OTHER)]).is_empty(), "{above}");
            assert_eq!(scopes(vec![assigned(above, OURS)]), [above.to_lowercase()]);
        }
    }

    #[test]
    fn what_cosmos_assigns_is_over_its_account() {
        let scope =
            format!("{GROUP}/providers/Microsoft.DocumentDB/databaseAccounts/c/dbs/d/colls/e");
        let mut one = assigned(&scope, OURS);
        one["properties"]["roleDefinitionId"] = format!("{GROUP}/x/sqlRoleDefinitions/0-2").into();

        let read = of_cosmos(vec![one], GROUP).unwrap();

        assert_eq!(read[0].role.as_str(), "0-2");
        assert!(read[0].scope.as_str().ends_with("/dbs/d/colls/e"));
        assert!(of_cosmos(vec![assigned("/elsewhere", OURS)], GROUP).is_err());
        assert!(of_cosmos(vec![json!({ "properties": {} })], GROUP).is_err());
    }
}
