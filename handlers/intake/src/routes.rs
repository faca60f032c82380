//! Every route of `intake`. All but health, the document and the internal ones need
//! a person or a service.

use airlock_azure::hosting::{Cost, Pace, Refusal};
use airlock_core::problem::Problem;
use axum::{
    Router,
    http::Method,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    challenge, claims, confirmations, erase, events, findings, ledger,
    openapi::{self, NotWritten, Published},
    origin, requests, resend, secrets,
    state::Desk,
};

/// The routes, as `functions/intake` names them.
///
/// # Errors
///
/// If the document that describes them cannot be written.
pub fn routes(desk: Desk) -> Result<Router, NotWritten> {
    let (guarded, mut document) = guarded().split_for_parts();
    let (open, of_open) = open().split_for_parts();
    document.merge(of_open);
    let (probed, of_probed) = probed().split_for_parts();
    document.merge(of_probed);
    let pace = Pace::default();
    let guarded = guarded.layer(from_fn(challenge::ask));
    // Here, so that the guard stands before it: a preflight is a method that no route takes.
    let guarded = guarded.method_not_allowed_fallback(async || Refusal::new(Problem::METHOD));
    // Inside the guard: the portal may read that it has to wait. What no stranger reaches is not
    // held: all confirmations come from one address, that of `signin`.
    let guarded = pace.hold(guarded, cost).layer(from_fn_with_state(desk.clone(), origin::guard));
    let open = pace.hold(open.with_state(Published::new(&document)?), cost);
    Ok(Router::new().merge(guarded).merge(probed).merge(internal()).with_state(desk).merge(open))
}

/// What people, services and their clients call. In the document.
pub fn guarded() -> OpenApiRouter<Desk> {
    OpenApiRouter::with_openapi(openapi::preface())
        .routes(routes!(requests::submit, requests::list))
        .routes(routes!(requests::show))
        .routes(routes!(requests::decide))
        .routes(routes!(requests::reveal))
        .routes(routes!(requests::operations))
        .routes(routes!(requests::tenants))
        .routes(routes!(claims::claims))
        .routes(routes!(secrets::secrets))
        .routes(routes!(findings::findings))
        .routes(routes!(ledger::receipt))
        .routes(routes!(ledger::checkpoint))
        .route("/api/ledger/{tree}/{epoch}/tile/{*rest}", get(ledger::tile))
}

/// What is told to anyone, whatever page asks. In the document.
fn open() -> OpenApiRouter<Published> {
    OpenApiRouter::default().routes(routes!(openapi::describe))
}

/// What a front end asks again and again. In the document.
fn probed() -> OpenApiRouter<Desk> {
    OpenApiRouter::default().routes(routes!(requests::health))
}

/// What the platform and `signin` call, and nobody from outside can. Not in the document.
fn internal() -> Router<Desk> {
    Router::new()
        .route("/internal/confirmations", post(confirmations::confirm))
        .route("/intake_event", post(events::intake_event))
        .route("/resend", post(resend::resend))
        .route("/erase", post(erase::erase))
        .layer(from_fn(challenge::ask))
}

/// What a call costs: whatever changes something signs and writes.
fn cost(method: &Method, _: &str) -> Cost {
    if method.is_safe() { Cost::Little } else { Cost::Much }
}
