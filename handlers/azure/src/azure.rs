//! One process's way to Azure.

use std::sync::Arc;

use airlock_core::{
    drift::sources::{Directories, Resources},
    identity::App,
    manifest::Manifest,
    ports::{Blobs, Bus, Clock, Directory, Partition, PortError, Ports, Signer},
    remediation::Remediation,
    rotation::ports::RotationPorts,
    secret::Secret,
    signing::{self, FollowingSigner},
    trust::KEYSET_ID,
};
use azure_core::credentials::TokenCredential as _;
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use tokio::sync::OnceCell;

use crate::{
    arm::ResourceManager,
    blobs::BlobStore,
    bus::ServiceBus,
    clock::{SystemClock, SystemEntropy},
    cosmos::Cosmos,
    entra::TokenVerifier,
    failure::{in_time, port_error},
    graph::{Applications, Checks, Graph, Registrations},
    hosting::{Dependency, Health, Settings, Watched},
    identity::{self, Kept},
    oidc::ServiceTokens,
    secrets::{VaultKeys, VaultSecrets},
    transport::{self, Wire},
    vault::{VaultVersions, VaultWrapper},
};

/// One process's way to Azure: one HTTP client, one identity, and the ports over them.
///
/// Making it calls nothing; the first use of each part does.
pub struct Azure {
    http: reqwest::Client,
    identity: Arc<Kept>,
    wire: Wire,
    tokens: TokenVerifier,
    service_tokens: ServiceTokens,
    directory: Arc<Graph>,
    vault: Arc<KeyClient>,
    blobs: Arc<dyn Blobs>,
    anchors: Arc<dyn Blobs>,
    bus: Arc<dyn Bus>,
    store: Store,
    app: App,
    signing_key: String,
    data_key: String,
    ports: OnceCell<Ports>,
    health: Arc<Health>,
}

/// Where documents are.
struct Store {
    account: String,
    database: String,
}

impl Azure {
    /// Makes the clients for what the manifest names.
    ///
    /// # Errors
    ///
    /// If an address in the manifest is not one.
    pub fn new(settings: &Settings, manifest: &Manifest) -> Result<Self, azure_core::Error> {
        let http = transport::client()?;
        let wire = Wire::new(http.clone(), &manifest.authority);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let health = Arc::<Health>::default();
        let identity = identity::managed_identity(settings.client_id, &wire, Arc::clone(&clock))?;
        // `verify_challenge_resource` stays on: the token that a vault asks for must be for its own
        // domain.
        let vault = KeyClient::new(
            &manifest.vault,
            identity.clone(),
            Some(KeyClientOptions {
                client_options: wire.repeating(),
                ..KeyClientOptions::default()
            }),
        )?;
        Ok(Self {
            tokens: TokenVerifier::new(http.clone(), &manifest.authority, Arc::clone(&clock)),
            service_tokens: ServiceTokens::new(http.clone(), clock),
            directory: Arc::new(Graph::new(manifest, identity.clone(), wire.clone())?),
            vault: Arc::new(vault),
            blobs: Arc::new(BlobStore::new(&manifest.blobs, identity.clone(), &wire)?),
            anchors: Arc::new(BlobStore::new(&manifest.anchors, identity.clone(), &wire)?),
            bus: Arc::new(Watched::new(
                ServiceBus::new(&manifest.bus, identity.clone(), &wire)?,
                Arc::clone(&health),
            )),
            store: Store { account: manifest.cosmos.clone(), database: settings.database.clone() },
            app: manifest.app,
            signing_key: settings.signing_key.clone(),
            data_key: settings.data_key.clone(),
            ports: OnceCell::new(),
            health,
            http,
            identity,
            wire,
        })
    }

    /// The ports, connected at the first call.
    ///
    /// # Errors
    ///
    /// [`PortError`] if key or store cannot be reached. The next call tries again.
    pub async fn ports(&self) -> Result<Ports, PortError> {
        self.ports.get_or_try_init(|| self.connect()).await.cloned()
    }

    async fn connect(&self) -> Result<Ports, PortError> {
        let signer = self.signer(&self.signing_key);
        let Store { account, database } = &self.store;
        let documents = Cosmos::connect(account, database, self.identity.clone());
        let (signer, documents) = tokio::try_join!(signer, documents)?;
        Ok(Ports {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            signer,
            wrapper: Arc::new(VaultWrapper::new(Arc::clone(&self.vault), self.data_key.clone())),
            documents: Arc::new(documents),
            blobs: Arc::clone(&self.blobs),
            anchors: Arc::clone(&self.anchors),
            bus: Arc::clone(&self.bus),
        })
    }

