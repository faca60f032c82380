//! Which path is answered by what.

use airlock_azure::hosting::{Cost, Json, Pace, Refusal};
use airlock_core::problem::Problem;
use axum::{
    Router,
    http::{Method, header::InvalidHeaderValue},
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    call_the_api::call_the_api, callback::callback, confirm, desk::Signin, origin, redeem::redeem,
    reports, revocations::revoke_all, session::session, sign_out, start,
};

/// All routes of the app.
///
/// # Errors
///
/// If the portal's origin cannot stand in a header.
pub fn all(signin: Signin) -> Result<Router, InvalidHeaderValue> {
    let pace = Pace::default();
    let for_scripts = Router::new()
        .route("/auth/challenge", post(start::challenge))
        .route("/auth/start", post(start::start))
        .route("/auth/redeem", post(redeem))
        .route("/auth/session", get(session))
        .route("/auth/sign-out", post(sign_out::sign_out))
        .route("/auth/revocations", post(revoke_all))
        .route("/auth/call-the-api", get(call_the_api))
        // Set here, under the layer: a preflight is a method that no route takes, and one that
        // is set later would answer it without the layer.
        .method_not_allowed_fallback(async || Refusal::new(Problem::METHOD));
    // Navigations and frames: no script may read these.
    let for_people = Router::new()
        .route("/auth/confirm", get(confirm::page).post(confirm::confirm))
        .route("/auth/callback", get(callback))
        .route("/auth/front-channel-sign-out", get(sign_out::front_channel))
        .route("/auth/health", get(health));
    // Below the layer for scripts: the portal may read that it has to wait.
    let for_scripts = pace.hold(for_scripts, cost).layer(origin::cors(&signin.manifest().portal)?);
    // Nobody from outside can call it: the host does.
    let for_the_host = Router::new().route("/resend", post(reports::resend));
    let all = for_scripts.merge(pace.hold(for_people, cost)).merge(for_the_host);
    Ok(all.with_state(signin))
}

/// What a call costs: nearly everything here signs, writes, or calls Entra.
fn cost(method: &Method, path: &str) -> Cost {
    match path {
        "/auth/session" | "/auth/confirm" | "/auth/health" if method.is_safe() => Cost::Little,
        _ => Cost::Much,
    }
}

/// Says that the process answers. Whether Azure does is not said: a probe that follows every
/// dependency restarts what is not broken.
async fn health() -> Json<Value> {
    Json(json!({ "status": "up" }))
}
