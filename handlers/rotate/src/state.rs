//! Whoever rotates, connected once: by the clock, and as the worker of what is asked.

use std::sync::Arc;

use airlock_azure::{Azure, hosting::Handler};
use airlock_core::{
    drift::desired::Desired,
    execution::{Tools, Worker},
    ledger::Anchors,
    manifest::Manifest,
    policy::{NotValid, ReadPolicies},
    ports::{PortError, Ports},
    remediation::Remediator,
    rotation::{Own, Rotator},
    trust::TrustStore,
};
use tokio::sync::OnceCell;

/// Where secrets are changed. Cheap to clone.
#[derive(Clone)]
pub struct Bench(Arc<Shared>);

struct Shared {
    azure: Arc<Azure>,
    manifest: Manifest,
    data_key: String,
    policies: ReadPolicies,
    rotator: OnceCell<Arc<Rotator>>,
    worker: OnceCell<Worker>,
}

impl Bench {
    /// A bench that has read nothing yet and connects to nothing: the probe must not wait.
    #[must_use]
    pub fn new(handler: &Handler) -> Self {
        Self(Arc::new(Shared {
            azure: Arc::clone(&handler.azure),
            manifest: Manifest::clone(&handler.manifest),
            data_key: handler.settings.data_key.clone(),
            policies: ReadPolicies::default(),
            rotator: OnceCell::new(),
            worker: OnceCell::new(),
        }))
    }

    /// Reads the policies; ends only if they are not valid, and nothing may be judged.
    pub async fn cannot_judge(&self) -> NotValid {
        self.0.policies.not_valid().await
    }

    /// What changes secrets, by the clock and for the worker: one, because what it has added and
    /// not stored yet is in its memory alone.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the next caller tries again.
    pub async fn rotator(&self) -> Result<&Arc<Rotator>, PortError> {
        let connect = || async { self.0.rotator_over(self.0.azure.ports().await?).map(Arc::new) };
        self.0.rotator.get_or_try_init(connect).await
    }

    /// The worker of what is asked.
    ///
    /// # Errors
    ///
    /// [`PortError`]; the next caller tries again.
    pub async fn worker(&self) -> Result<&Worker, PortError> {
        let connect = || async {
            let ports = self.0.azure.ports().await?;
            let rotator = Arc::clone(self.rotator().await?);
            let tools = Tools::Credentials { rotator, remediator: self.0.remediator()? };
            let trust = self.0.trust_over(&ports);
            let policies = self.0.policies.policies().await;
            let policies = policies.map_err(|error| PortError::Broken(Box::new(error)))?;
            let holder = holder(&ports)?;
            Ok(Worker::new(tools, ports, trust, policies, holder))
        };
        self.0.worker.get_or_try_init(connect).await
    }
}

impl Shared {
    fn rotator_over(&self, ports: Ports) -> Result<Rotator, PortError> {
        let trust = Arc::new(self.trust_over(&ports));
        let outside = self.azure.rotation(&self.manifest)?;
        // What works for Airlock has no secret: each is trusted by its identity's token.
        let (clients, data_key) = (self.manifest.own_clients(), self.data_key.clone());
        let own = Own { clients, data_key };
        let holder = holder(&ports)?;
        Ok(Rotator::new(ports, outside, trust, own, holder))
    }

    fn remediator(&self) -> Result<Arc<Remediator>, PortError> {
        let desired = Desired::of(&self.manifest);
        let desired = desired.map_err(|error| PortError::Broken(error.into()))?;
        let (outside, own) = (self.azure.remediation(), self.manifest.own_clients());
        Ok(Arc::new(Remediator::new(outside, desired, &own)))
    }

    /// Nothing is kept: whoever acts reads afresh whom to trust.
    fn trust_over(&self, ports: &Ports) -> TrustStore {
        let Manifest { root, ledger, .. } = &self.manifest;
        let anchors = Anchors::new(Arc::clone(&ports.anchors), ledger);
        let (documents, clock) = (Arc::clone(&ports.documents), Arc::clone(&ports.clock));
        TrustStore::new(root.clone(), anchors, documents, clock, 0).followed_by(&ports.signer)
    }
}

/// A name for one who works on something, like nobody else's.
fn holder(ports: &Ports) -> Result<[u8; 16], PortError> {
    let mut holder = [0; 16];
    ports.entropy.fill(&mut holder)?;
    Ok(holder)
}
