//! Key Vault, as rotation changes it: secrets and keys by their versions.
//!
//! Calls that make something are sent once. Whoever repeats one looks first for what carries its
//! tags; the SDK's own repetition would make it twice.

use std::collections::HashMap;

use airlock_core::{
    jwk::PublicKey,
    ports::PortError,
    rotation::ports::{KeyKind, KeyVersions, SecretVault, Tags, Version},
    secret::{self, Secret},
    time::Timestamp,
};
use async_trait::async_trait;
use azure_core::http::RequestContent;
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_keys::{
    KeyClient,
    models::{
        CreateKeyParameters, CurveName, EncryptionAlgorithm, KeyAttributes,
        KeyClientUpdateKeyPropertiesOptions, KeyClientWrapKeyOptions, KeyOperation,
        KeyOperationParameters, KeyType, UpdateKeyPropertiesParameters,
    },
};
use azure_security_keyvault_secrets::{
    SecretClient,
    models::{
        SecretAttributes, SecretClientGetSecretOptions, SecretClientUpdateSecretPropertiesOptions,
        SetSecretParameters, UpdateSecretPropertiesParameters,
    },
};
use futures::{TryStream, TryStreamExt as _};
use zeroize::Zeroizing;

use crate::{
    failure::{in_time, port_error},
    vault::read_signing,
};

/// Bits of a wrapping key.
const KEY_BITS: i32 = 3072;

/// Versions of one thing that can be used, at the most: more would mean that something adds without
/// end. Those that are disabled are kept by the vault for good.
const MOST_VERSIONS: usize = 500;

