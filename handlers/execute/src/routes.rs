//! The functions of `execute`.

use airlock_azure::hosting::{self, Invoked, Json, Refusal};
use airlock_core::{functions::Done, ports::PortError, problem::Problem};
use axum::{Router, extract::State, routing::post};

use crate::state::Bench;

/// The routes: a function's name is its path.
pub fn routes(bench: Bench) -> Router {
    Router::new()
        .route("/execute", post(execute))
        .route("/reclaim", post(reclaim))
        .with_state(bench)
}

/// Executes one permitted change.
///
/// Trigger: the queue `permits-execute`, at least once.
async fn execute(State(bench): State<Bench>, invoked: Invoked) -> Result<Json<Done>, Refusal> {
    let worker = bench.worker().await.map_err(port)?;
    hosting::carry_out(worker, invoked).await
}

/// Finishes what was claimed and left.
///
/// Trigger: a timer.
async fn reclaim(State(bench): State<Bench>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let worker = bench.worker().await.map_err(port)?;
    hosting::reclaim(worker).await
}

fn port(error: PortError) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}
