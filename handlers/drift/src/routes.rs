//! The functions of `drift`.

use airlock_azure::hosting::{Invoked, Json, Refusal};
use airlock_core::{functions::Done, ports::PortError, problem::Problem, trust::NotTrusted};
use axum::{Router, extract::State, routing::post};

use crate::state::Bench;

/// The routes: a function's name is its path.
pub fn routes(bench: Bench) -> Router {
    Router::new().route("/drift", post(drift)).with_state(bench)
}

/// Compares every tenant with what was declared for it.
///
/// Trigger: a timer, which may fire twice or not at all: findings are written only when they say
/// something new or are about to end, and end by themselves.
async fn drift(State(bench): State<Bench>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let comparer = bench.comparer().await.map_err(port)?;
    let findings = comparer.compare().await.map_err(not_trusted)?;
    if findings > 0 {
        tracing::info!(findings, "compared");
    }
    Ok(Json(Done::new()))
}

fn port(error: PortError) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}

/// The host calls again by the clock, whatever the status; the log says why.
fn not_trusted(error: NotTrusted) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}
