//! The worker, connected once.

use std::sync::Arc;

use airlock_azure::{Azure, hosting::Handler};
use airlock_core::{
    execution::Worker, identity::App, jwk::PublicKey, policy::Policies, ports::PortError,
    trust::TrustStore,
};
use tokio::sync::OnceCell;

/// Where the worker stands. Cheap to clone.
#[derive(Clone)]
pub struct Bench(Arc<Shared>);

struct Shared {
    azure: Arc<Azure>,
    root: PublicKey,
    policies: Arc<Policies>,
    worker: OnceCell<Worker>,
}

impl Bench {
    /// Reads the policies; connects to nothing yet.
    ///
    /// # Errors
    ///
    /// If the policies are not valid: nothing may be done by them.
    pub fn new(handler: &Handler) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Shared {
            azure: Arc::clone(&handler.azure),
            root: handler.manifest.root.clone(),
            policies: Arc::new(Policies::standard()?),
            worker: OnceCell::new(),
        })))
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
                    Arc::clone(&ports.documents),
                    Arc::clone(&ports.clock),
                    0,
                );
                let mut holder = [0; 16];
                ports.entropy.fill(&mut holder)?;
                Ok(Worker::new(
                    App::Execute,
                    ports,
                    self.0.azure.directory(),
                    trust,
                    Arc::clone(&self.0.policies),
                    holder,
                ))
            })
            .await
    }
}
