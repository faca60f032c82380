#![expect(clippy::needless_pass_by_value, reason = "tests write their bodies in place")]

use http::{Request, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    entra::{
        Resource, now_s,
        tests::{cloud, names},
    },
    identities::{service_principal_id, stable_id},
};

const IDENTITIES: &str = include_str!("../../../identities.json");
const USER_ADMINISTRATOR: &str = "fe930be7-5e62-47db-91af-98c3a49a38b1";
mod operations;

const ENTERPRISEPACK: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";
const HELPDESK_ADMINISTRATOR: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

fn contoso() -> Uuid {
    stable_id("tenant", "contoso.example")
}

fn user(name: &str) -> Uuid {
    stable_id("user", &format!("{name}@contoso.example"))
}

fn group(name: &str) -> Uuid {
    stable_id("group", &format!("contoso.example/{name}"))
}

fn device(name: &str) -> Uuid {
    stable_id("device-id", &format!("contoso.example/{name}"))
}

fn recovery_key(name: &str) -> Uuid {
    stable_id("recovery-key", &format!("contoso.example/{name}"))
}

struct World {
    directory: Directory,
    identities: Identities,
}

impl World {
    fn new() -> Self {
        Self {
            directory: Directory::new(&names()),
            identities: Identities::parse(IDENTITIES).unwrap(),
        }
    }

    /// An application with the permissions that it is meant to have.
    fn application(&self, name: &str) -> Caller {
        Caller {
            tenant: contoso(),
            object: service_principal_id(name, contoso()),
            identity: None,
            application: Some(name.to_owned()),
            roles: self.identities.applications[name].permissions.clone(),
        }
    }

    fn send(
        &self,
        caller: &Caller,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> (u16, Value) {
        let mut request =
            Request::builder().method(method).uri(format!("https://graph.microsoft.com{path}"));
        request = request.header("user-agent", "tests");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            Bytes::new()
        } else {
            request = request.header("content-type", "application/json");
            Bytes::from(body.to_string())
        };
        let graph = Graph { directory: &self.directory, identities: &self.identities };
        let outcome = serve(graph, caller, &request.body(body).unwrap());
        let answer = written(outcome, &HeaderMap::new());
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or(Value::Null))
    }

    fn get(&self, application: &str, path: &str) -> (u16, Value) {
        self.send(&self.application(application), "GET", path, &[], Value::Null)
    }

    fn post(&self, application: &str, path: &str, body: Value) -> (u16, Value) {
        self.send(&self.application(application), "POST", path, &[], body)
    }

    fn patch(&self, application: &str, path: &str, body: Value) -> (u16, Value) {
        self.send(&self.application(application), "PATCH", path, &[], body)
    }

    fn person(&self, name: &str) -> Value {
        self.directory.snapshot()["tenants"][contoso().to_string()]["people"]
            [format!("{name}@contoso.example")]
        .clone()
    }

    fn effects(&self) -> Vec<Value> {
        self.directory.snapshot()["effects"].as_array().unwrap().clone()
    }
}

fn password() -> Value {
    json!({ "passwordProfile": { "password": "Winter-2031", "forceChangePasswordNextSignIn": true } })
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}

fn values<'a>(body: &'a Value, property: &str) -> Vec<&'a str> {
    let mut values: Vec<&str> = body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object[property].as_str().unwrap())
        .collect();
    values.sort_unstable();
    values
}

