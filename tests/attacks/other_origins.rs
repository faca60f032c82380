//! Other sites' pages, and a browser that is signed in.

use airlock_tests::{Answer, Browser, Order, Who, World, challenge, client_key, leads_to, proof};
use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use url::Url;

/// The portal in a browser: its cookie, and the token that its scripts know.
struct Portal {
    cookie: String,
    csrf: String,
    session: Value,
    key: airlock_core::memory::LocalKey,
}

/// A call as the portal's script makes it.
fn scripted(world: &World, method: Method, path: &str) -> RequestBuilder {
    world
        .call(method, path)
        .header("origin", world.portal().to_owned())
        .header("sec-fetch-site", "same-site")
}

/// Starts a sign-in in a browser; gives where to go, and the cookie that binds the browser.
async fn started(world: &World, who: &Who, secret: &p256::SecretKey, to: &str) -> Answer {
    let challenge = challenge(world).await;
    let proof = proof(world.api(), who.tenant, secret, challenge, to).await;
    Answer::to(scripted(world, Method::POST, "/auth/start").json(&json!({ "proof": proof }))).await
}

/// The cookie of this name that an answer sets, and all that is said about it.
fn set_cookie(answer: &Answer, name: &str) -> Option<(String, String)> {
    answer.headers.get_all("set-cookie").iter().find_map(|value| {
        let text = value.to_str().ok()?;
        let (pair, attributes) = text.split_once(';')?;
        let (found, value) = pair.split_once('=')?;
        (found == name).then(|| (value.to_owned(), attributes.to_ascii_lowercase()))
    })
}

async fn signed_in(world: &World, user: &str) -> Portal {
    let who = world.who(user);
    let (secret, key) = client_key();
    let answer = started(world, &who, &secret, "/requests").await;
    let (start, _) = set_cookie(&answer, "__Host-airlock-start").expect("a bound browser");
    let authorize = answer.ok()["authorize"].as_str().unwrap().to_owned();
    let callback = Browser::new(world.http().clone()).choose(&authorize, &who).await;
    let visit =
        world.http().get(callback).header("cookie", format!("__Host-airlock-start={start}"));
    let back = Answer::to(visit).await;
    let to = leads_to(&back);
    assert_eq!(to.as_str(), format!("{}/requests", world.portal()));
    let (value, attributes) = set_cookie(&back, "__Host-airlock").expect("a session cookie");
    for wanted in ["httponly", "secure", "samesite=lax", "path=/"] {
        assert!(attributes.contains(wanted), "{attributes}");
    }
    assert!(!attributes.contains("domain"), "{attributes}");
    let cookie = format!("__Host-airlock={value}");
    let session = scripted(world, Method::GET, "/auth/session").header("cookie", &cookie);
    let session = Answer::to(session).await.ok();
    let csrf = session["csrf"].as_str().unwrap().to_owned();
    Portal { cookie, csrf, session, key }
}

impl Portal {
    /// A request, signed by the key in the browser.
    async fn asking(&self, world: &World) -> Value {
        let order = Order::of("sessions.revoke", &world.who("nina"));
        let ask = airlock_core::ask::Ask {
            jti: uuid::Uuid::new_v4(),
            iat: airlock_tests::now(),
            exp: airlock_tests::now().plus_s(600),
            aud: airlock_core::identity::App::Execute,
            tnt: order.tenant,
            sid: airlock_core::digest::Digest::parse(self.session["sid"].as_str().unwrap())
                .unwrap(),
            by: airlock_core::identity::PersonId {
                tid: self.session["tid"].as_str().unwrap().parse().unwrap(),
                oid: self.session["oid"].as_str().unwrap().parse().unwrap(),
            },
            op: airlock_core::catalog::Asked {
                name: order.operation,
                target: airlock_core::catalog::Target::User(order.on.object),
                parameters: json!({}),
            },
            purpose: order.purpose,
            ticket: None,
            break_glass: false,
            reveal_to: None,
        };
        json!({ "request": airlock_core::jws::Signed::sign(&ask, &self.key).await.unwrap() })
    }
}

