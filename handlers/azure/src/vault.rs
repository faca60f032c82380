//! Key Vault: signing, wrapping, unwrapping with keys that never leave it.
//!
//! Names of keys come from settings, where they were checked: the SDK puts them into a path as
//! they are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airlock_core::{
    digest::Digest,
    jwk::PublicKey,
    ports::{Partition, PortError, SigningVersions, WrappedKey, Wrapper},
    signing::SigningVersion,
};
use async_trait::async_trait;
use azure_core::http::RequestContent;
use azure_security_keyvault_keys::{
    KeyClient, ResourceId,
    models::{
        CurveName, EncryptionAlgorithm, JsonWebKey, KeyClientGetKeyOptions, KeyClientSignOptions,
        KeyClientWrapKeyOptions, KeyOperationParameters, KeyOperationResult, SignParameters,
        SignatureAlgorithm,
    },
};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::{
    failure::{in_time, port_error},
    secrets,
};

/// A signing key of the app's, in all its versions.
pub(crate) struct VaultVersions {
    client: Arc<KeyClient>,
    name: String,
}

/// A key that wraps data keys: the app's, or a tenant's own.
///
/// What wraps is the newest version that may be used. Of a name, the vault itself takes the newest,
/// so nothing is asked for that but the wrapping; only where that one is disabled, the versions are
/// listed, and the one that is found wraps for [`INSTEAD`], before the newest is tried again.
pub(crate) struct VaultWrapper {
    client: Arc<KeyClient>,
    /// The app's, after which tenants' own are named.
    apps: Arc<str>,
    name: String,
    instead: Arc<Mutex<HashMap<String, Instead>>>,
}

/// For how long a version wraps that is not the newest.
const INSTEAD: Duration = Duration::from_mins(1);

