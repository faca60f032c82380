//! `erase` (timer): carries out what the admin plane ordered to be erased.

use airlock_azure::hosting::{Invoked, Json, Refusal};
use airlock_core::{functions::Done, reception::Erased};
use axum::extract::State;

use crate::{refusals, state::Desk};

/// One round over all tenants. What is left, the next round does.
pub async fn erase(State(desk): State<Desk>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let erased = connected.reception.erase_ordered().await.map_err(refusals::not_received)?;
    let Erased { requests, waiting, orders, refused } = erased;
    if erased != Erased::default() {
        tracing::info!(requests, waiting, orders, refused, "erased what was ordered");
    }
    Ok(Json(Done::new()))
}
