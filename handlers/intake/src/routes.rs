//! Every route of `intake`. All but health, operations and the internal ones need a person.

use airlock_azure::hosting::Refusal;
use airlock_core::problem::Problem;
use axum::{
    Router,
    routing::{get, post},
};

use crate::{claims, confirmations, origin, requests, resend, state::Desk};

/// The routes, as `functions/intake` names them.
pub fn routes(desk: Desk) -> Router {
    let public = Router::new()
        .route("/api/requests", post(requests::submit).get(requests::list))
        .route("/api/requests/{id}", get(requests::show))
        .route("/api/requests/{id}/decision", post(requests::decide))
        .route("/api/requests/{id}/reveal", post(requests::reveal))
        .route("/api/operations", get(requests::operations))
        .route("/api/tenants", get(requests::tenants))
        .route("/api/claims", get(claims::claims))
        // Here, so that the guard stands before it: a preflight is a method that no route takes.
        .method_not_allowed_fallback(async || Refusal::new(Problem::METHOD))
        .layer(axum::middleware::from_fn_with_state(desk.clone(), origin::guard));
    Router::new()
        .merge(public)
        .route("/api/health", get(requests::health))
        .route("/health", get(requests::health))
        .route("/internal/confirmations", post(confirmations::confirm))
        .route("/resend", post(resend::resend))
        .with_state(desk)
}
