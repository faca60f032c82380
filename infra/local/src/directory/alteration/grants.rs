//! What a service principal may do: app roles, delegated scopes, directory roles, groups.

use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    NotAltered,
    apply::{Outcome, absent, principal, registration, standing},
};
use crate::directory::{
    Tenant,
    own::grant_id,
    principal::{GRAPH, Grant, RoleGrant, ServicePrincipal, spelled},
};

/// A service principal, one of the app roles, and whose: Microsoft Graph's unless said otherwise.
type Named<'a> = (&'a str, &'a str, Option<&'a str>);

pub(super) fn assign(tenant: &mut Tenant, named: Named<'_>, now: OffsetDateTime) -> Outcome {
    let (to, resource, role) = found(tenant, named)?;
    let id = grant_id(to, role);
    // Related to the service principal and no property of it: Graph tells no delta of it.
    let to = tenant.principals.noted(&to).ok_or_else(|| absent(named.0))?;
    if to.held.iter().any(|held| (held.resource, held.role) == (resource, role)) {
        return Err(standing(named.1));
    }
    to.held.push(RoleGrant { id, resource, role, created: now });
    Ok(json!({ "id": spelled(id) }))
}

pub(super) fn withdraw(tenant: &mut Tenant, named: Named<'_>) -> Outcome {
    let (from, resource, role) = found(tenant, named)?;
    let from = tenant.principals.noted(&from).ok_or_else(|| absent(named.0))?;
    let index = from.held.iter().position(|held| (held.resource, held.role) == (resource, role));
    from.held.remove(index.ok_or_else(|| absent(named.1))?);
    Ok(json!({}))
}

fn found(
    tenant: &Tenant,
    (principal_named, role, resource): Named<'_>,
) -> Result<(Uuid, Uuid, Uuid), NotAltered> {
    let resource = of_resource(tenant, resource)?;
    let role = resource.role_named(role).ok_or_else(|| absent(role))?;
    Ok((principal(tenant, principal_named)?.id, resource.id, role))
}

fn of_resource<'t>(
    tenant: &'t Tenant,
    named: Option<&str>,
) -> Result<&'t ServicePrincipal, NotAltered> {
    match named {
        Some(named) => principal(tenant, named),
        None => tenant.principal_of(GRAPH).ok_or_else(|| absent("Microsoft Graph")),
    }
}

/// Grants a client scopes of a resource, for everybody or one person.
pub(super) fn consent(
    tenant: &mut Tenant,
    (client, resource, person): (&str, Option<&str>, Option<&str>),
    scope: String,
) -> Outcome {
    let client = principal(tenant, client)?.id;
    let resource = of_resource(tenant, resource)?.id;
    let person = person
        .map(|name| tenant.person(name).map(|person| person.id).ok_or_else(|| absent(name)))
        .transpose()?;
    let id = Uuid::new_v4();
    tenant.grants.insert(id, Grant { id, client, resource, principal: person, scope });
    Ok(json!({ "id": spelled(id) }))
}

pub(super) fn consent_no_more(tenant: &mut Tenant, client: &str) -> Outcome {
    let id = principal(tenant, client)?.id;
    let of_client = tenant.grants.values().filter(|grant| grant.client == id);
    let ids: Vec<Uuid> = of_client.map(|grant| grant.id).collect();
    if ids.is_empty() {
        return Err(absent(client));
    }
    for id in &ids {
        tenant.grants.remove(id);
    }
    Ok(json!({ "removed": ids.len() }))
}

pub(super) fn give_role(
    tenant: &mut Tenant,
    to: &str,
    role: &str,
    application: Option<&str>,
) -> Outcome {
    let to = principal(tenant, to)?.id;
    let scope = application.map(|name| registration(tenant, name).map(|one| one.id)).transpose()?;
    tenant.role_named(role).ok_or_else(|| absent(role))?;
    let id = tenant.assign(to, role, scope).ok_or_else(|| standing(role))?;
    Ok(json!({ "id": id }))
}

pub(super) fn take_role(tenant: &mut Tenant, from: &str, role: &str) -> Outcome {
    let from = principal(tenant, from)?.id;
    let definition = tenant.role_named(role).ok_or_else(|| absent(role))?;
    let before = tenant.assignments.len();
    tenant.assignments.retain(|held| (held.principal, held.role) != (from, definition));
    if before == tenant.assignments.len() { Err(absent(role)) } else { Ok(json!({})) }
}

/// Changes what a directory role of the tenant's own allows.
pub(super) fn allow(tenant: &mut Tenant, role: &str, actions: Vec<String>) -> Outcome {
    let found = tenant.custom_roles.iter_mut().find(|known| known.name == role);
    let found = found.ok_or_else(|| absent(role))?;
    if found.actions == actions {
        return Err(standing(role));
    }
    found.actions = actions;
    Ok(json!({ "id": found.id }))
}

/// Deletes a directory role of the tenant's own, and with it whatever was assigned of it.
pub(super) fn define_no_more(tenant: &mut Tenant, role: &str) -> Outcome {
    let found = tenant.custom_roles.iter().position(|known| known.name == role);
    let removed = tenant.custom_roles.remove(found.ok_or_else(|| absent(role))?);
    tenant.assignments.retain(|held| held.role != removed.id);
    Ok(json!({ "id": removed.id }))
}

/// Makes a service principal a member of a group.
pub(super) fn join(tenant: &mut Tenant, named: &str, group: &str) -> Outcome {
    let id = principal(tenant, named)?.id;
    let found = tenant.groups.values_mut().find(|one| one.name == group);
    let found = found.ok_or_else(|| absent(group))?;
    if found.members.insert(id) { Ok(json!({ "group": found.id })) } else { Err(standing(named)) }
}
