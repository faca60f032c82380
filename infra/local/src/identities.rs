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
    /// Entra's directory roles by display name.
    pub directory_roles: BTreeMap<String, DirectoryRole>,
    /// Azure's and Cosmos DB's role definitions, by the right that each stands for.
    pub azure_roles: BTreeMap<String, AzureRole>,
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
    /// Key Vault keys of which it may make new versions, and change versions: enable and disable
    /// them, give them an end. Not use them: that is [`Keys`].
    #[serde(default)]
    pub rotates: Vec<String>,
    /// Key Vault secrets, by name or by the beginning of names, and the rights on each.
    #[serde(default)]
    pub secrets: BTreeMap<SecretNames, Vec<SecretRight>>,
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
    /// What it may ask Azure Resource Manager, about everything in the resource group.
    #[serde(default)]
    pub arm: Vec<ArmRight>,
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

/// Secrets by their name, or all whose names begin alike: `client-secret-*`.
///
/// Key Vault does not tell capitals from small letters, and neither does this.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
pub struct SecretNames(String);

impl TryFrom<String> for SecretNames {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let start = text.strip_suffix('*').unwrap_or(&text);
        // A star alone would grant every secret of the vault.
        if start.is_empty() || !start.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') {
            return Err("a secret is named by letters, digits and hyphens, and a `*` at the end");
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl SecretNames {
    /// The name, if it is one.
    #[must_use]
    pub fn one(&self) -> Option<&str> {
        (!self.0.ends_with('*')).then_some(self.0.as_str())
    }

    /// Whether a secret is one of these.
    #[must_use]
    pub fn include(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        match self.0.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == self.0,
        }
    }
}

/// A right on secrets.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SecretRight {
    /// Read the value of a version.
    Get,
    /// Add a version, and change the attributes of versions.
    Set,
    /// See which versions there are, without their values.
    List,
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

/// A right on the resource group. Nobody may change anything there.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ArmRight {
    /// Read how every resource is set up, and who is assigned which role.
    Read,
    /// Read the settings of apps: they could hold secrets, so that reading them is a right of its own.
    AppSettings,
}

/// A directory role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryRole {
    /// Its template: the same in every tenant.
    pub template: Uuid,
    /// What a role of the deployment's own allows. None: it is one of Entra's.
    #[serde(default)]
    pub actions: Option<Vec<String>>,
}

/// A role of Azure's or of Cosmos DB's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureRole {
    /// Id of its definition.
    pub id: Uuid,
    /// What a role of the deployment's own is. None: it is a built-in one.
    #[serde(default)]
    pub custom: Option<CustomRole>,
}

/// A role of the deployment's own: Azure has none that allows as little.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomRole {
    /// Its name.
    pub name: String,
    /// What it allows over resources.
    pub actions: Vec<String>,
    /// What it allows with what is in them.
    pub data_actions: Vec<String>,
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
    /// Applications whose credentials it may remove, and not add: what stands in Entra for a
    /// directory role of the tenant's own, assigned for each of them alone.
    #[serde(default)]
    pub removes_credentials_of: Vec<String>,
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

impl Identity {
    /// Whether it holds this right on this secret.
    #[must_use]
    pub fn may_secret(&self, right: SecretRight, name: &str) -> bool {
        let mut rights = self.secrets.iter().filter(|(names, _)| names.include(name));
        rights.any(|(_, rights)| rights.contains(&right))
    }
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

/// The object id of an app registration, in the tenant of the deployment.
#[must_use]
pub fn registration_id(application: &str) -> Uuid {
    stable_id("registration", application)
}

/// The object id of an application's service principal in one tenant.
#[must_use]
pub fn service_principal_id(application: &str, tenant: Uuid) -> Uuid {
    stable_id("service-principal", &format!("{application}/{tenant}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<SecretNames, &'static str> {
        SecretNames::try_from(text.to_owned())
    }

    #[test]
    fn secrets_are_named_one_by_one_or_by_how_they_begin() {
        let one = names("Operator-Sign-In").unwrap();
        assert!(one.include("operator-sign-in"));
        assert!(!one.include("operator-sign-in-2"));

        let several = names("client-secret-*").unwrap();
        assert!(several.include("CLIENT-secret-contoso"));
        assert!(!several.include("client-secre"));
    }

    #[test]
    fn nobody_is_granted_every_secret_by_a_slip() {
        for text in ["*", "", "a*b", "a/b", "**", "a b"] {
            assert!(names(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_rotator_sets_secrets_and_makes_versions_and_never_of_the_root() {
        let identities = Identities::parse(crate::IDENTITIES).unwrap();

        for (name, identity) in &identities.identities {
            let secrets: Vec<_> = identity.secrets.values().flatten().collect();
            match name.as_str() {
                "rotate" => {
                    assert!(!identity.rotates.is_empty());
                    assert!(!identity.rotates.contains(&"admin-root".to_owned()));
                    assert!(!identity.may_secret(SecretRight::Get, "operator-sign-in"));
                }
                "signin" => assert_eq!(secrets, [&SecretRight::Get]),
                _ => assert!(secrets.is_empty(), "{name}"),
            }
            assert!(name == "rotate" || identity.rotates.is_empty(), "{name}");
        }
    }

    #[test]
    fn whoever_makes_versions_of_a_key_signs_with_none_of_another_apps() {
        let identities = Identities::parse(crate::IDENTITIES).unwrap();
        let rotate = &identities.identities["rotate"];

        for key in rotate.rotates.iter().filter(|key| *key != "rotate-signing") {
            assert!(!rotate.keys.sign.contains(key), "{key}");
        }
    }
}