/// A version that wraps while the newest is disabled, and until when.
struct Instead {
    version: String,
    until: Instant,
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyId {
    name: String,
    version: String,
}

/// An answer of the vault is not of the form that it gives, or is about another key.
#[derive(Debug, thiserror::Error)]
#[error("key vault's {0} is not as expected")]
struct Unexpected(&'static str);

fn unexpected(what: &'static str) -> PortError {
    PortError::Broken(Unexpected(what).into())
}

impl KeyId {
    /// Reads `https://<vault>/keys/<name>/<version>`, for a key of that name in the vault.
    fn parse(kid: &str, client: &KeyClient, name: &str) -> Option<Self> {
        let id: ResourceId = kid.parse().ok()?;
        let vault = client.endpoint().as_str().trim_end_matches('/');
        let version = id.version?;
        let versioned = (1..=64).contains(&version.len())
            && version.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // As it was written, with nothing before, between or behind.
        let written = kid == format!("{vault}/keys/{name}/{version}");
        (id.name == name && versioned && written).then_some(Self { name: id.name, version })
    }
}

impl VaultVersions {
    /// The key of this name. Calls nothing.
    pub(crate) const fn new(client: Arc<KeyClient>, name: String) -> Self {
        Self { client, name }
    }
}

/// Reads a version of a signing key; the newest, if none is named.
pub(crate) async fn read_signing(
    client: &KeyClient,
    name: &str,
    version: Option<&str>,
) -> Result<SigningVersion, PortError> {
    let options = KeyClientGetKeyOptions {
        key_version: version.map(str::to_owned),
        ..KeyClientGetKeyOptions::default()
    };
    let fetched = in_time(async {
        let response = client.get_key(name, Some(options)).await.map_err(port_error)?;
        response.into_model().map_err(port_error)
    });
    let jwk = fetched.await?.key.ok_or_else(|| unexpected("key"))?;
    let kid = jwk.kid.as_deref().unwrap_or_default();
    let id = KeyId::parse(kid, client, name).ok_or_else(|| unexpected("key id"))?.version;
    if version.is_some_and(|version| version != id) {
        return Err(unexpected("key id"));
    }
    let key = public(&jwk).ok_or_else(|| unexpected("signing key"))?;
    Ok(SigningVersion { id, key })
}

/// The public key, if it is one of P-256.
fn public(jwk: &JsonWebKey) -> Option<PublicKey> {
    if jwk.crv != Some(CurveName::P256) {
        return None;
    }
    let coordinate = |bytes: &Option<Vec<u8>>| bytes.clone()?.try_into().ok();
    PublicKey::from_coordinates(coordinate(&jwk.x)?, coordinate(&jwk.y)?).ok()
}

#[async_trait]
impl SigningVersions for VaultVersions {
    async fn newest(&self) -> Result<SigningVersion, PortError> {
        read_signing(&self.client, &self.name, None).await
    }

    async fn usable(&self) -> Result<Vec<String>, PortError> {
        let versions = secrets::key_versions(&self.client, &self.name).await?;
        let usable = versions.into_iter().rev().filter(|version| version.enabled);
        Ok(usable.map(|version| version.id).collect())
    }

    async fn public(&self, version: &str) -> Result<PublicKey, PortError> {
        Ok(read_signing(&self.client, &self.name, Some(version)).await?.key)
    }

    async fn sign(&self, version: &str, digest: &Digest) -> Result<[u8; 64], PortError> {
        let parameters = SignParameters {
            algorithm: Some(SignatureAlgorithm::Es256),
            value: Some(digest.as_bytes().to_vec()),
        };
        let options = KeyClientSignOptions {
            key_version: Some(version.to_owned()),
            ..KeyClientSignOptions::default()
        };
        let signed = in_time(async {
            let parameters = RequestContent::try_from(parameters).map_err(port_error)?;
            let response = self
                .client
                .sign(&self.name, parameters, Some(options))
                .await
                .map_err(port_error)?;
            response.into_model().map_err(port_error)
        });
        let (id, signature) = result(signed.await?, &self.client, &self.name)?;
        // By another version it would not verify under the key that it names.
        if id.version != version {
            return Err(unexpected("key id"));
        }
        signature.as_slice().try_into().map_err(|_| unexpected("signature"))
    }
}

impl VaultWrapper {
    /// The app's own key, by the name in its settings.
    pub(crate) fn new(client: Arc<KeyClient>, name: String) -> Self {
        Self { client, apps: name.as_str().into(), name, instead: Arc::default() }
    }

    async fn wrap_with(
        &self,
        key: &[u8; 32],
        version: Option<String>,
    ) -> Result<WrappedKey, PortError> {
        let options = KeyClientWrapKeyOptions {
            key_version: version.clone(),
            ..KeyClientWrapKeyOptions::default()
        };
        let wrapped = in_time(async {
            let response = self
                .client
                .wrap_key(&self.name, parameters(key.to_vec())?, Some(options))
                .await
                .map_err(port_error)?;
            response.into_model().map_err(port_error)
        });
        let wrapped = wrapped.await?;
        let kid = wrapped.kid.clone().unwrap_or_default();
        let (id, value) = result(wrapped, &self.client, &self.name)?;
        if version.is_some_and(|version| version != id.version) {
            return Err(unexpected("key id"));
        }
        Ok(WrappedKey { kid, wrapped: value.to_vec() })
    }

    /// The version that wraps instead of the newest, if the newest was found to be disabled.
    fn instead(&self) -> Option<String> {
        let instead = self.instead.lock().unwrap_or_else(PoisonError::into_inner);
        let found = instead.get(&self.name).filter(|found| Instant::now() < found.until);
        found.map(|found| found.version.clone())
    }

    /// Wraps with the newest version that is not disabled.
    async fn wrap_with_usable(
        &self,
        key: &[u8; 32],
        denied: PortError,
    ) -> Result<WrappedKey, PortError> {
        let versions = secrets::key_versions(&self.client, &self.name).await?;
        let Some(usable) = versions.into_iter().rfind(|version| version.enabled) else {
            return Err(denied);
        };
        let wrapped = self.wrap_with(key, Some(usable.id.clone())).await?;
        tracing::warn!(key = self.name, version = usable.id, "an older version of the key wraps");
        let found = Instead { version: usable.id, until: Instant::now() + INSTEAD };
        let mut instead = self.instead.lock().unwrap_or_else(PoisonError::into_inner);
        instead.insert(self.name.clone(), found);
        Ok(wrapped)
    }
}

#[async_trait]
impl Wrapper for VaultWrapper {
    fn of(&self, partition: &Partition) -> Arc<dyn Wrapper> {
        Arc::new(Self {
            client: Arc::clone(&self.client),
            apps: Arc::clone(&self.apps),
            name: partition.wrapping_key_name(&self.apps).into_owned(),
            instead: Arc::clone(&self.instead),
        })
    }

    async fn wrap(&self, key: &[u8; 32]) -> Result<WrappedKey, PortError> {
        match self.wrap_with(key, self.instead()).await {
            Err(denied @ PortError::Denied(_)) => self.wrap_with_usable(key, denied).await,
            wrapped => wrapped,
        }
    }

    async fn unwrap(&self, key: &WrappedKey) -> Result<[u8; 32], PortError> {
        // From the database: whoever wrote there must not choose which key we use, or where.
        let id = KeyId::parse(&key.kid, &self.client, &self.name)
            .ok_or_else(|| unexpected("stored key id"))?;
        let unwrapped = in_time(async {
            let response = self
                .client
                .unwrap_key(&id.name, &id.version, parameters(key.wrapped.clone())?, None)
                .await
                .map_err(port_error)?;
            response.into_model().map_err(port_error)
        });
        let (used, value) = result(unwrapped.await?, &self.client, &self.name)?;
        if used != id {
            return Err(unexpected("key id"));
        }
        value.as_slice().try_into().map_err(|_| unexpected("data key"))
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

/// Which key did it, and what came of it: perhaps a data key.
fn result(
    result: KeyOperationResult,
    client: &KeyClient,
    name: &str,
) -> Result<(KeyId, Zeroizing<Vec<u8>>), PortError> {
    let value = Zeroizing::new(result.result.unwrap_or_default());
    let kid = result.kid.as_deref().unwrap_or_default();
    let id = KeyId::parse(kid, client, name).ok_or_else(|| unexpected("key id"))?;
    if value.is_empty() {
        return Err(unexpected("result"));
    }
    Ok((id, value))
}

#[cfg(test)]
mod tests {
    use airlock_core::memory::SetClock;

    use super::*;
    use crate::identity;

    fn client() -> KeyClient {
        let wire = crate::transport::Wire::new(
            crate::transport::client().unwrap(),
            "https://login.microsoftonline.com",
        );
        let clock = Arc::new(SetClock::at(airlock_core::time::Timestamp::from_unix_s(0)));
        let id = "11111111-2222-4333-8444-555555555555".parse().unwrap();
        let identity = identity::managed_identity(id, &wire, clock).unwrap();
        KeyClient::new("https://kv.vault.azure.net", identity, None).unwrap()
    }

    #[test]
    fn a_key_id_is_read_only_for_our_vault_and_our_key() {
        let client = client();
        let read = |kid: &str| KeyId::parse(kid, &client, "tenant-data");
        let good = "https://kv.vault.azure.net/keys/tenant-data/0123456789abcdef";

        assert_eq!(read(good).unwrap().version, "0123456789abcdef");
        for bad in [
            "",
            "memory",
            "https://kv.vault.azure.net/keys/tenant-data",
            "https://kv.vault.azure.net/keys/tenant-data/",
            "https://kv.vault.azure.net/keys/tenant-data/../admin-root/1",
            "https://kv.vault.azure.net/keys/admin-root/0123456789abcdef",
            "https://kv.vault.azure.net/secrets/tenant-data/0123456789abcdef",
            "https://kv.vault.azure.net/keys/tenant-data/01/23",
            "https://kv.vault.azure.net/keys/tenant-data/01?x=1",
            // A tenant's own.
            "https://kv.vault.azure.net/keys/tenant-data-012cf276-003e-4e7a-ab5d-345607b83f7e/01",
            "https://kv.vault.azure.net/keys/tenant-data/01#x",
            "https://evil.vault.azure.net/keys/tenant-data/0123456789abcdef",
            "https://kv.vault.azure.net@evil.example/keys/tenant-data/01",
            "http://kv.vault.azure.net/keys/tenant-data/0123456789abcdef",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_p_256_key_signs() {
        // RFC 7515, appendix A.3.1.
        let x = airlock_core::base64url::decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        let y = airlock_core::base64url::decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let mut jwk = JsonWebKey::default();
        (jwk.crv, jwk.x, jwk.y) = (Some(CurveName::P256), x, y);

        assert!(public(&jwk).is_some());
        jwk.crv = Some(CurveName::P256K);
        assert!(public(&jwk).is_none());
        (jwk.crv, jwk.y) = (Some(CurveName::P256), None);
        assert!(public(&jwk).is_none());
    }
}
