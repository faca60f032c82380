//! The deployment file: what the admin plane is told of a deployment, and believes.
//!
//! It comes from the pipeline that made the deployment (in Azure) or from the local cloud. It
//! holds no secret. What is written here ends up signed in every manifest, so it is parsed
//! strictly: an address that is not private, or a setting that the handlers do not know, is
//! refused before anything is signed.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use airlock_core::{
    identity::{App, ObjectId, TenantId},
    ledger::checkpoint::is_ledger_name,
    manifest::TRUST_MOVERS,
};
use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;
use uuid::Uuid;

use crate::origin::{Origin, is_private};

/// A deployment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Home of its managed identities and app registrations.
    pub tenant: TenantId,
    /// Entra's authority.
    pub authority: Address,
    /// Origin of Entra's pages.
    pub sign_in_pages: Address,
    /// Microsoft Graph.
    pub graph: Address,
    /// Key Vault.
    pub vault: Address,
    /// Cosmos DB account.
    pub cosmos: Address,
    /// Cosmos DB database.
    pub database: String,
    /// Service Bus namespace, a host name.
    pub bus: HostName,
    /// Storage account of claims and tiles.
    pub blobs: Address,
    /// Storage account of anchors.
    pub anchors: Address,
    /// Azure Resource Manager.
    pub resource_manager: Address,
    /// The resource group that everything is in.
    pub resources: ResourceGroup,
    /// The function apps' resources.
    pub sites: BTreeMap<App, SiteName>,
    /// Name of the ledger.
    pub ledger: LedgerName,
    /// Origin of the portal.
    #[serde(deserialize_with = "origin")]
    pub portal: Origin,
    /// Origin of the API.
    #[serde(deserialize_with = "origin")]
    pub api: Origin,
    /// Where `signin` asks `intake` to confirm sessions.
    pub confirmations: Address,
    /// Settings that may move trust all the same. Empty in Azure.
    pub may_override: Vec<Override>,
    /// Managed identities.
    pub identities: BTreeMap<App, Identity>,
    /// App registrations.
    pub applications: BTreeMap<String, Application>,
    /// Folders of the packages.
    pub packages: BTreeMap<App, PathBuf>,
    /// File of the bindings.
    pub bindings: PathBuf,
}

/// A managed identity.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// What its token is asked for with.
    pub client_id: ObjectId,
    /// What others know it by.
    pub principal_id: ObjectId,
    /// Keys that it may use.
    pub keys: Keys,
    /// What it says, by name.
    pub signs: Vec<String>,
}

/// Keys in Key Vault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Keys that it signs with.
    pub sign: Vec<KeyName>,
    /// Keys that it wraps with. Not the keyset's business.
    pub wrap: Vec<KeyName>,
}

/// An app registration.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its application (client) id.
    pub client_id: ObjectId,
}

/// The name of a key: letters, digits and hyphens, because the SDK puts it into a path as it
/// is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyName(String);

/// An address that nobody on the way can listen at: `https`, or `http` on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(String);

/// A host name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(String);

/// The id of a resource group: `/subscriptions/{id}/resourceGroups/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ResourceGroup(String);

/// The name of a function app's resource, with which its host name begins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SiteName(String);

/// The name of a ledger. For good: another name is another ledger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LedgerName(String);

/// The name of a setting that moves trust.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Override(String);

/// The deployment is not known.
#[derive(Debug, thiserror::Error)]
pub enum NotDescribed {
    /// The file was not read.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// It does not describe a deployment.
    #[error("{} was not understood", .0.display())]
    Form(PathBuf, #[source] serde_json::Error),
    /// An identity that everything depends on is missing.
    #[error("the deployment has no identity {0}")]
    NoIdentity(App),
    /// An application that everything depends on is missing.
    #[error("the deployment has no application {0}")]
    NoApplication(&'static str),
    /// The admin plane has not exactly one signing key.
    #[error("admin must have exactly one key to sign with: the root")]
    NoRoot,
}

macro_rules! text {
    ($($name:ident)*) => {$(
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    )*};
}

text! { KeyName Address HostName ResourceGroup SiteName LedgerName Override }

impl TryFrom<String> for KeyName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=127).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err("not the name of a key: 1 to 127 letters, digits and hyphens")
        }
    }
}

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url = Url::parse(&text).map_err(|_| "not an address")?;
        let plain = url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        match plain {
            true if is_private(&url) => Ok(Self(text)),
            true => Err("not https, and not on this machine"),
            false => Err("not a plain address"),
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if (1..=253).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err("not a host name")
        }
    }
}

