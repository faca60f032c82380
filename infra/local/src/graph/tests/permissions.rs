//! Who may ask what: tokens, permissions and tenants, and the form of a refusal.

use super::{operations, *};

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
    let world = World::new();
    let there = stable_id("tenant", "fabrikam.example");
    let fabrikam = Caller {
        tenant: there,
        object: service_principal_id("airlock-worker-lookup", there),
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
    // The token of one tenant's service principal is worth nothing beside another tenant's.
    let stranger = Caller { tenant: contoso(), ..nowhere };
    assert_eq!(world.send(&stranger, "GET", "/v1.0/users", &[], Value::Null).0, 403);
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
        super::super::answer(&cloud, asked).await
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
