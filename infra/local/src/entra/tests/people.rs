//! People at the sign-in page, and what their client may do with the code.

use super::*;

/// A person who may sign in, with a role in Airlock.
pub(super) fn person(cloud: &Cloud, tenant: Uuid) -> PersonCard {
    let mut people = cloud.directory.people(tenant).into_iter();
    people
        .find(|person| {
            let known = cloud.directory.by_object(tenant, person.object).unwrap();
            known.enabled && !known.app_roles.is_empty()
        })
        .unwrap()
}

pub(super) fn sign_in(cloud: &Cloud) -> Parameters {
    vec![
        ("client_id", application_id("airlock-portal").to_string()),
        ("redirect_uri", format!("{}/auth/callback", cloud.names.api)),
        ("response_type", "code".to_owned()),
        ("scope", "openid profile offline_access api://airlock-portal/access_as_user".to_owned()),
        ("state", "a&b".to_owned()),
        ("nonce", "n".to_owned()),
        ("code_challenge", CHALLENGE.to_owned()),
        ("code_challenge_method", "S256".to_owned()),
    ]
}

pub(super) async fn authorize(cloud: &Shared, tenant: Uuid, parameters: &Parameters) -> Answer {
    let query = encoded(parameters);
    let url = format!("{}/{tenant}/oauth2/v2.0/authorize?{query}", cloud.names.pages);
    Entra::answer_page(cloud, Request::get(url).body(Bytes::new()).unwrap()).await
}

pub(super) fn handle_in(page: &Answer) -> String {
    let html = std::str::from_utf8(page.body()).unwrap();
    let (_, rest) = html.split_once("name=request value=\"").expect(html);
    rest.split_once('"').unwrap().0.to_owned()
}

pub(super) async fn choose(cloud: &Shared, tenant: Uuid, fields: &Parameters) -> Answer {
    let url = format!("{}/{tenant}/login", cloud.names.pages);
    Entra::answer_page(cloud, Request::post(url).body(Bytes::from(encoded(fields))).unwrap()).await
}

pub(super) fn returned(answer: &Answer) -> (String, Value) {
    assert_eq!(answer.status(), StatusCode::FOUND, "{:?}", answer.body());
    let url = Url::parse(answer.headers()[header::LOCATION].to_str().unwrap()).unwrap();
    let query: Map<String, Value> =
        url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned().into())).collect();
    (url[..url::Position::AfterPath].to_owned(), Value::Object(query))
}

/// Signs in as far as the code.
pub(super) async fn code(cloud: &Shared, tenant: Uuid, parameters: &Parameters) -> String {
    let handle = handle_in(&authorize(cloud, tenant, parameters).await);
    let person = person(cloud, tenant).user_principal_name;
    let answer = choose(cloud, tenant, &vec![("request", handle), ("person", person)]).await;
    returned(&answer).1["code"].as_str().unwrap().to_owned()
}

fn redemption(cloud: &Cloud, code: &str) -> Parameters {
    vec![
        ("grant_type", "authorization_code".to_owned()),
        ("client_id", application_id("airlock-portal").to_string()),
        ("client_assertion_type", BEARER.to_owned()),
        ("client_assertion", assertion(cloud, "signin")),
        ("code", code.to_owned()),
        ("redirect_uri", format!("{}/auth/callback", cloud.names.api)),
        ("code_verifier", VERIFIER.to_owned()),
        ("client_info", "1".to_owned()),
    ]
}

