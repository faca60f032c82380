//! Calls that are signed and in form, and ask for nothing that there is.

use airlock_core::{
    ask::Ask, base64url, digest::Digest, identity::App, jwk::PublicKey, ports::Signer as _,
};
use airlock_tests::{Answer, INTERNAL_NAMES, Order, Person, World, client_key, now, payload};
use serde_json::{Value, json};
use uuid::Uuid;

/// What is done to a request that is in order.
type Spoil<'a> = &'a dyn Fn(&mut Ask);

#[tokio::test]
async fn an_id_or_a_query_that_names_nothing_is_a_problem_and_leaves_no_trace() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let tenant = harriet.who.tenant;
    let before = world.stored().await;
    let nobody = Digest::of(&[b"nobody's"]);
    let long = "a".repeat(4000);

    for id in [
        "x",
        ".",
        "%00",
        "%ff",
        "a.b.c",
        "-1",
        &long,
        &tenant.to_string(),
        &format!("{tenant}."),
        &format!(".{nobody}"),
        &format!("{tenant}.{nobody}="),
        &format!("{tenant}.{nobody}"),
        &format!("{}.{nobody}", Uuid::new_v4()),
        &format!("{tenant}.{nobody}'%20or%201=1--"),
    ] {
        if id == "." {
            continue;
        }
        let path = format!("/api/requests/{id}");
        let shown = harriet.get(&path).await.as_problem();
        assert!(matches!(shown, Ok("not-found" | "not-understood")), "{id}: {shown:?}");
        let revealed = harriet.post(&format!("{path}/reveal"), &json!({})).await.as_problem();
        assert!(matches!(revealed, Ok("not-found" | "not-understood")), "{id}: {revealed:?}");
    }
    for (query, problem) in [
        (String::new(), "not-understood"),
        ("?tenant=".to_owned(), "not-understood"),
        ("?tenant=contoso".to_owned(), "not-understood"),
        (format!("?tenant={tenant}&state=done"), "not-understood"),
        (format!("?tenant={tenant}&more=1"), "not-understood"),
        (format!("?tenant={tenant}&tenant={tenant}"), "not-understood"),
        (format!("?tenant={}", Uuid::new_v4()), "not-found"),
    ] {
        let answer = harriet.get(&format!("/api/requests{query}")).await;
        assert_eq!(answer.as_problem(), Ok(problem), "{query}");
    }
    for path in ["/api", "/api/", "/api/nothing", "/api/requests/a/b/c/d", "/auth/nothing"] {
        let answer = harriet.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!INTERNAL_NAMES.iter().any(|name| answer.text.contains(name)), "{}", answer.text);
    }
    harriet.post("/api/operations", &json!({})).await.assert_problem("method-not-allowed");

    world.nothing_stored_since(&before).await;
}

