//! Whoever rotates, connected once.

use std::sync::Arc;

use airlock_azure::{Azure, hosting::Handler};
use airlock_core::{
    ledger::Anchors, manifest::Manifest, ports::PortError, rotation::Rotator, trust::TrustStore,
};
use tokio::sync::OnceCell;

/// Where secrets are changed. Cheap to clone.
#[derive(Clone)]
pub struct Bench(Arc<Shared>);

struct Shared {
    azure: Arc<Azure>,
    manifest: Manifest,
    rotator: OnceCell<Rotator>,
}

impl Bench {
    /// A bench that connects to nothing yet: the probe must not wait.
    #[must_use]
    pub fn new(handler: &Handler) -> Self {
        let (azure, rotator) = (Arc::clone(&handler.azure), OnceCell::new());
        Self(Arc::new(Shared { azure, manifest: Manifest::clone(&handler.manifest), rotator }))
    }

    /// The rotator.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the next caller tries again.
    pub async fn rotator(&self) -> Result<&Rotator, PortError> {
        let Shared { azure, manifest, rotator } = &*self.0;
        let connect = || async {
            let ports = azure.ports().await?;
            // Nothing is kept: whoever acts reads afresh whom to trust.
            let trust = TrustStore::new(
                manifest.root.clone(),
                Anchors::new(Arc::clone(&ports.anchors), &manifest.ledger),
                Arc::clone(&ports.documents),
                Arc::clone(&ports.clock),
                0,
            );
            let mut holder = [0; 16];
            ports.entropy.fill(&mut holder)?;
            Ok(Rotator::new(ports, azure.rotation(manifest)?, Arc::new(trust), holder))
        };
        rotator.get_or_try_init(connect).await
    }
}
