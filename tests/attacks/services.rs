//! Who pretends to be a service, what a service must not get done, and how much a taken-over
//! `intake` gets done in the name of one.

use airlock_core::{
    claim::{CONTAINER, slot_blob},
    digest::Digest,
};
use airlock_tests::{
    Answer, Desk, Forger, SOON, Service, Who, World, eventually, now, re_headed, service_ask,
    spoiled, twin,
};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::forged::{attested, refused};

fn with(service: &Service, name: &str, value: Value) -> Value {
    let mut claims = service.claims();
    claims[name] = value;
    claims
}

#[tokio::test]
async fn a_token_that_is_not_exactly_a_registered_services_gets_nothing_and_leaves_no_trace() {
    let world = World::start().await;
    let service = Service::new(&world, "hr-system");
    let (badge, nina) = (Service::new(&world, "badge-system"), world.who("nina"));
    let ask = service_ask("sessions.revoke", &nina, nina.tenant);
    let good = service.token().await;
    let at = now().as_unix_s();
    let own = |claims: Value| service.minted_with(claims, "current");
    let before = world.stored().await;

    let other_keys = Digest::of(&[b"a certificate"]);
    let bad = [
        ("another issuer", own(with(&service, "iss", json!("https://id.example/"))).await),
        (
            "another spelling",
            own(with(&service, "iss", json!("https://id.hr.contoso.example"))).await,
        ),
        ("Entra as issuer", own(with(&service, "iss", json!(entra_issuer(&nina)))).await),
        ("another audience", own(with(&service, "aud", json!("billing"))).await),
        ("two audiences", own(with(&service, "aud", json!(["airlock", "billing"]))).await),
        ("another subject", own(with(&service, "sub", json!("payroll"))).await),
        ("no subject", own(with(&service, "sub", Value::Null)).await),
        ("over", own(with(&service, "exp", json!(at - 61))).await),
        ("endless", own(with(&service, "exp", Value::Null)).await),
        ("not yet", own(with(&service, "nbf", json!(at + 120))).await),
        ("of tomorrow", own(with(&service, "iat", json!(at + 86_400))).await),
        ("bound to a key", own(with(&service, "cnf", json!({ "jkt": "x" }))).await),
        ("bound", own(with(&service, "cnf", json!({ "x5t#S256": other_keys }))).await),
        ("not bound", badge.token().await),
        ("a stranger's", service.minted_with(service.claims(), "stranger").await),
        (
            "an ID token",
            service.minted(&service.claims(), json!({ "typ": "JWT" }), "current").await,
        ),
        ("unsigned", re_headed(&good, &json!({ "alg": "none", "kid": "k", "typ": "at+jwt" }))),
        ("by HMAC", re_headed(&good, &json!({ "alg": "HS256", "kid": "k", "typ": "at+jwt" }))),
        ("changed", spoiled(&good, good.rfind('.').unwrap() - 9)),
        ("garbage", "garbage".to_owned()),
    ];
    for (what, token) in bad {
        let answer = world.ask_with(&token, Some("key"), &ask).await;
        assert_eq!(answer.as_problem(), Ok("not-verified"), "{what}");
    }
    // The registered service of one tenant is nobody in another, and in none.
    for tenant in [world.fabrikam(), Uuid::new_v4().to_string().parse().unwrap()] {
        let elsewhere = service_ask("sessions.revoke", &world.who("fred"), tenant);
        let answer = world.ask_with(&good, Some("key"), &elsewhere).await;
        answer.assert_problem("not-verified");
    }
    world.nothing_stored_since(&before).await;
    // A token is no session, and no person's client asks as a service does.
    let harriet = world.person("harriet").await;
    let before = world.stored().await;
    harriet.post("/api/requests", &ask).await.assert_problem("not-understood");
    let signed = harriet.sign(&airlock_tests::Order::of("sessions.revoke", &nina)).await;
    let signed = json!({ "request": signed.signed });
    world.ask_with(&good, Some("key"), &signed).await.assert_problem("not-signed-in");
    world.ask_with(&good, None, &ask).await.assert_problem("not-understood");
    let listing = format!("/api/requests?tenant={}", nina.tenant);
    let listed = Answer::to(world.call(Method::GET, &listing).bearer_auth(&good)).await;
    listed.assert_problem("not-signed-in");
    world.nothing_stored_since(&before).await;
    // The same call with the good token is accepted.
    assert_eq!(world.ask_with(&good, Some("key"), &ask).await.status, 202);
}

