//! What discovery publishes, and where and when a token counts.

use super::*;

#[tokio::test]
async fn discovery_sends_browsers_to_the_pages_and_programs_to_entra() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let get = async |path: String| {
        let url = format!("https://login.microsoftonline.com{path}");
        let answer = Entra::answer(&cloud, Request::get(url).body(Bytes::new()).unwrap()).await;
        serde_json::from_slice::<Value>(answer.body()).unwrap()
    };

    let document = get(format!("/{home}/v2.0/.well-known/openid-configuration")).await;
    assert_eq!(document["issuer"], issuer(home));
    assert_eq!(
        document["authorization_endpoint"],
        format!("http://127.0.0.1:7002/{home}/oauth2/v2.0/authorize")
    );
    let keys_at = format!("https://login.microsoftonline.com/{home}/discovery/v2.0/keys");
    assert_eq!(document["jwks_uri"], keys_at);

    let keys = get(format!("/{home}/discovery/v2.0/keys")).await;
    assert!(keys["keys"].as_array().unwrap().len() >= 2);
    assert_eq!(keys["keys"][0]["issuer"], issuer(home));

    let unknown = get(format!("/{}/v2.0/.well-known/openid-configuration", Uuid::nil())).await;
    assert_eq!(unknown["error_codes"], json!([90_002]));

    let authority = format!("https://login.microsoftonline.com/{home}/oauth2/v2.0/authorize");
    let instance = get(format!(
        "/common/discovery/instance?api-version=1.1&authorization_endpoint={authority}"
    ))
    .await;
    assert_eq!(instance["metadata"][0]["preferred_network"], "login.microsoftonline.com");
}

#[tokio::test]
async fn a_token_counts_only_where_when_and_from_whom_it_should() {
    let cloud = cloud();
    let good = json!({
        "iss": issuer(cloud.names.tenant), "aud": audience::VAULT, "sub": "s", "ver": "2.0",
        "oid": principal_id("execute").to_string(), "tid": cloud.names.tenant.to_string(),
        "nbf": now_s() - 10, "exp": now_s() + 600,
    });
    let verify = |claims: &Value| {
        let token = cloud.entra.mint(Minting::Current, &Map::new(), claims).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        cloud.entra.verify(&cloud, &headers, audience::VAULT).is_ok()
    };
    assert!(verify(&good));

    for (name, value) in [
        ("iss", json!(issuer(fabrikam()))),
        ("iss", json!(issuer(Uuid::nil()))),
        ("aud", json!("https://vault.azure.net/")),
        ("aud", json!([audience::VAULT])),
        ("tid", json!(fabrikam().to_string())),
        ("tid", json!("x")),
        ("oid", Value::Null),
        ("ver", json!("1.0")),
        ("exp", json!(now_s())),
        ("nbf", json!(now_s() + 60)),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        assert!(!verify(&claims), "{name}");
    }
}

#[tokio::test]
async fn a_request_with_two_tokens_has_none() {
    let cloud = cloud();
    let token = assertion(&cloud, "execute");
    let mut headers = HeaderMap::new();
    let bearer: http::HeaderValue = format!("Bearer {token}").parse().unwrap();
    headers.append(header::AUTHORIZATION, bearer.clone());
    assert!(cloud.entra.verify(&cloud, &headers, audience::EXCHANGE).is_ok());

    headers.append(header::AUTHORIZATION, bearer);
    assert!(cloud.entra.verify(&cloud, &headers, audience::EXCHANGE).is_err());
}
