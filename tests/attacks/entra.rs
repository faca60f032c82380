//! Entra's door: whose word it takes for an application's, and what a code is good for.

use airlock_tests::{Answer, Browser, World, callback_of, claims_of, form, now, re_minted};
use serde_json::{Value, json};
use url::Url;

/// The parameters of a token request that is in order.
fn asking<'a>(client: &'a str, assertion: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("scope", "https://graph.microsoft.com/.default"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ]
}

#[track_caller]
fn assert_refused(answer: &Answer, code: u64, what: &str) {
    assert_eq!(answer.json["error_codes"], json!([code]), "{what}: {}", answer.text);
    assert_eq!(answer.status / 100, 4, "{what}");
    assert_eq!(answer.json["access_token"], Value::Null, "{what}");
}

#[tokio::test]
async fn an_application_is_had_only_with_the_assertion_that_its_one_federated_credential_names() {
    let world = World::start().await;
    let control = world.control();
    let execute = world.impostor("execute").await;
    let tenant = world.contoso();
    let client = execute.application("airlock-worker-accounts");
    let own = execute.token("api://AzureADTokenExchange").await;
    let ask = async |client: &str, assertion: &str| {
        execute.token_endpoint(tenant, &asking(client, assertion)).await
    };

    assert_eq!(ask(&client, &own).await.status, 200);

    let spoiled = async |name, value| re_minted(control, &own, &[(name, value)], "current").await;
    let fabrikam = format!("https://login.microsoftonline.com/{}/v2.0", world.fabrikam());
    let assertion = spoiled("iss", json!(fabrikam)).await;
    assert_refused(&ask(&client, &assertion).await, 700_211, "another issuer");
    let assertion = spoiled("sub", json!(execute.client_id())).await;
    assert_refused(&ask(&client, &assertion).await, 700_213, "client id instead of principal id");
    // Of a trusted issuer that is Entra itself, the code has one digit more than 700212.
    let assertion = execute.token("https://graph.microsoft.com").await;
    assert_refused(&ask(&client, &assertion).await, 7_002_121, "another audience");
    let assertion = spoiled("exp", json!(now().plus_s(-1))).await;
    assert_refused(&ask(&client, &assertion).await, 700_024, "an expired assertion");
    let assertion = spoiled("xms_mirid", Value::Null).await;
    assert_refused(&ask(&client, &assertion).await, 700_226, "no managed identity");
    let assertion = re_minted(control, &own, &[], "stranger").await;
    assert_refused(&ask(&client, &assertion).await, 700_027, "another signature");
    let stranger = uuid::Uuid::new_v4().to_string();
    assert_refused(&ask(&stranger, &own).await, 700_016, "an unknown application");

    // Each application trusts one identity: nobody else's assertion opens it.
    for app in ["signin", "intake", "rotate", "drift"] {
        let other = world.impostor(app).await;
        for worker in ["passwords", "methods", "accounts", "groups", "devices", "lookup"] {
            let name = format!("airlock-worker-{worker}");
            let answer = other.ask_as(&name, tenant, "https://graph.microsoft.com").await;
            assert_refused(&answer, 700_213, &format!("{name} by {app}"));
        }
    }
    // Nobody has a secret, and none is taken.
    let mut with_secret = asking(&client, &own);
    with_secret.truncate(3);
    with_secret.push(("client_secret", "hunter2"));
    assert_refused(&execute.token_endpoint(tenant, &with_secret).await, 7_000_215, "a secret");
}

#[tokio::test]
async fn a_code_is_redeemed_once_and_with_the_verifier_of_its_challenge() {
    let world = World::start().await;
    let signin = world.impostor("signin").await;
    let harriet = world.who("harriet");
    let client = signin.application("airlock-portal");
    let redirect = format!("{}/auth/callback", world.api());
    // RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let query = form(&[
        ("client_id", &client),
        ("response_type", "code"),
        ("redirect_uri", &redirect),
        ("scope", "openid profile"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("nonce", "n"),
    ]);
    let pages = world.stack()["pages"].as_str().unwrap();
    let authorize = format!("{pages}/{}/oauth2/v2.0/authorize?{query}", harriet.tenant);
    let back: Url = Browser::new(world.http().clone()).choose(&authorize, &harriet).await;
    let code = callback_of(&back, "code").unwrap();
    let assertion = signin.token("api://AzureADTokenExchange").await;
    let redeem = async |redirect: &str, verifier: &str| {
        let mut parameters = asking(&client, &assertion);
        parameters[0] = ("grant_type", "authorization_code");
        parameters.extend([
            ("code", code.as_str()),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ]);
        signin.token_endpoint(harriet.tenant, &parameters).await
    };

    assert_refused(&redeem(&redirect, challenge).await, 501_481, "another verifier");
    assert_refused(&redeem("http://127.0.0.1:1/", verifier).await, 500_112, "another address");
    let token = redeem(&redirect, verifier).await.ok();
    assert_eq!(claims_of(token["id_token"].as_str().unwrap())["nonce"], "n");
    assert_refused(&redeem(&redirect, verifier).await, 54_005, "twice");
}
