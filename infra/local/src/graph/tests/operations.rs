//! What the operations of the catalog do: memberships, licences, methods, devices, risks.

use super::*;

/// The routes that operations need besides those that changed a user alone.
pub fn routes() -> Vec<Route> {
    let nina = user("nina");
    vec![
        ("GET", format!("/v1.0/users/{nina}/memberOf"), Value::Null, &["lookup"]),
        ("GET", format!("/v1.0/groups/{}", group("Finance")), Value::Null, &["lookup"]),
        (
            "GET",
            format!("/v1.0/groups/{}/transitiveMemberOf", group("Finance")),
            Value::Null,
            &["lookup"],
        ),
        (
            "POST",
            format!("/v1.0/groups/{}/members/$ref", group("Travel Booking")),
            json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{nina}") }),
            &["groups"],
        ),
        (
            "DELETE",
            format!("/v1.0/groups/{}/members/{nina}/$ref", group("Travel Booking")),
            Value::Null,
            &["groups"],
        ),
        ("GET", "/v1.0/subscribedSkus".to_owned(), Value::Null, &["lookup"]),
        (
            "POST",
            format!("/v1.0/users/{nina}/assignLicense"),
            json!({ "addLicenses": [{ "skuId": ENTERPRISEPACK, "disabledPlans": [] }], "removeLicenses": [] }),
            &["accounts"],
        ),
        ("GET", format!("/v1.0/users/{nina}/authentication/methods"), Value::Null, &["methods"]),
        (
            "POST",
            "/v1.0/identityProtection/riskyUsers/dismiss".to_owned(),
            json!({ "userIds": [nina] }),
            &["accounts"],
        ),
        (
            "GET",
            format!("/v1.0/devices(deviceId='{}')/registeredOwners", device("NINA-LAPTOP")),
            Value::Null,
            &["lookup"],
        ),
        (
            "GET",
            format!(
                "/v1.0/directory/deviceLocalCredentials/{}?$select=credentials",
                device("NINA-LAPTOP")
            ),
            Value::Null,
            &["devices"],
        ),
        (
            "GET",
            format!(
                "/v1.0/informationProtection/bitlocker/recoveryKeys/{}",
                recovery_key("NINA-LAPTOP")
            ),
            Value::Null,
            &["devices", "lookup"],
        ),
        (
            "GET",
            format!(
                "/v1.0/informationProtection/bitlocker/recoveryKeys/{}?$select=key",
                recovery_key("NINA-LAPTOP")
            ),
            Value::Null,
            &["devices"],
        ),
    ]
}

fn reference(user: Uuid) -> Value {
    json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{user}") })
}

fn delete(world: &World, worker: &str, path: &str) -> (u16, Value) {
    world.send(&world.application(worker), "DELETE", path, &[], Value::Null)
}

fn members(world: &World, name: &str) -> Value {
    world.directory.snapshot()["tenants"][contoso().to_string()]["groups"][name]["members"].clone()
}

#[test]
fn a_member_comes_once_and_goes_once() {
    let world = World::new();
    let nina = user("nina");
    let path = format!("/v1.0/groups/{}/members", group("Travel Booking"));
    let add = || world.post("airlock-worker-groups", &format!("{path}/$ref"), reference(nina));
    let remove = || delete(&world, "airlock-worker-groups", &format!("{path}/{nina}/$ref"));

    assert_eq!(add(), (204, Value::Null));
    assert_eq!(members(&world, "Travel Booking"), json!([nina]));
    let (status, body) = add();
    assert_eq!((status, code(&body)), (400, "Request_BadRequest"));
    assert_eq!(remove(), (204, Value::Null));
    let (status, body) = remove();
    assert_eq!((status, code(&body)), (404, "Request_ResourceNotFound"));

    assert_eq!(members(&world, "Travel Booking"), json!([]));
    assert_eq!(world.effects().len(), 2);
    assert_eq!(world.effects()[0]["user"], json!(nina));
}

#[test]
fn a_membership_is_no_path_to_the_member_itself() {
    let world = World::new();
    let nina = user("nina");
    let path = format!("/v1.0/groups/{}/members/{nina}", group("Finance"));

    assert_eq!(delete(&world, "airlock-worker-groups", &path).0, 400);

    assert_eq!(world.person("nina")["id"], json!(nina));
}

