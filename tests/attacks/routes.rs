//! Every route, and everyone and everything that must not get through it: a problem, no trace,
//! and no word about what stands behind.

use std::{collections::BTreeSet, fs, path::Path};

use airlock_core::{base64url, decision::Verdict, digest::Digest};
use airlock_tests::{Answer, INTERNAL_NAMES, Order, Person, World};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// A person who is signed in.
    SignedIn,
    /// Whoever holds an Entra access token.
    TokenHolder,
    /// Anyone, because of this.
    Anyone(&'static str),
    /// Nobody from outside: it is not publicly routed.
    Nobody,
}

/// A route, with a body that is in order if it takes one.
struct Route {
    method: Method,
    path: &'static str,
    open_for: For,
    body: Option<fn() -> Value>,
}

const fn route(method: Method, path: &'static str, open_for: For) -> Route {
    Route { method, path, open_for, body: None }
}

impl Route {
    const fn with(mut self, body: fn() -> Value) -> Self {
        self.body = Some(body);
        self
    }

    /// The path with an id that is well formed and nobody's.
    fn address(&self) -> String {
        let id = format!("{}.{}", Uuid::nil(), Digest::of(&[b"nobody's"]));
        let path = self.path.replace("{id}", &id);
        let path = path.replace("{tree}", &Uuid::nil().to_string()).replace("{epoch}", "0");
        let path = path.replace("{*rest}", "entries/000");
        if self.method == Method::GET
            && ["/api/requests", "/api/secrets", "/api/findings"].contains(&self.path)
        {
            return format!("{path}?tenant={}", Uuid::nil());
        }
        path
    }
}

/// A compact JWS of the right form, which nobody signed.
fn unsigned(kind: &str) -> String {
    let header = json!({ "alg": "ES256", "kid": Digest::of(&[b"nobody"]), "typ": kind });
    let part = |value: &Value| base64url::encode(value.to_string());
    format!("{}.{}.{}", part(&header), part(&json!({})), base64url::encode([7; 64]))
}

/// Every route of every app.
fn routes() -> Vec<Route> {
    use For::{Anyone, Nobody, SignedIn, TokenHolder};
    let proof = || json!({ "proof": unsigned("sign-in+jwt") });
    vec![
        route(Method::POST, "/api/requests", SignedIn)
            .with(|| json!({ "request": unsigned("request+jwt") })),
        route(Method::GET, "/api/requests", SignedIn),
        route(Method::GET, "/api/requests/{id}", SignedIn),
        route(Method::POST, "/api/requests/{id}/decision", SignedIn)
            .with(|| json!({ "decision": unsigned("decision+jwt") })),
        route(Method::POST, "/api/requests/{id}/reveal", SignedIn).with(|| json!({})),
        route(Method::GET, "/api/requests/{id}/receipt", SignedIn),
        route(Method::GET, "/api/ledger/{tree}/{epoch}/checkpoint", SignedIn),
        route(Method::GET, "/api/ledger/{tree}/{epoch}/tile/{*rest}", SignedIn),
        route(Method::GET, "/api/secrets", SignedIn),
        route(Method::GET, "/api/findings", SignedIn),
        route(Method::GET, "/api/operations", SignedIn),
        route(Method::GET, "/api/tenants", SignedIn),
        route(Method::GET, "/api/claims", TokenHolder),
        route(Method::GET, "/api/health", Anyone("it says only that the process answers")),
        route(Method::GET, "/api/openapi.json", Anyone("it says what anyone could find out")),
        route(Method::POST, "/internal/confirmations", Nobody),
        route(Method::POST, "/intake_event", Nobody),
        route(Method::POST, "/resend", Nobody),
        route(Method::POST, "/erase", Nobody),
        route(Method::POST, "/execute", Nobody),
        route(Method::POST, "/reclaim", Nobody),
        route(Method::POST, "/rotate", Nobody),
        route(Method::POST, "/credential_change", Nobody),
        route(Method::POST, "/drift", Nobody),
        route(Method::POST, "/seal", Nobody),
        route(Method::POST, "/record", Nobody),
        route(Method::POST, "/record_dead", Nobody),
        route(Method::POST, "/auth/challenge", Anyone("it is stateless, and begins a sign-in")),
        route(Method::POST, "/auth/start", Anyone("whoever starts a sign-in has no session yet"))
            .with(proof),
        route(Method::GET, "/auth/confirm", Anyone("it shows what the sealed offer says")),
        route(Method::POST, "/auth/confirm", Anyone("only a form of its own page gets through")),
        route(Method::GET, "/auth/callback", Anyone("Entra sends the browser; the state counts")),
        route(Method::POST, "/auth/redeem", Anyone("the one-time code and the key count"))
            .with(proof),
        route(Method::GET, "/auth/session", SignedIn),
        route(Method::POST, "/auth/sign-out", SignedIn),
        route(Method::GET, "/auth/front-channel-sign-out", Anyone("it tells nobody anything")),
        route(Method::POST, "/auth/revocations", SignedIn)
            .with(|| json!({ "person": Uuid::nil() })),
        route(Method::GET, "/auth/call-the-api", SignedIn),
        route(Method::GET, "/auth/health", Anyone("it says only that the process answers")),
        route(Method::GET, "/health", Nobody),
    ]
}