    /// A signing key of the app's, by its name in Key Vault. Connected at each call.
    ///
    /// # Errors
    ///
    /// [`PortError`] if it is not there, or this app may not use it.
    pub async fn signer(&self, name: &str) -> Result<Arc<dyn Signer>, PortError> {
        let versions = Arc::new(self.versions(name));
        let signer = FollowingSigner::connect(self.app, versions, Arc::new(SystemClock)).await?;
        Ok(Arc::new(signer))
    }

    fn versions(&self, name: &str) -> VaultVersions {
        VaultVersions::new(Arc::clone(&self.vault), name.to_owned())
    }

    /// What is known of the dependencies.
    pub(crate) const fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Looks how the dependencies do. The first look connects.
    pub(crate) async fn look(&self) {
        let had_connected = self.ports.initialized();
        let connected = self.ports().await;
        let vault = if connected.is_ok() && !had_connected {
            tracing::info!("connected");
            // Which has just asked for the key.
            Ok(())
        } else {
            signing::newest(&self.versions(&self.signing_key)).await.map(drop)
        };
        self.health.saw(Dependency::Vault, vault.as_ref().err());
        let keyset = async {
            connected?.documents.read(&Partition::deployment(), KEYSET_ID).await.map(drop)
        };
        // What failed to connect may have been the vault alone.
        if vault.is_ok() || self.ports.initialized() {
            self.health.saw(Dependency::Store, keyset.await.as_ref().err());
        }
    }

    /// Microsoft Graph, with the worker applications.
    #[must_use]
    pub fn directory(&self) -> Arc<dyn Directory> {
        Arc::clone(&self.directory) as Arc<dyn Directory>
    }

    /// Directories, as the observer sees them in Microsoft Graph.
    #[must_use]
    pub fn directories(&self) -> Arc<dyn Directories> {
        Arc::clone(&self.directory) as Arc<dyn Directories>
    }

    /// What takes credentials away from Airlock's own registrations: for the app `rotate` alone,
    /// whose identity may.
    #[must_use]
    pub fn remediation(&self) -> Arc<dyn Remediation> {
        Arc::new(Registrations::new(Arc::clone(&self.directory)))
    }

    /// The resources of the deployment, as Azure has them: for the app `drift` alone, whose identity
    /// may read them.
    ///
    /// # Errors
    ///
    /// [`PortError`] if an address in the manifest is not one.
    pub fn resources(&self, manifest: &Manifest) -> Result<Arc<dyn Resources>, PortError> {
        let (identity, http) = (self.identity.clone(), self.http.clone());
        let resources = ResourceManager::new(manifest, identity, &self.wire, http);
        Ok(Arc::new(resources.map_err(port_error)?))
    }

    /// What rotation reaches: for the app `rotate` alone, whose identity may.
    ///
    /// # Errors
    ///
    /// [`PortError`] if an address in the manifest is not one.
    pub fn rotation(&self, manifest: &Manifest) -> Result<RotationPorts, PortError> {
        let identity = || Arc::clone(&self.identity);
        let client_options = self.wire.once();
        let options = SecretClientOptions { client_options, ..SecretClientOptions::default() };
        let secrets = SecretClient::new(&manifest.vault, identity(), Some(options));
        let client_options = self.wire.once();
        let options = KeyClientOptions { client_options, ..KeyClientOptions::default() };
        let keys = KeyClient::new(&manifest.vault, identity(), Some(options));
        let graph = Arc::clone(&self.directory);
        Ok(RotationPorts {
            secrets: Arc::new(VaultSecrets::new(secrets.map_err(port_error)?)),
            keys: Arc::new(VaultKeys::new(keys.map_err(port_error)?)),
            credentials: Arc::new(Applications::new(
                graph,
                self.http.clone(),
                &manifest.authority,
                manifest.own_clients(),
            )),
            consumers: Arc::new(Checks::new(self.http.clone())),
        })
    }

    /// A token of the app's own managed identity for a resource.
    ///
    /// # Errors
    ///
    /// [`PortError`].
    pub async fn identity_token(&self, resource: &str) -> Result<Secret, PortError> {
        let scope = format!("{resource}/.default");
        let asked = async { self.identity.get_token(&[&scope], None).await.map_err(port_error) };
        in_time(asked).await.map(|token| Secret::new(token.token.secret().to_owned()))
    }

    /// The one HTTP client of the process: follows no redirects, and every call has a
    /// time-out.
    #[must_use]
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Verifies tokens that Entra issued.
    #[must_use]
    pub const fn tokens(&self) -> &TokenVerifier {
        &self.tokens
    }

    /// Verifies tokens of services, by whoever issued them.
    #[must_use]
    pub const fn service_tokens(&self) -> &ServiceTokens {
        &self.service_tokens
    }
}
