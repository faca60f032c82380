//! What is told, to whom, and in which words the rest is refused.

use super::*;
use crate::identities::{client_id, principal_id};

#[tokio::test]
async fn drift_reads_how_every_app_is_set_up() {
    let world = World::of("drift");

    let sites = world.list(&format!("~/providers/Microsoft.Web/sites?api-version={WEB}")).await;

    let apps = ["drift", "execute", "intake", "rotate", "signin"];
    assert_eq!(names(&sites), apps.map(|app| format!("airlock-local-{app}")));
    for (site, app) in sites.iter().zip(apps) {
        let properties = &site["properties"];
        let identities = site["identity"]["userAssignedIdentities"].as_object().unwrap();
        let (id, ids) = identities.iter().next().unwrap();
        assert_eq!(identities.len(), 1);
        assert!(id.ends_with(&format!("/userAssignedIdentities/airlock-{app}")));
        assert_eq!(ids["principalId"], principal_id(app).to_string());
        assert_eq!(ids["clientId"], client_id(app).to_string());
        let outer = ["signin", "intake"].contains(&app);
        assert_eq!(properties["publicNetworkAccess"] == "Enabled", outer);
        assert_eq!(properties["defaultHostName"], format!("airlock-local-{app}.azurewebsites.net"));
    }
}

