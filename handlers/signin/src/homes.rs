//! Tenants whose people may sign in: those that some binding names as a home.
//!
//! Anyone can have an Entra tenant and people in it. Without this check they could make us
//! sign sessions for them, which would confer nothing and fill the store.

use std::collections::HashSet;

use airlock_azure::hosting::{Refusal, chain};
use airlock_core::{
    identity::TenantId,
    problem::Problem,
    time::Timestamp,
    trust::{KEPT_S, NotTrusted, TrustStore},
};
use tokio::sync::Mutex;

use crate::refused::trust_problem;

/// The known homes, kept for a while.
#[derive(Default)]
pub struct Homes {
    known: Mutex<Option<(Timestamp, HashSet<TenantId>)>>,
}

/// Nobody of that tenant signs in.
#[derive(Debug, thiserror::Error)]
pub enum NotAtHome {
    /// No binding names it.
    #[error("no binding names this tenant as a home")]
    Unknown,
    /// It could not be told.
    #[error("bindings not read")]
    Trust(#[from] NotTrusted),
}

impl Homes {
    /// Checks that a tenant is somebody's home.
    ///
    /// # Errors
    ///
    /// [`NotAtHome`].
    pub async fn check(
        &self,
        tenant: TenantId,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Result<(), NotAtHome> {
        // Held while reading: one read for all who wait.
        let mut known = self.known.lock().await;
        if known.as_ref().is_none_or(|(until, _)| *until <= now) {
            *known = Some((now.plus_s(KEPT_S), read(trust).await?));
        }
        let is_known = known.as_ref().is_some_and(|(_, homes)| homes.contains(&tenant));
        is_known.then_some(()).ok_or(NotAtHome::Unknown)
    }
}

async fn read(trust: &TrustStore) -> Result<HashSet<TenantId>, NotTrusted> {
    let keys = trust.trust().await?;
    let mut homes = HashSet::new();
    for tenant in trust.tenants().await.map_err(NotTrusted::Port)? {
        match trust.scope_as_signed(&keys, tenant).await {
            Ok(scope) => homes.extend(scope.terms().home_tenants.iter().map(|home| home.tenant)),
            // Spoiling one tenant's binding must not lock out the people of all others.
            Err(error) if error.is_violation() => {
                tracing::error!(%tenant, cause = chain(&error), "binding not believed");
            }
            Err(NotTrusted::NoBinding) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(homes)
}

impl From<NotAtHome> for Refusal {
    fn from(error: NotAtHome) -> Self {
        let problem = match &error {
            NotAtHome::Unknown => Problem::NOT_ALLOWED,
            NotAtHome::Trust(error) => trust_problem(error),
        };
        Self::because(problem, error)
    }
}
