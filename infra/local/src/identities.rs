//! `infra/identities.json`: who may do what, as data. The cloud refuses whatever is not in it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Everything that is granted to anyone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identities {
    /// User-assigned managed identities by name: one for each app, and the admin plane's.
    #[expect(clippy::struct_field_names, reason = "the file's own word")]
    pub identities: BTreeMap<String, Identity>,
    /// App registrations by display name.
    pub applications: BTreeMap<String, Application>,
    /// Service Bus queues by name.
    pub queues: BTreeMap<String, Queue>,
    /// Cosmos DB containers by name; those of other databases than the deployment's by
    /// `<database>/<name>`.
    pub containers: BTreeMap<String, Container>,
}

/// One managed identity and its grants.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Key Vault keys.
    pub keys: Keys,
    /// What its signing keys may sign. Read by the keyset, not by the cloud.
    pub signs: Vec<String>,
    /// Cosmos DB containers, named likewise, and the rights on each.
    pub cosmos: BTreeMap<String, Vec<Right>>,
    /// Blob containers and the rights on each.
    pub blobs: BTreeMap<String, Vec<Right>>,
    /// Queues that it may send to.
    pub send: Vec<String>,
    /// Queues that its Functions host may receive from.
    pub receive: Vec<String>,
    /// Applications whose app roles are assigned to it.
    pub calls: Vec<String>,
}

/// Key Vault keys that an identity may use.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// P-256 keys: `sign` and `get`.
    pub sign: Vec<String>,
    /// RSA keys: `wrapKey`, `unwrapKey` and `get`.
    pub wrap: Vec<String>,
}

/// A right on a container. `create` allows what does not exist yet and nothing else.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Read and list.
    Read,
    /// Create, replace and delete.
    Write,
    /// Create only.
    Create,
}

/// One app registration. None has a secret or a certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// The identity that its one federated credential trusts.
    pub trusts: Option<String>,
    /// Microsoft Graph application permissions, consented in every tenant.
    pub permissions: Vec<String>,
    /// Entra directory roles of its service principal.
    pub directory_roles: Vec<String>,
    /// Delegated scopes that it exposes.
    pub scopes: Vec<String>,
    /// App roles that it exposes.
    pub app_roles: Vec<String>,
}

/// One Service Bus queue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Deliveries after which the broker dead-letters a message.
    pub max_delivery_count: u32,
    /// Seconds for which a received message is locked.
    pub lock_duration_s: u64,
    /// Seconds for which a `MessageId` is remembered.
    pub duplicate_detection_s: u64,
}

/// One Cosmos DB container.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// JSON pointer-like path of the partition key.
    pub partition_key: String,
    /// `defaultTtl`, in seconds: -1 lets each document say by its `ttl` when it ends. Without it
    /// documents stay, whatever they say.
    #[serde(default)]
    pub default_ttl: Option<i32>,
}

impl Identities {
    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// If it is not the JSON that this module describes.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        serde_json::from_str(text).context("infra/identities.json was not understood")
    }

    /// The identity with this principal id.
    #[must_use]
    pub fn by_principal(&self, principal: Uuid) -> Option<(&str, &Identity)> {
        self.identities
            .iter()
            .find(|(name, _)| principal_id(name) == principal)
            .map(|(name, identity)| (name.as_str(), identity))
    }

    /// The application with this client id.
    #[must_use]
    pub fn by_client(&self, client: Uuid) -> Option<(&str, &Application)> {
        self.applications
            .iter()
            .find(|(name, _)| application_id(name) == client)
            .map(|(name, application)| (name.as_str(), application))
    }
}

/// A stable id for something that Azure would number at random.
#[must_use]
pub fn stable_id(kind: &str, name: &str) -> Uuid {
    let digest = Sha256::digest(format!("airlock-local/{kind}/{name}"));
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The principal (object) id of a managed identity: what a federated credential must name.
#[must_use]
pub fn principal_id(identity: &str) -> Uuid {
    stable_id("identity/principal", identity)
}

/// The client id of a managed identity: what its token is asked for with.
#[must_use]
pub fn client_id(identity: &str) -> Uuid {
    stable_id("identity/client", identity)
}

/// The application (client) id of an app registration.
#[must_use]
pub fn application_id(application: &str) -> Uuid {
    stable_id("application", application)
}

/// The object id of an application's service principal in one tenant.
#[must_use]
pub fn service_principal_id(application: &str, tenant: Uuid) -> Uuid {
    stable_id("service-principal", &format!("{application}/{tenant}"))
}
