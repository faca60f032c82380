//! What a user belongs to, owns, and was assigned.

use serde_json::{Value, json};

use super::{
    call::{Call, Outcome},
    filter::Filter,
    page::{self, Cast, cut, with_selection},
    permissions,
    problem::Refusal,
    service_principals,
};
use crate::{
    directory::{Group, Person, Role, Tenant, written},
    identities::{service_principal_id, stable_id},
};

/// The application whose app roles people hold.
const PORTAL: &str = "airlock-portal";

pub(super) const GROUP: &[&str] = &[
    "id",
    "deletedDateTime",
    "classification",
    "createdDateTime",
    "description",
    "displayName",
    "expirationDateTime",
    "groupTypes",
    "isAssignableToRole",
    "mail",
    "mailEnabled",
    "mailNickname",
    "membershipRule",
    "onPremisesSyncEnabled",
    "proxyAddresses",
    "securityEnabled",
    "visibility",
];

const DIRECTORY_ROLE: &[&str] =
    &["id", "deletedDateTime", "description", "displayName", "roleTemplateId"];

/// `GET /users/{id}/transitiveMemberOf`, narrowed or not
pub fn transitive(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_MEMBERSHIPS)?;
    let objects = call.look_at_person(|tenant, person| {
        let groups = tenant.groups_of(person.id).into_iter().map(group);
        let roles = tenant.roles_of(person.id).into_iter().map(|held| directory_role(tenant, held));
        Ok(groups.chain(roles).collect::<Vec<_>>())
    })?;
    directory_objects(call, objects)
}

/// `GET /servicePrincipals/{id}/transitiveMemberOf`, narrowed or not
pub fn of_principal(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_PRINCIPALS_MEMBERSHIPS)?;
    let objects = call.look(|tenant| {
        let id = service_principals::named(call, tenant)?.id;
        let groups = tenant.groups_of(id).into_iter().map(group);
        let roles = tenant.roles_of(id).into_iter().map(|held| directory_role(tenant, held));
        Ok(groups.chain(roles).collect::<Vec<_>>())
    })?;
    directory_objects(call, objects)
}

/// `GET /users/{id}/memberOf`
pub fn direct(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_DIRECT_MEMBERSHIPS)?;
    let objects = call.look_at_person(|tenant, person| {
        let groups = tenant.groups.values().filter(|one| one.members.contains(&person.id));
        Ok(groups.map(group).collect::<Vec<_>>())
    })?;
    directory_objects(call, objects)
}

/// `GET /users/{id}/ownedObjects`, narrowed or not
pub fn owned(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_USERS)?;
    let objects = call.look_at_person(|tenant, person| {
        Ok(tenant.owned_by(person.id).map(group).collect::<Vec<_>>())
    })?;
    directory_objects(call, objects)
}

pub(super) fn directory_objects(call: &Call<'_>, objects: Vec<Value>) -> Outcome {
    call.only(page::OPTIONS)?;
    let cast = call.lower.get(3).and_then(|segment| Cast::of(segment));
    let all: Vec<&str> = GROUP.iter().chain(DIRECTORY_ROLE).copied().collect();
    let (kind, known, what, of_type) = match cast {
        Some(Cast::Group) => ("group", GROUP, "groups", Some("#microsoft.graph.group")),
        Some(Cast::DirectoryRole) => (
            "directoryRole",
            DIRECTORY_ROLE,
            "directoryRoles",
            Some("#microsoft.graph.directoryRole"),
        ),
        // Nobody is a member of an application, and people who own one are not asked for here.
        Some(Cast::Application | Cast::ServicePrincipal) => {
            return Err(Refusal::no_such_segment(call.segments.get(3).map_or("", String::as_str)));
        }
        None => ("directoryObject", all.as_slice(), "directoryObjects", None),
    };
    let selected = call.selected(kind, known)?;
    let filter = call
        .option("$filter")
        .map(|text| Filter::parse(text, &["id", "displayName"]))
        .transpose()?;
    if filter.is_some() && !(call.is_eventual() && call.option("$count").is_some()) {
        return Err(Refusal::bad_query(
            "This filter needs $count and the ConsistencyLevel header set to eventual.",
        ));
    }
    let objects = objects
        .into_iter()
        .filter(|object| of_type.is_none_or(|of_type| object["@odata.type"] == of_type))
        .filter(|object| filter.as_ref().is_none_or(|filter| filter.admits(object)))
        .map(|object| {
            let mut shown = cut(&object, selected.as_deref().unwrap_or(known));
            if cast.is_none() {
                // Only a mixed collection says of each object what it is.
                shown["@odata.type"] = object["@odata.type"].clone();
            }
            (object["id"].to_string(), shown)
        })
        .collect();
    call.page(&with_selection(what, selected.as_deref()), objects)
}

/// `GET /users/{id}/appRoleAssignments`
pub fn app_roles(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APP_ROLES)?;
    call.only(page::OPTIONS)?;
    let known = [
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
    let selected = call.selected("appRoleAssignment", &known)?;
    let filter =
        call.option("$filter").map(|text| Filter::parse(text, &["resourceId"])).transpose()?;
    let (owner, assignments) = call
        .look_at_person(|tenant, person| Ok((person.id, app_role_assignments(tenant, person))))?;
    let assignments = assignments
        .iter()
        .filter(|assignment| filter.as_ref().is_none_or(|filter| filter.admits(assignment)))
        .map(|assignment| {
            (assignment["id"].to_string(), cut(assignment, selected.as_deref().unwrap_or(&known)))
        })
        .collect();
    call.page(
        &with_selection(&format!("users('{owner}')/appRoleAssignments"), selected.as_deref()),
        assignments,
    )
}

/// The app roles that were assigned to somebody.
pub(super) fn app_role_assignments(tenant: &Tenant, person: &Person) -> Vec<Value> {
    let assignment = |name: &String| {
        json!({
            "id": stable_id("app-role-assignment", &format!("{}/{name}", person.id)),
            "deletedDateTime": null,
            "appRoleId": stable_id("app-role", name),
            "createdDateTime": written(person.created),
            "principalDisplayName": person.name(),
            "principalId": person.id,
            "principalType": "User",
            "resourceDisplayName": PORTAL,
            "resourceId": service_principal_id(PORTAL, tenant.id),
        })
    };
    person.app_roles.iter().map(assignment).collect()
}

pub(super) fn group(group: &Group) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.group",
        "id": group.id,
        "deletedDateTime": null,
        "classification": null,
        "createdDateTime": written(group.created),
        "description": group.description,
        "displayName": group.name,
        "expirationDateTime": null,
        "groupTypes": if group.dynamic { vec!["DynamicMembership"] } else { Vec::new() },
        // Graph says `null`, not `false`, of an ordinary group.
        "isAssignableToRole": group.role_assignable.then_some(true),
        "mail": null,
        "mailEnabled": false,
        "mailNickname": group.name.replace(' ', "-").to_lowercase(),
        "membershipRule": group.dynamic.then_some("(user.department -eq \"Night\")"),
        "onPremisesSyncEnabled": null,
        "proxyAddresses": [],
        "securityEnabled": true,
        "visibility": null,
    })
}

pub(super) fn directory_role(tenant: &Tenant, role: &Role) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.directoryRole",
        "id": tenant.role_object(role),
        "deletedDateTime": null,
        "description": role.description,
        "displayName": role.name,
        "roleTemplateId": role.template,
    })
}
