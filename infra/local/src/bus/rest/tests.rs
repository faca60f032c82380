use http::{HeaderMap, Request};

use super::*;
use crate::{cloud::NotAuthenticated, identities::principal_id};

const HOST: &str = "airlock-local.servicebus.windows.net";

struct World {
    identities: Identities,
    bus: Bus,
}

impl World {
    fn new() -> Self {
        let identities = Identities::parse(include_str!("../../../../identities.json")).unwrap();
        let bus = Bus::new(&identities);
        Self { identities, bus }
    }

    async fn call(&self, identity: &str, method: &str, uri: &str, asked: Asked) -> Answer {
        let caller = Caller {
            tenant: Uuid::nil(),
            object: principal_id(identity),
            identity: Some(identity.to_owned()),
            application: None,
            roles: Vec::new(),
        };
        let (mut parts, body) = asked.into_parts();
        parts.method = method.parse().unwrap();
        parts.uri = uri.parse().unwrap();
        let asked = Request::from_parts(parts, body);
        self.bus
            .handle(&self.identities, HOST, &caller, &asked)
            .await
            .unwrap_or_else(|refused| refused.into_answer(HOST, asked.uri().path()))
    }
}

fn nothing() -> Asked {
    Request::new(Bytes::new())
}

fn letter(id: &str) -> Asked {
    Request::builder()
        .header("brokerproperties", format!(r#"{{"MessageId":"{id}","Label":"permit"}}"#))
        .header("content-type", "application/jose")
        .header("attempt", "2")
        .body(Bytes::from_static(b"signed"))
        .unwrap()
}

#[tokio::test]
async fn what_was_sent_is_peeked_renewed_and_deleted_at_its_location() {
    let world = World::new();
    let sent = world.call("execute", "POST", "/permits-execute/messages", letter("m-1")).await;
    assert_eq!(sent.status(), StatusCode::CREATED);

    let head = "/permits-execute/messages/head?timeout=0";
    let peeked = world.call("execute", "POST", head, nothing()).await;
    assert_eq!(peeked.status(), StatusCode::CREATED);
    assert_eq!(peeked.body(), "signed");
    assert_eq!(peeked.headers()["attempt"], "2");
    let broker: serde_json::Value =
        serde_json::from_slice(peeked.headers()["brokerproperties"].as_bytes()).unwrap();
    assert_eq!(broker["MessageId"], "m-1");
    assert_eq!(broker["DeliveryCount"], 1);
    assert_eq!(broker["Label"], "permit");
    let location = peeked.headers()["location"].to_str().unwrap();
    let location = location.strip_prefix(&format!("https://{HOST}")).unwrap();

    let empty = world.call("execute", "POST", head, nothing()).await;
    assert_eq!(empty.status(), StatusCode::NO_CONTENT);
    for (method, status) in [("POST", 200), ("DELETE", 200), ("DELETE", 410)] {
        let settled = world.call("execute", method, location, nothing()).await;
        assert_eq!(settled.status().as_u16(), status, "{method}");
    }
}

#[tokio::test]
async fn a_repeated_message_id_is_accepted_and_swallowed() {
    let world = World::new();
    for _ in 0..2 {
        let sent = world.call("execute", "POST", "/permits-execute/messages", letter("m-1")).await;
        assert_eq!(sent.status(), StatusCode::CREATED);
    }

    let head = "/permits-execute/messages/head?timeout=0";
    assert_eq!(world.call("execute", "DELETE", head, nothing()).await.status(), StatusCode::OK);
    assert_eq!(
        world.call("execute", "DELETE", head, nothing()).await.status(),
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn an_unlocked_message_that_ran_out_of_deliveries_is_read_from_the_dead_letter_queue() {
    let world = World::new();
    world.call("drift", "POST", "/intake-events/messages", letter("m-1")).await;
    for _ in 0..10 {
        let peeked =
            world.call("intake", "POST", "/intake-events/messages/head?timeout=0", nothing()).await;
        let location = peeked.headers()["location"].to_str().unwrap().to_owned();
        let unlocked = world.call("intake", "PUT", &location, nothing()).await;
        assert_eq!(unlocked.status(), StatusCode::OK);
    }

    let dead = "/intake-events/$DeadLetterQueue/messages/head?timeout=0";
    let dead = world.call("intake", "POST", dead, nothing()).await;
    assert_eq!(dead.status(), StatusCode::CREATED);
    assert_eq!(dead.headers()["deadletterreason"], "\"MaxDeliveryCountExceeded\"");
    let location = dead.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(world.call("intake", "DELETE", &location, nothing()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn each_right_is_needed_for_what_it_allows() {
    let world = World::new();
    let messages = "/permits-execute/messages";
    let head = "/permits-execute/messages/head?timeout=0";
    for (identity, method, uri, claim) in [
        ("signin", "POST", messages, "'Send'"),
        ("admin", "POST", messages, "'Send'"),
        ("intake", "POST", head, "'Listen'"),
        ("intake", "DELETE", head, "'Listen'"),
    ] {
        let answer = world.call(identity, method, uri, letter("m-1")).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{identity} {method} {uri}");
        let body = std::str::from_utf8(answer.body()).unwrap();
        assert!(body.starts_with("<Error><Code>401</Code><Detail>Unauthorized access. "), "{body}");
        assert!(body.contains(claim), "{body}");
    }
    assert_eq!(world.bus.snapshot()["permits-execute"]["active"], serde_json::json!([]));
}

#[tokio::test]
async fn what_is_no_queue_too_large_or_not_understood_is_refused() {
    let world = World::new();
    let large = Request::new(Bytes::from(vec![0; MESSAGE_LIMIT_BYTES + 1]));
    for (uri, asked, status) in [
        ("/no-such-queue/messages", letter("m-1"), 404),
        ("/permits-execute/messages", large, 413),
        ("/permits-execute", letter("m-1"), 400),
        ("/permits-execute/$DeadLetterQueue/messages", letter("m-1"), 400),
    ] {
        let answer = world.call("intake", "POST", uri, asked).await;
        assert_eq!(answer.status().as_u16(), status, "{uri}");
    }
}

#[test]
fn a_token_that_was_not_accepted_is_refused_in_the_words_of_service_bus() {
    let none = HeaderMap::new();
    let mut some = HeaderMap::new();
    some.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    for (headers, why, code) in [
        (&none, "no token", "MissingToken: "),
        (&some, "the token has expired", "ExpiredToken: "),
        (&some, "wrong audience", "InvalidAudience: "),
        (&some, "unknown issuer", "InvalidIssuer: "),
        (&some, "malformed", "InvalidToken: "),
    ] {
        let refused = not_authenticated(headers, &NotAuthenticated(why.to_owned()));
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(refused.detail.starts_with(code), "{}", refused.detail);
    }
}
