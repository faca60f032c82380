//! What roles allow that are not built in.

use std::collections::BTreeSet;

use airlock_core::drift::actual::{AzureRole, Name};
use serde::Deserialize;
use serde_json::Value;

use super::words::{self, NotUnderstood, Word, below};

/// The roles that are asked for: Azure's own are the same everywhere, and hundreds.
pub(super) const FILTER: &str = "type eq 'CustomRole'";

#[derive(Deserialize)]
struct Listed {
    name: String,
    properties: Definition,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    #[serde(rename = "type")]
    kind: Word,
    permissions: Vec<Permission>,
    assignable_scopes: Vec<String>,
}

/// A set of rights. A condition on it only takes away, and is not counted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    actions: Vec<String>,
    #[serde(default)]
    not_actions: Vec<String>,
    #[serde(default)]
    data_actions: Vec<String>,
    #[serde(default)]
    not_data_actions: Vec<String>,
}

/// Roles, with what they allow.
pub(super) fn custom(listed: Vec<Value>, group: &str) -> Result<Vec<AzureRole>, NotUnderstood> {
    let listed: Vec<Listed> = words::understood("role definitions", listed)?;
    let read = listed.into_iter().map(|Listed { name, properties }| {
        // Else the filter meant something else, and what is missing would not be missed.
        if !properties.kind.is("customrole") {
            return Err(NotUnderstood("role definitions"));
        }
        Ok(role(&name, &properties, group))
    });
    read.collect()
}

fn role(name: &str, definition: &Definition, group: &str) -> AzureRole {
    let of = |lists: fn(&Permission) -> &[String]| -> BTreeSet<Name> {
        let all = definition.permissions.iter().flat_map(lists);
        all.map(|action| Name::new(action)).collect()
    };
    let scope = |scope: &String| {
        let scope = Name::new(scope);
        below(scope.as_str(), group).map_or_else(|| scope.clone(), Name::new)
    };
    let mut excluded = of(|one| &one.not_actions);
    excluded.extend(of(|one| &one.not_data_actions));
    AzureRole {
        id: Name::new(name),
        actions: of(|one| &one.actions),
        data_actions: of(|one| &one.data_actions),
        excluded,
        assignable: definition.assignable_scopes.iter().map(scope).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUP: &str = "/subscriptions/1/resourceGroups/A";

    fn listed(permissions: &Value, scopes: &Value) -> Value {
        json!({ "id": "x", "name": "8A3A3F6E-63D0-4A2B-9C39-7D0C6F3A1E04", "properties": {
            "roleName": "Airlock Blob Creator", "type": "CustomRole",
            "permissions": permissions, "assignableScopes": scopes,
        } })
    }

    #[test]
    fn a_role_is_all_that_its_permissions_allow_and_take_out_in_any_case() {
        let permissions = json!([
            { "actions": [], "notActions": [], "dataActions": ["A/Add"], "notDataActions": ["A/x"] },
            { "actions": ["*"], "notActions": ["A/Delete"] },
        ]);
        let scopes = json!(["/subscriptions/1/RESOURCEGROUPS/a", "/subscriptions/1"]);

        let read = custom(vec![listed(&permissions, &scopes)], GROUP).unwrap();

        let names =
            |all: &[&str]| -> BTreeSet<Name> { all.iter().map(|one| Name::new(one)).collect() };
        assert_eq!(read[0].id.as_str(), "8a3a3f6e-63d0-4a2b-9c39-7d0c6f3a1e04");
        assert_eq!(read[0].actions, names(&["*"]));
        assert_eq!(read[0].data_actions, names(&["a/add"]));
        assert_eq!(read[0].excluded, names(&["a/delete", "a/x"]));
        assert_eq!(read[0].assignable, names(&["", "/subscriptions/1"]));
    }

    #[test]
    fn what_was_not_asked_for_or_does_not_say_what_it_allows_is_not_understood() {
        let good = listed(&json!([]), &json!([GROUP]));
        assert!(custom(vec![good.clone()], GROUP).is_ok());

        let mut built_in = good.clone();
        built_in["properties"]["type"] = "BuiltInRole".into();
        let mut silent = good;
        silent["properties"]["permissions"] = Value::Null;
        for one in [built_in, silent, listed(&json!([{}]), &json!([]))] {
            assert!(custom(vec![one.clone()], GROUP).is_err(), "{one}");
        }
    }
}
