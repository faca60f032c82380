//! Recording integrity violations that the desk comes upon.

use std::sync::PoisonError;

use super::{NotReceived, Reception};
use crate::{
    digest::Digest,
    identity::{App, TenantId},
    ports::Partition,
};

/// Places of violations that one process remembers to have recorded.
const MOST_NOTICED: usize = 1000;

impl Reception {
    /// Records that something stored is not what one of us signed: a leaf and an event, once
    /// for each process and place.
    ///
    /// What cannot be recorded is in the log all the same, and the caller is refused in any
    /// case.
    pub async fn notice(&self, tenant: Option<TenantId>, request: Option<Digest>) {
        if !self.first_notice(tenant, request) {
            return;
        }
        let now = self.ports.clock.now();
        let partition = self.where_to_record(tenant).await;
        let what = "a stored document or artefact is not genuine";
        let (ledger, entropy) = ((&*self.ledger, App::Intake), &*self.ports.entropy);
        let recorded =
            self.violations.record(ledger, &partition, request, what, entropy, now).await;
        match recorded {
            Ok(()) => tracing::error!(what, "integrity violation"),
            Err(error) => {
                tracing::error!(error = %error, what, "integrity violation; not recorded");
            }
        }
    }

    pub(super) async fn noticed<T>(
        &self,
        tenant: Option<TenantId>,
        request: Option<Digest>,
        result: Result<T, NotReceived>,
    ) -> Result<T, NotReceived> {
        if result.as_ref().is_err_and(NotReceived::is_violation) {
            self.notice(tenant, request).await;
        }
        result
    }

    /// Whoever can tamper can also ask again and again: one leaf for each place is enough.
    fn first_notice(&self, tenant: Option<TenantId>, request: Option<Digest>) -> bool {
        let mut seen = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_NOTICED {
            // Some are recorded twice, and none is kept silent for ever.
            seen.clear();
        }
        seen.insert((tenant, request))
    }

    /// The tenant's ledger, if its terms can be verified and it is proven; else the platform's.
    async fn where_to_record(&self, tenant: Option<TenantId>) -> Partition {
        let Some(tenant) = tenant else { return Partition::platform() };
        let entered = async {
            let trust = self.trust.trust().await?;
            self.trust.scope(&trust, tenant).await
        };
        entered.await.map_or_else(|_| Partition::platform(), |scope| Partition::tenant(&scope))
    }
}
