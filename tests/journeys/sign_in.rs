//! Signing in.

use airlock_tests::{Browser, Person, World, callback_of, client_key, leads_to};
use serde_json::json;
use url::Url;

#[tokio::test]
async fn a_person_signs_in_with_pkce_and_the_federated_assertion_and_the_cookie_is_kept_as_a_hash()
{
    let world = World::start().await;
    let harriet = world.who("harriet");
    let (secret, _) = client_key();

    let started = Person::start(&world, &harriet, &secret).await.ok();

    let browser = Browser::new(world.http().clone());
    let (authorize, _) = browser.say_yes(started["authorize"].as_str().unwrap()).await;
    let authorize = Url::parse(&authorize).unwrap();
    let asked = |name| callback_of(&authorize, name);
    assert_eq!(authorize.path(), format!("/{}/oauth2/v2.0/authorize", harriet.tenant));
    assert_eq!(asked("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(asked("code_challenge").map(|challenge| challenge.len()), Some(43));
    assert_eq!(asked("response_mode").as_deref(), Some("query"));
    assert!(asked("nonce").is_some() && asked("state").is_some());

    let person = world.person("harriet").await;

    assert_eq!(person.session["tid"], harriet.tenant.to_string());
    assert_eq!(person.session["oid"], harriet.object.to_string());
    assert_eq!(person.session["roles"], json!(["HelpdeskAgent"]));
    assert_eq!(person.cookie.len(), 43, "256 bits");
    let stored = world.control().documents("sessions").await;
    assert!(stored.iter().all(|document| !document.to_string().contains(&person.cookie)));
    assert!(stored.iter().any(|document| document["id"] == person.session_document()));

    let names = world.control().names().await;
    let client = |name: &str| names["applications"][name]["client_id"].as_str().unwrap().to_owned();
    let tokens = world.control().tokens().await;
    let issued = |holder: &str, audience: &str, how: &str| {
        tokens.iter().any(|token| {
            token["holder"] == holder && token["audience"] == audience && token["how"] == how
        })
    };
    assert!(issued("signin", "api://AzureADTokenExchange", "managed_identity"), "{tokens:#?}");
    let holder = format!("airlock-portal for {}", harriet.object);
    assert!(issued(&holder, &client("airlock-portal"), "authorization_code"), "{tokens:#?}");
    assert!(issued("signin", &client("airlock-intake"), "managed_identity"), "{tokens:#?}");
}

#[tokio::test]
async fn neither_a_sign_in_nor_its_one_time_code_serves_twice_or_another_key() {
    let world = World::start().await;
    let harriet = world.who("harriet");
    let (secret, _) = client_key();
    let (other, _) = client_key();
    let browser = Browser::new(world.http().clone());
    let started = Person::start(&world, &harriet, &secret).await.ok();
    let (authorize, cookie) = browser.say_yes(started["authorize"].as_str().unwrap()).await;
    let callback = browser.choose(&authorize, &harriet).await;
    let back = leads_to(&browser.visit_with(&callback, &cookie).await);
    let code = callback_of(&back, "code").unwrap();

    let again = browser.visit_with(&callback, &cookie).await;
    let stolen = Person::redeem(&world, &harriet, &other, &code).await;

    assert_ne!(again.status, 200);
    if again.status == 302 {
        let back = leads_to(&again);
        assert_eq!(callback_of(&back, "code"), None, "{back}");
        assert!(callback_of(&back, "error").is_some(), "{back}");
    }
    assert_eq!(stolen.status / 100, 4, "{}", stolen.text);
    assert!(stolen.as_problem().is_ok(), "{:?}", stolen.as_problem());

    // A thief who guesses wrong does not spend it for its owner, or does: never for both.
    let own = Person::redeem(&world, &harriet, &secret, &code).await;
    let twice = Person::redeem(&world, &harriet, &secret, &code).await;
    assert!(own.status == 200 || own.as_problem().is_ok(), "{}", own.text);
    assert_eq!(twice.status / 100, 4, "{}", twice.text);
}

#[tokio::test]
async fn whoever_has_no_role_or_is_disabled_gets_no_further_than_they_should() {
    let world = World::start().await;

    // Nina may sign in: she is nobody in Airlock.
    let nina = world.who("nina");
    let (secret, _) = client_key();
    let browser = Browser::new(world.http().clone());
    let started = Person::start(&world, &nina, &secret).await.ok();
    let back = browser.sign_in(started["authorize"].as_str().unwrap(), &nina).await;

    if let Some(code) = callback_of(&back, "code") {
        let redeemed = Person::redeem(&world, &nina, &secret, &code).await.ok();
        assert_eq!(redeemed["session"]["roles"], json!([]));
        let cookie = redeemed["cookie"].as_str().unwrap();
        let asked = world
            .call(http::Method::GET, &format!("/api/requests?tenant={}", nina.tenant))
            .header("authorization", format!("Session {cookie}"));
        airlock_tests::Answer::to(asked).await.assert_problem("not-found");
    } else {
        assert_eq!(callback_of(&back, "error").as_deref(), Some("sign-in-failed"));
    }
}