/// Routes that a stranger may call: each says beside it why.
const MOST_OPEN: usize = 10;

async fn call(world: &World, route: &Route, authorization: Option<&str>) -> Answer {
    let mut call = world.call(route.method.clone(), &route.address());
    if let Some(authorization) = authorization {
        call = call.header("authorization", authorization);
    }
    Answer::to(match route.body {
        Some(body) => call.json(&body()),
        None => call,
    })
    .await
}

#[test]
fn every_route_that_an_app_has_is_walked_here() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../handlers");
    let mut found = BTreeSet::new();
    // Of the two that face the world, and of those that must not.
    for file in [
        "intake/src/routes.rs",
        "signin/src/routes.rs",
        "execute/src/routes.rs",
        "drift/src/routes.rs",
        "rotate/src/routes.rs",
        "azure/src/hosting/health.rs",
    ] {
        let text = fs::read_to_string(sources.join(file)).unwrap();
        let paths = text.split(".route(").skip(1).filter_map(|rest| rest.split('"').nth(1));
        found.extend(paths.map(str::to_owned));
    }
    // Those of `intake` that are public are registered together with their description.
    for file in fs::read_dir(sources.join("intake/src")).unwrap() {
        let path = file.unwrap().path();
        let text = if path.is_file() { fs::read_to_string(path).unwrap() } else { continue };
        let described = text.split("#[utoipa::path(").skip(1);
        let paths = described.map(|rest| rest.split_once("path = \"").unwrap().1.split('"').next());
        found.extend(paths.map(|path| path.unwrap().to_owned()));
    }
    let walked: BTreeSet<String> = routes().iter().map(|route| route.path.to_owned()).collect();

    assert_eq!(walked, found);
    let open = routes().iter().filter(|route| matches!(route.open_for, For::Anyone(_))).count();
    assert!(open <= MOST_OPEN, "{open} routes are open to anyone");
}

#[tokio::test]
async fn strangers_and_wrong_callers_get_a_problem_and_leave_no_trace() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let before = world.stored().await;
    let guessed = format!("Session {}", Person::guessed_cookie());
    let no_scheme = harriet.cookie.clone();
    let wrong_scheme = format!("Bearer {}", harriet.cookie);
    let twice = format!("Session {0} {0}", harriet.cookie);
    let wrong = [
        None,
        Some(""),
        Some("Session "),
        Some("Session x"),
        Some(guessed.as_str()),
        Some(no_scheme.as_str()),
        Some(wrong_scheme.as_str()),
        Some(twice.as_str()),
        Some("Basic YTpi"),
    ];

    for route in routes() {
        for authorization in wrong {
            let answer = call(&world, &route, authorization).await;
            let what = format!("{} {} as {authorization:?}", route.method, route.path);
            match route.open_for {
                For::SignedIn => {
                    assert_eq!(answer.as_problem(), Ok("not-signed-in"), "{what}");
                }
                For::TokenHolder => {
                    assert_eq!(answer.as_problem(), Ok("not-verified"), "{what}");
                }
                For::Nobody => assert_eq!(answer.status, 404, "{what}"),
                For::Anyone(why) => {
                    assert!(answer.status < 500, "{what}, open because {why}: {}", answer.text);
                    let told = INTERNAL_NAMES.iter().find(|name| answer.text.contains(**name));
                    assert_eq!(told, None, "{what}: {}", answer.text);
                }
            }
        }
    }

    world.nothing_stored_since(&before).await;
}