fn entra_issuer(nina: &Who) -> String {
    format!("https://login.microsoftonline.com/{}/v2.0", nina.tenant)
}

#[tokio::test]
async fn a_genuine_service_gets_neither_more_than_it_is_given_nor_anything_sensitive() {
    let world = World::start().await;
    let service = Service::new(&world, "hr-system");
    let nina = world.who("nina");
    let everything = "runtime.account.disable runtime.tap.issue runtime.password.reset";
    let token = service.minted_with(with(&service, "scope", json!(everything)), "current").await;
    let before = world.stored().await;

    for operation in ["account.disable", "tap.issue", "password.reset"] {
        let ask = service_ask(operation, &nina, nina.tenant);
        world.ask_with(&token, Some("key"), &ask).await.assert_problem("not-allowed");
    }
    let ask = service_ask("sessions.revoke", &nina, nina.tenant);
    for scope in [json!(everything), json!("runtime.sessions"), json!("RUNTIME.SESSIONS.REVOKE")] {
        let token = service.minted_with(with(&service, "scope", scope), "current").await;
        world.ask_with(&token, Some("key"), &ask).await.assert_problem("not-allowed");
    }
    let mut spoiled = ask.clone();
    spoiled["ask"]["more"] = json!(1);
    world.ask_with(&token, Some("key"), &spoiled).await.assert_problem("not-understood");

    world.nothing_stored_since(&before).await;
}

#[tokio::test]
async fn a_bound_token_counts_only_with_its_certificate_and_nobody_outside_can_show_one() {
    let world = World::start().await;
    let badge = Service::new(&world, "badge-system");
    let nina = world.who("nina");
    // What a client certificate is, is for the front end to know: these bytes stand for one.
    let der = b"the DER of a certificate";
    let bound = with(&badge, "cnf", json!({ "x5t#S256": Digest::of(&[der]) }));
    let token = badge.minted_with(bound, "current").await;
    let ask = service_ask("sessions.revoke", &nina, nina.tenant);
    let shown = |der: &[u8]| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(der)
    };
    let call = |origin: String, certificate: String| {
        let call = world.http().post(format!("{origin}/api/requests"));
        let call = call.bearer_auth(&token).header("idempotency-key", "door-1");
        Answer::to(call.header("x-arr-clientcert", certificate).json(&ask))
    };
    let before = world.stored().await;

    // A certificate is no secret: whoever calls from outside can write its bytes into a header.
    let api = world.api().to_owned();
    call(api.clone(), shown(der)).await.assert_problem("not-verified");
    // What the front end itself writes is what it saw in the TLS handshake.
    let port = world.control().processes().await["intake"]["port"].as_u64().unwrap();
    let inside = format!("http://127.0.0.1:{port}");
    call(inside.clone(), shown(b"another")).await.assert_problem("not-verified");
    call(inside.clone(), "%%%".to_owned()).await.assert_problem("not-verified");
    world.nothing_stored_since(&before).await;

    let accepted = call(inside, shown(der)).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    assert_eq!(accepted.json["requester"], "service:badge-system");
}