/// A method, a path, a body, and the workers that may ask it.
type Route = (&'static str, String, Value, &'static [&'static str]);

fn routes() -> Vec<Route> {
    let nina = user("nina");
    let by_principal = format!("$filter=principalId%20eq%20'{nina}'");
    vec![
        ("GET", format!("/v1.0/users/{nina}"), Value::Null, &["accounts", "lookup"]),
        ("GET", "/v1.0/users".to_owned(), Value::Null, &["accounts", "lookup"]),
        (
            "GET",
            format!("/v1.0/users/{nina}/transitiveMemberOf"),
            Value::Null,
            &["accounts", "lookup"],
        ),
        ("GET", format!("/v1.0/users/{nina}/ownedObjects"), Value::Null, &["accounts", "lookup"]),
        ("GET", format!("/v1.0/users/{nina}/appRoleAssignments"), Value::Null, &["lookup"]),
        (
            "GET",
            format!("/v1.0/roleManagement/directory/roleAssignments?{by_principal}"),
            Value::Null,
            &["lookup"],
        ),
        (
            "GET",
            format!(
                "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances?{by_principal}"
            ),
            Value::Null,
            &["lookup"],
        ),
        ("GET", "/v1.0/organization".to_owned(), Value::Null, &["accounts", "lookup"]),
        ("GET", "/v1.0/servicePrincipals".to_owned(), Value::Null, &["lookup"]),
        (
            "GET",
            format!("/v1.0/users/{nina}/authentication/temporaryAccessPassMethods"),
            Value::Null,
            &["methods"],
        ),
        (
            "POST",
            format!("/v1.0/users/{nina}/authentication/temporaryAccessPassMethods"),
            json!({}),
            &["methods"],
        ),
        ("POST", format!("/v1.0/users/{nina}/revokeSignInSessions"), Value::Null, &["accounts"]),
        ("PATCH", format!("/v1.0/users/{nina}"), json!({ "accountEnabled": false }), &["accounts"]),
        ("PATCH", format!("/v1.0/users/{nina}"), password(), &["passwords"]),
    ]
}

#[test]
fn each_worker_opens_only_its_own_routes() {
    let world = World::new();

    for worker in ["passwords", "methods", "accounts", "groups", "devices", "lookup"] {
        for (method, path, body, allowed) in routes().iter().chain(&operations::routes()) {
            let caller = world.application(&format!("airlock-worker-{worker}"));
            let (status, answer) = world.send(&caller, method, path, &[], body.clone());
            if allowed.contains(&worker) {
                assert!((200..300).contains(&status), "{worker} {method} {path}: {answer}");
            } else {
                assert_eq!(
                    (status, code(&answer)),
                    (403, "Authorization_RequestDenied"),
                    "{worker} {method} {path}"
                );
            }
        }
    }
}

#[test]
fn a_permission_counts_only_if_the_token_carries_it_and_the_file_declares_it() {
    let world = World::new();
    let path = format!("/v1.0/users/{}", user("nina"));
    let without = Caller { roles: Vec::new(), ..world.application("airlock-worker-lookup") };
    let undeclared = Caller {
        roles: vec!["User.Read.All".to_owned()],
        ..world.application("airlock-worker-methods")
    };

    assert_eq!(world.send(&without, "GET", &path, &[], Value::Null).0, 403);
    assert_eq!(world.send(&undeclared, "GET", &path, &[], Value::Null).0, 403);
}

#[test]
fn the_tokens_tenant_decides_the_directory() {
    let mut world = World::new();
    let fabrikam = Caller {
        tenant: stable_id("tenant", "fabrikam.example"),
        ..world.application("airlock-worker-lookup")
    };

    assert_eq!(
        world.send(&fabrikam, "GET", &format!("/v1.0/users/{}", user("nina")), &[], Value::Null).0,
        404
    );
    assert_eq!(
        world.send(&fabrikam, "GET", "/v1.0/users/fred@fabrikam.example", &[], Value::Null).0,
        200
    );

    let nowhere = Caller { tenant: Uuid::nil(), ..fabrikam };
    let (status, body) = world.send(&nowhere, "GET", "/v1.0/users", &[], Value::Null);
    assert_eq!((status, code(&body)), (401, "Authorization_IdentityNotFound"));
    world.identities.applications.clear();
    assert_eq!(
        world
            .send(&Caller { tenant: contoso(), ..nowhere }, "GET", "/v1.0/users", &[], Value::Null)
            .0,
        403
    );
}

#[test]
fn errors_come_in_graphs_envelope() {
    let world = World::new();

    let (status, body) = world.get("airlock-worker-lookup", "/v1.0/users/nobody@contoso.example");

    assert_eq!((status, code(&body)), (404, "Request_ResourceNotFound"));
    assert!(body["error"]["message"].as_str().unwrap().contains("'nobody@contoso.example'"));
    for id in ["request-id", "client-request-id"] {
        assert!(Uuid::try_parse(body["error"]["innerError"][id].as_str().unwrap()).is_ok());
    }
    assert!(body["error"]["innerError"]["date"].is_string());
}

#[test]
fn who_is_not_authenticated_is_told_where_to_become_so() {
    let answer =
        written(Err(Refusal::unauthenticated("Access token is empty.")), &HeaderMap::new());

    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(code(&body), "InvalidAuthenticationToken");
}

#[test]
fn a_user_who_is_not_asked_about_tells_eleven_properties() {
    let world = World::new();

    let (status, by_id) =
        world.get("airlock-worker-lookup", &format!("/v1.0/users/{}", user("nina")));
    let (_, by_name) = world.get("airlock-worker-lookup", "/V1.0/Users/NINA%40contoso.example");

    assert_eq!(status, 200);
    assert_eq!(by_id["@odata.context"], "https://graph.microsoft.com/v1.0/$metadata#users/$entity");
    let mut names: Vec<&String> = by_id.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "@odata.context",
            "businessPhones",
            "displayName",
            "givenName",
            "id",
            "jobTitle",
            "mail",
            "mobilePhone",
            "officeLocation",
            "preferredLanguage",
            "surname",
            "userPrincipalName",
        ]
    );
    assert_eq!(by_id["id"], by_name["id"]);
}