#[tokio::test]
async fn the_wrong_person_gets_a_problem_and_leaves_no_trace() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");
    let asking = harriet.ask("account.disable", &nina).await;
    let mut others = Vec::new();
    for user in ["audrey", "fiona", "frank", "sam"] {
        others.push(world.person(user).await);
    }
    let before = world.stored().await;

    for other in &others {
        let user = &other.who.name;
        let decided = other.decide(&asking.id, Verdict::Approve).await;
        let problem = decided.as_problem();
        assert!(matches!(problem, Ok("not-found" | "not-allowed")), "{user}: {problem:?}");
        other.reveal(&asking.id).await.assert_problem("not-found");
        if other.who.tenant != nina.tenant {
            other.show(&asking.id).await.assert_problem("not-found");
            let list = format!("/api/requests?tenant={}", nina.tenant);
            other.get(&list).await.assert_problem("not-found");
        }
    }
    // Sam sees his own requests, and Harriet's are not his.
    others[3].show(&asking.id).await.assert_problem("not-found");
    // An auditor sees everything and asks for nothing.
    let audrey = &others[0];
    assert_eq!(audrey.show(&asking.id).await.ok()["id"], asking.id);
    let order = audrey.sign(&Order::of("sessions.revoke", &nina)).await;
    audrey.submit(&order).await.assert_problem("not-allowed");

    world.nothing_stored_since(&before).await;
}

#[tokio::test]
async fn a_body_that_is_not_exactly_what_a_route_takes_is_a_problem_and_leaves_no_trace() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let before = world.stored().await;
    let json_type = Some("application/json");
    let large = vec![b' '; 1024 * 1024];
    let deep = [vec![b'['; 20_000], vec![b']'; 20_000]].concat();

    for route in routes() {
        let (Some(body), true) = (route.body, route.open_for != For::Nobody) else { continue };
        let good = body();
        let mut more = good.clone();
        more["more"] = json!(1);
        let twice = good.to_string().replace('{', "{\"x\":1,\"x\":2,");
        let mut cases: Vec<(&str, Option<&str>, Vec<u8>, &str)> = vec![
            ("no media type", None, good.to_string().into(), "media-type"),
            ("text", Some("text/plain"), good.to_string().into(), "media-type"),
            ("a form", Some("application/x-www-form-urlencoded"), b"a=b".into(), "media-type"),
            ("nothing", json_type, Vec::new(), "not-understood"),
            ("half an object", json_type, b"{".into(), "not-understood"),
            ("a list", json_type, b"[]".into(), "not-understood"),
            ("a text", json_type, b"\"x\"".into(), "not-understood"),
            ("null", json_type, b"null".into(), "not-understood"),
            ("no UTF-8", json_type, b"{\"\xff\xfe\":1}".into(), "not-understood"),
            ("a member more", json_type, more.to_string().into(), "not-understood"),
            ("a member twice", json_type, twice.into(), "not-understood"),
            ("depth", json_type, deep.clone(), "not-understood"),
            ("a MiB", json_type, large.clone(), "too-large"),
        ];
        for name in good.as_object().unwrap().keys() {
            for wrong in [json!(7), json!(null), json!([]), json!({}), json!("x"), json!("a.b.c")] {
                let mut other = good.clone();
                other[name] = wrong;
                let bytes = other.to_string().into();
                cases.push(("a member of another type", json_type, bytes, "not-understood"));
            }
        }
        // What is an object is not taken as a list of its members.
        let members: Vec<&Value> = good.as_object().unwrap().values().collect();
        let members = json!(members).to_string().into();
        cases.push(("a list of the members", json_type, members, "not-understood"));
        for (what, media, bytes, problem) in cases {
            let mut call = harriet.call(route.method.clone(), &route.address()).body(bytes);
            if let Some(media) = media {
                call = call.header("content-type", media);
            }
            let answer = Answer::to(call).await;
            assert_eq!(answer.as_problem(), Ok(problem), "{} {}: {what}", route.method, route.path);
        }
    }

    world.nothing_stored_since(&before).await;
}
