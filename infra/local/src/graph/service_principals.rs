//! Service principals as each tenant sees them: of Airlock's applications, and of its own.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    call::{Call, Outcome, Reply},
    context,
    filter::Filter,
    page::{self, cut, with_selection},
    permissions,
    problem::Refusal,
};
use crate::{
    directory::Registration,
    identities::{Application, application_id, service_principal_id, stable_id},
};

const PROPERTIES: &[&str] = &[
    "id",
    "deletedDateTime",
    "accountEnabled",
    "appDisplayName",
    "appId",
    "appOwnerOrganizationId",
    "appRoleAssignmentRequired",
    "appRoles",
    "displayName",
    "keyCredentials",
    "passwordCredentials",
    "servicePrincipalNames",
    "servicePrincipalType",
    "signInAudience",
    "tags",
];

/// `GET /servicePrincipals`
pub fn list(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(page::OPTIONS)?;
    let selected = call.selected("servicePrincipal", PROPERTIES)?;
    let filter = call
        .option("$filter")
        .map(|text| Filter::parse(text, &["id", "appId", "displayName"]))
        .transpose()?;
    let objects = all(call)?
        .iter()
        .filter(|object| filter.as_ref().is_none_or(|filter| filter.admits(object)))
        .map(|object| {
            (object["id"].to_string(), cut(object, selected.as_deref().unwrap_or(PROPERTIES)))
        })
        .collect();
    call.page(&with_selection("servicePrincipals", selected.as_deref()), objects)
}

/// `GET /servicePrincipals/{id}`
pub fn one(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(&["$select"])?;
    let selected = call.selected("servicePrincipal", PROPERTIES)?;
    let id = call.segments.get(1).map_or("", String::as_str);
    let wanted = Uuid::try_parse(id).map_err(|_| Refusal::not_found(id))?;
    let found = all(call)?
        .into_iter()
        .find(|object| object["id"] == json!(wanted))
        .ok_or_else(|| Refusal::not_found(id))?;
    let mut body = cut(&found, selected.as_deref().unwrap_or(PROPERTIES));
    let what = with_selection("servicePrincipals", selected.as_deref());
    body["@odata.context"] = context(call, &format!("{what}/$entity"));
    Ok(Reply::ok(body))
}

/// Every service principal in the tenant of the token.
pub fn all(call: &Call<'_>) -> Result<Vec<Value>, Refusal> {
    // The deployment's tenant is the home of the registrations.
    let home = call.graph.directory.tenants().first().map(|home| home.id);
    let applications = &call.graph.identities.applications;
    call.look(|tenant| {
        let ours = applications
            .iter()
            .map(|(name, application)| service_principal(name, application, tenant.id, home));
        let own = tenant.registrations.values().map(|own| third_party(own, tenant.id));
        Ok(ours.chain(own).collect())
    })
}

fn third_party(own: &Registration, tenant: Uuid) -> Value {
    json!({
        "id": own.principal,
        "deletedDateTime": null,
        "accountEnabled": true,
        "appDisplayName": own.name,
        "appId": own.client,
        "appOwnerOrganizationId": tenant,
        "appRoleAssignmentRequired": false,
        "appRoles": [],
        "displayName": own.name,
        // Its secrets are the registration's. Those of a service principal are others.
        "keyCredentials": [],
        "passwordCredentials": [],
        "servicePrincipalNames": [own.client],
        "servicePrincipalType": "Application",
        "signInAudience": "AzureADMyOrg",
        "tags": [],
    })
}

fn service_principal(
    name: &str,
    application: &Application,
    tenant: Uuid,
    home: Option<Uuid>,
) -> Value {
    let app_roles: Vec<Value> = application
        .app_roles
        .iter()
        .map(|role| {
            json!({
                "allowedMemberTypes": [if role.contains('.') { "Application" } else { "User" }],
                "description": role,
                "displayName": role,
                "id": stable_id("app-role", role),
                "isEnabled": true,
                "origin": "Application",
                "value": role,
            })
        })
        .collect();
    let client = application_id(name);
    json!({
        "id": service_principal_id(name, tenant),
        "deletedDateTime": null,
        "accountEnabled": true,
        "appDisplayName": name,
        "appId": client,
        "appOwnerOrganizationId": home,
        "appRoleAssignmentRequired": !app_roles.is_empty(),
        "appRoles": app_roles,
        "displayName": name,
        // None of our registrations has a secret or a certificate.
        "keyCredentials": [],
        "passwordCredentials": [],
        "servicePrincipalNames": [client],
        "servicePrincipalType": "Application",
        "signInAudience": "AzureADMultipleOrgs",
        "tags": [],
    })
}
