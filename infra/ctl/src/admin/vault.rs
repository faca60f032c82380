//! Key Vault, as the admin plane uses it: public halves of all keys, signatures of the root.

use std::{str::FromStr, sync::Arc};

use airlock_core::{
    digest::Digest,
    jwk::{NotAKey, PublicKey},
    ports::{PortError, Signer},
};
use async_trait::async_trait;
use azure_core::{
    credentials::TokenCredential,
    error::ErrorKind,
    http::{ClientOptions, StatusCode},
};
use azure_security_keyvault_keys::{
    KeyClient, KeyClientOptions, ResourceExt as _,
    models::{
        CurveName, KeyClientGetKeyOptions, KeyClientSignOptions, KeyType, SignParameters,
        SignatureAlgorithm,
    },
};
use futures::TryStreamExt as _;

use super::deployment::KeyName;

/// A vault.
pub struct Vault {
    client: Arc<KeyClient>,
}

/// One version of a key.
#[derive(Clone, Debug)]
pub struct VaultKey {
    /// Its public half.
    pub public: PublicKey,
    version: Version,
}

/// The name of one version of a key: letters and digits, because the SDK puts it into a path as
/// it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl FromStr for Version {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if (1..=64).contains(&text.len()) && plain {
            Ok(Self(text.to_owned()))
        } else {
            Err("not the version of a key: 1 to 64 letters and digits")
        }
    }
}

/// A key that stays in the vault.
pub struct VaultSigner {
    client: Arc<KeyClient>,
    name: KeyName,
    key: VaultKey,
}

/// A key was not read.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// The vault did not show it.
    #[error("key {} was not read from the vault", .0.as_str())]
    NotRead(KeyName, #[source] azure_core::Error),
    /// None of its versions may be used.
    #[error("every version of key {} is disabled", .0.as_str())]
    Disabled(KeyName),
    /// It cannot sign what we sign.
    #[error("key {} is not a P-256 key", .0.as_str())]
    OtherKind(KeyName),
}

impl Vault {
    /// Makes the client. Calls nothing.
    ///
    /// # Errors
    ///
    /// If the address is not one.
    pub fn new(
        address: &str,
        credential: Arc<dyn TokenCredential>,
        options: ClientOptions,
    ) -> azure_core::Result<Self> {
        let options = KeyClientOptions { client_options: options, ..KeyClientOptions::default() };
        let client = Arc::new(KeyClient::new(address, credential, Some(options))?);
        Ok(Self { client })
    }

    /// Reads the public half of a key's newest version that may be used. Remote calls: one; if the
    /// newest is disabled, those that list them and one more.
    ///
    /// # Errors
    ///
    /// [`NoKey`].
    pub async fn key(&self, name: &KeyName) -> Result<VaultKey, NoKey> {
        match self.read(name, None).await {
            // A version that did not prove good is disabled, and is still the newest.
            Err(NoKey::NotRead(_, error)) if error.http_status() == Some(StatusCode::Forbidden) => {
                let newest = self.newest_usable(name).await?;
                let newest = newest.ok_or_else(|| NoKey::Disabled(name.clone()))?;
                self.read(name, Some(newest)).await
            }
            read => read,
        }
    }

    async fn newest_usable(&self, name: &KeyName) -> Result<Option<Version>, NoKey> {
        let not_read = |error| NoKey::NotRead(name.clone(), error);
        let pager = self.client.list_key_properties_versions(name.as_str(), None);
        let mut listed = pager.map_err(not_read)?;
        let mut newest = None;
        while let Some(properties) = listed.try_next().await.map_err(not_read)? {
            let id = properties.resource_id().map_err(not_read)?;
            let attributes = properties.attributes.unwrap_or_default();
            let (Some(version), Some(true)) = (id.version, attributes.enabled) else { continue };
            // The vault lists versions by their ids, which say nothing about age.
            newest = newest.max(Some((attributes.created, version)));
        }
        Ok(newest.map(|(_, version)| Version(version)))
    }

    /// Reads the public half of one version of a key.
    ///
    /// # Errors
    ///
    /// [`NoKey`].
    pub async fn version(&self, name: &KeyName, version: &Version) -> Result<VaultKey, NoKey> {
        self.read(name, Some(version.clone())).await
    }

