//! The functions of `rotate`.

use airlock_azure::hosting::{Invoked, Json, Refusal};
use airlock_core::{
    functions::Done, ports::PortError, problem::Problem, rotation::Round, trust::NotTrusted,
};
use axum::{Router, extract::State, routing::post};

use crate::state::Bench;

/// The routes: a function's name is its path.
pub fn routes(bench: Bench) -> Router {
    Router::new().route("/rotate", post(rotate)).with_state(bench)
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

fn port(error: PortError) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}

/// The host calls again by the clock, whatever the status; the log says why.
fn not_trusted(error: NotTrusted) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}
