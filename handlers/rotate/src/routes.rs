//! The functions of `rotate`.

use airlock_azure::hosting::{self, Invoked, Json, Refusal};
use airlock_core::{
    functions::Done, ports::PortError, problem::Problem, rotation::Round, trust::NotTrusted,
};
use axum::{Router, extract::State, routing::post};

use crate::state::Bench;

/// The routes: a function's name is its path.
pub fn routes(bench: Bench) -> Router {
    Router::new()
        .route("/rotate", post(rotate))
        .route("/credential_change", post(credential_change))
        .route("/reclaim", post(reclaim))
        .with_state(bench)
}

/// Changes what is due, and finishes what was begun.
///
/// Trigger: a timer, which may fire twice or not at all: of two rounds at once each secret has
/// one, and the next round does what this one does not.
async fn rotate(State(bench): State<Bench>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let rotator = bench.rotator().await.map_err(port)?;
    let round = rotator.round().await.map_err(not_trusted)?;
    if round != Round::default() {
        let Round { rotated, done, waiting, refused, failed } = round;
        tracing::info!(rotated, done, waiting, refused, failed, "secrets");
    }
    Ok(Json(Done::new()))
}

/// Changes one secret that somebody asked for and was permitted, or takes one credential away that
/// was found and is permitted to be.
///
/// Trigger: the queue `permits-rotate`, at least once.
async fn credential_change(
    State(bench): State<Bench>,
    invoked: Invoked,
) -> Result<Json<Done>, Refusal> {
    let worker = bench.worker().await.map_err(port)?;
    hosting::carry_out(worker, invoked).await
}

/// Finishes what was permitted or claimed and left.
///
/// Trigger: a timer.
async fn reclaim(State(bench): State<Bench>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let worker = bench.worker().await.map_err(port)?;
    hosting::reclaim(worker).await
}

fn port(error: PortError) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}

/// The host calls again by the clock, whatever the status; the log says why.
fn not_trusted(error: NotTrusted) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}
