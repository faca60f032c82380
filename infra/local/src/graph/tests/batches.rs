//! Several requests in one.

use super::*;

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