#[test]
fn a_selection_shows_exactly_what_it_names() {
    let world = World::new();
    let select =
        "$select=id,accountEnabled,userType,onPremisesSyncEnabled,signInSessionsValidFromDateTime";

    let (_, sven) =
        world.get("airlock-worker-lookup", &format!("/v1.0/users/{}?{select}", user("sven")));
    let (_, nina) =
        world.get("airlock-worker-lookup", &format!("/v1.0/users/{}?{select}", user("nina")));
    let (status, body) = world
        .get("airlock-worker-lookup", &format!("/v1.0/users/{}?$select=id,password", user("nina")));

    assert_eq!(sven["onPremisesSyncEnabled"], true);
    assert_eq!(nina["onPremisesSyncEnabled"], Value::Null);
    assert_eq!(nina["accountEnabled"], true);
    assert_eq!(nina.as_object().unwrap().len(), 6);
    assert_eq!((status, code(&body)), (400, "BadRequest"));
}

#[test]
fn people_are_found_by_the_start_of_their_name_or_by_their_whole_address() {
    let world = World::new();
    let filter = "$filter=startswith(displayName,'o')%20or%20userPrincipalName%20eq%20'NINA@contoso.example'";

    let (status, body) = world
        .get("airlock-worker-lookup", &format!("/v1.0/users?{filter}&$select=userPrincipalName"));

    assert_eq!(status, 200);
    assert_eq!(
        values(&body, "userPrincipalName"),
        [
            "nina@contoso.example",
            "olga@contoso.example",
            "oscar@contoso.example",
            "owen@contoso.example"
        ]
    );
}

#[test]
fn pages_show_everybody_once() {
    let world = World::new();
    let mut path = "/v1.0/users?$top=5&$select=id".to_owned();
    let mut seen = Vec::new();
    let mut pages = 0;

    loop {
        let (status, body) = world.get("airlock-worker-lookup", &path);
        assert_eq!(status, 200, "{body}");
        seen.extend(
            body["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        let Some(next) = body["@odata.nextLink"].as_str() else {
            break;
        };
        path = next.strip_prefix("https://graph.microsoft.com").unwrap().to_owned();
    }

    assert_eq!((pages, seen.len()), (4, 17));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 17);
    for wrong in ["$top=0", "$top=1000", "$top=x"] {
        assert_eq!(
            world.get("airlock-worker-lookup", &format!("/v1.0/users?{wrong}")).0,
            400,
            "{wrong}"
        );
    }
    let (_, body) = world.get("airlock-worker-lookup", "/v1.0/users?$skiptoken=!");
    assert_eq!(code(&body), "Directory_ExpiredPageToken");
}

#[test]
fn what_is_not_offered_is_refused_and_not_ignored() {
    let world = World::new();
    let nina = user("nina");

    for path in [
        format!("/v1.0/users/{nina}?$expand=memberOf"),
        "/v1.0/users?$search=\"displayName:n\"".replace('"', "%22"),
        "/v1.0/users?$filter=startswith(displayName".to_owned(),
        "/v1.0/users?$filter=a%20eq%20'b'".to_owned(),
        "/v1.0/users?$top=1&$top=2".to_owned(),
        format!("/v1.0/users/{nina}/manager"),
        format!("/v1.0/users/{nina}/transitiveMemberOf/microsoft.graph.device"),
        "/v1.0/nothing".to_owned(),
        "/v2.0/users".to_owned(),
        "/v1.0/users/%GG".to_owned(),
        format!("/v1.0/users//{nina}"),
        format!(
            "/v1.0/roleManagement/directory/transitiveRoleAssignments?$filter=principalId%20eq%20'{nina}'&$count=true"
        ),
    ] {
        assert_eq!(world.get("airlock-worker-lookup", &path).0, 400, "{path}");
    }
    assert_eq!(world.post("airlock-worker-lookup", "/v1.0/users", json!({})).0, 405);
}

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

