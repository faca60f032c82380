//! Service principals as each tenant sees them: of Airlock's applications, of its own, of
//! Microsoft's and of managed identities.

use serde_json::{Value, json};

use super::{
    applications::{Key, app_role, certificate, named_so, password, scope},
    call::{Call, Outcome, Reply},
    context,
    filter::Filter,
    page::{self, DEFAULT_PAGE, cut, with_selection},
    permissions,
    problem::Refusal,
};
use crate::directory::{
    Tenant,
    principal::{Kind, MICROSOFT, ServicePrincipal},
};

/// What can be selected, and is shown of one that is not selected from.
pub const PROPERTIES: &[&str] = &[
    "id",
    "deletedDateTime",
    "accountEnabled",
    "alternativeNames",
    "appDisplayName",
    "appId",
    "appOwnerOrganizationId",
    "appRoleAssignmentRequired",
    "appRoles",
    "displayName",
    "keyCredentials",
    "oauth2PermissionScopes",
    "passwordCredentials",
    "replyUrls",
    "servicePrincipalNames",
    "servicePrincipalType",
    "signInAudience",
    "tags",
];

/// What can be filtered by.
const FILTERED: &[&str] = &["id", "appId", "displayName", "servicePrincipalType"];

/// `GET /servicePrincipals`
pub fn list(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(page::OPTIONS)?;
    let selected = call.selected("servicePrincipal", PROPERTIES)?;
    let filter = call.option("$filter").map(|text| Filter::parse(text, FILTERED)).transpose()?;
    let what = with_selection("servicePrincipals", selected.as_deref());
    call.look(|tenant| {
        let admitted = tenant.principals.values().filter(|one| {
            filter.as_ref().is_none_or(|filter| {
                named_so(filter, one.client)
                    && filter.admits(&json!({
                        "id": one.id, "appId": one.client, "displayName": one.name,
                        "servicePrincipalType": kind(one),
                    }))
            })
        });
        let admitted = admitted.map(|one| (one.id.to_string(), one)).collect();
        call.page_shown(&what, admitted, DEFAULT_PAGE, |one| {
            cut(&shown(one), selected.as_deref().unwrap_or(PROPERTIES))
        })
    })
}

/// `GET /servicePrincipals/{id}` and `/servicePrincipals(appId='{appId}')`
pub fn one(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(&["$select"])?;
    let selected = call.selected("servicePrincipal", PROPERTIES)?;
    let found = call.look(|tenant| Ok(shown(named(call, tenant)?)))?;
    let mut body = cut(&found, selected.as_deref().unwrap_or(PROPERTIES));
    let what = with_selection("servicePrincipals", selected.as_deref());
    body["@odata.context"] = context(call, &format!("{what}/$entity"));
    Ok(Reply::ok(body))
}

/// The service principal that the path names.
pub fn named<'t>(call: &Call<'_>, tenant: &'t Tenant) -> Result<&'t ServicePrincipal, Refusal> {
    let found = match Key::of(call)? {
        Key::Object(id) => tenant.principals.get(&id),
        Key::Client(client) => tenant.principal_of(client),
    };
    found.ok_or_else(|| Refusal::not_found(call.segments.get(1).map_or("", String::as_str)))
}

const fn kind(one: &ServicePrincipal) -> &'static str {
    match one.kind {
        Kind::Application => "Application",
        Kind::ManagedIdentity(_) => "ManagedIdentity",
    }
}

/// All of a service principal.
pub fn shown(one: &ServicePrincipal) -> Value {
    let alternative: &[&str] = match &one.kind {
        Kind::Application => &[],
        Kind::ManagedIdentity(resource) => &["isExplicit=True", resource],
    };
    // Secrets of the registration are the registration's: these here are others.
    let passwords: Vec<Value> = one.credentials.passwords().map(password).collect();
    json!({
        "id": one.id,
        "deletedDateTime": null,
        "accountEnabled": one.enabled,
        "alternativeNames": alternative,
        "appDisplayName": one.name,
        "appId": one.client,
        "appOwnerOrganizationId": one.home,
        "appRoleAssignmentRequired": one.home != MICROSOFT && !one.app_roles.is_empty(),
        "appRoles": one.app_roles.iter().map(app_role).collect::<Vec<_>>(),
        "displayName": one.name,
        "keyCredentials": one.credentials.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "oauth2PermissionScopes": one.scopes.iter().map(scope).collect::<Vec<_>>(),
        "passwordCredentials": passwords,
        "replyUrls": one.reply_urls,
        "servicePrincipalNames": one.names,
        "servicePrincipalType": kind(one),
        "signInAudience": one.audience,
        "tags": [],
    })
}
