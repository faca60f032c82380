//! Which path is answered by what.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::problem::Problem;
use axum::{
    Router,
    http::header::InvalidHeaderValue,
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    call_the_api::call_the_api, callback::callback, confirm, desk::Signin, origin, redeem::redeem,
    revocations::revoke_all, session::session, sign_out, start,
};

/// All routes of the app.
///
/// # Errors
///
/// If the portal's origin cannot stand in a header.
pub fn all(signin: Signin) -> Result<Router, InvalidHeaderValue> {
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
        .method_not_allowed_fallback(async || Refusal::new(Problem::METHOD))
        .layer(origin::cors(&signin.manifest().portal)?);
    // Navigations and frames: no script may read these.
    Ok(for_scripts
        .route("/auth/confirm", get(confirm::page).post(confirm::confirm))
        .route("/auth/callback", get(callback))
        .route("/auth/front-channel-sign-out", get(sign_out::front_channel))
        .route("/auth/health", get(health))
        .route("/health", get(health))
        .with_state(signin))
}

/// Says that the process answers. Whether Azure does is not said: a probe that follows every
/// dependency restarts what is not broken.
async fn health() -> Json<Value> {
    Json(json!({ "status": "up" }))
}
