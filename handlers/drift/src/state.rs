//! Whoever compares, seals and records, connected once.

use std::sync::Arc;

use airlock_azure::{Azure, hosting::Handler};
use airlock_core::{
    drift::{Drift, desired::Desired},
    ledger::Anchors,
    manifest::Manifest,
    ports::{PortError, Ports},
    recording::Recorder,
    sealing::Sealer,
    trust::TrustStore,
};
use tokio::sync::OnceCell;

/// Name of the key that signs checkpoints, as `infra/identities.json` gives it: a key of its own,
/// so that no statement can be taken for a checkpoint, or be signed in its place.
const CHECKPOINT_KEY: &str = "drift-checkpoint";

/// Where things are compared, trees are sealed, and events are written down. Cheap to clone.
#[derive(Clone)]
pub struct Bench(Arc<Shared>);

struct Shared {
    azure: Arc<Azure>,
    manifest: Manifest,
    drift: OnceCell<Drift>,
    sealer: OnceCell<Sealer>,
    recorder: OnceCell<Recorder>,
}

impl Bench {
    /// A bench that connects to nothing yet: the probe must not wait.
    #[must_use]
    pub fn new(handler: &Handler) -> Self {
        Self(Arc::new(Shared {
            azure: Arc::clone(&handler.azure),
            manifest: Manifest::clone(&handler.manifest),
            drift: OnceCell::new(),
            sealer: OnceCell::new(),
            recorder: OnceCell::new(),
        }))
    }

    /// Whoever looks for drift.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the next caller tries again.
    pub async fn drift(&self) -> Result<&Drift, PortError> {
        let connect = || async {
            let ports = self.0.azure.ports().await?;
            let trust = self.trust(&ports);
            let manifest = &self.0.manifest;
            // What was built in does not fit what was deployed: no later try mends that.
            let desired = Desired::of(manifest).map_err(|error| PortError::Broken(error.into()))?;
            let directories = self.0.azure.directories();
            Ok(Drift::new(ports, trust, desired, directories, self.0.azure.resources(manifest)?))
        };
        self.0.drift.get_or_try_init(connect).await
    }

    /// The sealer.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the next caller tries again.
    pub async fn sealer(&self) -> Result<&Sealer, PortError> {
        let connect = || async {
            let ports = self.0.azure.ports().await?;
            let checkpoints = self.0.azure.signer(CHECKPOINT_KEY).await?;
            let trust = Arc::new(self.trust(&ports).followed_by(&checkpoints));
            Ok(Sealer::new(ports.clone(), checkpoints, trust, self.anchors(&ports)))
        };
        self.0.sealer.get_or_try_init(connect).await
    }

    /// The recorder.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the next caller tries again.
    pub async fn recorder(&self) -> Result<&Recorder, PortError> {
        let connect = || async {
            let ports = self.0.azure.ports().await?;
            let trust = self.trust(&ports);
            Ok(Recorder::new(ports, trust))
        };
        self.0.recorder.get_or_try_init(connect).await
    }

    /// Nothing is kept: what a tenant wants by now is what is looked for, and a key that was just
    /// published signs at once.
    fn trust(&self, ports: &Ports) -> TrustStore {
        let (documents, clock) = (Arc::clone(&ports.documents), Arc::clone(&ports.clock));
        TrustStore::new(self.0.manifest.root.clone(), self.anchors(ports), documents, clock, 0)
            .followed_by(&ports.signer)
    }

    fn anchors(&self, ports: &Ports) -> Anchors {
        Anchors::new(Arc::clone(&ports.anchors), &self.0.manifest.ledger)
    }
}
