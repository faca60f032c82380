//! Directory roles: who holds them, who may activate them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    call::{Call, Outcome},
    filter::Filter,
    page::{self, cut, with_selection},
    permissions,
    problem::Refusal,
};
use crate::{
    directory::{Assignment, Tenant, written},
    identities::stable_id,
};

const ASSIGNMENT: &[&str] = &[
    "id",
    "appScopeId",
    "condition",
    "directoryScopeId",
    "principalId",
    "principalOrganizationId",
    "roleDefinitionId",
];

const ELIGIBILITY: &[&str] = &[
    "id",
    "principalId",
    "roleDefinitionId",
    "directoryScopeId",
    "appScopeId",
    "startDateTime",
    "endDateTime",
    "memberType",
    "roleEligibilityScheduleId",
];

/// `GET /roleManagement/directory/roleAssignments`
pub fn assignments(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_ROLES)?;
    let assignments = call.look(|tenant| {
        let all = tenant.assignments.iter();
        Ok(all.map(|held| assignment(tenant, held)).collect::<Vec<_>>())
    })?;
    filtered(call, "roleAssignments", assignments, ASSIGNMENT)
}

/// `GET /beta/roleManagement/directory/transitiveRoleAssignments`
pub fn transitive_assignments(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_ROLES)?;
    if !call.is_eventual() {
        return Err(Refusal::not_found("transitiveRoleAssignments"));
    }
    call.only(page::OPTIONS)?;
    let selected = call.selected("unifiedRoleAssignment", ASSIGNMENT)?;
    let filter = call.option("$filter").map(|text| Filter::parse(text, FILTERED)).transpose()?;
    let Some(filter) =
        filter.filter(|filter| filter.fixes("principalId") && call.option("$count").is_some())
    else {
        return Err(Refusal::bad_request("A $filter by principalId and $count=true are required."));
    };
    let objects: BTreeMap<String, Value> = call.look(|tenant| {
        let ours = tenant.assignments.iter();
        let ours = ours.filter(|held| tenant.principals.get(&held.principal).is_some());
        let people = tenant.people.keys().chain(tenant.groups.keys());
        let theirs = people
            .flat_map(|asked| tenant.assignments_of(*asked).into_iter().map(|held| (*asked, held)));
        Ok(theirs
            .chain(ours.map(|held| (held.principal, held)))
            .filter(|(asked, held)| {
                // What is asked for is the person; what is shown names the holder, which can be a group.
                let mut compared = assignment(tenant, held);
                compared["principalId"] = json!(asked);
                filter.admits(&compared)
            })
            .map(|(_, held)| assignment(tenant, held))
            .map(|held| {
                (held["id"].to_string(), cut(&held, selected.as_deref().unwrap_or(ASSIGNMENT)))
            })
            .collect())
    })?;
    let what =
        with_selection("roleManagement/directory/transitiveRoleAssignments", selected.as_deref());
    call.page(&what, objects.into_iter().collect())
}

/// `GET /roleManagement/directory/roleEligibilityScheduleInstances`
pub fn eligible(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_ELIGIBILITY)?;
    let instances = call.look(|tenant| {
        Ok(tenant
            .eligible
            .iter()
            .map(|eligible| {
                json!({
                    "id": eligible.id,
                    "principalId": eligible.principal,
                    "roleDefinitionId": eligible.role,
                    "directoryScopeId": "/",
                    "appScopeId": null,
                    "startDateTime": written(eligible.since),
                    "endDateTime": null,
                    "memberType": "Direct",
                    "roleEligibilityScheduleId": stable_id("role-eligibility-schedule", &eligible.id.to_string()),
                })
            })
            .collect::<Vec<_>>())
    })?;
    filtered(call, "roleEligibilityScheduleInstances", instances, ELIGIBILITY)
}

const FILTERED: &[&str] = &["principalId", "roleDefinitionId", "directoryScopeId"];

fn filtered(call: &Call<'_>, what: &str, objects: Vec<Value>, known: &[&str]) -> Outcome {
    call.only(page::OPTIONS)?;
    let selected = call.selected("unifiedRoleAssignment", known)?;
    let filter = call.option("$filter").map(|text| Filter::parse(text, FILTERED)).transpose()?;
    let objects = objects
        .into_iter()
        .filter(|object| filter.as_ref().is_none_or(|filter| filter.admits(object)))
        .map(|object| {
            (object["id"].to_string(), cut(&object, selected.as_deref().unwrap_or(known)))
        })
        .collect();
    call.page(
        &with_selection(&format!("roleManagement/directory/{what}"), selected.as_deref()),
        objects,
    )
}

fn assignment(tenant: &Tenant, held: &Assignment) -> Value {
    json!({
        "id": held.id,
        "appScopeId": null,
        "condition": null,
        "directoryScopeId": held.scope.map_or("/".to_owned(), |scope| format!("/{scope}")),
        "principalId": held.principal,
        "principalOrganizationId": tenant.id,
        "roleDefinitionId": held.role,
    })
}

const DEFINITION: &[&str] = &[
    "id",
    "description",
    "displayName",
    "isBuiltIn",
    "isEnabled",
    "resourceScopes",
    "rolePermissions",
    "templateId",
    "version",
];

/// `GET /roleManagement/directory/roleDefinitions`
pub fn definitions(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_ROLES)?;
    call.only(page::OPTIONS)?;
    let selected = call.selected("unifiedRoleDefinition", DEFINITION)?;
    let by = ["id", "displayName", "isBuiltIn", "templateId"];
    let filter = call.option("$filter").map(|text| Filter::parse(text, &by)).transpose()?;
    let all = call.look(|tenant| {
        let built_in = tenant.roles.iter().map(|role| {
            // What Entra's own roles may do is for Entra to say, and nobody here asks for it.
            let described = (role.name.as_str(), role.description.as_str());
            definition((role.template, role.template), described, true, &[])
        });
        let custom = tenant.custom_roles.iter().map(|role| {
            definition((role.id, role.template), (&role.name, ""), false, &role.actions)
        });
        Ok(built_in.chain(custom).collect::<Vec<_>>())
    })?;
    let admitted = all
        .iter()
        .filter(|one| filter.as_ref().is_none_or(|filter| filter.admits(one)))
        .map(|one| (one["id"].to_string(), cut(one, selected.as_deref().unwrap_or(DEFINITION))))
        .collect();
    let what = with_selection("roleManagement/directory/roleDefinitions", selected.as_deref());
    call.page(&what, admitted)
}

fn definition(
    (id, template): (Uuid, Uuid),
    (name, description): (&str, &str),
    is_built_in: bool,
    actions: &[String],
) -> Value {
    json!({
        "id": id,
        "description": description,
        "displayName": name,
        "isBuiltIn": is_built_in,
        "isEnabled": true,
        "resourceScopes": ["/"],
        "rolePermissions": [{ "allowedResourceActions": actions, "condition": null }],
        "templateId": template,
        "version": "1",
    })
}