/// An answer of the vault is not of the form that it gives.
#[derive(Debug, thiserror::Error)]
#[error("key vault's {0} is not as expected")]
struct Unexpected(&'static str);

fn unexpected(what: &'static str) -> PortError {
    PortError::Broken(Unexpected(what).into())
}

/// The vault's secrets.
pub(crate) struct VaultSecrets {
    client: SecretClient,
}

/// The vault's keys.
pub(crate) struct VaultKeys {
    client: KeyClient,
}

impl VaultSecrets {
    pub(crate) const fn new(client: SecretClient) -> Self {
        Self { client }
    }
}

impl VaultKeys {
    pub(crate) const fn new(client: KeyClient) -> Self {
        Self { client }
    }
}

/// The version in `https://<vault>/<kind>/<name>/<version>`.
fn version_of(id: Option<&str>, start: &str) -> Result<String, PortError> {
    let version = id.and_then(|id| id.strip_prefix(start));
    let is_one = |version: &&str| {
        (1..=64).contains(&version.len()) && version.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    version.filter(is_one).map(str::to_owned).ok_or_else(|| unexpected("version"))
}

fn start(endpoint: &str, kind: &str, name: &str) -> String {
    format!("{}/{kind}/{name}/", endpoint.trim_end_matches('/'))
}

fn read(
    id: Option<&str>,
    start: &str,
    (created, enabled): (Option<OffsetDateTime>, Option<bool>),
    tags: Option<HashMap<String, String>>,
) -> Result<Version, PortError> {
    let created = created.ok_or_else(|| unexpected("time of creation"))?;
    Ok(Version {
        id: version_of(id, start)?,
        at: Timestamp::from_unix_s(created.unix_timestamp()),
        enabled: enabled.unwrap_or(false),
        tags: tags.unwrap_or_default().into_iter().collect::<Tags>(),
    })
}

/// What the vault lists, oldest first: it lists versions by their ids, which say nothing about age.
/// Of a name that is not there, no version is there.
async fn listed<T: Send>(
    pages: azure_core::Result<impl TryStream<Ok = T, Error = azure_core::Error> + Send + Unpin>,
    read: impl Fn(T) -> Result<Version, PortError> + Send + Sync,
) -> Result<Vec<Version>, PortError> {
    let mut versions = in_time(async {
        let mut pages = pages.map_err(port_error)?;
        let (mut versions, mut usable) = (Vec::new(), 0);
        loop {
            match pages.try_next().await {
                Ok(None) => return Ok(versions),
                Ok(Some(_)) if usable == MOST_VERSIONS => {
                    return Err(unexpected("number of versions"));
                }
                Ok(Some(found)) => {
                    let version = read(found)?;
                    usable += usize::from(version.enabled);
                    versions.push(version);
                }
                Err(error) if status(&error) == Some(404) => return Ok(Vec::new()),
                Err(error) => return Err(port_error(error)),
            }
        }
    })
    .await?;
    versions.sort_by_key(|version| version.at);
    Ok(versions)
}

fn status(error: &azure_core::Error) -> Option<u16> {
    error.http_status().map(u16::from)
}

#[async_trait]
impl SecretVault for VaultSecrets {
    async fn set(&self, name: &str, value: &Secret, tags: &Tags) -> Result<String, PortError> {
        let parameters = SetSecretParameters {
            value: Some(value.expose().to_owned()),
            tags: Some(tags.clone().into_iter().collect()),
            ..SetSecretParameters::default()
        };
        let set = in_time(async {
            let parameters = RequestContent::try_from(parameters).map_err(port_error)?;
            let response =
                self.client.set_secret(name, parameters, None).await.map_err(port_error)?;
            response.into_model().map_err(port_error)
        });
        let start = start(self.client.endpoint().as_str(), "secrets", name);
        version_of(set.await?.id.as_deref(), &start)
    }

    async fn get(&self, name: &str, version: &str) -> Result<Secret, PortError> {
        let options = SecretClientGetSecretOptions {
            secret_version: Some(version.to_owned()),
            ..SecretClientGetSecretOptions::default()
        };
        let found = in_time(async {
            let response = self.client.get_secret(name, Some(options)).await.map_err(port_error)?;
            response.into_model().map_err(port_error)
        });
        let value = found.await?.value.ok_or_else(|| unexpected("value"))?;
        Ok(Secret::new(value))
    }

    async fn versions(&self, name: &str) -> Result<Vec<Version>, PortError> {
        let start = start(self.client.endpoint().as_str(), "secrets", name);
        listed(self.client.list_secret_properties_versions(name, None), |found| {
            let its = found.attributes.unwrap_or_default();
            read(found.id.as_deref(), &start, (its.created, its.enabled), found.tags)
        })
        .await
    }

    async fn disable(&self, name: &str, version: &str) -> Result<(), PortError> {
        let attributes = SecretAttributes { enabled: Some(false), ..SecretAttributes::default() };
        let parameters = UpdateSecretPropertiesParameters {
            secret_attributes: Some(attributes),
            ..UpdateSecretPropertiesParameters::default()
        };
        let options = SecretClientUpdateSecretPropertiesOptions {
            secret_version: Some(version.to_owned()),
            ..SecretClientUpdateSecretPropertiesOptions::default()
        };
        in_time(async {
            let parameters = RequestContent::try_from(parameters).map_err(port_error)?;
            let updated = self.client.update_secret_properties(name, parameters, Some(options));
            updated.await.map_err(port_error).map(drop)
        })
        .await
    }
}

/// All versions of a key, oldest first.
pub(crate) async fn key_versions(
    client: &KeyClient,
    name: &str,
) -> Result<Vec<Version>, PortError> {
    let start = start(client.endpoint().as_str(), "keys", name);
    listed(client.list_key_properties_versions(name, None), |found| {
        let its = found.attributes.unwrap_or_default();
        read(found.kid.as_deref(), &start, (its.created, its.enabled), found.tags)
    })
    .await
}

#[async_trait]
impl KeyVersions for VaultKeys {
    async fn make(&self, name: &str, kind: KeyKind, tags: &Tags) -> Result<String, PortError> {
        let of_its_kind = match kind {
            KeyKind::Wrapping => CreateKeyParameters {
                kty: Some(KeyType::Rsa),
                key_size: Some(KEY_BITS),
                key_ops: Some(vec![KeyOperation::WrapKey, KeyOperation::UnwrapKey]),
                ..CreateKeyParameters::default()
            },
            KeyKind::Signing => CreateKeyParameters {
                kty: Some(KeyType::Ec),
                curve: Some(CurveName::P256),
                key_ops: Some(vec![KeyOperation::Sign, KeyOperation::Verify]),
                ..CreateKeyParameters::default()
            },
        };
        let tags = Some(tags.clone().into_iter().collect());
        let parameters = CreateKeyParameters { tags, ..of_its_kind };
        let made = in_time(async {
            let parameters = RequestContent::try_from(parameters).map_err(port_error)?;
            let response =
                self.client.create_key(name, parameters, None).await.map_err(port_error)?;
            response.into_model().map_err(port_error)
        });
        let id = made.await?.key.and_then(|key| key.kid);
        version_of(id.as_deref(), &start(self.client.endpoint().as_str(), "keys", name))
    }

    async fn public(&self, name: &str, version: &str) -> Result<PublicKey, PortError> {
        Ok(read_signing(&self.client, name, Some(version)).await?.key)
    }

    async fn versions(&self, name: &str) -> Result<Vec<Version>, PortError> {
        key_versions(&self.client, name).await
    }

    async fn disable(&self, name: &str, version: &str) -> Result<(), PortError> {
        let attributes = KeyAttributes { enabled: Some(false), ..KeyAttributes::default() };
        let parameters = UpdateKeyPropertiesParameters {
            key_attributes: Some(attributes),
            ..UpdateKeyPropertiesParameters::default()
        };
        let options = KeyClientUpdateKeyPropertiesOptions {
            key_version: Some(version.to_owned()),
            ..KeyClientUpdateKeyPropertiesOptions::default()
        };
        in_time(async {
            let parameters = RequestContent::try_from(parameters).map_err(port_error)?;
            let updated = self.client.update_key_properties(name, parameters, Some(options));
            updated.await.map_err(port_error).map(drop)
        })
        .await
    }

    async fn wraps(&self, name: &str, version: &str) -> Result<bool, PortError> {
        let mut plain = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *plain)
            .map_err(|error| PortError::Broken(error.to_string().into()))?;
        let options = KeyClientWrapKeyOptions {
            key_version: Some(version.to_owned()),
            ..KeyClientWrapKeyOptions::default()
        };
        let wrapped = in_time(async {
            let wrapped =
                self.client.wrap_key(name, parameters(plain.to_vec())?, Some(options)).await;
            wrapped.map_err(port_error)?.into_model().map_err(port_error)
        });
        let wrapped = wrapped.await?.result.ok_or_else(|| unexpected("result"))?;
        let unwrapped = in_time(async {
            let unwrapped = self.client.unwrap_key(name, version, parameters(wrapped)?, None).await;
            unwrapped.map_err(port_error)?.into_model().map_err(port_error)
        });
        let unwrapped = Zeroizing::new(unwrapped.await?.result.unwrap_or_default());
        Ok(secret::equal(&unwrapped, &*plain))
    }

    fn kid(&self, name: &str, version: &str) -> String {
        format!("{}{version}", start(self.client.endpoint().as_str(), "keys", name))
    }
}

fn parameters(value: Vec<u8>) -> Result<RequestContent<KeyOperationParameters>, PortError> {
    let parameters = KeyOperationParameters {
        algorithm: Some(EncryptionAlgorithm::RsaOaep256),
        value: Some(value),
        ..KeyOperationParameters::default()
    };
    RequestContent::try_from(parameters).map_err(port_error)
}