#[test]
fn revoking_sessions_moves_the_time_from_which_they_count() {
    let world = World::new();
    let before = world.person("nina");

    let (status, body) = world.post(
        "airlock-worker-accounts",
        &format!("/v1.0/users/{}/revokeSignInSessions", user("nina")),
        Value::Null,
    );

    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({ "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#Edm.Boolean", "value": true })
    );
    let after = world.person("nina");
    assert_eq!(after["revocations"], 1);
    assert_ne!(after["signInSessionsValidFromDateTime"], before["signInSessionsValidFromDateTime"]);
    assert_eq!(world.effects()[0]["application"], "airlock-worker-accounts");
}

#[test]
fn accounts_are_disabled_and_enabled() {
    let world = World::new();
    let path = format!("/v1.0/users/{}", user("nina"));

    assert_eq!(
        world.patch("airlock-worker-accounts", &path, json!({ "accountEnabled": false })),
        (204, Value::Null)
    );
    assert_eq!(world.person("nina")["accountEnabled"], false);
    assert_eq!(
        world.patch("airlock-worker-accounts", &path, json!({ "accountEnabled": true })).0,
        204
    );
    assert_eq!(world.person("nina")["accountEnabled"], true);
    assert_eq!(world.effects().len(), 2);
}

#[test]
fn a_password_is_set_and_must_be_changed() {
    let world = World::new();

    let (status, _) = world.patch(
        "airlock-worker-passwords",
        &format!("/v1.0/users/{}", user("nina")),
        password(),
    );

    assert_eq!(status, 204);
    let nina = world.person("nina");
    assert_eq!(nina["password"], "Winter-2031");
    assert_eq!(nina["passwordChanges"], 1);
    assert_eq!(nina["forceChangePasswordNextSignIn"], true);
    assert!(!world.effects()[0].to_string().contains("Winter-2031"));
}

#[test]
fn a_password_needs_the_directory_role_as_well() {
    let mut world = World::new();
    let application = world.identities.applications.get_mut("airlock-worker-passwords").unwrap();
    application.directory_roles.clear();

    let (status, _) = world.patch(
        "airlock-worker-passwords",
        &format!("/v1.0/users/{}", user("nina")),
        password(),
    );

    assert_eq!(status, 403);
    assert_eq!(world.person("nina")["passwordChanges"], 0);
}

#[test]
fn protected_people_are_not_changed() {
    let world = World::new();

    for name in ["olga", "rosa", "owen", "ivan"] {
        let path = format!("/v1.0/users/{}", user(name));
        for (worker, body) in
            [("passwords", password()), ("accounts", json!({ "accountEnabled": false }))]
        {
            let (status, answer) = world.patch(&format!("airlock-worker-{worker}"), &path, body);
            assert_eq!(
                (status, code(&answer)),
                (403, "Authorization_RequestDenied"),
                "{name} {worker}"
            );
        }
        assert_eq!(world.person(name)["passwordChanges"], 0);
        assert_eq!(world.person(name)["accountEnabled"], true);
    }
    assert!(world.effects().is_empty());
}

#[test]
fn synchronised_people_are_changed_on_premises_only() {
    let world = World::new();

    let (status, body) = world.patch(
        "airlock-worker-passwords",
        &format!("/v1.0/users/{}", user("sven")),
        password(),
    );

    assert_eq!((status, code(&body)), (400, "Request_BadRequest"));
    assert!(body["error"]["message"].as_str().unwrap().contains("on-premises"));
    assert_eq!(world.person("sven")["passwordChanges"], 0);
}

