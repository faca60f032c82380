//! App roles and delegated scopes: what service principals were granted, and on which resources.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    call::{Call, Outcome},
    filter::Filter,
    memberships,
    page::{self, DEFAULT_PAGE, cut, with_selection},
    permissions,
    problem::Refusal,
    service_principals::named,
};
use crate::directory::{
    Tenant,
    principal::{Grant, RoleGrant, ServicePrincipal, spelled},
    written,
};

const ASSIGNMENT: &[&str] = &[
    "id",
    "deletedDateTime",
    "appRoleId",
    "createdDateTime",
    "principalDisplayName",
    "principalId",
    "principalType",
    "resourceDisplayName",
    "resourceId",
];

/// What can be selected of a delegated grant.
pub const GRANT: &[&str] = &["id", "clientId", "consentType", "principalId", "resourceId", "scope"];

/// `GET /servicePrincipals/{id}/appRoleAssignments`
pub fn held(call: &Call<'_>) -> Outcome {
    assignments(call, "appRoleAssignments", |tenant, principal| {
        principal.held.iter().map(|grant| assignment(tenant, principal, grant)).collect()
    })
}

/// `GET /servicePrincipals/{id}/appRoleAssignedTo`
pub fn holders(call: &Call<'_>) -> Outcome {
    assignments(call, "appRoleAssignedTo", |tenant, resource| {
        let of_principals = tenant.principals.values().flat_map(|principal| {
            let held = principal.held.iter().filter(|grant| grant.resource == resource.id);
            held.map(move |grant| assignment(tenant, principal, grant))
        });
        let people = tenant.people.values().filter(|person| !person.app_roles.is_empty());
        let of_people = people.flat_map(|person| memberships::app_role_assignments(tenant, person));
        let of_people = of_people.filter(|one| one["resourceId"] == json!(resource.id));
        of_principals.chain(of_people).collect()
    })
}

fn assignments(
    call: &Call<'_>,
    relation: &str,
    of: impl FnOnce(&Tenant, &ServicePrincipal) -> Vec<Value>,
) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    call.only(page::OPTIONS)?;
    let selected = call.selected("appRoleAssignment", ASSIGNMENT)?;
    let filter = call
        .option("$filter")
        .map(|text| Filter::parse(text, &["resourceId", "principalId", "appRoleId"]))
        .transpose()?;
    let (id, all) = call.look(|tenant| {
        let principal = named(call, tenant)?;
        Ok((principal.id, of(tenant, principal)))
    })?;
    let admitted = all
        .iter()
        .filter(|one| filter.as_ref().is_none_or(|filter| filter.admits(one)))
        .map(|one| (one["id"].to_string(), cut(one, selected.as_deref().unwrap_or(ASSIGNMENT))))
        .collect();
    let what = format!("servicePrincipals('{id}')/{relation}");
    call.page(&with_selection(&what, selected.as_deref()), admitted)
}

fn assignment(tenant: &Tenant, principal: &ServicePrincipal, grant: &RoleGrant) -> Value {
    let resource = tenant.principals.get(&grant.resource).map(|resource| &resource.name);
    json!({
        "id": spelled(grant.id),
        "deletedDateTime": null,
        "appRoleId": grant.role,
        "createdDateTime": written(grant.created),
        "principalDisplayName": principal.name,
        "principalId": principal.id,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": resource,
        "resourceId": grant.resource,
    })
}

/// `GET /oauth2PermissionGrants`
pub fn delegated(call: &Call<'_>) -> Outcome {
    delegated_of(call, "oauth2PermissionGrants", |_| Ok(None))
}

/// `GET /servicePrincipals/{id}/oauth2PermissionGrants`
pub fn delegated_of_principal(call: &Call<'_>) -> Outcome {
    delegated_of(call, "oauth2PermissionGrants", |tenant| Ok(Some(named(call, tenant)?.id)))
}

fn delegated_of(
    call: &Call<'_>,
    what: &str,
    client: impl FnOnce(&Tenant) -> Result<Option<Uuid>, Refusal>,
) -> Outcome {
    call.needs(permissions::READ_GRANTS)?;
    call.only(page::OPTIONS)?;
    let selected = call.selected("oAuth2PermissionGrant", GRANT)?;
    let by = ["clientId", "consentType", "principalId", "resourceId"];
    let filter = call.option("$filter").map(|text| Filter::parse(text, &by)).transpose()?;
    call.look(|tenant| {
        let client = client(tenant)?;
        let all = tenant.grants.values().filter(|one| client.is_none_or(|id| one.client == id));
        let admitted =
            all.filter(|one| filter.as_ref().is_none_or(|filter| filter.admits(&grant(one))));
        let admitted = admitted.map(|one| (one.id.to_string(), one)).collect();
        let what = with_selection(what, selected.as_deref());
        call.page_shown(&what, admitted, DEFAULT_PAGE, |one| {
            cut(&grant(one), selected.as_deref().unwrap_or(GRANT))
        })
    })
}

/// All of a delegated grant.
pub fn grant(grant: &Grant) -> Value {
    json!({
        "id": spelled(grant.id),
        "clientId": grant.client,
        "consentType": if grant.principal.is_some() { "Principal" } else { "AllPrincipals" },
        "principalId": grant.principal,
        "resourceId": grant.resource,
        "scope": grant.scope,
    })
}