#[tokio::test]
async fn only_the_front_door_gets_past_the_access_restrictions() {
    let world = World::of("drift");
    let restrictions = async |app: &str| {
        let path = format!("{}/config/web?api-version={WEB}", site(app));
        world.get(&path).await["properties"]["ipSecurityRestrictions"].clone()
    };

    let outer = restrictions("intake").await;
    let profiles = world.list("~/providers/Microsoft.Cdn/profiles?api-version=2025-12-01").await;
    let id = &profiles[0]["properties"]["frontDoorId"];
    assert_eq!(outer[0]["ipAddress"], "AzureFrontDoor.Backend");
    assert_eq!(outer[0]["headers"]["x-azure-fdid"], json!([id]));
    assert_eq!((&outer[1]["ipAddress"], &outer[1]["action"]), (&json!("Any"), &json!("Deny")));
    assert_eq!(restrictions("execute").await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_settings_are_those_that_the_process_was_started_with() {
    let world = World::of("drift");
    let path = format!("{}/config/appsettings", site("execute"));

    let (status, body) = world.ask(Method::POST, &format!("{path}/list?api-version={WEB}")).await;

    let cloud = &world.cloud;
    let given = crate::package::settings(&cloud.identities, &cloud.names, "execute").unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["properties"], json!(given));
    // And by no other way: they could hold secrets.
    let version = format!("?api-version={WEB}");
    let plain = world.refused(Method::GET, &format!("{path}{version}")).await;
    assert_eq!(plain, refusal(404, "ResourceNotFound"));
    let list = world.refused(Method::GET, &format!("{path}/list{version}")).await;
    assert_eq!(list, refusal(405, "MethodNotAllowed"));
    let all = world.list(&format!("{}/config{version}", site("execute"))).await;
    assert_eq!(names(&all), ["web"]);
}

#[tokio::test]
async fn functions_are_those_of_the_package() {
    let world = World::of("drift");

    let functions = world.list(&format!("{}/functions?api-version={WEB}", site("rotate"))).await;

    let mut found = names(&functions);
    found.sort_unstable();
    let own = ["credential_change", "health", "reclaim", "rotate"];
    assert_eq!(found, own.map(|name| format!("airlock-local-rotate/{name}")));
    let reclaim = functions.iter().find(|one| one["properties"]["name"] == "reclaim").unwrap();
    assert_eq!(reclaim["properties"]["config"]["bindings"][0]["type"], "timerTrigger");
}

#[tokio::test]
async fn routes_lead_to_two_apps_and_by_their_paths_alone() {
    let world = World::of("drift");
    let profile = "~/providers/Microsoft.Cdn/profiles/airlock-local";
    let version = "?api-version=2025-12-01";

    let endpoints = world.list(&format!("{profile}/afdEndpoints{version}")).await;
    let endpoint = endpoints[0]["name"].as_str().unwrap();
    let routes = world.list(&format!("{profile}/afdEndpoints/{endpoint}/routes{version}")).await;

    let mut led = Vec::new();
    for route in &routes {
        let group = route["properties"]["originGroup"]["id"].as_str().unwrap();
        let origins = world.list(&format!("{group}/origins{version}")).await;
        assert_eq!(origins.len(), 1);
        led.push((
            route["properties"]["patternsToMatch"].clone(),
            origins[0]["properties"]["hostName"].as_str().unwrap().to_owned(),
        ));
    }
    assert_eq!(
        led,
        [
            (json!(["/api/*"]), "airlock-local-intake.azurewebsites.net".to_owned()),
            (json!(["/auth/*"]), "airlock-local-signin.azurewebsites.net".to_owned()),
        ]
    );
}

#[tokio::test]
async fn assignments_are_listed_for_the_group_for_a_resource_and_for_a_principal() {
    let world = World::of("drift");
    let all = |scope: &str, query: &str| {
        format!(
            "{scope}/providers/Microsoft.Authorization/roleAssignments?api-version={ROLES}{query}"
        )
    };
    let key = "~/providers/Microsoft.KeyVault/vaults/airlock-local/keys/execute-signing";

    let below = world.list(&all("~", "")).await;
    let at = world.list(&all("~", "&$filter=atScope()")).await;
    let over_key = world.list(&all(key, "&$filter=atScope()")).await;
    let of_signin = world
        .list(&all("~", &format!("&$filter=principalId%20eq%20'{}'", principal_id("signin"))))
        .await;

    assert_eq!(at.len(), 2, "drift reads, and reads settings");
    // Over the key itself, and above it.
    let own = ["execute signs", "rotate makes versions"];
    let above = ["rotate sets secrets", "drift reads", "drift reads settings"];
    assert_eq!(over_key.len(), own.len() + above.len());
    assert!(below.len() > 30);
    assert!(below.iter().all(|one| one["properties"]["principalType"] == "ServicePrincipal"));
    let of: Vec<&Value> = of_signin.iter().map(|one| &one["properties"]["principalId"]).collect();
    assert!(!of.is_empty() && of.iter().all(|id| **id == principal_id("signin").to_string()));
    let cosmos = "~/providers/Microsoft.DocumentDB/databaseAccounts/airlock-local";
    let sql = world.list(&format!("{cosmos}/sqlRoleAssignments?api-version=2026-03-15")).await;
    assert!(sql.iter().all(|one| one["properties"]["scope"].as_str().unwrap().contains("/colls/")));
}

#[tokio::test]
async fn what_the_deployment_defines_allows_what_it_says_and_no_more() {
    let world = World::of("drift");

    let custom = world
        .list(&format!(
            "~/providers/Microsoft.Authorization/roleDefinitions?api-version={ROLES}\
             &$filter=type%20eq%20'CustomRole'"
        ))
        .await;

    assert_eq!(custom.len(), 5);
    let creator = custom.iter().find(|one| one["properties"]["roleName"] == "Airlock Blob Creator");
    let permissions = &creator.unwrap()["properties"]["permissions"];
    assert_eq!(permissions[0]["actions"], json!([]));
    assert_eq!(permissions[0]["dataActions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_but_drift_reads_anything_and_nobody_writes() {
    let sites = format!("~/providers/Microsoft.Web/sites?api-version={WEB}");
    for identity in ["signin", "intake", "execute", "rotate", "admin"] {
        let world = World::of(identity);

        let list = world.refused(Method::GET, &sites).await;
        assert_eq!(list, refusal(403, "AuthorizationFailed"), "{identity}");
        let settings = format!("{}/config/appsettings/list?api-version={WEB}", site("execute"));
        let settings = world.refused(Method::POST, &settings).await;
        assert_eq!(settings, refusal(403, "AuthorizationFailed"), "{identity}");
    }
    let world = World::of("drift");
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
        let path = format!("{}?api-version={WEB}", site("execute"));
        let refused = world.refused(method, &path).await;
        assert_eq!(refused, refusal(403, "AuthorizationFailed"));
    }
    let (_, body) = World::of("intake").ask(Method::GET, &sites).await;
    let message = body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("perform action 'Microsoft.Web/sites/read' over scope '/subscriptions/")
    );
    assert!(message.contains(&principal_id("intake").to_string()));
}

#[tokio::test]
async fn every_role_that_is_assigned_is_defined_and_azures_own_are_not_custom() {
    let world = World::of("drift");
    let all = "~/providers/Microsoft.Authorization";
    let version = format!("api-version={ROLES}");

    let assigned = world.list(&format!("{all}/roleAssignments?{version}")).await;
    let defined = world.list(&format!("{all}/roleDefinitions?{version}")).await;

    let ids: Vec<&str> = defined.iter().map(|one| one["id"].as_str().unwrap()).collect();
    for one in &assigned {
        let role = one["properties"]["roleDefinitionId"].as_str().unwrap();
        assert!(ids.contains(&role), "{role}");
        assert_eq!(world.get(&format!("{role}?{version}")).await["id"], role);
    }
    let own = "$filter=type%20eq%20'CustomRole'";
    let custom = world.list(&format!("{all}/roleDefinitions?{version}&{own}")).await;
    assert!(custom.len() < defined.len());
    assert!(custom.iter().all(|one| one["properties"]["type"] == "CustomRole"));
}

#[tokio::test]
async fn nobody_is_handed_a_key_to_anything() {
    let stores = [
        ("Microsoft.Storage/storageAccounts/airlocklocal/listKeys", "2026-04-01"),
        ("Microsoft.DocumentDB/databaseAccounts/airlock-local/listKeys", "2026-03-15"),
        (
            "Microsoft.ServiceBus/namespaces/airlock-local/AuthorizationRules/a/listKeys",
            "2026-01-01",
        ),
        ("Microsoft.Web/sites/airlock-local-intake/host/default/listkeys", WEB),
    ];
    for identity in ["drift", "intake", "admin"] {
        let world = World::of(identity);
        for (path, version) in stores {
            let path = format!("~/providers/{path}?api-version={version}");

            let asked = world.refused(Method::POST, &path).await;
            assert_eq!(asked, refusal(403, "AuthorizationFailed"), "{identity}: {path}");
            let read = world.refused(Method::GET, &path).await;
            assert_eq!(read, refusal(405, "MethodNotAllowed"), "{identity}: {path}");
        }
    }
}

#[tokio::test]
async fn a_token_for_another_service_is_not_accepted() {
    let sites = format!("~/providers/Microsoft.Web/sites?api-version={WEB}");

    let other = World::with("drift", audience::VAULT).refused(Method::GET, &sites).await;
    assert_eq!(other, refusal(401, "AuthenticationFailed"));
    // As it is asked for by whoever writes the resource with its slash.
    World::with("drift", "https://management.azure.com/").get(&sites).await;
}

#[tokio::test]
async fn what_is_not_served_is_refused_in_azures_words() {
    let world = World::of("drift");
    let sites = "~/providers/Microsoft.Web/sites";
    let roles = "~/providers/Microsoft.Authorization/roleAssignments";

    for (path, status, code) in [
        (sites.to_owned(), 400, "MissingApiVersionParameter"),
        (format!("{sites}?api-version=2015-08-01"), 400, "NoRegisteredProviderFound"),
        ("~/resources?api-version=2015-08-01".to_owned(), 400, "InvalidApiVersionParameter"),
        (format!("{sites}/none?api-version={WEB}"), 404, "ResourceNotFound"),
        (format!("{sites}/none/functions?api-version={WEB}"), 404, "ResourceNotFound"),
        (format!("{sites}?api-version={WEB}&$filter=x"), 400, "UnsupportedFilter"),
        (format!("{sites}?api-version={WEB}&$skipToken=x"), 400, "InvalidSkipToken"),
        (format!("{roles}?api-version={ROLES}&$filter=x()"), 400, "UnsupportedFilter"),
        (format!("/providers/Microsoft.Web/sites?api-version={WEB}"), 404, "NotFound"),
    ] {
        assert_eq!(world.refused(Method::GET, &path).await, refusal(status, code), "{path}");
    }
}
