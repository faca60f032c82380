//! The functions that every worker has.

use airlock_core::{
    execution::{NotHandled, Worker},
    functions::Done,
    problem::Problem,
};

use super::{Invoked, Json, Refusal};

/// Carries out one permitted change. Trigger: the worker's queue, at least once.
///
/// # Errors
///
/// [`Refusal`]: the host abandons the message whatever the status; the log says why.
pub async fn carry_out(worker: &Worker, invoked: Invoked) -> Result<Json<Done>, Refusal> {
    let Invoked(invocation) = invoked;
    let body =
        invocation.message().map_err(|error| Refusal::because(Problem::NOT_UNDERSTOOD, error))?;
    let delivery = invocation.metadata.delivery_count.unwrap_or(1);
    worker.handle(&body, delivery, invocation.traceparent()).await.map_err(not_handled)?;
    Ok(Json(Done::new()))
}

/// Finishes what was permitted or claimed, and left. Trigger: a timer.
///
/// # Errors
///
/// [`Refusal`]: the host calls again by the clock, whatever the status.
pub async fn reclaim(worker: &Worker) -> Result<Json<Done>, Refusal> {
    let count = worker.reclaim().await.map_err(not_handled)?;
    if count > 0 {
        tracing::info!(count, "reclaimed");
    }
    Ok(Json(Done::new()))
}

fn not_handled(error: NotHandled) -> Refusal {
    Refusal::because(Problem::UNAVAILABLE, error)
}
