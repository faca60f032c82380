//! Memberships, ownership and roles: what makes somebody a protected target.

use super::*;

#[test]
fn memberships_reach_through_groups_to_directory_roles() {
    let world = World::new();
    let of = |name: &str, cast: &str| {
        world
            .get(
                "airlock-worker-lookup",
                &format!("/v1.0/users/{}/transitiveMemberOf{cast}", user(name)),
            )
            .1
    };

    assert_eq!(
        values(&of("nina", ""), "displayName"),
        ["Accounts Payable", "All Staff", "Finance"]
    );
    assert_eq!(
        values(&of("rosa", ""), "@odata.type"),
        ["#microsoft.graph.directoryRole", "#microsoft.graph.group", "#microsoft.graph.group"]
    );
    assert_eq!(
        values(&of("rosa", "/microsoft.graph.directoryRole"), "roleTemplateId"),
        [HELPDESK_ADMINISTRATOR]
    );
    assert_eq!(
        values(&of("olga", "/microsoft.graph.directoryrole"), "roleTemplateId"),
        [USER_ADMINISTRATOR]
    );
    assert_eq!(values(&of("elias", "/microsoft.graph.directoryRole"), "roleTemplateId"), [""; 0]);
    let groups = of("rosa", "/microsoft.graph.group");
    assert_eq!(groups["@odata.context"], "https://graph.microsoft.com/v1.0/$metadata#groups");
    let tier_2 = groups["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["displayName"] == "Helpdesk Tier 2")
        .unwrap();
    assert_eq!(tier_2["isAssignableToRole"], true);
    assert_eq!(tier_2["@odata.type"], Value::Null);
}

#[test]
fn owners_of_groups_are_found() {
    let world = World::new();

    let path = format!(
        "/v1.0/users/{}/ownedObjects/microsoft.graph.group?$select=id,displayName,isAssignableToRole",
        user("owen")
    );
    let (status, body) = world.get("airlock-worker-lookup", &path);

    assert_eq!(status, 200);
    assert_eq!(values(&body, "displayName"), ["Helpdesk Tier 2"]);
    assert_eq!(body["value"][0]["isAssignableToRole"], true);
    assert_eq!(body["value"][0].as_object().unwrap().len(), 3);
}

#[test]
fn app_roles_name_the_portal_of_this_tenant() {
    let world = World::new();

    let (_, body) = world.get(
        "airlock-worker-lookup",
        &format!("/v1.0/users/{}/appRoleAssignments", user("harriet")),
    );

    let assignment = &body["value"][0];
    assert_eq!(assignment["appRoleId"], json!(stable_id("app-role", "HelpdeskAgent")));
    assert_eq!(assignment["resourceId"], json!(service_principal_id("airlock-portal", contoso())));
    assert_eq!(assignment["principalType"], "User");
    let (_, none) = world
        .get("airlock-worker-lookup", &format!("/v1.0/users/{}/appRoleAssignments", user("nina")));
    assert_eq!(none["value"], json!([]));
}

#[test]
fn role_assignments_are_found_for_people_groups_and_our_applications() {
    let world = World::new();
    let of = |principal: Uuid| {
        let path = format!(
            "/v1.0/roleManagement/directory/roleAssignments?$filter=principalId+eq+'{principal}'"
        );
        world.get("airlock-observer", &path).1
    };

    assert_eq!(values(&of(user("olga")), "roleDefinitionId"), [USER_ADMINISTRATOR]);
    assert_eq!(of(user("rosa"))["value"], json!([]));
    let group = stable_id("group", "contoso.example/Helpdesk Tier 2");
    assert_eq!(values(&of(group), "roleDefinitionId"), [HELPDESK_ADMINISTRATOR]);
    let passwords = service_principal_id("airlock-worker-passwords", contoso());
    assert_eq!(values(&of(passwords), "roleDefinitionId"), [USER_ADMINISTRATOR]);
    assert_eq!(of(service_principal_id("airlock-worker-accounts", contoso()))["value"], json!([]));
}

#[test]
fn transitive_role_assignments_are_beta_and_want_an_advanced_query() {
    let world = World::new();
    let lookup = world.application("airlock-worker-lookup");
    let path = format!("/beta/roleManagement/directory/transitiveRoleAssignments?$count=true&$filter=principalId eq '{}'", user("rosa"))
        .replace(' ', "%20");
    let eventual = [("ConsistencyLevel", "eventual")];

    let (status, body) = world.send(&lookup, "GET", &path, &eventual, Value::Null);

    assert_eq!(status, 200, "{body}");
    assert_eq!(values(&body, "roleDefinitionId"), [HELPDESK_ADMINISTRATOR]);
    assert_eq!(
        values(&body, "principalId"),
        [stable_id("group", "contoso.example/Helpdesk Tier 2").to_string()]
    );
    assert_eq!(body["@odata.count"], 1);
    assert_eq!(world.send(&lookup, "GET", &path, &[], Value::Null).0, 404);
    let uncounted = path.replace("$count=true&", "");
    assert_eq!(world.send(&lookup, "GET", &uncounted, &eventual, Value::Null).0, 400);
}

#[test]
fn eligibility_is_told_only_of_the_principal_who_is_asked_for() {
    let world = World::new();
    let of = |principal: Uuid| {
        let path = format!(
            "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances?$filter=principalId+eq+'{principal}'"
        );
        world.get("airlock-worker-lookup", &path).1
    };

    assert_eq!(values(&of(user("elias")), "roleDefinitionId"), [GLOBAL_ADMINISTRATOR]);
    assert_eq!(of(user("ivan"))["value"], json!([]));
    let on_call = stable_id("group", "contoso.example/Directory On-Call");
    assert_eq!(values(&of(on_call), "roleDefinitionId"), [USER_ADMINISTRATOR]);
    assert_eq!(of(on_call)["value"][0]["memberType"], "Direct");
}