impl TryFrom<String> for ResourceGroup {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts: Vec<&str> = text.split('/').collect();
        // Azure takes more letters in a name. Of these none means anything in a path.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match parts.as_slice() {
            ["", "subscriptions", id, "resourceGroups", name]
                if Uuid::try_parse(id).is_ok()
                    && (1..=90).contains(&name.len())
                    && name.bytes().all(plain)
                    && !name.ends_with('.') =>
            {
                Ok(Self(text))
            }
            _ => Err("not the id of a resource group"),
        }
    }
}

impl TryFrom<String> for SiteName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let edges = text.starts_with('-') || text.ends_with('-');
        if (2..=60).contains(&text.len()) && text.bytes().all(plain) && !edges {
            Ok(Self(text))
        } else {
            Err("not the name of a function app: 2 to 60 letters, digits and hyphens within")
        }
    }
}

impl TryFrom<String> for LedgerName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_ledger_name(&text) {
            Ok(Self(text))
        } else {
            Err("not the name of a ledger: small letters, digits, dots and hyphens")
        }
    }
}

impl TryFrom<String> for Override {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if TRUST_MOVERS.contains(&text.as_str()) {
            Ok(Self(text))
        } else {
            Err("not a setting that moves trust: handlers would not ask whether it may be set")
        }
    }
}

impl Deployment {
    /// Reads the file. Relative paths in it start from its folder.
    ///
    /// # Errors
    ///
    /// [`NotDescribed`].
    pub fn read(file: &Path) -> Result<Self, NotDescribed> {
        let text = fs::read(file).map_err(|error| NotDescribed::Io(file.to_owned(), error))?;
        let mut deployment: Self = serde_json::from_slice(&text)
            .map_err(|error| NotDescribed::Form(file.to_owned(), error))?;
        let folder = file.parent().unwrap_or_else(|| Path::new("."));
        for package in deployment.packages.values_mut() {
            *package = folder.join(&*package);
        }
        deployment.bindings = folder.join(&deployment.bindings);
        Ok(deployment)
    }

    /// A managed identity that must be there.
    ///
    /// # Errors
    ///
    /// [`NotDescribed::NoIdentity`].
    pub fn identity(&self, app: App) -> Result<&Identity, NotDescribed> {
        self.identities.get(&app).ok_or(NotDescribed::NoIdentity(app))
    }

    /// Client id of an application that must be there.
    ///
    /// # Errors
    ///
    /// [`NotDescribed::NoApplication`].
    pub fn application(&self, name: &'static str) -> Result<ObjectId, NotDescribed> {
        let found = self.applications.get(name).ok_or(NotDescribed::NoApplication(name))?;
        Ok(found.client_id)
    }

    /// The name of the root key.
    ///
    /// # Errors
    ///
    /// [`NotDescribed::NoRoot`]: which of several would it be?
    pub fn root(&self) -> Result<&KeyName, NotDescribed> {
        match self.identity(App::Admin)?.keys.sign.as_slice() {
            [root] => Ok(root),
            _ => Err(NotDescribed::NoRoot),
        }
    }
}

fn origin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Origin, D::Error> {
    let text = String::deserialize(deserializer)?;
    let origin: Origin = text.parse().map_err(D::Error::custom)?;
    // Browsers compare origins as text, and so do handlers.
    if origin.as_str() == text {
        Ok(origin)
    } else {
        Err(D::Error::custom("not an origin as browsers write it"))
    }
}

#[cfg(test)]
pub mod tests;
