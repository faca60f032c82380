//! What is: read from Graph, Azure Resource Manager, the apps themselves, and nothing more than
//! the checks need.
//!
//! Where order and case mean nothing, none is kept: ids are parsed, names that Azure does not
//! tell apart by case are in small letters ([`Name`]), and lists that are sets are sets.

mod azure;

use std::{collections::BTreeSet, fmt};

use uuid::Uuid;

use crate::{
    identity::{ObjectId, TenantId},
    time::Timestamp,
};

pub use azure::{
    AzureRole, FrontDoor, Function, IdentityTrust, ManagedIdentity, Resource, ResourceKind,
    RoleAssignment, Route, Running, Settings, Site, Way,
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
    /// Id of its definition: of one of Entra's own, the same in every tenant.
    pub definition: Uuid,
    /// What it is held over.
    pub over: Over,
    /// Its name, for people. Nothing is compared by it: whoever makes a role calls it what they
    /// like.
    pub name: Option<String>,
}

/// What a directory role is held over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Over {
    /// The whole directory.
    Directory,
    /// One object.
    Object(ObjectId),
    /// A part of it, such as an administrative unit: as Graph writes it.
    Part(Name),
}

/// A directory role that is not one of Entra's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CustomRole {
    /// Id of its definition, in its tenant alone.
    pub id: Uuid,
    /// Its template, which whoever makes it chooses.
    pub template: Uuid,
    /// Its name, for people.
    pub name: Option<String>,
    /// Whether it counts for those who hold it.
    pub enabled: bool,
    /// What it allows.
    pub actions: BTreeSet<Name>,
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
    /// Service principal or person that made it, if the log says so.
    pub by: Option<ObjectId>,
    /// What its call gave as its id: which request it was made for.
    pub correlation: Option<Uuid>,
    /// What was done, in the log's words.
    pub activity: String,
    /// What was changed.
    pub targets: BTreeSet<String>,
}
