//! `resend` (timer): sends what was committed and not sent.

use airlock_azure::hosting::{self, Invoked, Json, Refusal};
use airlock_core::{functions::Done, outbox, ports::Partition, trust::NotTrusted};
use axum::extract::State;

use crate::{refusals, state::Desk};

/// Drains the outbox of every tenant. One tenant's trouble does not keep the others waiting.
pub async fn resend(State(desk): State<Desk>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let trust = connected.trust.trust().await.map_err(refusals::untrusted)?;
    // The deployment's own first: what goes out from there are warnings.
    if let Err(error) = outbox::drain(&connected.ports, &Partition::platform()).await {
        tracing::error!(error = hosting::chain(&error), "platform's outbox not drained");
    }
    for tenant in connected.trust.tenants().await.map_err(refusals::port)? {
        let drained = async {
            let scope = connected.trust.scope(&trust, tenant).await?;
            let sent = outbox::drain(&connected.ports, &Partition::tenant(&scope)).await?;
            Ok::<usize, NotTrusted>(sent)
        };
        match drained.await {
            Ok(0) => {}
            Ok(sent) => tracing::info!(%tenant, sent, "sent what was left in the outbox"),
            Err(error) => {
                tracing::error!(%tenant, error = hosting::chain(&error), "outbox not drained");
            }
        }
    }
    Ok(Json(Done::new()))
}