#[test]
fn groups_that_grant_roles_or_follow_a_rule_are_not_changed() {
    let world = World::new();
    let add = |name| {
        let path = format!("/v1.0/groups/{}/members/$ref", group(name));
        world.post("airlock-worker-groups", &path, reference(user("nina"))).0
    };

    assert_eq!(add("Helpdesk Tier 2"), 403);
    assert_eq!(add("Night Shift"), 400);
    assert_eq!(add("No such group"), 404);
    assert!(world.effects().is_empty());
}

#[test]
fn a_reference_is_to_a_directory_object_and_nothing_else() {
    let world = World::new();
    let path = format!("/v1.0/groups/{}/members/$ref", group("Travel Booking"));
    let nina = user("nina");

    for bad in [
        json!({}),
        json!({ "@odata.id": nina }),
        json!({ "@odata.id": format!("https://evil.example/v1.0/directoryObjects/{nina}") }),
        json!({ "@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/" }),
        json!({ "@odata.id": reference(nina)["@odata.id"], "more": 1 }),
    ] {
        let (status, _) = world.post("airlock-worker-groups", &path, bad.clone());
        assert_eq!(status, 400, "{bad}");
    }
    assert_eq!(world.post("airlock-worker-groups", &path, reference(Uuid::nil())).0, 404);
}

#[test]
fn the_directory_tells_what_somebody_and_a_group_are_in() {
    let world = World::new();

    let direct =
        world.get("airlock-worker-lookup", &format!("/v1.0/users/{}/memberOf", user("nina")));
    let path = format!("/v1.0/groups/{}/transitiveMemberOf", group("Accounts Payable"));
    let above = world.get("airlock-worker-lookup", &path);
    let path = format!("/v1.0/groups/{}/transitiveMemberOf", group("Helpdesk Tier 2"));
    let roles = world.get("airlock-worker-lookup", &path);

    assert_eq!(values(&direct.1, "displayName"), ["Accounts Payable"]);
    assert_eq!(values(&above.1, "displayName"), ["All Staff", "Finance"]);
    assert_eq!(values(&roles.1, "@odata.type"), ["#microsoft.graph.directoryRole"]);
}

#[test]
fn a_licence_is_assigned_once_and_only_while_there_is_one() {
    let world = World::new();
    let assign = |name: &str, sku: &str| {
        let path = format!("/v1.0/users/{}/assignLicense", user(name));
        let body =
            json!({ "addLicenses": [{ "skuId": sku, "disabledPlans": [] }], "removeLicenses": [] });
        world.post("airlock-worker-accounts", &path, body).0
    };
    let power_bi = "f8a1db68-be16-40ed-86d5-cb42ce701560";

    assert_eq!(assign("nina", ENTERPRISEPACK), 200);
    assert_eq!(assign("nina", ENTERPRISEPACK), 200);
    assert_eq!(assign("nina", power_bi), 400, "Oscar has the only one");
    assert_eq!(assign("oscar", power_bi), 200, "he keeps it");
    assert_eq!(assign("gus", ENTERPRISEPACK), 400, "he has no usage location");

    assert_eq!(world.person("nina")["licences"], json!([ENTERPRISEPACK]));
    let (_, skus) = world.get("airlock-worker-lookup", "/v1.0/subscribedSkus");
    let consumed: Vec<_> =
        skus["value"].as_array().unwrap().iter().map(|sku| &sku["consumedUnits"]).collect();
    assert_eq!(consumed, [2, 1]);
}

#[test]
fn the_default_method_goes_last() {
    let world = World::new();
    let of = |name: &str| format!("/v1.0/users/{}/authentication", user(name));
    let methods = world.person("oscar")["methods"].clone();
    let (default, other) = (methods[0]["id"].as_str().unwrap(), methods[1]["id"].as_str().unwrap());
    assert_eq!(methods[0]["default"], true);
    let delete = |collection: &str, id: &str| {
        let path = format!("{}/{collection}/{id}", of("oscar"));
        delete(&world, "airlock-worker-methods", &path)
    };

    let (status, body) = delete("microsoftAuthenticatorMethods", default);
    assert_eq!((status, code(&body)), (400, "BadRequest"));
    assert_eq!(delete("emailMethods", default).0, 404, "it is of another kind");
    assert_eq!(delete("phoneMethods", other).0, 204);
    assert_eq!(delete("microsoftAuthenticatorMethods", default).0, 204);
    assert_eq!(delete("microsoftAuthenticatorMethods", default).0, 404);

    let (_, left) = world.get("airlock-worker-methods", &format!("{}/methods", of("oscar")));
    assert_eq!(values(&left, "@odata.type"), ["#microsoft.graph.passwordAuthenticationMethod"]);
    assert_eq!(world.person("oscar")["methods"], json!([]));
}

