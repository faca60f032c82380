//! The functions of `drift`.

use airlock_azure::hosting::{Invoked, Json, Refusal};
use airlock_core::{
    drift::Round, functions::Done, ports::PortError, problem::Problem, recording::NotRecorded,
    sealing, trust::NotTrusted,
};
use axum::{Router, extract::State, routing::post};

use crate::state::Bench;

/// The routes: a function's name is its path.
pub fn routes(bench: Bench) -> Router {
    Router::new()
        .route("/drift", post(drift))
        .route("/seal", post(seal))
        .route("/record", post(record))
        .route("/record_dead", post(record))
        .with_state(bench)
}

/// Compares the deployment and every tenant with what was declared for them.
///
/// Trigger: a timer, which may fire twice or not at all: findings are written only when they say
/// something new or are about to end.
async fn drift(State(bench): State<Bench>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let drift = bench.drift().await.map_err(port)?;
    let round = drift.round().await.map_err(not_trusted)?;
    let Round { judged, unreadable, detected, resolved, failed, backing, left } = round;
    if backing + detected + resolved + unreadable + failed + left > 0 {
        tracing::info!(judged, unreadable, detected, resolved, failed, backing, left, "compared");
    }
    Ok(Json(Done::new()))
}

/// Seals every tree that moved.
///
/// Trigger: a timer, which may fire twice or not at all: two rounds at once race for the same
/// anchor, and one of them looks again.
async fn seal(State(bench): State<Bench>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let sealer = bench.sealer().await.map_err(port)?;
    let round = sealer.round().await.map_err(not_trusted)?;
    if round.sealed + round.refused + round.failed > 0 {
        let sealing::Round { sealed: trees, idle, refused, failed } = round;
        tracing::info!(trees, idle, refused, failed, "sealed");
    }
    Ok(Json(Done::new()))
}

/// Writes down what an app says that writes to no tree.
///
/// Trigger: the queue `audit-events`, at least once; and as `record_dead` its dead letters: messages
/// whose process died again and again. The broker gives those no last delivery.
async fn record(
    State(bench): State<Bench>,
    Invoked(invocation): Invoked,
) -> Result<Json<Done>, Refusal> {
    let recorder = bench.recorder().await.map_err(port)?;
    let body =
        invocation.message().map_err(|error| Refusal::because(Problem::NOT_UNDERSTOOD, error))?;
    recorder.handle(&body, invocation.traceparent()).await.map_err(not_recorded)?;
    Ok(Json(Done::new()))
}

fn port(error: PortError) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}

/// The host calls again by the clock, whatever the status; the log says why.
fn not_trusted(error: NotTrusted) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}

/// The host abandons the message whatever the status; the log says why.
fn not_recorded(error: NotRecorded) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}
