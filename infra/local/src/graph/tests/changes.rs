//! What is changed of a user: sessions, the account, passwords and passes.

use super::*;

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
    let world = World::new();
    world.alter(json!({
        "kind": "remove_directory_role", "from": "airlock-worker-passwords",
        "role": "User Administrator",
    }));

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
