//! What is in Azure: apps, stores, roles, identities and ways from the outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::Name;
use crate::{
    digest::Digest,
    identity::{App, ObjectId},
};

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
    /// How it can be opened without Entra. Each is told: who takes one as it is takes no other.
    pub keyed: BTreeSet<Way>,
    /// Whether what is deleted there can be got back, and for good deleted by nobody. Asked of
    /// Key Vault and of the account of anchors (a locked or unlocked immutability policy) alone.
    pub kept: bool,
}

/// A way into a store that leads past Entra.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Keys or connection strings of its own.
    SharedKeys,
    /// Keys that change what it consists of, such as containers and throughput.
    MetadataByKey,
    /// Access policies of its own.
    AccessPolicies,
    /// Users of its own, with passwords or SSH keys.
    LocalUsers,
    /// Nobody is asked, where a container says so.
    Anonymous,
    /// This container says so.
    OpenContainer(Name),
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

/// A user-assigned managed identity, as Azure has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManagedIdentity {
    /// Object id of its service principal.
    pub principal: ObjectId,
    /// Its name.
    pub name: Name,
    /// Whose tokens make somebody it, besides the platform's.
    pub trusts: Vec<IdentityTrust>,
}

/// A federated credential of a managed identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentityTrust {
    /// Its name.
    pub name: Name,
    /// Who issues the tokens.
    pub issuer: String,
    /// Whose they are: the subject, or the expression that it must match. None: neither is told.
    pub subject: Option<String>,
    /// For whom they are.
    pub audiences: BTreeSet<String>,
}

/// A role of Azure's that is not a built-in one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AzureRole {
    /// Id of its definition: its last part.
    pub id: Name,
    /// What it allows over resources.
    pub actions: BTreeSet<Name>,
    /// What it allows with what is in them.
    pub data_actions: BTreeSet<Name>,
    /// What it takes out of that again.
    pub excluded: BTreeSet<Name>,
    /// What it can be assigned over, below the group of resources that Airlock has.
    pub assignable: BTreeSet<Name>,
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

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharedKeys => formatter.write_str("shared keys"),
            Self::MetadataByKey => formatter.write_str("metadata by key"),
            Self::AccessPolicies => formatter.write_str("access policies"),
            Self::LocalUsers => formatter.write_str("local users"),
            Self::Anonymous => formatter.write_str("anonymous access allowed"),
            Self::OpenContainer(name) => write!(formatter, "anybody to container {name}"),
        }
    }
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
