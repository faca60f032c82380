//! The rules of Entra, tried at its endpoints.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::{Entra, Minting, Resource, issuer, now_s, tokens::login_hint};
use crate::{
    blob::Blobs,
    bus::Bus,
    cloud::{Answer, Asked, Cloud, Names, Shared, audience},
    cosmos::Cosmos,
    directory::{Directory, PersonCard},
    faults::Faults,
    identities::{Identities, application_id, client_id, principal_id, stable_id},
    record::Record,
    vault::Vault,
};

// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Names as the local cloud gives them.
pub fn names() -> Names {
    Names {
        tenant: stable_id("tenant", "contoso.example"),
        entra: "login.microsoftonline.com".to_owned(),
        issuer: "id.hr.contoso.example".to_owned(),
        graph: "graph.microsoft.com".to_owned(),
        vault: "airlock-local.vault.azure.net".to_owned(),
        cosmos: "airlock-local.documents.azure.com".to_owned(),
        bus: "airlock-local.servicebus.windows.net".to_owned(),
        blobs: "airlocklocal.blob.core.windows.net".to_owned(),
        anchors: "airlockanchors.blob.core.windows.net".to_owned(),
        portal: "http://localhost:7000".to_owned(),
        api: "http://localhost:7001".to_owned(),
        pages: "http://127.0.0.1:7002".to_owned(),
    }
}

/// A whole cloud, without its door.
pub fn cloud() -> Shared {
    let identities = Identities::parse(include_str!("../../../identities.json")).unwrap();
    let names = names();
    Arc::new(Cloud {
        directory: Directory::new(&names),
        entra: Entra::new(&names).unwrap(),
        issuer: crate::issuer::Issuer::new(&names).unwrap(),
        vault: Vault::new(&identities).unwrap(),
        bus: Bus::new(&identities),
        cosmos: Cosmos::new(&names, &identities).unwrap(),
        blobs: Blobs::new(&identities),
        faults: Faults::new(),
        record: Record::new(),
        identities,
        names,
    })
}

fn fabrikam() -> Uuid {
    stable_id("tenant", "fabrikam.example")
}

/// What the managed identity endpoint would give.
fn assertion(cloud: &Cloud, identity: &str) -> String {
    let (identities, tenant) = (&cloud.identities, cloud.names.tenant);
    let resource = Resource::Service(audience::EXCHANGE);
    cloud.entra.identity_token(identities, tenant, identity, resource, now_s()).unwrap()
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL.decode(payload).unwrap()).unwrap()
}

/// An assertion that is right but for what `spoil` does to it.
fn spoiled(cloud: &Cloud, with: Minting, spoil: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims_of(&assertion(cloud, "execute"));
    spoil(&mut claims);
    cloud.entra.mint(with, &Map::new(), &claims).unwrap()
}

