use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use airlock_core::{
    jwk::PublicKey,
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
    Me::new(api, key, Digest::of(&[b"sid"]), Arc::new(SetClock::at(NOW)), Arc::new(Dice))
}

fn good() -> Order {
    Order {
        operation: "tap.issue".to_owned(),
        user: "11111111-2222-4333-8444-555555555555".parse().unwrap(),
        tenant: "605d9d43-3534-4810-8152-9d01a268ad22".parse().unwrap(),
        parameters: Map::new(),
        purpose: "new phone".to_owned(),
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
        "operation": "account.disable", "target": good().user, "tenant": tenant,
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
async fn what_has_ended_is_not_decided_and_nothing_is_sent() {
    let ended: RequestView = serde_json::from_value(view("failed")).unwrap();
    let mut over: RequestView = serde_json::from_value(view("pending")).unwrap();
    over.expires = NOW;

    // No API listens: a call would be another error.
    for view in [ended, over] {
        let decided = me().decide(&view, Verdict::Approve, "yes").await;
        assert!(matches!(decided, Err(NotDecided::Closed(_))));
    }
}

#[tokio::test]
async fn a_decision_is_signed_over_the_digest_in_the_id_and_ends_with_the_request() {
    let decided = async |State(key): State<PublicKey>, Json(body): Json<Value>| {
        let signed: Signed<Decision> = serde_json::from_value(body["decision"].clone()).unwrap();
        let decision = signed.verify(&key, NOW).unwrap();
        assert_eq!(decision.req, Digest::of(&[b"x"]));
        assert_eq!(decision.exp, NOW.plus_s(60));
        Json(view("permitted"))
    };
    let me = me();
    let routes = Router::new()
        .route("/api/requests/{id}/decision", post(decided))
        .with_state(me.key.public().unwrap());
    let me = Me { api: fake::api(routes).await, ..me };
    let pending: RequestView = serde_json::from_value(view("pending")).unwrap();

    let view = me.decide(&pending, Verdict::Approve, "yes").await.unwrap();

    assert_eq!(view.state.name(), "permitted");
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

    for order in [other, longer] {
        assert!(matches!(me().prepare(&order).await, Err(NotPrepared::NotUnderstood(_))));
    }
    assert!(matches!(me().prepare(&silent).await, Err(NotPrepared::Purpose)));
}