    /// Reads the public halves of all versions of a key that may be used.
    ///
    /// # Errors
    ///
    /// [`NoKey`].
    pub async fn versions(&self, name: &KeyName) -> Result<Vec<VaultKey>, NoKey> {
        let not_read = |error| NoKey::NotRead(name.clone(), error);
        let pager = self.client.list_key_properties_versions(name.as_str(), None);
        let mut listed = pager.map_err(not_read)?;
        let mut versions = Vec::new();
        while let Some(properties) = listed.try_next().await.map_err(not_read)? {
            let enabled = properties.attributes.as_ref().and_then(|attributes| attributes.enabled);
            let version = properties.resource_id().map_err(not_read)?.version;
            if let (Some(version), true) = (version, enabled.unwrap_or(true)) {
                versions.push(self.read(name, Some(Version(version))).await?);
            }
        }
        Ok(versions)
    }

    async fn read(&self, name: &KeyName, version: Option<Version>) -> Result<VaultKey, NoKey> {
        let not_read = |error| NoKey::NotRead(name.clone(), error);
        let options = KeyClientGetKeyOptions {
            key_version: version.map(|Version(version)| version),
            ..KeyClientGetKeyOptions::default()
        };
        let answer = self.client.get_key(name.as_str(), Some(options)).await.map_err(not_read)?;
        let key = answer.into_model().map_err(not_read)?;
        let version = key.resource_id().map_err(not_read)?.version;
        let jwk = key.key.filter(|jwk| {
            matches!(jwk.kty, Some(KeyType::Ec | KeyType::EcHsm))
                && jwk.crv == Some(CurveName::P256)
        });
        let parts = jwk.and_then(|jwk| Some((jwk.x?, jwk.y?, version?)));
        let (x, y, version) = parts.ok_or_else(|| NoKey::OtherKind(name.clone()))?;
        let public = public(&x, &y).map_err(|NotAKey| NoKey::OtherKind(name.clone()))?;
        Ok(VaultKey { public, version: Version(version) })
    }

    /// Signs with exactly this version of a key, whatever comes after it.
    #[must_use]
    pub fn signer(&self, name: KeyName, key: VaultKey) -> VaultSigner {
        VaultSigner { client: Arc::clone(&self.client), name, key }
    }
}

fn public(x: &[u8], y: &[u8]) -> Result<PublicKey, NotAKey> {
    let x = x.try_into().map_err(|_| NotAKey)?;
    let y = y.try_into().map_err(|_| NotAKey)?;
    PublicKey::from_coordinates(x, y)
}

#[async_trait]
impl Signer for VaultSigner {
    fn current(&self) -> PublicKey {
        self.key.public.clone()
    }

    async fn sign(&self, key: &PublicKey, digest: &Digest) -> Result<[u8; 64], PortError> {
        if *key != self.key.public {
            return Err(PortError::Broken("another version of the key".into()));
        }
        let parameters = SignParameters {
            algorithm: Some(SignatureAlgorithm::Es256),
            value: Some(digest.as_bytes().to_vec()),
        };
        let options = KeyClientSignOptions {
            key_version: Some(self.key.version.0.clone()),
            ..KeyClientSignOptions::default()
        };
        let parameters = parameters.try_into().map_err(failed)?;
        let answer = self
            .client
            .sign(self.name.as_str(), parameters, Some(options))
            .await
            .map_err(failed)?;
        let signature = answer.into_model().map_err(failed)?.result;
        signature
            .and_then(|signature| signature.try_into().ok())
            .ok_or_else(|| PortError::Broken("not a signature of 64 bytes".into()))
    }
}

fn failed(error: azure_core::Error) -> PortError {
    match (error.kind(), error.http_status()) {
        (_, Some(StatusCode::Unauthorized | StatusCode::Forbidden)) => {
            PortError::Denied(error.into())
        }
        (_, Some(StatusCode::TooManyRequests)) => PortError::Throttled { after_s: None },
        (ErrorKind::Io, _) => PortError::Unavailable(error.into()),
        (_, Some(status)) if status.is_server_error() => PortError::Unavailable(error.into()),
        _ => PortError::Broken(error.into()),
    }
}
