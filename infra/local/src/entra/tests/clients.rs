//! Applications that ask in their own name: assertions, and what each fault of theirs is called.

use super::*;

/// A worker's request that is granted.
fn worker(cloud: &Cloud) -> Parameters {
    vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", application_id("airlock-worker-accounts").to_string()),
        ("client_assertion_type", BEARER.to_owned()),
        ("client_assertion", assertion(cloud, "execute")),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
    ]
}

/// An assertion that is right but for what `spoil` does to it.
fn spoiled(cloud: &Cloud, with: Minting, spoil: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims_of(&assertion(cloud, "execute"));
    spoil(&mut claims);
    cloud.entra.mint(with, &Map::new(), &claims).unwrap()
}

#[tokio::test]
async fn a_worker_gets_its_permissions_for_graph_in_every_tenant() {
    let cloud = cloud();

    for tenant in [cloud.names.tenant, fabrikam()] {
        let (status, body) = post(&cloud, &tenant.to_string(), &worker(&cloud)).await;

        assert_eq!(status, StatusCode::OK, "{body}");
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
        headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
        let caller = cloud.entra.verify(&cloud, &headers, audience::GRAPH).unwrap();
        assert_eq!(caller.tenant, tenant);
        assert_eq!(caller.identity, None);
        assert_eq!(caller.application.as_deref(), Some("airlock-worker-accounts"));
        let granted = &cloud.identities.applications["airlock-worker-accounts"].permissions;
        assert_eq!(&caller.roles, granted);
    }
}

#[tokio::test]
async fn each_fault_of_a_client_has_its_own_code() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let good = worker(&cloud);
    let stranger = Uuid::nil().to_string();
    let portal = application_id("airlock-portal").to_string();
    let intake = application_id("airlock-intake").to_string();

    let cases = [
        (with(good.clone(), "client_id", &stranger), 400, 700_016, "unauthorized_client"),
        (with(good.clone(), "client_id", ""), 400, 900_144, "invalid_request"),
        (with(good.clone(), "grant_type", ""), 400, 900_144, "invalid_request"),
        (with(good.clone(), "grant_type", "password"), 400, 70_003, "unsupported_grant_type"),
        (with(good.clone(), "client_assertion", ""), 401, 7_000_218, "invalid_client"),
        (with(good.clone(), "client_assertion", "x"), 400, 50_027, "invalid_request"),
        (with(good.clone(), "client_secret", "x"), 401, 7_000_215, "invalid_client"),
        (with(good.clone(), "client_id", &portal), 401, 700_213, "invalid_client"),
        (with(good.clone(), "client_id", &intake), 401, 70_025, "invalid_client"),
        (with(good.clone(), "scope", "User.Read"), 400, 1_002_012, "invalid_scope"),
        (with(good.clone(), "scope", "https://x/.default"), 400, 500_011, "invalid_resource"),
        (with(good, "scope", "api://airlock-intake/.default"), 400, 501_051, "invalid_grant"),
    ];

    for (parameters, status, code, error) in cases {
        let refused = code_of(&cloud, home, &parameters).await;
        assert_eq!(refused, (status, json!(code), error.to_owned()));
    }
}

#[tokio::test]
async fn each_fault_of_an_assertion_has_its_own_code() {
    use Minting::{Current, None, OtherTenant, Stranger};

    let cloud = cloud();
    let home = cloud.names.tenant;
    let set = |name: &'static str, value: Value| move |claims: &mut Value| claims[name] = value;
    let by_client_id = json!(client_id("execute").to_string());
    let other_subject = json!(principal_id("intake").to_string());
    let past = json!(now_s() - 1);
    let future = json!(now_s() + 600);

    let cases = [
        (spoiled(&cloud, Current, set("iss", json!(issuer(fabrikam())))), 700_211),
        (
            spoiled(&cloud, Current, set("iss", json!(format!("https://sts.windows.net/{home}/")))),
            700_211,
        ),
        (spoiled(&cloud, Current, set("sub", by_client_id)), 700_213),
        (spoiled(&cloud, Current, set("sub", other_subject)), 700_213),
        (spoiled(&cloud, Current, set("aud", json!(audience::GRAPH))), 7_002_121),
        (spoiled(&cloud, Current, set("xms_mirid", Value::Null)), 700_226),
        (spoiled(&cloud, Current, set("exp", past)), 700_024),
        (spoiled(&cloud, Current, set("nbf", future)), 700_024),
        (spoiled(&cloud, Stranger, |_| ()), 700_027),
        (spoiled(&cloud, OtherTenant, |_| ()), 700_027),
    ];
    for (assertion, code) in cases {
        let parameters = with(worker(&cloud), "client_assertion", &assertion);
        let refused = code_of(&cloud, home, &parameters).await;
        assert_eq!(refused, (401, json!(code), "invalid_client".to_owned()));
    }

    let unsigned = with(worker(&cloud), "client_assertion", &spoiled(&cloud, None, |_| ()));
    assert_eq!(code_of(&cloud, home, &unsigned).await.0, 400);
}

#[tokio::test]
async fn an_unknown_tenant_answers_for_nobody() {
    let cloud = cloud();

    let (status, body) = post(&cloud, &Uuid::nil().to_string(), &worker(&cloud)).await;

    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error_codes"], json!([90_002]));
}

#[tokio::test]
async fn the_record_names_who_was_refused_and_why_and_nothing_they_presented() {
    let cloud = cloud();
    let parameters = with(worker(&cloud), "client_assertion", "secret-material");

    code_of(&cloud, cloud.names.tenant, &parameters).await;

    let refused = &cloud.record.tokens(0)["refused"];
    assert_eq!(refused[0]["who"], "airlock-worker-accounts");
    assert_eq!(refused[0]["why"], "AADSTS50027");
    assert!(!refused.to_string().contains("secret-material"));
}
