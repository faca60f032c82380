//! The cloud as its parts see it: what each can ask of the others.
//!
//! Each service is one module with one state and one `answer`. The door (TLS, proxy, faults,
//! record of calls) stands before all of them, so that no service knows how it was reached.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use uuid::Uuid;

use crate::{
    arm::Resources, blob::Blobs, bus::Bus, cosmos::Cosmos, directory::Directory, entra::Entra,
    faults::Faults, identities::Identities, issuer::Issuer, record::Record, vault::Vault,
};

/// A whole request, body included.
pub type Asked = Request<Bytes>;
/// A whole response.
pub type Answer = Response<Bytes>;

/// Everything that stands in for Azure.
pub struct Cloud {
    /// What is granted.
    pub identities: Identities,
    /// Under which names and ports everything is found.
    pub names: Names,
    /// People, groups, roles: what Graph reads and writes.
    pub directory: Directory,
    /// Tokens: issues and verifies them.
    pub entra: Entra,
    /// A customer's own issuer, for its services.
    pub issuer: Issuer,
    /// Key Vault.
    pub vault: Vault,
    /// Service Bus.
    pub bus: Bus,
    /// Cosmos DB.
    pub cosmos: Cosmos,
    /// Blob storage, both accounts.
    pub blobs: Blobs,
    /// Azure Resource Manager: how all of this is set up, and who is assigned what.
    pub resources: Resources,
    /// Which calls shall go wrong.
    pub faults: Faults,
    /// Which calls were made, by whom.
    pub record: Record,
}

/// The names of the deployment, as Azure would give them, and the loopback ports.
#[derive(Clone, Debug)]
pub struct Names {
    /// Tenant of the deployment: home of its managed identities and app registrations.
    pub tenant: Uuid,
    /// `login.microsoftonline.com`
    pub entra: String,
    /// Host of a customer's own issuer: `id.hr.contoso.example`.
    pub issuer: String,
    /// `graph.microsoft.com`
    pub graph: String,
    /// `airlock-local.vault.azure.net`
    pub vault: String,
    /// `airlock-local.documents.azure.com`
    pub cosmos: String,
    /// `airlock-local.servicebus.windows.net`
    pub bus: String,
    /// `airlocklocal.blob.core.windows.net`: claims and tiles.
    pub blobs: String,
    /// `airlockanchors.blob.core.windows.net`: anchors, in an account of their own.
    pub anchors: String,
    /// Origin of the portal: `http://localhost:<port>`.
    pub portal: String,
    /// Origin of the API, behind which `signin` and `intake` stand: `http://localhost:<port>`.
    pub api: String,
    /// Origin of Entra's pages for browsers: `http://127.0.0.1:<port>`, another site than the API.
    pub pages: String,
}

/// Who a verified token speaks for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Tenant that issued the token.
    pub tenant: Uuid,
    /// Object id (`oid`).
    pub object: Uuid,
    /// Name in `identities.json`, if it is a managed identity of ours.
    pub identity: Option<String>,
    /// Name in `identities.json`, if it is a service principal of one of our applications.
    pub application: Option<String>,
    /// `roles` claim: application permissions or app roles.
    pub roles: Vec<String>,
}

impl Caller {
    /// How the record names this caller.
    #[must_use]
    pub fn name(&self) -> String {
        self.identity
            .clone()
            .or_else(|| self.application.clone())
            .unwrap_or_else(|| self.object.to_string())
    }
}

/// Why a bearer token was not accepted. Every service answers 401 to it, in its own words.
#[derive(Clone, Debug)]
pub struct NotAuthenticated(pub String);

/// Resources (token audiences) of the services.
pub mod audience {
    /// Key Vault.
    pub const VAULT: &str = "https://vault.azure.net";
    /// Cosmos DB.
    pub const COSMOS: &str = "https://cosmos.azure.com";
    /// Service Bus.
    pub const BUS: &str = "https://servicebus.azure.net";
    /// Blob storage.
    pub const STORAGE: &str = "https://storage.azure.com";
    /// Microsoft Graph.
    pub const GRAPH: &str = "https://graph.microsoft.com";
    /// Azure Resource Manager.
    pub const ARM: &str = "https://management.azure.com";
    /// The exchange of a managed identity's token for an application's.
    pub const EXCHANGE: &str = "api://AzureADTokenExchange";
}

/// A cloud that several tasks share.
pub type Shared = Arc<Cloud>;
