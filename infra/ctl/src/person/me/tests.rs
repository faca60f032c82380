use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use airlock_core::{
    identity::App,
    jwk::PublicKey,
    memory::{Dice, SetClock},
    session::{Confirmation, Confirms, PersonEvidence, Session},
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

/// A request of somebody's, as the API shows it: in this state, until then.
async fn shown(operation: &str, state: &str, exp: Timestamp) -> (RequestId, Value) {
    let harriet = ClientKey::draw(&Dice).unwrap();
    let signer = harriet.signer().unwrap();
    let tenant = good().tenant;
    let session = Session {
        iss: App::Signin,
        sid: "sid".to_owned(),
        tid: tenant,
        oid: good().user,
        roles: Vec::new(),
        acrs: Vec::new(),
        auth_time: NOW,
        iat: NOW,
        exp: NOW.plus_s(3600),
        cnf: Confirms { jwk: harriet.public().unwrap() },
        cookie: Digest::of(&[b"cookie"]),
    };
    let confirmation = Confirmation {
        iss: App::Intake,
        session: Digest::of(&[b"not looked at"]),
        tid: tenant,
        oid: session.oid,
        jkt: session.cnf.jwk.thumbprint(),
        iat: NOW,
        exp: session.exp,
    };
    let ask = Ask {
        jti: Uuid::nil(),
        iat: NOW,
        exp,
        aud: App::Execute,
        tnt: tenant,
        sid: session.sid_hash(),
        op: Asked {
            name: operation.to_owned(),
            target: Target { user: good().user },
            parameters: json!({}),
        },
        purpose: "left".to_owned(),
        reveal_to: None,
    };
    let request = Signed::sign(&ask, &signer).await.unwrap();
    let id = RequestId { tenant, digest: request.digest() };
    let person = PersonEvidence {
        session: Signed::sign(&session, &signer).await.unwrap(),
        confirmation: Signed::sign(&confirmation, &signer).await.unwrap(),
    };
    let mut shown = view(state);
    shown["id"] = json!(id);
    shown["evidence"] = json!(RequestEvidence::Proven { request, person });
    (id, shown)
}

/// An API that shows this request, and takes decisions about it.
async fn showing(shown: Value, me: Me) -> Me {
    let decided = async |State((_, key)): State<(Value, PublicKey)>, Json(body): Json<Value>| {
        let signed: Signed<Decision> = serde_json::from_value(body["decision"].clone()).unwrap();
        let decision = signed.verify(&key, NOW).unwrap();
        let mut view = view("permitted");
        view["purpose"] = json!(format!("{} until {}", decision.req, decision.exp));
        Json(view)
    };
    let show = async |State((shown, _)): State<(Value, PublicKey)>| Json(shown);
    let routes = Router::new()
        .route("/api/requests/{id}", get(show))
        .route("/api/requests/{id}/decision", post(decided))
        .with_state((shown, me.key.public().unwrap()));
    Me { api: fake::api(routes).await, ..me }
}

#[tokio::test]
async fn what_has_ended_is_not_decided_and_nothing_is_sent() {
    for (state, exp) in [("failed", NOW.plus_s(60)), ("pending", NOW)] {
        let (id, shown) = shown("account.disable", state, exp).await;
        let opened = showing(shown, me()).await.open(id).await.unwrap();

        // No API listens: a call would be another error.
        let decided = me().decide(&opened, Verdict::Approve, "yes").await;

        assert!(matches!(decided, Err(NotDecided::Closed(_))), "{state}");
    }
}

#[tokio::test]
async fn a_decision_is_signed_over_what_was_shown_and_ends_with_the_request() {
    let (id, shown) = shown("account.disable", "pending", NOW.plus_s(60)).await;
    let me = showing(shown, me()).await;
    let opened = me.open(id).await.unwrap();

    let view = me.decide(&opened, Verdict::Approve, "yes").await.unwrap();

    assert_eq!(view.purpose, format!("{} until {}", id.digest, NOW.plus_s(60)));
}

#[tokio::test]
async fn an_api_that_lies_about_a_request_is_not_believed() {
    let (id, mut lie) = shown("account.disable", "pending", NOW.plus_s(60)).await;
    lie["operation"] = json!("sessions.revoke");
    lie["purpose"] = json!("harmless");
    let opened = showing(lie, me()).await.open(id).await.unwrap();

    let text = opened.to_string();
    assert!(text.contains("operation account.disable: "), "{text}");
    assert!(text.contains("purpose   left"), "{text}");
    assert!(text.contains(&format!("asked by  entra:{}:{}", good().tenant, good().user)), "{text}");

    let (_, mut other) = shown("sessions.revoke", "pending", NOW.plus_s(60)).await;
    other["id"] = json!(id);
    let opened = showing(other, me()).await.open(id).await;
    assert!(matches!(opened, Err(NotOpened::Disclosed(NotDisclosed::NotVerified(_)))));
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
