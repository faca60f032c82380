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
    identities::{Identities, service_principal_id, stable_id},
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
    let identities = call.graph.identities;
    let assignments = call.look(|tenant| {
        let ours = of_applications(tenant, identities);
        Ok(tenant
            .assignments
            .iter()
            .chain(&ours)
            .map(|held| assignment(tenant, held))
            .collect::<Vec<_>>())
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
    let identities = call.graph.identities;
    let objects: BTreeMap<String, Value> = call.look(|tenant| {
        let ours = of_applications(tenant, identities);
        let people = tenant.people.keys().chain(tenant.groups.keys());
        let theirs = people
            .flat_map(|asked| tenant.assignments_of(*asked).into_iter().map(|held| (*asked, held)));
        Ok(theirs
            .chain(ours.iter().map(|held| (held.principal, held)))
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
        "directoryScopeId": "/",
        "principalId": held.principal,
        "principalOrganizationId": tenant.id,
        "roleDefinitionId": held.role,
    })
}

/// The directory roles that `identities.json` gives to service principals of ours.
fn of_applications(tenant: &Tenant, identities: &Identities) -> Vec<Assignment> {
    identities
        .applications
        .iter()
        .flat_map(|(name, application)| {
            application.directory_roles.iter().map(move |role| (name, role))
        })
        .filter_map(|(name, role)| {
            let principal: Uuid = service_principal_id(name, tenant.id);
            let role = tenant.roles.iter().find(|known| known.name == *role)?.template;
            let id = stable_id("role-assignment", &format!("{}/{principal}/{role}", tenant.id));
            Some(Assignment { id, principal, role })
        })
        .collect()
}
