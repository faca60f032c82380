//! The deployment's vault and store, reached as the admin plane.

use std::{
    fmt,
    sync::{self, Arc, PoisonError},
    time::Duration,
};

use airlock_azure::reading;
use airlock_core::{
    identity::App,
    ports::{Blobs, Documents},
    time::Timestamp,
};
use anyhow::Context as _;
use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport},
    time::OffsetDateTime,
};
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId,
};
use tokio::sync::{Mutex, OnceCell};

use super::{
    authority::Authority,
    deployment::{Deployment, NotDescribed},
    publish::Shelf,
    store::Store,
    vault::Vault,
};

/// How long a connection and a call may take.
const CONNECT: Duration = Duration::from_secs(5);
const CALL: Duration = Duration::from_secs(30);

/// How often a call is repeated: somebody waits for it.
const RETRIES: u32 = 3;

/// A token is asked for again when less than this is left of it.
const LEFT: Duration = Duration::from_mins(5);

/// Vault and store of a deployment.
pub struct Hosted {
    vault: Vault,
    credential: Arc<dyn TokenCredential>,
    authority: Mutex<Option<Arc<Authority>>>,
    store: OnceCell<Arc<Store>>,
}

/// Nothing can be reached.
#[derive(Debug, thiserror::Error)]
pub enum NotHosted {
    /// The deployment does not say as whom.
    #[error(transparent)]
    Deployment(#[from] NotDescribed),
    /// There is no HTTP client.
    #[error("no HTTP client")]
    Http(#[from] reqwest::Error),
    /// There is no credential, or the vault's address is not one.
    #[error("no way to Azure")]
    Azure(#[from] azure_core::Error),
}

impl Hosted {
    /// Makes the clients. Calls nothing yet.
    ///
    /// # Errors
    ///
    /// [`NotHosted`].
    pub fn connect(deployment: &Deployment, managed_identity: bool) -> Result<Self, NotHosted> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let retry = ExponentialRetryOptions { max_retries: RETRIES, ..Default::default() };
        let options = ClientOptions {
            transport: Some(Transport::new(Arc::new(http))),
            retry: RetryOptions::exponential(retry),
            ..ClientOptions::default()
        };
        let credential: Arc<dyn TokenCredential> = if managed_identity {
            let admin = deployment.identity(App::Admin)?.client_id;
            ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: Some(UserAssignedId::ClientId(admin.to_string())),
                client_options: options.clone(),
            }))?
        } else {
            Arc::new(Remembering::new(DeveloperToolsCredential::new(None)?))
        };
        let vault = Vault::new(deployment.vault.as_str(), Arc::clone(&credential), options)?;
        Ok(Self { vault, credential, authority: Mutex::default(), store: OnceCell::new() })
    }

    /// The vault.
    #[must_use]
    pub const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The root, which signs everything here.
    ///
    /// # Errors
    ///
    /// If it cannot be told who it is, or the vault does not show it.
    pub async fn authority(
        &self,
        deployment: &Deployment,
        now: Timestamp,
    ) -> anyhow::Result<Arc<Authority>> {
        // Held while looking: one look for all who wait.
        let mut found = self.authority.lock().await;
        if let Some(authority) = &*found {
            return Ok(Arc::clone(authority));
        }
        let store = self.store(deployment).await?;
        let authority = Authority::find(&self.vault, &*store, deployment.root()?, now).await?;
        Ok(Arc::clone(found.insert(Arc::new(authority))))
    }

    /// From now on this is the root.
    pub async fn succeeded_by(&self, authority: Arc<Authority>) {
        *self.authority.lock().await = Some(authority);
    }

    /// The store.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn store(&self, deployment: &Deployment) -> anyhow::Result<Arc<dyn Shelf>> {
        let connect = async || {
            let credential = Arc::clone(&self.credential);
            let (address, database) = (deployment.cosmos.as_str(), &deployment.database);
            let store = Store::connect(address, database, credential).await;
            anyhow::Ok(Arc::new(store.context("store not reached")?))
        };
        let store = Arc::clone(self.store.get_or_try_init(connect).await?);
        Ok(store)
    }
}

impl Hosted {
    /// What tenants' trees are read through. Nothing is written with it.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn documents(&self, deployment: &Deployment) -> anyhow::Result<Arc<dyn Documents>> {
        let (address, database) = (deployment.cosmos.as_str(), &deployment.database);
        let credential = Arc::clone(&self.credential);
        let documents = reading::documents(address, database, credential).await;
        documents.context("store not reached")
    }

    /// Where anchors are read.
    ///
    /// # Errors
    ///
    /// If there is no HTTP client.
    pub fn anchors(&self, deployment: &Deployment) -> anyhow::Result<Arc<dyn Blobs>> {
        let (address, authority) = (deployment.anchors.as_str(), deployment.authority.as_str());
        let blobs = reading::blobs(address, authority, Arc::clone(&self.credential));
        blobs.context("no way to the anchors")
    }
}

/// The developer tools start a process for every token, and the store asks for one at every
/// call: this keeps the last token of each scope while it lasts.
struct Remembering {
    inner: Arc<dyn TokenCredential>,
    tokens: sync::Mutex<Vec<(String, AccessToken)>>,
}

impl fmt::Debug for Remembering {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Remembering")
    }
}

impl Remembering {
    fn new(inner: Arc<dyn TokenCredential>) -> Self {
        Self { inner, tokens: sync::Mutex::default() }
    }

    fn kept(&self, scope: &str) -> Option<AccessToken> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, token) = tokens.iter().find(|(kept, _)| kept == scope)?;
        (token.expires_on - LEFT > OffsetDateTime::now_utc()).then(|| token.clone())
    }
}

#[async_trait]
impl TokenCredential for Remembering {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let scope = scopes.join(" ");
        if let Some(token) = self.kept(&scope) {
            return Ok(token);
        }
        let token = self.inner.get_token(scopes, options).await?;
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|(kept, _)| *kept != scope);
        tokens.push((scope, token.clone()));
        Ok(token)
    }
}