type Parameters = Vec<(&'static str, String)>;

fn with(mut parameters: Parameters, name: &'static str, value: &str) -> Parameters {
    parameters.retain(|(known, _)| *known != name);
    if !value.is_empty() {
        parameters.push((name, value.to_owned()));
    }
    parameters
}

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

async fn post(cloud: &Shared, tenant: &str, parameters: &Parameters) -> (StatusCode, Value) {
    let body =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let asked =
        Request::post(format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"))
            .body(Bytes::from(body))
            .unwrap();
    let answer = Entra::answer(cloud, asked).await;
    (answer.status(), serde_json::from_slice(answer.body()).unwrap())
}

async fn code_of(cloud: &Shared, tenant: Uuid, parameters: &Parameters) -> (u16, Value, String) {
    let (status, body) = post(cloud, &tenant.to_string(), parameters).await;
    assert!(body["access_token"].is_null(), "{body}");
    let error = body["error"].as_str().unwrap().to_owned();
    let codes = body["error_codes"].clone();
    assert!(
        body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{}: ", codes[0])),
        "{body}"
    );
    (status.as_u16(), codes[0].clone(), error)
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

// People.

/// A person who may sign in, with a role in Airlock.
fn person(cloud: &Cloud, tenant: Uuid) -> PersonCard {
    let mut people = cloud.directory.people(tenant).into_iter();
    people
        .find(|person| {
            let known = cloud.directory.by_object(tenant, person.object).unwrap();
            known.enabled && !known.app_roles.is_empty()
        })
        .unwrap()
}

fn sign_in(cloud: &Cloud) -> Parameters {
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

async fn authorize(cloud: &Shared, tenant: Uuid, parameters: &Parameters) -> Answer {
    let query =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let url = format!("{}/{tenant}/oauth2/v2.0/authorize?{query}", cloud.names.pages);
    Entra::answer_page(cloud, Request::get(url).body(Bytes::new()).unwrap()).await
}

fn handle_in(page: &Answer) -> String {
    let html = std::str::from_utf8(page.body()).unwrap();
    let (_, rest) = html.split_once("name=request value=\"").expect(html);
    rest.split_once('"').unwrap().0.to_owned()
}

async fn choose(cloud: &Shared, tenant: Uuid, fields: &Parameters) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let url = format!("{}/{tenant}/login", cloud.names.pages);
    Entra::answer_page(cloud, Request::post(url).body(Bytes::from(body)).unwrap()).await
}

fn returned(answer: &Answer) -> (String, Value) {
    assert_eq!(answer.status(), StatusCode::FOUND, "{:?}", answer.body());
    let url = Url::parse(answer.headers()[header::LOCATION].to_str().unwrap()).unwrap();
    let query: Map<String, Value> =
        url.query_pairs().map(|(k, v)| (k.into_owned(), v.into_owned().into())).collect();
    (url[..url::Position::AfterPath].to_owned(), Value::Object(query))
}

/// Signs in as far as the code.
async fn code(cloud: &Shared, tenant: Uuid, parameters: &Parameters) -> String {
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
async fn the_code_comes_back_to_where_it_was_asked_with_the_state() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let page = authorize(&cloud, home, &sign_in(&cloud)).await;
    let handle = handle_in(&page);
    let person = person(&cloud, home).user_principal_name;
    let fields = vec![("request", handle), ("person", person)];

    let (place, query) = returned(&choose(&cloud, home, &fields).await);
    assert_eq!(place, "http://localhost:7001/auth/callback");
    assert_eq!(query["state"], "a&b");
    assert!(query["session_state"].is_string());

    let again = choose(&cloud, home, &fields).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_page_is_answered_only_at_its_own_tenant_and_by_its_own_form() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let handle = handle_in(&authorize(&cloud, home, &sign_in(&cloud)).await);
    let person = person(&cloud, fabrikam()).user_principal_name;
    let fields = vec![("request", handle), ("person", person)];
    assert_eq!(choose(&cloud, fabrikam(), &fields).await.status(), StatusCode::BAD_REQUEST);

    let url = format!("{}/{home}/login", cloud.names.pages);
    let foreign = Request::post(url)
        .header(header::ORIGIN, "http://localhost:7000")
        .body(Bytes::from_static(b"request=x&person=y"))
        .unwrap();
    let answer = Entra::answer_page(&cloud, foreign).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_client_that_is_not_known_is_never_redirected_to() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let good = sign_in(&cloud);
    let worker = application_id("airlock-worker-accounts").to_string();

    for parameters in [
        with(good.clone(), "redirect_uri", "http://localhost:7001/auth/callback/"),
        with(good.clone(), "redirect_uri", "https://evil.example/auth/callback"),
        with(good.clone(), "client_id", &worker),
        with(good, "client_id", "x"),
    ] {
        let answer = authorize(&cloud, home, &parameters).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(!answer.headers().contains_key(header::LOCATION));
    }
}

#[tokio::test]
async fn a_client_that_is_known_learns_what_is_wrong() {
    let cloud = cloud();
    let good = sign_in(&cloud);

    for (parameters, error, code) in [
        (with(good.clone(), "response_type", "id_token"), "unsupported_response_type", 700_054),
        (with(good.clone(), "response_mode", "fragment"), "invalid_request", 70_007),
        (with(good.clone(), "scope", "profile"), "invalid_scope", 70_011),
        (with(good.clone(), "scope", "openid User.Read"), "invalid_scope", 70_011),
        (with(good.clone(), "code_challenge", ""), "invalid_request", 50_147),
        (with(good.clone(), "code_challenge_method", "plain"), "invalid_request", 501_491),
        (with(good.clone(), "prompt", "none"), "login_required", 50_058),
        (with(good, "claims", "{"), "invalid_request", 9_002_313),
    ] {
        let (_, query) = returned(&authorize(&cloud, cloud.names.tenant, &parameters).await);
        assert_eq!(query["error"], error);
        let description = query["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
        assert_eq!(query["state"], "a&b");
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

#[tokio::test]
async fn a_declined_sign_in_tells_the_client() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    let handle = handle_in(&authorize(&cloud, home, &sign_in(&cloud)).await);
    let fields = vec![("request", handle), ("cancel", "yes".to_owned())];

    let (_, query) = returned(&choose(&cloud, home, &fields).await);

    assert_eq!(query["error"], "access_denied");
    assert!(query["code"].is_null());
}

#[tokio::test]
async fn sign_out_tells_the_application_in_a_frame_and_returns_only_to_known_places() {
    let cloud = cloud();
    let home = cloud.names.tenant;
    code(&cloud, home, &sign_in(&cloud)).await;
    let hint = login_hint(home, person(&cloud, home).object);
    let get = async |back: &str| {
        let url = format!(
            "{}/{home}/oauth2/v2.0/logout?logout_hint={hint}&post_logout_redirect_uri={back}",
            cloud.names.pages
        );
        let asked: Asked = Request::get(url).body(Bytes::new()).unwrap();
        let answer = Entra::answer_page(&cloud, asked).await;
        String::from_utf8(answer.body().to_vec()).unwrap()
    };

    let first = get("http://localhost:7000/signed-out").await;
    assert!(first.contains("<iframe src=\"http://localhost:7001/auth/front-channel-sign-out?"));
    assert!(first.contains("url=http://localhost:7000/signed-out"));

    let second = get("https://evil.example/").await;
    assert!(!second.contains("<iframe"));
    assert!(!second.contains("evil.example"));
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