#[tokio::test]
async fn a_taken_over_intake_gets_nothing_sensitive_done_in_the_name_of_a_service() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let nina = world.who("nina");

    for operation in ["account.disable", "account.enable", "tap.issue", "password.reset"] {
        let fake = attested(&forger, "hr-system", operation, &nina).await;
        let leaf = refused(&world, &forger, &fake).await;
        assert_eq!(leaf.kind(), "airlock.request.ended", "{operation}");
    }
    // A producer is no service, and another tenant's service is nobody.
    let fake = attested(&forger, "siem", "sessions.revoke", &nina).await;
    refused(&world, &forger, &fake).await;
    let fred = world.who("fred");
    let fake = attested(&forger, "hr-system", "sessions.revoke", &fred).await;
    refused(&world, &forger, &fake).await;
}

#[tokio::test]
async fn a_taken_over_intake_gets_no_more_done_for_a_service_than_the_worker_counts() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let nina = world.who("nina");
    // The seeded binding's quota. An hour of the clock may end meanwhile: then it begins again.
    let (quota, hour) = (5, now().as_unix_s() / 3600);

    let deliver = async || {
        let fake = attested(&forger, "hr-system", "sessions.revoke", &nina).await;
        forger.deliver(&fake).await;
        let id = format!("{}.{}", nina.tenant, fake.record.request);
        eventually("it has ended", SOON, async || {
            let state = world.stored_request(&id).await?["state"].as_str()?.to_owned();
            ["succeeded", "refused"].contains(&state.as_str()).then_some(state)
        })
        .await
    };
    let mut ended = Vec::new();
    for _ in 0..quota {
        ended.push(deliver().await);
    }
    assert_eq!(ended, vec!["succeeded"; quota]);
    let partition = nina.tenant.to_string();
    if now().as_unix_s() / 3600 == hour {
        let stand = world.before().await;
        let fake = attested(&forger, "hr-system", "sessions.revoke", &nina).await;
        forger.deliver(&fake).await;
        let leaf = world.refused_since(&stand).await;
        assert_eq!(leaf.says["data"]["request"], fake.record.request.to_string());
    }
    // Nor after the database has forgotten all of it: the slots are blobs that nobody but a
    // worker may create, and nobody may delete.
    let control = world.control();
    let blobs = control.blobs().await;
    let slot = slot_blob(nina.tenant, "hr-system", now(), 0);
    let planted = forger.intake().create_blob(CONTAINER, &slot, "free").await;
    assert_eq!(planted.status, 403, "{}", planted.text);
    world.recorded().await;
    world.quiet().await;
    control.put_back("tenants", &partition, &[]).await;
    // That it has forgotten is noticed: the tenant stops, until it is brought back.
    let stand = world.before().await;
    forger.deliver(&attested(&forger, "hr-system", "sessions.revoke", &nina).await).await;
    let leaf = world.refused_since(&stand).await;
    assert_eq!((leaf.reason(), leaf.is_violation()), ("a ledger is not what was sealed", true));
    assert_eq!(world.refused_a_seal(&partition).await, "the tree's head is gone");
    Desk::of(&world).recover(&partition, "the database was emptied").await;
    if now().as_unix_s() / 3600 == hour {
        assert_eq!(deliver().await, "refused");
        assert!(blobs["blobs"][CONTAINER][&slot].is_object());
        assert_eq!(control.effects().await.len(), quota);
    }
}

#[tokio::test]
async fn an_outage_of_the_issuer_is_an_outage_and_lets_nobody_in() {
    let world = World::start().await;
    let service = Service::new(&world, "hr-system");
    let nina = world.who("nina");
    let ask = service_ask("sessions.revoke", &nina, nina.tenant);
    let before = world.stored().await;

    let fault = json!({
        "service": "issuer", "times": 100, "effect": { "kind": "fail", "status": 503 },
    });
    world.control().fault(fault).await;
    let token = service.token().await;
    world.ask_with(&token, Some("key"), &ask).await.assert_problem("unavailable");
    let stranger = service.minted_with(service.claims(), "stranger").await;
    world.ask_with(&stranger, Some("key"), &ask).await.assert_problem("unavailable");
    let twin = twin(&token);
    world.ask_with(&twin, Some("key"), &ask).await.assert_problem("unavailable");

    world.nothing_stored_since(&before).await;
}