#[test]
fn devices_tell_whose_they_are_and_their_secrets_to_one_application() {
    let world = World::new();
    let people = |name: &str, how: &str| {
        let path = format!("/v1.0/devices(deviceId='{}')/{how}?$select=id", device(name));
        world.get("airlock-worker-lookup", &path)
    };
    let kept = world.directory.snapshot()["tenants"][contoso().to_string()]["devices"].clone();
    let laptop = &kept["NINA-LAPTOP"];

    let (_, owners) = people("LOADING-DESK", "registeredOwners");
    assert_eq!(values(&owners, "id"), [user("oscar").to_string()]);
    assert_eq!(people("LOADING-DESK", "registeredUsers").1["value"].as_array().unwrap().len(), 2);
    assert_eq!(people("LOBBY-KIOSK", "registeredOwners").1["value"], json!([]));
    assert_eq!(people("NO-SUCH-DEVICE", "registeredOwners").0, 404);

    let path = |name| {
        format!("/v1.0/directory/deviceLocalCredentials/{}?$select=credentials", device(name))
    };
    let (_, told) = world.get("airlock-worker-devices", &path("NINA-LAPTOP"));
    assert_eq!(told["credentials"].as_array().unwrap().len(), 3);
    assert_eq!(laptop["credentials"].as_array().unwrap().len(), 3);
    assert_eq!(world.get("airlock-worker-devices", &path("OSCAR-TABLET")).0, 404);

    let path = format!(
        "/v1.0/informationProtection/bitlocker/recoveryKeys/{}",
        recovery_key("NINA-LAPTOP")
    );
    let (_, about) = world.get("airlock-worker-lookup", &path);
    assert_eq!(about["deviceId"], laptop["deviceId"]);
    assert_eq!(about["key"], Value::Null);
    let (_, told) = world.get("airlock-worker-devices", &format!("{path}?$select=key"));
    assert_eq!(told["key"], laptop["recoveryKeys"][0]["key"]);
    let kept = world.directory.snapshot()["tenants"][contoso().to_string()]["devices"].clone();
    assert_eq!(kept["NINA-LAPTOP"]["recoveryKeys"][0]["told"], 1);
    assert!(world.effects().is_empty());
}

#[test]
fn secrets_of_devices_are_told_only_to_whoever_says_what_they_are() {
    let world = World::new();
    let caller = world.application("airlock-worker-devices");
    for path in [
        format!(
            "/v1.0/directory/deviceLocalCredentials/{}?$select=credentials",
            device("NINA-LAPTOP")
        ),
        format!(
            "/v1.0/informationProtection/bitlocker/recoveryKeys/{}?$select=key",
            recovery_key("NINA-LAPTOP")
        ),
    ] {
        let request = Request::get(format!("https://graph.microsoft.com{path}"));
        let graph = Graph { directory: &world.directory };

        let refused = serve(graph, &caller, &request.body(Bytes::new()).unwrap()).unwrap_err();

        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[test]
fn one_risk_a_second_is_dismissed_in_a_tenant_and_nobody_says_when_to_come_again() {
    let world = World::new();
    let dismiss = |name: &str| {
        let body = json!({ "userIds": [user(name)] });
        world.post("airlock-worker-accounts", "/v1.0/identityProtection/riskyUsers/dismiss", body)
    };
    assert_eq!(world.person("nina")["risk"], "atRisk");

    assert_eq!(dismiss("nina"), (204, Value::Null));
    let (status, body) = dismiss("oscar");

    assert_eq!((status, code(&body)), (429, "TooManyRequests"));
    assert_eq!(world.person("nina")["risk"], "dismissed");
    assert_eq!(world.person("oscar")["risk"], "atRisk");
    let answer = written(Err(Refusal::throttled()), &HeaderMap::new());
    assert_eq!(answer.headers().get("retry-after"), None);
}
