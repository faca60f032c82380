use airlock_core::{memory::Dice, time::Timestamp};
use axum::{
    Json, Router,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    fake::{self, NOW, Requested},
    person::client_key::ClientKey,
    scratch::Scratch,
};

/// What Sam is told who wants to see the secret of a request in this state, whose key his profile
/// has or has not.
async fn told(operation: &str, state: &str, reveal: Value, has_key: bool) -> String {
    let mut requested = Requested::with(|_| ()).await;
    requested.shown["operation"] = json!(operation);
    requested.shown["state"] = json!(state);
    requested.shown["reveal"] = reveal;
    let shown = requested.shown.clone();
    let conflict = json!({ "type": "x/conflict", "title": "not now", "status": 409 });
    let routes = Router::new()
        .route("/api/requests/{id}", get(async || Json(shown)))
        .route("/api/requests/{id}/reveal", post(async || (StatusCode::CONFLICT, Json(conflict))));
    let api = fake::api(routes).await;
    let scratch = Scratch::new();
    let desk = fake::desk(&api, "sam", &scratch, None);
    fake::signed_in(&desk, &api, fake::person());
    if has_key {
        let until: Timestamp = NOW.plus_s(60);
        let key = ClientKey::draw(&Dice).unwrap();
        desk.profiles.await_secret(requested.id, key, until, NOW).unwrap();
    }
    desk.reveal(&cli::Reveal { request: requested.id }).await.unwrap_err().to_string()
}

#[tokio::test]
async fn who_has_no_key_is_told_why_there_is_nothing_to_see() {
    let none = Value::Null;

    assert_eq!(
        told("account.disable", "succeeded", none.clone(), false).await,
        "there is no secret: account.disable has none to show"
    );
    assert_eq!(
        told("tap.issue", "succeeded", json!("revealed"), false).await,
        "no key for that secret: it was seen already, and is shown once"
    );
    assert_eq!(
        told("tap.issue", "succeeded", json!("ready"), false).await,
        "no key for that secret: only the profile that asked for it has one, on its machine"
    );
}

#[tokio::test]
async fn who_comes_too_early_or_for_nothing_is_told_how_the_request_stands() {
    let early = told("tap.issue", "permitted", Value::Null, true).await;
    assert!(
        early.starts_with("there is no secret yet: the request is permitted; follow"),
        "{early}"
    );
    assert!(early.contains(" --profile sam watch "), "{early}");
    assert_eq!(
        told("tap.issue", "refused", Value::Null, true).await,
        "there is no secret: the request is refused"
    );
}
