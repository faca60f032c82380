//! What is: read from Graph, Azure Resource Manager, the apps themselves, and nothing more than
//! the checks need.
//!
//! Where order and case mean nothing, none is kept: ids are parsed, names that Azure does not
//! tell apart by case are in small letters ([`Name`]), and lists that are sets are sets.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use uuid::Uuid;

use crate::{
    digest::Digest,
    identity::{App, ObjectId, TenantId},
    time::Timestamp,
};

/// A name or id whose case means nothing: of an Azure resource, of a permission, of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name, in small letters.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_ascii_lowercase())
    }

    /// In small letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An app registration of Airlock's, as its home tenant has it.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Client id.
    pub client: ObjectId,
    /// Object id.
    pub object: ObjectId,
    /// Passwords and keys that open it.
    pub credentials: Vec<Credential>,
    /// Where it lets people be sent back to: web, single page and public client alike.
    pub redirects: BTreeSet<String>,
    /// Whether tokens are issued from the authorization endpoint, or to public clients: no code,
    /// no credential.
    pub implicit: bool,
    /// Whose accounts may sign in, such as `azureadmyorg`.
    pub audience: Name,
    /// Delegated scopes that it exposes and are enabled.
    pub scopes: BTreeSet<String>,
    /// App roles that it exposes and are enabled.
    pub app_roles: BTreeSet<String>,
    /// Clients that get its scopes without anybody's consent.
    pub preauthorized: BTreeSet<ObjectId>,
    /// Whether nobody can add credentials to its service principals in other tenants
    /// (`servicePrincipalLockConfiguration`, enabled for all properties).
    pub locked: bool,
}

/// A password or key. Its value is known to nobody here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credential {
    /// Its `keyId`.
    pub id: Uuid,
    /// Which of the two.
    pub kind: CredentialKind,
    /// When it ends.
    pub ends: Option<Timestamp>,
}

/// Kinds of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialKind {
    /// A client secret.
    Password,
    /// A certificate or key.
    Key,
}

/// A federated identity credential: whose tokens are as good as a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Federated {
    /// Its object id.
    pub id: ObjectId,
    /// Who issues the tokens. Compared as it is written: Entra does.
    pub issuer: String,
    /// Whose they are: the subject, or the expression that it must match.
    pub subject: String,
    /// For whom they are.
    pub audiences: BTreeSet<String>,
}

/// A service principal of Airlock's in one tenant.
#[derive(Clone, Debug)]
pub struct ServicePrincipal {
    /// Client id of its application.
    pub client: ObjectId,
    /// Object id.
    pub object: ObjectId,
    /// Whether it may sign in.
    pub enabled: bool,
    /// Passwords and keys of its own, besides the application's.
    pub credentials: Vec<Credential>,
    /// Where its application is registered.
    pub home: Option<TenantId>,
}

/// A right that an application holds over another's interface: an app role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppRole {
    /// Client id of whose interface it is.
    pub resource: ObjectId,
    /// The role's value, or its id where the resource does not tell the value.
    pub role: String,
}

/// A right that an application holds in the name of people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delegated {
    /// The grant's id.
    pub id: String,
    /// Client id of whose interface it is.
    pub resource: ObjectId,
    /// The scopes.
    pub scopes: BTreeSet<String>,
    /// In whose name: one person, or everybody.
    pub person: Option<ObjectId>,
}

/// A directory role that a service principal holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryRole {
    /// Its name, or its id where it has none.
    pub name: String,
    /// The one object that it is over. None: the whole directory, or a part that is not known
    /// here.
    pub over: Option<ObjectId>,
}

/// An application, not of Airlock's, that trusts one of Airlock's managed identities.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Admirer {
    /// Its object id.
    pub object: ObjectId,
    /// Its client id.
    pub client: ObjectId,
    /// What it trusts.
    pub federated: Federated,
}

/// A directory change, as the tenant's own log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryChange {
    /// The log's id of it.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Service principal that made it.
    pub by: ObjectId,
    /// What its call gave as its id: which request it was made for.
    pub correlation: Option<Uuid>,
    /// What was done, in the log's words.
    pub activity: String,
    /// What was changed.
    pub targets: BTreeSet<String>,
}

/// A function app.
#[derive(Clone)]
pub struct Site {
    /// Which one, if its name is that of one of ours.
    pub app: Option<App>,
    /// Its name.
    pub name: Name,
    /// Principal ids of its managed identities. A system-assigned one counts.
    pub identities: BTreeSet<ObjectId>,
    /// Whether it answers to HTTPS alone.
    pub https_only: bool,
    /// Whether the network outside reaches it.
    pub public: bool,
    /// Whom its access restrictions let in: an address or service tag each, and the values of the
    /// header `x-azure-fdid` that it wants besides; the tag `*` if whoever matches nothing is let
    /// in.
    pub admits: BTreeSet<(Name, BTreeSet<Name>)>,
    /// Where its package is taken from.
    pub package: Name,
    /// Whether a password deploys to it: basic authentication, by FTP or the deployment site.
    pub basic_publishing: bool,
    /// Host name.
    pub host: Name,
}

/// The settings that an app runs with. Their values are not to be told.
#[derive(Clone, Default)]
pub struct Settings(pub BTreeMap<String, String>);

/// A function that a site has, and what calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// Types of its triggers, such as `timertrigger`.
    pub triggers: BTreeSet<Name>,
}

/// A store of secrets, documents, messages or files: what must hold of each alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its id.
    pub id: Name,
    /// Whether the network outside reaches it.
    pub public: bool,
    /// Whether it can be opened without Entra: by a key, a policy of its own, or by anybody.
    pub keyed: bool,
    /// Whether what is deleted there can be got back, and for good deleted by nobody. Asked of
    /// Key Vault and of the account of anchors (a locked or unlocked immutability policy) alone.
    pub kept: bool,
}

/// Kinds of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceKind {
    /// Key Vault.
    Vault,
    /// Cosmos DB.
    Database,
    /// Service Bus.
    Bus,
    /// Storage of claims and tiles.
    Blobs,
    /// Storage of anchors.
    Anchors,
}

/// A role assigned over a resource: by Azure, or by Cosmos DB for what is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleAssignment {
    /// What it is over, below the group of resources that Airlock has.
    pub scope: Name,
    /// Id of the role's definition: its last part.
    pub role: Name,
    /// To whom.
    pub principal: ObjectId,
}

/// What stands between the outside and the apps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontDoor {
    /// Its `frontDoorId`: what the header `x-azure-fdid` says of whatever comes through it.
    pub id: Name,
    /// Its routes, of all its endpoints.
    pub routes: BTreeSet<Route>,
}

/// A way from the outside to an app.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Its id.
    pub id: Name,
    /// Paths.
    pub patterns: BTreeSet<String>,
    /// Hosts that it leads to.
    pub hosts: BTreeSet<Name>,
    /// Whether it is open.
    pub enabled: bool,
    /// Whether it is for HTTPS alone, or sends there.
    pub https: bool,
}

/// What package an app says that it runs. It measures itself: a program that lies about it is not
/// found out by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// The app.
    pub app: App,
    /// Digest of its files.
    pub package: Digest,
}

/// Names no value.
impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Site").field("name", &self.name).finish_non_exhaustive()
    }
}
