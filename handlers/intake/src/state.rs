//! What every route shares.

use std::sync::Arc;

use airlock_azure::{Azure, hosting::Handler};
use airlock_core::{
    ledger::Anchors,
    manifest::Manifest,
    policy::{NotValid, ReadPolicies},
    ports::{PortError, Ports},
    reception::Reception,
    trust::{KEPT_S, TrustStore},
};
use tokio::sync::OnceCell;

/// The desk and what it needs. Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Shared>);

struct Shared {
    azure: Arc<Azure>,
    manifest: Manifest,
    policies: ReadPolicies,
    connected: OnceCell<Connected>,
}

/// What is there once the first request has connected.
pub struct Connected {
    /// The ports.
    pub ports: Ports,
    /// Whom to trust.
    pub trust: Arc<TrustStore>,
    /// The desk itself.
    pub reception: Reception,
}

impl Desk {
    /// A desk that has read nothing yet and connects to nothing: the probe must not wait.
    #[must_use]
    pub fn new(handler: &Handler) -> Self {
        Self(Arc::new(Shared {
            azure: Arc::clone(&handler.azure),
            manifest: handler.manifest.value().clone(),
            policies: ReadPolicies::default(),
            connected: OnceCell::new(),
        }))
    }

    /// Reads the policies; ends only if they are not valid, and nothing may be judged.
    pub async fn cannot_judge(&self) -> NotValid {
        self.0.policies.not_valid().await
    }

    /// The ports, connected once.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the next caller tries again.
    pub async fn connected(&self) -> Result<&Connected, PortError> {
        self.0
            .connected
            .get_or_try_init(|| async {
                let ports = self.0.azure.ports().await?;
                let trust = TrustStore::new(
                    self.0.manifest.root.clone(),
                    Anchors::new(Arc::clone(&ports.anchors), &self.0.manifest.ledger),
                    Arc::clone(&ports.documents),
                    Arc::clone(&ports.clock),
                    KEPT_S,
                );
                let trust = Arc::new(trust.followed_by(&ports.signer));
                let policies = self.0.policies.policies().await;
                let policies = policies.map_err(|error| PortError::Broken(Box::new(error)))?;
                let reception = Reception::new(ports.clone(), Arc::clone(&trust), policies);
                Ok(Connected { ports, trust, reception })
            })
            .await
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// Azure, for what is not a port: tokens that Entra issued.
    #[must_use]
    pub fn azure(&self) -> &Azure {
        &self.0.azure
    }
}