#[tokio::test]
async fn a_browser_that_is_signed_in_is_used_by_the_portal_and_by_no_other_page() {
    let world = World::start().await;
    let harriet = signed_in(&world, "harriet").await;
    let portal = world.portal().to_owned();
    let body = harriet.asking(&world).await;
    let before = world.stored().await;
    let spoil: [(&str, &[(&str, &str)]); 8] = [
        ("no token", &[("x-airlock-csrf", "")]),
        ("another token", &[("x-airlock-csrf", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]),
        ("another site", &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]),
        ("another origin of the site", &[("origin", "http://localhost:1")]),
        ("a sandboxed frame", &[("origin", "null")]),
        ("no origin", &[("origin", "")]),
        ("cross-site in spite of the origin", &[("sec-fetch-site", "cross-site")]),
        ("typed by hand", &[("sec-fetch-site", "none")]),
    ];
    let call = |path: &str, spoiled: &[(&str, &str)]| {
        let mut headers = vec![
            ("origin", portal.as_str()),
            ("sec-fetch-site", "same-site"),
            ("x-airlock-csrf", harriet.csrf.as_str()),
            ("cookie", harriet.cookie.as_str()),
        ];
        for (name, value) in spoiled {
            headers.retain(|(known, _)| known != name);
            if !value.is_empty() {
                headers.push((name, value));
            }
        }
        let call = world.call(Method::POST, path);
        headers.into_iter().fold(call, |call, (name, value)| call.header(name, value.to_owned()))
    };

    for (what, spoiled) in spoil {
        let asked = Answer::to(call("/api/requests", spoiled).json(&body)).await;
        assert_eq!(asked.as_problem(), Ok("wrong-origin"), "{what}");
        let signed_out = Answer::to(call("/auth/sign-out", spoiled).json(&json!({}))).await;
        assert_eq!(signed_out.as_problem(), Ok("wrong-origin"), "{what}");
        // What another page may not ask, it may not read either.
        let allowed = asked.header("access-control-allow-origin");
        assert!(allowed.is_none_or(|allowed| allowed == portal), "{what}: {allowed:?}");
    }
    // A second cookie of the same name was planted by somebody.
    let planted = call("/api/requests", &[]).header("cookie", "__Host-airlock=planted");
    Answer::to(planted.json(&body)).await.assert_problem("not-signed-in");
    world.nothing_stored_since(&before).await;

    let asked = Answer::to(call("/api/requests", &[]).json(&body)).await;
    assert_eq!(asked.status, 202, "{}", asked.text);
    assert_eq!(asked.header("access-control-allow-origin"), Some(portal.as_str()));
    assert_eq!(asked.header("access-control-allow-credentials"), Some("true"));
}

#[tokio::test]
async fn no_origin_but_the_portals_is_told_that_it_may_call() {
    let world = World::start().await;

    for origin in ["https://evil.example", "http://localhost", "null", "http://localhost:70700"] {
        for path in ["/api/requests", "/auth/session"] {
            let preflight = world
                .call(Method::OPTIONS, path)
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "x-airlock-csrf");
            let answer = Answer::to(preflight).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{origin} {path}");
        }
    }
    for path in ["/api/requests", "/auth/session"] {
        let preflight = scripted(&world, Method::OPTIONS, path)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-airlock-csrf");
        let answer = Answer::to(preflight).await;
        assert_eq!(answer.status / 100, 2, "{path}: {} {}", answer.status, answer.text);
        assert_eq!(answer.header("access-control-allow-origin"), Some(world.portal()), "{path}");
    }
}

#[tokio::test]
async fn a_sign_in_ends_only_in_the_browser_that_started_it_and_where_sign_ins_may_end() {
    let world = World::start().await;
    let harriet = world.who("harriet");
    let (secret, _) = client_key();
    // The first challenge of a day makes the day's sealing key, for everyone.
    challenge(&world).await;
    let before = world.stored().await;

    // Not started by another page, nor for another place.
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let challenge = challenge(&world).await;
        let proof = proof(world.api(), harriet.tenant, &secret, challenge, "/requests").await;
        let mut call = world.call(Method::POST, "/auth/start").json(&json!({ "proof": proof }));
        let good = [("origin", world.portal()), ("sec-fetch-site", "same-site")];
        for (known, fits) in good {
            call = call.header(known, if known == name { value } else { fits });
        }
        Answer::to(call).await.assert_problem("wrong-origin");
    }
    for to in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "http://127.0.0.1.evil.example:1/",
        "http://127.0.0.1:1@evil.example/",
        "http://localhost:4711/",
        "http://127.0.0.1/",
        "http://127.0.0.1:0/x",
        "javascript:alert(1)",
        "",
    ] {
        let answer = started(&world, &harriet, &secret, to).await;
        assert!(answer.as_problem().is_ok(), "{to}: {:?}", answer.as_problem());
        assert_eq!(answer.status / 100, 4, "{to}");
    }
    world.nothing_stored_since(&before).await;

    // The callback, brought to another browser: to one that started nothing, and to one that
    // started another sign-in.
    let mine = started(&world, &harriet, &secret, "/requests").await;
    let (other, _) = client_key();
    let others = started(&world, &harriet, &other, "/requests").await;
    let (foreign, _) = set_cookie(&others, "__Host-airlock-start").unwrap();
    let authorize = mine.ok()["authorize"].as_str().unwrap().to_owned();
    let callback: Url = Browser::new(world.http().clone()).choose(&authorize, &harriet).await;
    let foreign = format!("__Host-airlock-start={foreign}");
    for cookie in [None, Some(foreign.as_str()), Some("__Host-airlock-start=x")] {
        let mut visit = world.http().get(callback.clone());
        if let Some(cookie) = cookie {
            visit = visit.header("cookie", cookie);
        }
        let answer = Answer::to(visit).await;
        let session = set_cookie(&answer, "__Host-airlock");
        assert!(session.is_none_or(|(value, _)| value.is_empty()), "{}", answer.text);
    }
}
