//! Finishing what was permitted or claimed and then left, because its message was lost or its
//! process killed.

use std::error::Error;

use super::{NotHandled, Step, Worker};
use crate::{
    keyset::Trust,
    ledger::Document,
    permit::PermittedChange,
    ports::{Container, Partition, Query},
    record::{KIND, LEASE_S, Record, State},
    tenancy::TenantScope,
    time::Timestamp,
    trust::NotTrusted,
};

/// Requests that one round of reclaiming looks at, for each tenant and state.
const ROUND: u32 = 100;

impl Worker {
    /// Finishes what was permitted or claimed and then left: its message was lost, or its process
    /// killed.
    /// Says how many requests it ended.
    ///
    /// # Errors
    ///
    /// [`NotHandled`] if the tenants could not be listed. What a tenant or a request is in
    /// trouble with is logged, and keeps none of the others waiting.
    pub async fn reclaim(&self) -> Result<usize, NotHandled> {
        self.keys.forget_old();
        self.unkept.forget_old(self.ports.clock.now());
        let mut count = 0;
        for key in self.ports.documents.partitions(Container::Bindings, "binding").await? {
            let Ok(tenant) = key.parse() else { continue };
            let entered = async {
                let trust = self.trust.trust().await?;
                // Each request that is found is opened anew, and its ledger proven then.
                let scope = self.trust.scope_as_signed(&trust, tenant).await?;
                Ok::<_, NotTrusted>((trust, scope))
            };
            match entered.await {
                Ok((trust, scope)) => match Box::pin(self.reclaim_in(&trust, &scope)).await {
                    Ok(reclaimed) => count += reclaimed,
                    Err(error) => {
                        let error = &error as &(dyn Error + 'static);
                        tracing::error!(%tenant, error, "not reclaimed");
                    }
                },
                Err(error) => {
                    let error = &error as &(dyn Error + 'static);
                    tracing::error!(%tenant, error, "tenant not entered");
                }
            }
        }
        Ok(count)
    }

    async fn reclaim_in(&self, trust: &Trust, scope: &TenantScope) -> Result<usize, NotHandled> {
        let now = self.ports.clock.now();
        let partition = Partition::tenant(scope);
        let mut count = 0;
        for state in [State::Executing, State::Permitted] {
            let equals = Some(("hint", state.name().to_owned()));
            let query = Query { kind: KIND, equals, not_after: None, limit: ROUND };
            for found in self.ports.documents.query(&partition, &query).await? {
                let keys = self.keys.of(trust, &partition);
                let document = match Document::<Record>::open_sealed(found, keys, now).await {
                    Ok(document) => document,
                    Err(error) => {
                        let error = &error as &(dyn Error + 'static);
                        tracing::error!(error, "stored request not read");
                        continue;
                    }
                };
                if self.is_stale(&document.body, trust, now)
                    && let Some(change) = change_of(&document.body)
                {
                    // One request's trouble keeps none of the others waiting.
                    match Box::pin(self.attempt(&change, true, None)).await {
                        Ok(Step::Over) => count += 1,
                        Ok(Step::Later(pause_s)) => self.try_later(change, pause_s, None).await?,
                        Err(error) => {
                            let error = &error as &(dyn Error + 'static);
                            tracing::error!(error, "request not reclaimed");
                        }
                    }
                }
            }
        }
        Ok(count)
    }

    /// Whether nobody works on a request any more that is meant for this worker.
    fn is_stale(&self, record: &Record, trust: &Trust, now: Timestamp) -> bool {
        let ours = record
            .permit
            .as_ref()
            .and_then(|permit| trust.open(permit, now).ok())
            .filter(|permit| permit.aud == self.app);
        let Some(permit) = ours else { return false };
        match record.state {
            State::Executing => record.lease.is_none_or(|lease| lease.until <= now),
            // Its message may be lost for good: a broker hands out one that failed again at once,
            // and ten times while a process starts again are soon over.
            State::Permitted => permit.iat.plus_s(LEASE_S) <= now,
            _ => false,
        }
    }
}

/// The message that a stored request would be sent with.
fn change_of(record: &Record) -> Option<PermittedChange> {
    Some(PermittedChange {
        attempt: record.lease.map_or(0, |lease| lease.attempt),
        permit: record.permit.clone()?,
    })
}
