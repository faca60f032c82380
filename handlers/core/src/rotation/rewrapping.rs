//! Wrapping every data key again that an old version of a wrapping key wrapped.

use super::NotRotated;
use crate::{
    data_keys::{DataKeys, NoKey, Rewrapped},
    keyset::Trust,
    ports::{Partition, PortError},
    trust::TrustStore,
};

/// All tenants' data keys.
pub(super) struct Rewrapping<'a> {
    pub trust_store: &'a TrustStore,
    pub trust: &'a Trust,
    pub data_keys: &'a DataKeys,
}

impl Rewrapping<'_> {
    /// Wraps again what this version wrapped, one commit for each data key: what is done stays
    /// done. Whether nothing is left.
    ///
    /// A tenant that cannot be looked at is an error: its data keys may need the version.
    pub async fn away_from(&self, kid: &str) -> Result<bool, NotRotated> {
        let mut total = Rewrapped::default();
        for tenant in self.trust_store.tenants().await? {
            let scope = self.trust_store.scope(self.trust, tenant).await?;
            let partition = Partition::tenant(&scope);
            let keys = self.data_keys.of(self.trust, &partition);
            let done = keys.rewrap(kid).await.map_err(not_rewrapped)?;
            total.wrapped += done.wrapped;
            total.left += done.left;
        }
        if total.wrapped + total.left > 0 {
            let Rewrapped { wrapped, left } = total;
            tracing::info!(wrapped, left, "data keys wrapped again");
        }
        Ok(total.left == 0)
    }
}

fn not_rewrapped(error: NoKey) -> NotRotated {
    match error {
        NoKey::Port(error) => error.into(),
        NoKey::NotCommitted(error) => NotRotated::NotCommitted(*error),
        NoKey::NotGenuine(error) => NotRotated::Port(PortError::Broken(error.into())),
    }
}