#[tokio::test]
async fn a_signed_request_that_asks_for_what_nobody_does_is_a_problem_and_leaves_no_trace() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let sam = world.person("sam").await;
    let before = world.stored().await;
    let nina = world.who("nina");
    let good: Ask =
        payload(harriet.sign(&Order::of("sessions.revoke", &nina)).await.signed.as_str());
    let key: PublicKey = client_key().1.key().clone();
    let other_session = sam.sid();
    let other_person = sam.who.id();

    let spoil: [(&str, &str, Spoil); 15] = [
        ("an operation that is none", "not-understood", &|ask| {
            ask.op.name = "tenant.delete".into();
        }),
        ("a parameter that is none", "not-understood", &|ask| {
            ask.op.parameters = json!({ "x": 1 });
        }),
        ("parameters that are none", "not-understood", &|ask| ask.op.parameters = json!([])),
        ("no purpose", "not-understood", &|ask| ask.purpose.clear()),
        ("too much purpose", "not-understood", &|ask| ask.purpose = "a".repeat(1001)),
        ("another worker", "not-understood", &|ask| ask.aud = App::Rotate),
        ("no worker at all", "not-understood", &|ask| ask.aud = App::Intake),
        ("too long a life", "not-understood", &|ask| ask.exp = ask.iat.plus_s(24 * 3600 + 1)),
        ("a key for no secret", "not-understood", &|ask| ask.reveal_to = Some(key.clone())),
        ("over already", "not-verified", &|ask| ask.exp = ask.iat.plus_s(-1)),
        ("signed long ago", "not-verified", &|ask| ask.iat = now().plus_s(-120)),
        ("signed tomorrow", "not-verified", &|ask| ask.iat = now().plus_s(600)),
        ("another session", "not-verified", &|ask| ask.sid = other_session),
        ("another person", "not-verified", &|ask| ask.by = other_person),
        ("a tenant that is none of ours", "not-found", &|ask| {
            ask.tnt = Uuid::new_v4().to_string().parse().unwrap();
        }),
    ];
    for (what, problem, spoil) in spoil {
        let mut ask = good.clone();
        (ask.iat, ask.exp, ask.jti) = (now(), now().plus_s(600), Uuid::new_v4());
        spoil(&mut ask);
        let asking = harriet.sign_exactly(&ask, None).await;
        let answer = harriet.submit(&asking).await;
        assert_eq!(answer.as_problem(), Ok(problem), "{what}");
    }
    // A secret without a key to encrypt it to.
    let mut ask = good.clone();
    (ask.iat, ask.exp) = (now(), now().plus_s(600));
    ask.op.name = "tap.issue".to_owned();
    ask.by = other_person;
    let asking = sam_signs(&sam, ask).await;
    asking.assert_problem("not-understood");
    // Somebody else's signature under one's own session.
    let sams = sam.sign(&Order::of("sessions.revoke", &nina)).await;
    harriet.submit(&sams).await.assert_problem("not-verified");

    world.nothing_stored_since(&before).await;
}

async fn sam_signs(sam: &Person, mut ask: Ask) -> Answer {
    ask.sid = sam.sid();
    let asking = sam.sign_exactly(&ask, None).await;
    sam.submit(&asking).await
}

#[tokio::test]
async fn a_jws_whose_header_says_anything_else_is_a_problem_and_leaves_no_trace() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let asking = harriet.sign(&Order::of("sessions.revoke", &world.who("nina"))).await;
    let text = asking.signed.as_str().to_owned();
    let (header, rest) = text.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&base64url::decode(header).unwrap()).unwrap();
    let body = rest.split_once('.').unwrap().0.to_owned();
    let before = world.stored().await;

    let headers = [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES384")),
        ("typ", json!("decision+jwt")),
        ("typ", json!("JWT")),
        ("typ", Value::Null),
        ("kid", Value::Null),
        ("crit", json!(["exp"])),
        ("jwk", json!(harriet.key().key())),
        ("jku", json!("https://example.org/keys")),
        ("b64", json!(false)),
    ];
    for (name, value) in headers {
        let mut header = header.clone();
        header[name] = value.clone();
        let input = format!("{}.{body}", base64url::encode(header.to_string()));
        let digest = Digest::of(&[input.as_bytes()]);
        let signature = harriet.key().sign(harriet.key().key(), &digest).await.unwrap();
        for signature in [base64url::encode(signature), String::new()] {
            let request = format!("{input}.{signature}");
            let answer = harriet.post("/api/requests", &json!({ "request": request })).await;
            assert_eq!(answer.as_problem(), Ok("not-understood"), "{name} = {value}");
        }
    }
    // The right header and another key's name, and a signature of zeros.
    let zeros = format!("{}.{}", text.rsplit_once('.').unwrap().0, base64url::encode([0; 64]));
    let answer = harriet.post("/api/requests", &json!({ "request": zeros })).await;
    answer.assert_problem("not-verified");
    let short = format!("{}.AA", text.rsplit_once('.').unwrap().0);
    let answer = harriet.post("/api/requests", &json!({ "request": short })).await;
    answer.assert_problem("not-verified");

    world.nothing_stored_since(&before).await;
}
