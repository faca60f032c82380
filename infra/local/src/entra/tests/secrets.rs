//! Third parties' applications, which sign in by a secret.

use std::time::Duration;

use time::OffsetDateTime;

use super::*;
use crate::directory::{
    Propagation,
    registration::{Added, Wanted},
};

const NAME: &str = "line-of-business";

fn client(domain: &str) -> Uuid {
    stable_id("third-party/client", &format!("{domain}/{NAME}"))
}

/// Gives the application of a tenant a secret that is valid for some time.
fn add(cloud: &Cloud, tenant: Uuid, client: Uuid, valid: time::Duration) -> Added {
    let now = OffsetDateTime::now_utc();
    let start = now - time::Duration::hours(1);
    let wanted = Wanted { name: None, start, end: now + valid };
    let added = cloud.directory.note(tenant, |tenant| {
        let id = tenant.registration_of(client).unwrap().id;
        let registration = tenant.registrations.get_mut(&id).unwrap();
        registration.add_password(wanted, cloud_is_slow(Duration::ZERO), now).unwrap()
    });
    added.unwrap()
}

fn cloud_is_slow(by: Duration) -> Propagation {
    Propagation { added: by, removed: by }
}

fn asking(client: Uuid, secret: &str) -> Parameters {
    vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", client.to_string()),
        ("client_secret", secret.to_owned()),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
    ]
}

fn shown(cloud: &Cloud) -> Value {
    cloud.directory.credentials()[cloud.names.tenant.to_string()][NAME].clone()
}

#[tokio::test]
async fn a_secret_opens_an_app_only_token_that_says_so() {
    let cloud = cloud();
    let (home, client) = (cloud.names.tenant, client("contoso.example"));
    let Added { secret, .. } = add(&cloud, home, client, time::Duration::hours(1));

    let (status, body) = post(&cloud, &home.to_string(), &asking(client, &secret)).await;

    assert_eq!(status, StatusCode::OK, "{body}");
    let claims = claims_of(body["access_token"].as_str().unwrap());
    assert_eq!((&claims["azpacr"], &claims["idtyp"]), (&json!("1"), &json!("app")));
    assert_eq!(claims["azp"], json!(client));
    assert_eq!(claims["roles"], json!(["User.Read.All"]));
    let mut headers = HeaderMap::new();
    let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
    headers.insert(header::AUTHORIZATION, bearer.parse().unwrap());
    let caller = cloud.entra.verify(&cloud, &headers, audience::GRAPH).unwrap();
    assert_eq!((caller.identity, caller.application), (None, None));
    assert_eq!(cloud.record.tokens(0)["issued"][0]["holder"], NAME);
    assert!(!cloud.record.tokens(0).to_string().contains(&secret));
}

#[tokio::test]
async fn each_fault_of_a_secret_has_its_own_code() {
    let cloud = cloud();
    let (home, client) = (cloud.names.tenant, client("contoso.example"));
    let Added { secret, .. } = add(&cloud, home, client, time::Duration::hours(1));
    let expired = add(&cloud, home, client, time::Duration::seconds(-1));
    let good = asking(client, &secret);
    let by_assertion = with(good.clone(), "client_assertion", &assertion(&cloud, "rotate"));
    let by_assertion = with(by_assertion, "client_assertion_type", BEARER);

    for (parameters, status, code, error) in [
        (with(good.clone(), "client_secret", "guess"), 401, 7_000_215, "invalid_client"),
        (with(good.clone(), "client_secret", &expired.secret), 401, 7_000_222, "invalid_client"),
        (with(good.clone(), "client_secret", ""), 401, 7_000_218, "invalid_client"),
        (by_assertion, 401, 70_025, "invalid_client"),
        (with(good.clone(), "grant_type", "refresh_token"), 400, 70_000, "invalid_grant"),
        (with(good.clone(), "scope", "User.Read"), 400, 1_002_012, "invalid_scope"),
        (
            with(good.clone(), "scope", "api://airlock-intake/.default"),
            400,
            501_051,
            "invalid_grant",
        ),
    ] {
        let refused = code_of(&cloud, home, &parameters).await;
        assert_eq!(refused, (status, json!(code), error.to_owned()));
    }
    // Registered in one tenant, unknown in the others.
    assert_eq!(code_of(&cloud, fabrikam(), &good).await.1, json!(700_016));
    let unknown = Uuid::parse_str(&client.to_string()).unwrap().simple().to_string();
    let spelled = with(good, "client_id", &unknown);
    assert_eq!(code_of(&cloud, home, &spelled).await.1, json!(700_016));
}

#[tokio::test]
async fn a_secret_of_one_application_opens_no_other() {
    let cloud = cloud();
    let (home, own) = (cloud.names.tenant, client("contoso.example"));
    let Added { secret, .. } = add(&cloud, home, own, time::Duration::hours(1));
    let other = stable_id("third-party/client", "contoso.example/timesheets");

    for client in [other, application_id("airlock-rotator"), application_id("airlock-portal")] {
        let refused = code_of(&cloud, home, &asking(client, &secret)).await;
        assert_eq!(refused, (401, json!(7_000_215), "invalid_client".to_owned()));
    }
    let elsewhere = client("fabrikam.example");
    assert_eq!(code_of(&cloud, fabrikam(), &asking(elsewhere, &secret)).await.1, json!(7_000_215));
}

#[tokio::test]
async fn requests_are_counted_by_the_secret_that_was_presented() {
    let cloud = cloud();
    let (home, client) = (cloud.names.tenant, client("contoso.example"));
    let one = add(&cloud, home, client, time::Duration::hours(1));
    let two = add(&cloud, home, client, time::Duration::hours(1));

    for secret in [&one.secret, &two.secret, &two.secret, &"guess".to_owned()] {
        post(&cloud, &home.to_string(), &asking(client, secret)).await;
    }

    let shown = shown(&cloud);
    let credentials = shown["credentials"].as_array().unwrap();
    let counted: Vec<_> =
        credentials.iter().map(|one| (one["keyId"].clone(), one["accepted"].clone())).collect();
    assert_eq!(
        counted,
        [(json!(one.password.key_id), json!(1)), (json!(two.password.key_id), json!(2))]
    );
    assert_eq!(shown["strangers"], 1);
    assert!(!shown.to_string().contains(&one.secret));
}
