//! What is read of Airlock's own applications, as it was declared and after somebody changed it.

use super::*;
use crate::identities::{application_id, principal_id, registration_id};

const OBSERVER: &str = "airlock-observer";
const WORKER: &str = "airlock-worker-passwords";
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";

fn registration(name: &str, relation: &str) -> String {
    format!("/v1.0/applications/{}{relation}", registration_id(name))
}

fn principal(name: &str, relation: &str) -> String {
    format!("/v1.0/servicePrincipals/{}{relation}", service_principal_id(name, contoso()))
}

impl World {
    fn one(&self, path: &str) -> Value {
        let (status, body) = self.get(OBSERVER, path);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The names of the application permissions that a service principal holds.
    fn permissions(&self, name: &str) -> Vec<String> {
        let graph = self.one(&format!("/v1.0/servicePrincipals(appId='{GRAPH}')"));
        let roles = graph["appRoles"].as_array().unwrap();
        let held = self.all(OBSERVER, &principal(name, "/appRoleAssignments"));
        let mut names: Vec<String> = held
            .iter()
            .map(|held| {
                assert_eq!(held["resourceId"], graph["id"]);
                let role = roles.iter().find(|role| role["id"] == held["appRoleId"]).unwrap();
                role["value"].as_str().unwrap().to_owned()
            })
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_worker_begins_locked_trusting_one_identity_and_owned_by_nobody() {
    let world = World::new();

    let shown = world.one(&registration(WORKER, ""));
    let trusted = world.all(OBSERVER, &registration(WORKER, "/federatedIdentityCredentials"));

    for name in ["passwordCredentials", "keyCredentials", "appRoles"] {
        assert_eq!(shown[name], json!([]), "{name}");
    }
    let lock = &shown["servicePrincipalLockConfiguration"];
    assert!(lock.as_object().unwrap().values().all(|switch| *switch == json!(true)), "{lock}");
    assert_eq!(lock.as_object().unwrap().len(), 5);
    assert_eq!(shown["requiredResourceAccess"][0]["resourceAppId"], GRAPH);
    assert_eq!(trusted.len(), 1);
    assert_eq!(trusted[0]["subject"], principal_id("execute").to_string());
    assert_eq!(trusted[0]["audiences"], json!(["api://AzureADTokenExchange"]));
    assert_eq!(
        trusted[0]["issuer"],
        format!("https://login.microsoftonline.com/{}/v2.0", contoso())
    );
    for path in [registration(WORKER, "/owners"), principal(WORKER, "/owners")] {
        assert_eq!(world.all(OBSERVER, &path), [] as [Value; 0]);
    }
}

#[test]
fn both_forms_of_a_key_name_the_same_object_in_and_out_of_a_batch() {
    let world = World::new();
    let client = application_id(WORKER);

    for (collection, by_object) in
        [("applications", registration(WORKER, "")), ("servicePrincipals", principal(WORKER, ""))]
    {
        let path = format!("/{collection}(appId='{client}')");
        let by_client = world.one(&format!("/v1.0{path}"));
        assert_eq!(world.one(&by_object), by_client);

        let batch = json!({ "requests": [{ "id": "1", "method": "GET", "url": path }] });
        let (status, body) = world.post(OBSERVER, "/v1.0/$batch", batch);
        assert_eq!((status, &body["responses"][0]["body"]), (200, &by_client));
    }
}

#[test]
fn the_portal_shows_where_people_are_sent_back_to_and_what_it_exposes() {
    let world = World::new();

    let portal = world.one(&registration("airlock-portal", ""));
    let of_portal = world.one(&principal("airlock-portal", ""));

    let callback = json!(["http://localhost:7001/auth/callback"]);
    assert_eq!((&portal["web"]["redirectUris"], &of_portal["replyUrls"]), (&callback, &callback));
    assert_eq!(portal["api"]["oauth2PermissionScopes"][0]["value"], "access_as_user");
    assert_eq!(portal["api"]["oauth2PermissionScopes"], of_portal["oauth2PermissionScopes"]);
    assert_eq!(portal["appRoles"], of_portal["appRoles"]);
    assert_eq!(portal["appRoles"].as_array().unwrap().len(), 6);
    assert_eq!(of_portal["appOwnerOrganizationId"], json!(contoso()));
}

#[test]
fn permissions_are_read_back_by_the_names_that_graph_gives_their_ids() {
    let world = World::new();

    for (name, declared) in &world.identities.applications {
        let mut declared = declared.permissions.clone();
        declared.sort();
        assert_eq!(world.permissions(name), declared, "{name}");
    }

    world.alter(
        json!({ "kind": "grant_app_role", "to": WORKER, "role": "Directory.ReadWrite.All" }),
    );
    assert!(world.permissions(WORKER).contains(&"Directory.ReadWrite.All".to_owned()));
}

#[test]
fn who_holds_a_role_of_ours_is_listed_people_and_managed_identities() {
    let world = World::new();

    let of_intake = world.all(OBSERVER, &principal("airlock-intake", "/appRoleAssignedTo"));
    let of_portal = world.all(OBSERVER, &principal("airlock-portal", "/appRoleAssignedTo"));

    assert_eq!(of_intake.len(), 1);
    assert_eq!(of_intake[0]["principalId"], json!(principal_id("signin")));
    assert_eq!(of_intake[0]["principalType"], "ServicePrincipal");
    assert!(of_portal.len() > 3 && of_portal.iter().all(|one| one["principalType"] == "User"));
    let signin = world.one(&format!("/v1.0/servicePrincipals/{}", principal_id("signin")));
    assert_eq!(signin["servicePrincipalType"], "ManagedIdentity");
}

#[test]
fn directory_roles_of_service_principals_say_for_which_application_they_are_held() {
    let world = World::new();
    let held = |name: &str| {
        let id = service_principal_id(name, contoso());
        let query = format!("?$filter=principalId+eq+'{id}'");
        world.all(OBSERVER, &format!("/v1.0/roleManagement/directory/roleAssignments{query}"))
    };

    let of_worker = held(WORKER);
    let of_remediator = held("airlock-remediator");

    assert_eq!(of_worker.len(), 1);
    assert_eq!(of_worker[0]["roleDefinitionId"], USER_ADMINISTRATOR);
    assert_eq!(of_worker[0]["directoryScopeId"], "/");
    let scopes: Vec<&Value> = of_remediator.iter().map(|one| &one["directoryScopeId"]).collect();
    assert_eq!(scopes.len(), 9);
    assert!(scopes.contains(&&json!(format!("/{}", registration_id(WORKER)))));
    let (_, definitions) = world.get(
        OBSERVER,
        &format!(
            "/v1.0/roleManagement/directory/roleDefinitions?$filter=id+eq+'{}'",
            of_remediator[0]["roleDefinitionId"].as_str().unwrap()
        ),
    );
    assert_eq!(definitions["value"][0]["isBuiltIn"], false);
    assert_eq!(
        definitions["value"][0]["rolePermissions"][0]["allowedResourceActions"],
        json!(["microsoft.directory/applications/credentials/update"])
    );
}

#[test]
fn a_directory_role_reaches_a_service_principal_through_a_group() {
    let world = World::new();
    let path = principal(
        "airlock-worker-lookup",
        "/transitiveMemberOf?$select=id,isAssignableToRole&$top=999",
    );
    assert!(world.all(OBSERVER, &path).is_empty());

    world.alter(json!({ "kind": "add_to_group", "service_principal": "airlock-worker-lookup",
        "group": "Helpdesk Tier 2" }));

    let found = world.all(OBSERVER, &path);
    let group = json!({
        "@odata.type": "#microsoft.graph.group", "id": group("Helpdesk Tier 2"),
        "isAssignableToRole": true,
    });
    assert!(found.contains(&group), "{found:?}");
}

#[test]
fn delegated_grants_are_listed_by_client() {
    let world = World::new();
    let id = service_principal_id(WORKER, contoso());
    let queries = [
        format!("/v1.0/oauth2PermissionGrants?$filter=clientId+eq+'{id}'"),
        principal(WORKER, "/oauth2PermissionGrants"),
    ];
    for query in &queries {
        assert!(world.all(OBSERVER, query).is_empty());
    }

    world.alter(json!({ "kind": "add_grant", "client": WORKER, "scope": "User.Read Mail.Read" }));
    world.alter(json!({ "kind": "add_grant", "client": "payroll", "scope": "User.Read",
        "person": "nina@contoso.example" }));

    for query in &queries {
        let [grant] = &world.all(OBSERVER, query)[..] else { panic!("not one") };
        assert_eq!(grant["consentType"], "AllPrincipals");
        assert_eq!(grant["scope"], "User.Read Mail.Read");
    }
    let all = world.all(OBSERVER, "/v1.0/oauth2PermissionGrants?$top=1");
    assert_eq!(all.len(), 2);
    assert!(all.iter().any(|one| one["principalId"] == json!(user("nina"))));
}

#[test]
fn what_a_service_principal_owns_is_told_of_each_kind() {
    let world = World::new();
    world.alter(json!({ "kind": "add_owner", "of": { "application": WORKER },
        "owner": { "service_principal": "airlock-rotator" } }));
    world.alter(json!({ "kind": "add_owner", "of": { "service_principal": "airlock-observer" },
        "owner": { "service_principal": "airlock-rotator" } }));

    let owned = world.all(OBSERVER, &principal("airlock-rotator", "/ownedObjects?$top=2"));
    let narrowed = principal("airlock-rotator", "/ownedObjects/microsoft.graph.application");
    let applications = world.all(OBSERVER, &narrowed);

    let named = |name: &str, kind: &str| {
        let kind = json!(format!("#microsoft.graph.{kind}"));
        owned.iter().any(|one| one["displayName"] == name && one["@odata.type"] == kind)
    };
    assert!(named(WORKER, "application") && named("timesheets", "application"));
    assert!(named(OBSERVER, "servicePrincipal"));
    assert_eq!(applications.len(), owned.len() - 1);
    let owners = world.all(OBSERVER, &registration(WORKER, "/owners"));
    assert_eq!(owners[0]["@odata.type"], "#microsoft.graph.servicePrincipal");
}

#[test]
fn each_read_wants_a_permission() {
    let world = World::new();
    let reads = [
        registration(WORKER, ""),
        registration(WORKER, "/owners"),
        registration(WORKER, "/federatedIdentityCredentials"),
        "/v1.0/applications/delta".to_owned(),
        "/v1.0/servicePrincipals/delta".to_owned(),
        "/v1.0/oauth2PermissionGrants/delta".to_owned(),
        principal(WORKER, ""),
        principal(WORKER, "/owners"),
        principal(WORKER, "/ownedObjects"),
        principal(WORKER, "/transitiveMemberOf"),
        principal(WORKER, "/appRoleAssignments"),
        principal(WORKER, "/appRoleAssignedTo"),
        principal(WORKER, "/oauth2PermissionGrants"),
        "/v1.0/oauth2PermissionGrants".to_owned(),
        "/v1.0/roleManagement/directory/roleDefinitions".to_owned(),
        "/v1.0/auditLogs/directoryAudits".to_owned(),
    ];

    for path in reads {
        assert_eq!(world.get(OBSERVER, &path).0, 200, "{path}");
        let lookup = world.get("airlock-worker-lookup", &path).0;
        let is_narrow = path.contains("federated") || path.contains("auditLogs");
        assert_eq!(lookup, if is_narrow { 403 } else { 200 }, "{path}");
        for name in ["airlock-worker-methods", "airlock-worker-groups", "airlock-remediator"] {
            let (status, error) = world.get(name, &path);
            assert_eq!((status, code(&error)), (403, "Authorization_RequestDenied"), "{path}");
        }
    }
}

#[test]
fn a_managed_identity_is_read_by_its_id_with_the_platforms_own_certificate_and_what_it_holds() {
    let world = World::new();
    let of =
        |relation: &str| format!("/v1.0/servicePrincipals/{}{relation}", principal_id("signin"));

    let shown = world.one(&of("?$select=id,accountEnabled,passwordCredentials,keyCredentials"));
    let held = world.all(OBSERVER, &of("/appRoleAssignments"));

    assert_eq!(shown["id"], principal_id("signin").to_string());
    assert_eq!(shown["passwordCredentials"], json!([]));
    assert_eq!(shown["keyCredentials"].as_array().unwrap().len(), 1);
    let intake = service_principal_id("airlock-intake", contoso());
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["resourceId"], intake.to_string());
    for relation in ["/owners", "/oauth2PermissionGrants", "/transitiveMemberOf"] {
        assert_eq!(world.all(OBSERVER, &of(relation)), [] as [Value; 0], "{relation}");
    }
}

#[test]
fn roles_of_the_deployments_own_allow_what_was_declared_until_somebody_changes_them() {
    let world = World::new();
    let custom = || {
        let path = "/v1.0/roleManagement/directory/roleDefinitions?$filter=isBuiltIn%20eq%20false";
        world.all(OBSERVER, path)
    };

    let before = custom();
    assert_eq!(before.len(), 1);
    let declared = &world.identities.directory_roles["Airlock Credential Remover"];
    assert_eq!(before[0]["templateId"], declared.template.to_string());
    assert_ne!(before[0]["id"], before[0]["templateId"], "its id is this tenant's");
    let allowed = |role: &Value| role["rolePermissions"][0]["allowedResourceActions"].clone();
    assert_eq!(allowed(&before[0]), json!(declared.actions));

    let more = ["microsoft.directory/applications/allProperties/allTasks"];
    let role = "Airlock Credential Remover";
    world.alter(json!({ "kind": "set_role_actions", "role": role, "actions": more }));
    assert_eq!(allowed(&custom()[0]), json!(more));

    world.alter(json!({ "kind": "remove_role", "role": role }));
    assert_eq!(custom(), [] as [Value; 0]);
}

#[test]
fn the_templates_that_are_declared_are_those_that_tenants_know() {
    let world = World::new();

    let known = world.all(OBSERVER, "/v1.0/roleManagement/directory/roleDefinitions");
    for (name, declared) in &world.identities.directory_roles {
        let role = known.iter().find(|role| role["displayName"] == **name).unwrap();
        assert_eq!(role["templateId"], declared.template.to_string(), "{name}");
        assert_eq!(role["isBuiltIn"], declared.actions.is_none(), "{name}");
    }
}

#[test]
fn another_order_and_spelling_tells_the_same() {
    let world = World::new();
    let read = || {
        let mut all = world.all(OBSERVER, "/v1.0/applications?$top=5");
        all.sort_by_key(|one| one["displayName"].to_string());
        all
    };
    let before = read();

    world.directory.shuffle(true);
    let (_, page) = world.get(OBSERVER, "/v1.0/applications?$top=5");
    let shuffled = read();

    assert_eq!(page["value"].as_array().unwrap().len(), 3);
    assert_ne!(before, shuffled);
    let lower = |all: &[Value]| {
        let mut all: Vec<Value> = all.to_vec();
        for one in &mut all {
            let roles = one["appRoles"].as_array_mut().unwrap();
            roles.sort_by_key(|role| role["value"].to_string());
            let access = one["requiredResourceAccess"].as_array_mut().unwrap();
            for access in access {
                let access = access["resourceAccess"].as_array_mut().unwrap();
                access.sort_by_key(|one| one["id"].to_string().to_lowercase());
            }
        }
        serde_json::to_string(&all).unwrap().to_lowercase()
    };
    assert_eq!(lower(&before), lower(&shuffled));
    let trusted = world.all(OBSERVER, &registration(WORKER, "/federatedIdentityCredentials"));
    assert_eq!(trusted[0]["subject"], principal_id("execute").to_string());
}
