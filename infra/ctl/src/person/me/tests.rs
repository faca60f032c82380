use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use airlock_core::{
    jwe,
    memory::{Dice, SetClock},
};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};

use super::*;
use crate::fake;

const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

fn me() -> Me {
    let api = Api::new("http://localhost:9".parse().unwrap()).unwrap();
    let key = ClientKey::draw(&Dice).unwrap();
    let person = PersonId { tid: good().tenant, oid: good().target.user().unwrap() };
    Me::new(api, key, Digest::of(&[b"sid"]), person, Arc::new(SetClock::at(NOW)), Arc::new(Dice))
}

fn good() -> Order {
    Order {
        operation: "tap.issue".to_owned(),
        target: "11111111-2222-4333-8444-555555555555".parse().unwrap(),
        tenant: "605d9d43-3534-4810-8152-9d01a268ad22".parse().unwrap(),
        parameters: Map::new(),
        purpose: "new phone".to_owned(),
        ticket: None,
        break_glass: false,
        lifetime_s: 600,
    }
}

#[tokio::test]
async fn what_is_signed_names_session_tenant_worker_and_the_key_of_its_secret() {
    let me = me();

    let prepared = me.prepare(&good()).await.unwrap();

    let ask = prepared.signed.verify(&me.key.public().unwrap(), NOW).unwrap();
    assert_eq!(ask.sid, Digest::of(&[b"sid"]));
    assert_eq!(ask.tnt, good().tenant);
    assert_eq!(ask.aud.to_string(), "execute");
    assert_eq!(ask.exp, NOW.plus_s(600));
    assert_eq!(ask.reveal_to, Some(prepared.reveal.as_ref().unwrap().public().unwrap()));
    assert_eq!(prepared.id.digest, prepared.signed.digest());
    assert_eq!(prepared.once, ask.jti);
}

fn view(state: &str) -> Value {
    let tenant = good().tenant;
    json!({
        "id": format!("{tenant}.{}", Digest::of(&[b"x"])), "state": state,
        "operation": "account.disable", "target": good().target.to_string(), "tenant": tenant,
        "requester": "entra:a:b", "purpose": "left", "asked_at": NOW, "expires": NOW.plus_s(60),
        "needs_approvals": 1, "approvals": 0,
    })
}

#[tokio::test]
async fn a_request_is_watched_over_a_short_failure_until_it_ends() {
    let looks = Arc::new(AtomicUsize::new(0));
    let look = async |State(looks): State<Arc<AtomicUsize>>| {
        let problem = json!({ "type": "x/unavailable", "title": "later", "status": 503 });
        match looks.fetch_add(1, SeqCst) {
            0 | 2 => (StatusCode::OK, Json(view("permitted"))),
            1 => (StatusCode::SERVICE_UNAVAILABLE, Json(problem)),
            _ => (StatusCode::OK, Json(view("succeeded"))),
        }
    };
    let routes = Router::new().route("/api/requests/{id}", get(look)).with_state(looks);
    let me = Me { api: fake::api(routes).await, ..me() };
    let request: RequestView = serde_json::from_value(view("permitted")).unwrap();
    let mut told = Vec::new();

    let last = me.watch(request.id, None, |view| told.push(view.standing())).await.unwrap();

    assert_eq!(last.state.name(), "succeeded");
    assert_eq!(told, ["permitted", "succeeded"]);
}

#[tokio::test]
async fn an_operation_without_a_secret_names_no_key_for_one() {
    let order = Order { operation: "account.disable".to_owned(), ..good() };

    assert!(me().prepare(&order).await.unwrap().reveal.is_none());
}

#[tokio::test]
async fn what_this_program_does_not_understand_it_does_not_sign() {
    let other = Order { operation: "tenant.delete".to_owned(), ..good() };
    let mut parameters = Map::new();
    parameters.insert("lifetime_minutes".to_owned(), json!(100_000));
    let longer = Order { parameters, ..good() };
    let silent = Order { purpose: " ".to_owned(), ..good() };
    let tickets = [String::new(), "x".repeat(101)];

    for order in [other, longer] {
        assert!(matches!(me().prepare(&order).await, Err(NotPrepared::Misfit(_))));
    }
    assert!(matches!(me().prepare(&silent).await, Err(NotPrepared::Purpose)));
    for ticket in tickets {
        let order = Order { ticket: Some(ticket), ..good() };
        assert!(matches!(me().prepare(&order).await, Err(NotPrepared::Ticket)));
    }
}

#[tokio::test]
async fn an_emergency_and_its_ticket_are_signed() {
    let me = me();
    let order = Order { ticket: Some("INC-4711".to_owned()), break_glass: true, ..good() };

    let prepared = me.prepare(&order).await.unwrap();

    let ask = prepared.signed.verify(&me.key.public().unwrap(), NOW).unwrap();
    assert_eq!((ask.ticket.as_deref(), ask.break_glass), (Some("INC-4711"), true));
}

/// What is revealed when the API sends this, encrypted to the key of the request.
async fn revealed(secret: &str) -> Result<Secret, NotRevealed> {
    let key = ClientKey::draw(&Dice).unwrap();
    let secret = Secret::new(secret.to_owned());
    let jwe = jwe::seal(&secret, &key.public().unwrap(), &Dice).unwrap();
    let reveal = async move || Json(json!({ "result": jwe }));
    let routes = Router::new().route("/api/requests/{id}/reveal", post(reveal));
    let me = Me { api: fake::api(routes).await, ..me() };
    let request: RequestView = serde_json::from_value(view("succeeded")).unwrap();
    me.reveal(request.id, &key).await
}

#[tokio::test]
async fn a_genuine_secret_is_given_out_exactly() {
    for genuine in ["aB3$\"\\x y", "LocalAdmin\nPa55-é!"] {
        assert_eq!(revealed(genuine).await.unwrap().expose(), genuine);
    }
}

#[tokio::test]
async fn nothing_is_given_out_of_a_secret_that_would_steer_a_terminal() {
    for trick in ["pass\u{1b}]52;c;cm0gLXJmIH4=\u{7}", "pass\r\nsigned out", "a\nb\nc", ""] {
        let error = revealed(trick).await.unwrap_err();

        assert!(matches!(error, NotRevealed::NoSecret), "{trick:?}");
        assert!(!error.to_string().contains("pass"), "{error}");
    }
}
