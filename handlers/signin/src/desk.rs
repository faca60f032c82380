//! What every route works with.

use std::sync::Arc;

use airlock_azure::Azure;
use airlock_core::{
    jws::Verified,
    ledger::Anchors,
    manifest::Manifest,
    ports::{PortError, Ports},
    time::Timestamp,
    trust::{KEPT_S, TrustStore},
};
use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::{
    homes::Homes,
    outside::{Entra, Intake},
    reports::Reports,
    sealing::{NotSealed, NotUnsealed, Sealable, Sealing},
    store::Store,
    tried::Tried,
    wrapping::Telling,
};

/// The app. Connects at the first call that needs it.
#[derive(Clone)]
pub struct Signin(Arc<Parts>);

struct Parts {
    manifest: Verified<Manifest>,
    connect: Arc<dyn Connect>,
    entra: Arc<dyn Entra>,
    intake: Arc<dyn Intake>,
    desk: OnceCell<Desk>,
}

/// The way to the ports.
#[async_trait]
pub trait Connect: Send + Sync {
    /// Connects, or gives what was connected before.
    ///
    /// # Errors
    ///
    /// [`PortError`]. The next call tries again.
    async fn ports(&self) -> Result<Ports, PortError>;
}

#[async_trait]
impl Connect for Azure {
    async fn ports(&self) -> Result<Ports, PortError> {
        Self::ports(self).await
    }
}

/// What every route works with, connected.
pub struct Desk {
    /// What the deployment trusts.
    pub manifest: Verified<Manifest>,
    /// The ways out.
    pub ports: Ports,
    /// Whom to believe.
    pub trust: Arc<TrustStore>,
    /// What is remembered.
    pub store: Store,
    /// What the ledger is told.
    pub reports: Reports,
    sealing: Sealing,
    /// Whose code was tried at Entra.
    pub tried: Tried,
    /// Whose people may sign in.
    pub homes: Homes,
    /// Who people are.
    pub entra: Arc<dyn Entra>,
    /// Who looks again.
    pub intake: Arc<dyn Intake>,
}

impl Signin {
    /// The app over its connections. Calls nothing.
    #[must_use]
    pub fn new(
        manifest: Verified<Manifest>,
        connect: Arc<dyn Connect>,
        entra: Arc<dyn Entra>,
        intake: Arc<dyn Intake>,
    ) -> Self {
        Self(Arc::new(Parts { manifest, connect, entra, intake, desk: OnceCell::new() }))
    }

    /// What the deployment trusts.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.0.manifest.value()
    }

    /// What every route works with.
    ///
    /// # Errors
    ///
    /// [`PortError`] if key or store cannot be reached. The next call tries again.
    pub async fn desk(&self) -> Result<&Desk, PortError> {
        self.0.desk.get_or_try_init(|| self.0.connected()).await
    }
}

impl Parts {
    async fn connected(&self) -> Result<Desk, PortError> {
        let ports = self.connect.ports().await?;
        let trust = TrustStore::new(
            self.manifest.root.clone(),
            Anchors::new(Arc::clone(&ports.anchors), &self.manifest.ledger),
            Arc::clone(&ports.documents),
            Arc::clone(&ports.clock),
            KEPT_S,
        );
        let trust = Arc::new(trust.followed_by(&ports.signer));
        let reports = Reports::new(ports.clone(), Arc::clone(&trust));
        let store = || Store::new(ports.clone(), Arc::clone(&trust), reports.clone());
        let wrapper = Arc::new(Telling::new(&ports, store()));
        Ok(Desk {
            manifest: self.manifest.clone(),
            store: store(),
            ports: Ports { wrapper, ..ports.clone() },
            reports,
            trust,
            sealing: Sealing::default(),
            tried: Tried::default(),
            homes: Homes::default(),
            entra: Arc::clone(&self.entra),
            intake: Arc::clone(&self.intake),
        })
    }
}

impl Desk {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// Seals what is handed out, to be recognised when it comes back.
    ///
    /// # Errors
    ///
    /// [`NotSealed`].
    pub async fn seal<T: Sealable>(&self, what: &T) -> Result<String, NotSealed> {
        self.sealing.seal(what, &self.ports, &self.store).await
    }

    /// Opens what came back.
    ///
    /// # Errors
    ///
    /// [`NotUnsealed`].
    pub async fn unseal<T: Sealable>(&self, text: &str) -> Result<T, NotUnsealed> {
        self.sealing.open(text, &self.ports, &self.store).await
    }
}
