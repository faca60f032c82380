//! Whoever compares, connected once.

use std::sync::Arc;

use airlock_azure::{Azure, hosting::Handler};
use airlock_core::{comparing::Comparer, jwk::PublicKey, ports::PortError, trust::TrustStore};
use tokio::sync::OnceCell;

/// Where things are compared. Cheap to clone.
#[derive(Clone)]
pub struct Bench(Arc<Shared>);

struct Shared {
    azure: Arc<Azure>,
    root: PublicKey,
    comparer: OnceCell<Comparer>,
}

impl Bench {
    /// A bench that connects to nothing yet: the probe must not wait.
    #[must_use]
    pub fn new(handler: &Handler) -> Self {
        Self(Arc::new(Shared {
            azure: Arc::clone(&handler.azure),
            root: handler.manifest.root.clone(),
            comparer: OnceCell::new(),
        }))
    }

    /// The comparer.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the next caller tries again.
    pub async fn comparer(&self) -> Result<&Comparer, PortError> {
        self.0
            .comparer
            .get_or_try_init(|| async {
                let ports = self.0.azure.ports().await?;
                // Nothing is kept: what a tenant wants by now is what is looked for.
                let trust = TrustStore::new(
                    self.0.root.clone(),
                    Arc::clone(&ports.documents),
                    Arc::clone(&ports.clock),
                    0,
                );
                Ok(Comparer::new(ports, trust, self.0.azure.access_policies()))
            })
            .await
    }
}
