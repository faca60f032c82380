//! What the deployment's resource group holds at first: what the pipeline would have made.

mod built_in;
mod front_door;
mod sites;
mod stores;

use serde_json::{Value, json};

use super::{
    kinds::{self, Kind},
    places::{NAME, Places},
    roles::{self, Assigned},
};
use crate::{
    cloud::Names,
    identities::{Identities, client_id, principal_id, stable_id},
};

/// The region that everything is in.
const LOCATION: &str = "westeurope";

/// A function app's resource: its name, with which its host name begins.
#[must_use]
pub fn site(app: &str) -> String {
    format!("{NAME}-{app}")
}

/// Everything in the group.
///
/// # Errors
///
/// If a package or a grant is not understood.
pub fn resources(identities: &Identities, names: &Names) -> anyhow::Result<Vec<Value>> {
    let places = Places::of(names);
    let mut all: Vec<Value> =
        identities.identities.keys().map(|name| identity(&places, names, name)).collect();
    all.extend(sites::resources(identities, names, &places)?);
    all.extend(stores::resources(identities, names, &places));
    all.extend(front_door::resources(&places));
    all.extend(built_in::definitions(&places));
    all.extend(roles::assigned(identities, &places)?.iter().map(|one| assignment(&places, one)));
    for role in identities.azure_roles.values() {
        let Some(custom) = &role.custom else { continue };
        let id = places.role(role.id);
        let permissions = json!({
            "actions": custom.actions,
            "notActions": [],
            "dataActions": custom.data_actions,
            "notDataActions": [],
        });
        let properties = json!({
            "roleName": custom.name,
            "type": "CustomRole",
            "description": "",
            "assignableScopes": [places.group.id()],
            "permissions": [permissions],
        });
        all.push(resource(&kinds::ROLE_DEFINITIONS, &id, json!({ "properties": properties })));
    }
    Ok(all)
}

/// A managed identity. Nobody but the platform issues its tokens.
fn identity(places: &Places, names: &Names, name: &str) -> Value {
    resource(
        &kinds::IDENTITIES,
        &places.identity(name),
        json!({
            "location": LOCATION,
            "tags": {},
            "properties": {
                "tenantId": names.tenant,
                "principalId": principal_id(name),
                "clientId": client_id(name),
                "isolationScope": "None",
            },
        }),
    )
}

/// A role that is assigned.
fn assignment(places: &Places, assigned: &Assigned) -> Value {
    let Assigned { scope, role, principal, by_cosmos } = assigned;
    let name = stable_id("role-assignment", &format!("{scope}/{role}/{principal}"));
    if *by_cosmos {
        let account = places.cosmos();
        let properties = json!({
            "roleDefinitionId": format!("{account}/sqlRoleDefinitions/{role}"),
            "principalId": principal,
            "scope": scope,
        });
        let id = format!("{account}/sqlRoleAssignments/{name}");
        return resource(&kinds::SQL_ROLE_ASSIGNMENTS, &id, json!({ "properties": properties }));
    }
    let properties = json!({
        "roleDefinitionId": places.role(*role),
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "scope": scope,
        "condition": null,
        "conditionVersion": null,
        "delegatedManagedIdentityResourceId": null,
        "description": null,
    });
    let id = format!("{scope}/providers/{}/{name}", kinds::ROLE_ASSIGNMENTS);
    resource(&kinds::ROLE_ASSIGNMENTS, &id, json!({ "properties": properties }))
}

/// A resource with what every one has.
pub(super) fn resource(kind: &Kind, id: &str, mut body: Value) -> Value {
    body["id"] = id.into();
    body["name"] = id.rsplit('/').next().unwrap_or_default().into();
    body["type"] = kind.to_string().into();
    body
}