#[tokio::test]
async fn a_person_signs_in_and_the_tokens_say_who_where_and_how() {
    let cloud = cloud();
    for tenant in [cloud.names.tenant, fabrikam()] {
        let claims = r#"{"id_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        let code = code(&cloud, tenant, &with(sign_in(&cloud), "claims", claims)).await;

        let (status, body) = post(&cloud, &tenant.to_string(), &redemption(&cloud, &code)).await;

        assert_eq!(status, StatusCode::OK, "{body}");
        let person = person(&cloud, tenant);
        let portal = application_id("airlock-portal").to_string();
        let id = claims_of(body["id_token"].as_str().unwrap());
        assert_eq!(id["iss"], issuer(tenant));
        assert_eq!(id["aud"], portal);
        assert_eq!(id["oid"], person.object.to_string());
        assert_ne!(id["sub"], id["oid"]);
        assert_eq!(id["tid"], tenant.to_string());
        assert_eq!(id["nonce"], "n");
        assert_eq!(id["acrs"], json!(["c1"]));
        assert_eq!(id["roles"], json!(person.app_roles));
        assert_eq!(id["preferred_username"], person.user_principal_name);
        assert_eq!(id["ver"], "2.0");

        let access = claims_of(body["access_token"].as_str().unwrap());
        assert_eq!(access["aud"], portal);
        assert_eq!(access["scp"], "access_as_user");
        assert_eq!(access["idtyp"], "user");
        assert_eq!(access["azp"], portal);
        assert!(access["acrs"].is_null());
        assert_eq!(body["scope"], "openid profile api://airlock-portal/access_as_user");
        assert!(body["client_info"].is_string());
        assert!(body["refresh_token"].is_string());
    }
}

#[tokio::test]
async fn each_fault_of_a_redemption_has_its_own_code() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let text = code(&cloud, home, &sign_in(&cloud)).await;
    let good = redemption(&cloud, &text);
    let other_verifier = "a".repeat(43);

    for (parameters, code) in [
        (with(good.clone(), "code", "x"), 70_000),
        (with(good.clone(), "redirect_uri", "http://localhost:7001/x"), 500_112),
        (with(good.clone(), "code_verifier", &other_verifier), 501_481),
        (with(good.clone(), "code_verifier", ""), 501_481),
        (with(good.clone(), "client_assertion", &assertion(&cloud, "intake")), 700_213),
    ] {
        assert_eq!(code_of(&cloud, home, &parameters).await.1, json!(code));
    }
    assert_eq!(code_of(&cloud, fabrikam(), &good).await.1, json!(700_005));

    assert_eq!(post(&cloud, &home.to_string(), &good).await.0, StatusCode::OK);
    let again = code_of(&cloud, home, &good).await;
    assert_eq!(again, (400, json!(54_005), "invalid_grant".to_owned()));
}

#[tokio::test]
async fn a_refresh_token_asks_for_less_but_never_for_more_and_carries_no_nonce() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let parameters = with(sign_in(&cloud), "scope", "openid offline_access");
    let text = code(&cloud, home, &parameters).await;
    let (_, first) = post(&cloud, &home.to_string(), &redemption(&cloud, &text)).await;
    let token = first["refresh_token"].as_str().unwrap();
    let mut refresh = redemption(&cloud, "");
    refresh = with(refresh, "grant_type", "refresh_token");
    refresh = with(refresh, "refresh_token", token);

    let (status, second) = post(&cloud, &home.to_string(), &refresh).await;
    assert_eq!(status, StatusCode::OK, "{second}");
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let id = claims_of(second["id_token"].as_str().unwrap());
    assert!(id["nonce"].is_null());
    assert_eq!(id["sid"], claims_of(first["id_token"].as_str().unwrap())["sid"]);
    // Asked for no scope of the application's own, Entra gives a token for Graph.
    assert_eq!(claims_of(second["access_token"].as_str().unwrap())["aud"], audience::GRAPH);

    let more = with(refresh.clone(), "scope", "openid api://airlock-portal/access_as_user");
    assert_eq!(code_of(&cloud, home, &more).await.1, json!(70_011));
    let less = with(refresh.clone(), "scope", "openid");
    let (_, third) = post(&cloud, &home.to_string(), &less).await;
    assert!(third["id_token"].is_string() && third["refresh_token"].is_null());
    let unknown = with(refresh.clone(), "refresh_token", "x");
    assert_eq!(code_of(&cloud, home, &unknown).await.1, json!(70_000));
    assert_eq!(code_of(&cloud, fabrikam(), &refresh).await.1, json!(70_000));
}
