//! The worker, connected once.

use std::sync::Arc;

use airlock_azure::{Azure, hosting::Handler};
use airlock_core::{
    execution::{Tools, Worker},
    jwk::PublicKey,
    ledger::Anchors,
    policy::{NotValid, ReadPolicies},
    ports::PortError,
    trust::TrustStore,
};
use tokio::sync::OnceCell;

/// Where the worker stands. Cheap to clone.
#[derive(Clone)]
pub struct Bench(Arc<Shared>);

struct Shared {
    azure: Arc<Azure>,
    root: PublicKey,
    ledger: String,
    policies: ReadPolicies,
    worker: OnceCell<Worker>,
}

impl Bench {
    /// A bench that has read nothing yet and connects to nothing: the probe must not wait.
    #[must_use]
    pub fn new(handler: &Handler) -> Self {
        Self(Arc::new(Shared {
            azure: Arc::clone(&handler.azure),
            root: handler.manifest.root.clone(),
            ledger: handler.manifest.ledger.clone(),
            policies: ReadPolicies::default(),
            worker: OnceCell::new(),
        }))
    }

    /// Reads the policies; ends only if they are not valid, and nothing may be judged.
    pub async fn cannot_judge(&self) -> NotValid {
        self.0.policies.not_valid().await
    }

    /// The worker.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the next caller tries again.
    pub async fn worker(&self) -> Result<&Worker, PortError> {
        self.0
            .worker
            .get_or_try_init(|| async {
                let ports = self.0.azure.ports().await?;
                // Nothing is kept: whoever acts reads afresh whom to trust.
                let trust = TrustStore::new(
                    self.0.root.clone(),
                    Anchors::new(Arc::clone(&ports.anchors), &self.0.ledger),
                    Arc::clone(&ports.documents),
                    Arc::clone(&ports.clock),
                    0,
                )
                .followed_by(&ports.signer);
                let policies = self.0.policies.policies().await;
                let policies = policies.map_err(|error| PortError::Broken(Box::new(error)))?;
                let mut holder = [0; 16];
                ports.entropy.fill(&mut holder)?;
                let tools = Tools::Directory(self.0.azure.directory());
                Ok(Worker::new(tools, ports, trust, policies, holder))
            })
            .await
    }
}