#[test]
fn weak_passwords_and_unknown_properties_are_refused() {
    let world = World::new();
    let path = format!("/v1.0/users/{}", user("nina"));

    for weak in ["Aa1-", "alllowercase", "lower1234", "UPPER1234"] {
        let body = json!({ "passwordProfile": { "password": weak } });
        assert_eq!(world.patch("airlock-worker-passwords", &path, body).0, 400, "{weak}");
    }
    for body in [
        json!({}),
        json!({ "accountEnabled": "false" }),
        json!({ "accountEnabled": true, "pasword": {} }),
        json!({ "passwordProfile": { "password": "Winter-2031", "never": true } }),
        json!({ "passwordProfile": {} }),
        json!({ "passwordProfile": "Winter-2031" }),
    ] {
        assert_eq!(world.patch("airlock-worker-passwords", &path, body.clone()).0, 400, "{body}");
    }
    assert_eq!(
        world.patch("airlock-worker-accounts", &path, json!({ "displayName": "Mallory" })).0,
        403
    );
    assert!(world.effects().is_empty());
}

#[test]
fn a_new_pass_replaces_the_old_one_and_is_shown_once() {
    let world = World::new();
    let path = format!("/v1.0/users/{}/authentication/temporaryAccessPassMethods", user("nina"));

    let (status, first) = world.post(
        "airlock-worker-methods",
        &path,
        json!({ "lifetimeInMinutes": 60, "isUsableOnce": true }),
    );
    let (_, second) = world.post(
        "airlock-worker-methods",
        &path,
        json!({ "startDateTime": "2999-01-01T00:00:00Z" }),
    );
    let (_, listed) = world.get("airlock-worker-methods", &path);

    assert_eq!(status, 201);
    assert_eq!(
        (&first["isUsable"], &first["methodUsabilityReason"]),
        (&json!(true), &json!("EnabledByPolicy"))
    );
    assert_eq!(
        (&second["isUsable"], &second["methodUsabilityReason"]),
        (&json!(false), &json!("NotYetValid"))
    );
    assert_ne!(first["temporaryAccessPass"], second["temporaryAccessPass"]);
    assert_eq!(values(&listed, "id"), [second["id"].as_str().unwrap()]);
    assert_eq!(listed["value"][0]["temporaryAccessPass"], Value::Null);
    let passes = world.person("nina")["temporaryAccessPasses"].clone();
    assert_eq!(passes[0]["replaced"], true);
    assert_eq!(passes[1]["temporaryAccessPass"], second["temporaryAccessPass"]);
    assert!(
        !world.effects()[0].to_string().contains(first["temporaryAccessPass"].as_str().unwrap())
    );
}

#[test]
fn a_pass_lives_between_ten_minutes_and_thirty_days() {
    let world = World::new();
    let path = format!("/v1.0/users/{}/authentication/temporaryAccessPassMethods", user("nina"));

    for (body, expected) in [
        (json!({ "lifetimeInMinutes": 9 }), 400),
        (json!({ "lifetimeInMinutes": 10 }), 201),
        (json!({ "lifetimeInMinutes": 43_200 }), 201),
        (json!({ "lifetimeInMinutes": 43_201 }), 400),
        (json!({ "lifetimeInMinutes": 60.5 }), 400),
        (json!({ "isUsableOnce": "yes" }), 400),
        (json!({ "startDateTime": "tomorrow" }), 400),
        (json!({ "temporaryAccessPass": "chosen" }), 400),
    ] {
        assert_eq!(world.post("airlock-worker-methods", &path, body.clone()).0, expected, "{body}");
    }
}

