//! The functions of `execute`.

use airlock_azure::hosting::{Invoked, Json, Refusal};
use airlock_core::{execution::NotHandled, functions::Done, ports::PortError, problem::Problem};
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
async fn execute(
    State(bench): State<Bench>,
    Invoked(invocation): Invoked,
) -> Result<Json<Done>, Refusal> {
    let worker = bench.worker().await.map_err(port)?;
    let body =
        invocation.message().map_err(|error| Refusal::because(Problem::NOT_UNDERSTOOD, error))?;
    let delivery = invocation.metadata.delivery_count.unwrap_or(1);
    worker.handle(&body, delivery, invocation.traceparent()).await.map_err(not_handled)?;
    Ok(Json(Done::new()))
}

/// Finishes what was claimed and left.
///
/// Trigger: a timer.
async fn reclaim(State(bench): State<Bench>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let worker = bench.worker().await.map_err(port)?;
    let count = worker.reclaim().await.map_err(not_handled)?;
    if count > 0 {
        tracing::info!(count, "reclaimed");
    }
    Ok(Json(Done::new()))
}

fn port(error: PortError) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}

/// The host abandons the message whatever the status; the log says why.
fn not_handled(error: NotHandled) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}
