//! `resend` (timer): sends what was committed and not sent.

use airlock_azure::hosting::{self, Invoked, Json, Refusal};
use airlock_core::{
    functions::Done,
    identity::TenantId,
    outbox::{self, Drained},
    ports::Partition,
    trust::NotTrusted,
};
use axum::extract::State;

use crate::{
    refusals,
    state::{Connected, Desk},
};

/// Drains the outbox of every tenant. One tenant's trouble does not keep the others waiting.
pub async fn resend(State(desk): State<Desk>, _: Invoked) -> Result<Json<Done>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let trust = connected.trust.trust().await.map_err(refusals::untrusted)?;
    // The deployment's own first: what goes out from there are warnings.
    let platform = outbox::drain(&connected.ports, &trust, &Partition::platform()).await;
    told(connected, None, platform.map_err(NotTrusted::from)).await;
    for tenant in connected.trust.tenants().await.map_err(refusals::port)? {
        let drained = async {
            // What goes out was committed; what warns of a ledger must not wait for it.
            let scope = connected.trust.scope_as_signed(&trust, tenant).await?;
            Ok(outbox::drain(&connected.ports, &trust, &Partition::tenant(&scope)).await?)
        };
        told(connected, Some(tenant), drained.await).await;
    }
    Ok(Json(Done::new()))
}

/// Tells the log how it went, and the ledger if somebody put a message there.
async fn told(
    connected: &Connected,
    tenant: Option<TenantId>,
    drained: Result<Drained, NotTrusted>,
) {
    let tenant_name = tenant.map_or_else(|| "platform".to_owned(), |tenant| tenant.to_string());
    match drained {
        Ok(Drained { sent: 0, forged: 0 }) => {}
        Ok(Drained { sent, forged }) => {
            tracing::info!(tenant = tenant_name, sent, forged, "drained the outbox");
            if forged > 0 {
                connected.reception.notice(tenant, None).await;
            }
        }
        Err(error) => {
            tracing::error!(tenant = tenant_name, error = hosting::chain(&error), "not drained");
        }
    }
}