#[test]
fn a_batch_answers_each_request_with_its_own_status_and_permission() {
    let world = World::new();
    let nina = user("nina");

    let (status, body) = world.post(
        "airlock-worker-lookup",
        "/v1.0/$batch",
        json!({ "requests": [
            { "id": "user", "method": "GET", "url": format!("/users/{nina}?$select=id") },
            { "id": "none", "method": "GET", "url": "/users/nobody@contoso.example" },
            { "id": "denied", "method": "POST", "url": format!("/users/{nina}/revokeSignInSessions") },
            { "id": "after", "method": "GET", "url": format!("/users/{nina}"), "dependsOn": ["none"] },
            { "id": "roles", "method": "GET", "url": format!("roleManagement/directory/roleAssignments?$filter=principalId eq '{nina}'"), "dependsOn": ["user"] },
            { "id": "batch", "method": "POST", "url": "/$batch", "headers": { "Content-Type": "application/json" }, "body": { "requests": [] } },
            { "id": "bare", "method": "PATCH", "url": format!("/users/{nina}"), "body": { "accountEnabled": false } },
        ] }),
    );

    assert_eq!(status, 200);
    let of = |id: &str| {
        body["responses"].as_array().unwrap().iter().find(|response| response["id"] == id).unwrap()
    };
    let statuses: Vec<u64> = ["user", "none", "denied", "after", "roles", "batch", "bare"]
        .iter()
        .map(|id| of(id)["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 404, 403, 424, 200, 400, 400]);
    assert_eq!(of("user")["body"]["id"], json!(nina));
    assert_eq!(code(&of("denied")["body"]), "Authorization_RequestDenied");
    assert_ne!(body["responses"][0]["id"], "user");
    assert!(world.effects().is_empty());
}

#[test]
fn a_batch_can_write_and_its_effects_are_kept() {
    let world = World::new();

    let (_, body) = world.post(
        "airlock-worker-accounts",
        "/v1.0/$batch",
        json!({ "requests": [{
            "id": "1",
            "method": "PATCH",
            "url": format!("/users/{}", user("nina")),
            "headers": { "Content-Type": "application/json" },
            "body": { "accountEnabled": false },
        }] }),
    );

    assert_eq!(body["responses"], json!([{ "id": "1", "status": 204 }]));
    assert_eq!(world.person("nina")["accountEnabled"], false);
    assert_eq!(world.effects().len(), 1);
}

#[test]
fn a_malformed_batch_is_refused_as_a_whole() {
    let world = World::new();
    let request = |id: usize| json!({ "id": id.to_string(), "method": "GET", "url": "/users" });
    let many = |count: usize| json!({ "requests": (0..count).map(request).collect::<Vec<_>>() });

    assert_eq!(world.post("airlock-worker-lookup", "/v1.0/$batch", many(20)).0, 200);
    for body in [
        many(21),
        json!({ "requests": [request(1), request(1)] }),
        json!({ "requests": [{ "id": "1", "method": "GET", "url": "/users", "dependsOn": ["2"] }] }),
        json!({ "requests": [{ "id": "1", "method": "GET" }] }),
        json!({}),
    ] {
        assert_eq!(
            world.post("airlock-worker-lookup", "/v1.0/$batch", body.clone()).0,
            400,
            "{body}"
        );
    }
}

#[test]
fn the_organization_tells_its_domain() {
    let world = World::new();

    let (_, body) = world.get("airlock-worker-lookup", "/v1.0/organization");

    assert_eq!(body["value"][0]["id"], json!(contoso()));
    assert_eq!(body["value"][0]["verifiedDomains"][0]["name"], "contoso.example");
}

#[test]
fn service_principals_are_found_by_their_application() {
    let world = World::new();
    let client = crate::identities::application_id("airlock-portal");

    let (_, found) = world
        .get("airlock-observer", &format!("/v1.0/servicePrincipals?$filter=appId+eq+'{client}'"));

    assert_eq!(values(&found, "displayName"), ["airlock-portal"]);
    let id = found["value"][0]["id"].as_str().unwrap();
    let (_, one) =
        world.get("airlock-observer", &format!("/v1.0/servicePrincipals/{id}?$select=id,appRoles"));
    assert_eq!(one["appRoles"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn a_request_is_served_with_a_token_for_graph_and_recorded() {
    let cloud = cloud();
    let answer = async |resource: &str| {
        let name = "airlock-worker-accounts";
        let application = &cloud.identities.applications[name];
        let token = cloud
            .entra
            .application_token(contoso(), name, application, Resource::Service(resource), now_s())
            .unwrap();
        let path =
            format!("https://graph.microsoft.com/v1.0/users/{}/revokeSignInSessions", user("nina"));
        let asked = Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .header("client-request-id", "mine")
            .body(Bytes::new())
            .unwrap();
        super::answer(&cloud, asked).await
    };

    let served = answer(audience::GRAPH).await;
    assert_eq!(served.status(), StatusCode::OK);
    assert_eq!(served.headers()["client-request-id"], "mine");

    let refused = answer(audience::VAULT).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let body: Value = serde_json::from_slice(refused.body()).unwrap();
    assert_eq!(code(&body), "InvalidAuthenticationToken");

    let effects = cloud.record.effects(0);
    assert_eq!(effects.as_array().unwrap().len(), 1);
    assert_eq!(effects[0]["service"], "graph");
    assert_eq!(effects[0]["what"]["user"], json!(user("nina")));
}
