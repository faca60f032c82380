//! The keys that Entra publishes for a tenant.

use std::collections::HashMap;

use airlock_core::{base64url, identity::TenantId, ports::PortError};
use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, de::DeserializeOwned};

use crate::failure::{Meaning, in_time};

/// The largest document that is read, in bytes. A tenant's keys are about 20 KiB.
const MOST_BYTES: usize = 1024 * 1024;

/// The most keys of a tenant.
const MOST_KEYS: usize = 1000;

/// The shortest modulus, in bytes: RSA of 2048 bits.
const MODULUS_BYTES: usize = 256;

/// A key that a tenant's tokens are signed with.
#[derive(Clone)]
pub(super) struct SigningKey(DecodingKey);

/// A tenant's keys by name.
pub(super) type Keys = HashMap<String, SigningKey>;

/// Where keys are published.
#[async_trait]
pub(super) trait Published: Send + Sync {
    /// The keys that sign for a tenant now.
    async fn keys(&self, tenant: TenantId) -> Result<Keys, PortError>;
}

/// What is published is not what a tenant of Entra's publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotPublished {
    #[error("metadata is of another issuer")]
    OtherIssuer,
    #[error("keys are published elsewhere than at the authority")]
    Elsewhere,
    #[error("too many keys")]
    TooMany,
    #[error("no key signs for this tenant")]
    None,
    #[error("answered {0}")]
    Status(u16),
    #[error("document too large")]
    TooLarge,
}

impl From<NotPublished> for PortError {
    fn from(error: NotPublished) -> Self {
        Self::Broken(error.into())
    }
}

/// Keys at Entra's own addresses.
pub(super) struct FromEntra {
    http: reqwest::Client,
    authority: String,
}

/// The part of a tenant's metadata that counts.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// What is published as keys.
#[derive(Deserialize)]
pub(super) struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    r#use: Option<String>,
    kid: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    /// Whose tokens it signs: of one tenant, or with `{tenantid}` of all.
    #[serde(default)]
    issuer: Option<String>,
}

/// The issuer of a tenant's v2.0 tokens.
pub(super) fn issuer(authority: &str, tenant: TenantId) -> String {
    format!("{authority}/{tenant}/v2.0")
}

impl FromEntra {
    pub(super) const fn new(http: reqwest::Client, authority: String) -> Self {
        Self { http, authority }
    }

    async fn document<T: DeserializeOwned>(&self, address: &str) -> Result<T, PortError> {
        let unavailable = |error: reqwest::Error| PortError::Unavailable(error.into());
        let mut response = self.http.get(address).send().await.map_err(unavailable)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(Meaning::of_status(status, None).because(NotPublished::Status(status)));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err(NotPublished::TooLarge.into());
            }
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).map_err(|error| PortError::Broken(error.into()))
    }
}

#[async_trait]
impl Published for FromEntra {
    async fn keys(&self, tenant: TenantId) -> Result<Keys, PortError> {
        let issuer = issuer(&self.authority, tenant);
        in_time(async {
            let address = format!("{issuer}/.well-known/openid-configuration");
            let metadata: Metadata = self.document(&address).await?;
            if metadata.issuer != issuer {
                return Err(NotPublished::OtherIssuer.into());
            }
            if !metadata.jwks_uri.starts_with(&format!("{}/", self.authority)) {
                return Err(NotPublished::Elsewhere.into());
            }
            let jwks: Jwks = self.document(&metadata.jwks_uri).await?;
            Ok(jwks.for_issuer(&issuer, tenant)?)
        })
        .await
    }
}

impl Jwks {
    /// The keys that sign for this issuer. Entra publishes keys of others beside them.
    pub(super) fn for_issuer(self, issuer: &str, tenant: TenantId) -> Result<Keys, NotPublished> {
        if self.keys.len() > MOST_KEYS {
            return Err(NotPublished::TooMany);
        }
        let tenant = tenant.to_string();
        let of_tenant = |key: &Jwk| {
            key.issuer.as_ref().is_some_and(|of| of.replace("{tenantid}", &tenant) == issuer)
        };
        let keys: Keys = self
            .keys
            .into_iter()
            .filter(of_tenant)
            .filter_map(|key| SigningKey::read(&key).map(|signing| (key.kid, signing)))
            .collect();
        if keys.is_empty() { Err(NotPublished::None) } else { Ok(keys) }
    }
}

impl SigningKey {
    /// An RSA key for signatures; `None` for any other.
    fn read(key: &Jwk) -> Option<Self> {
        let signs = key.r#use.as_deref().is_none_or(|purpose| purpose == "sig");
        let long_enough = base64url::decode(&key.n)?.len() >= MODULUS_BYTES;
        if key.kty != "RSA" || !signs || !long_enough {
            return None;
        }
        DecodingKey::from_rsa_components(&key.n, &key.e).ok().map(Self)
    }

    /// Whether the signature (base64url) over these bytes is by this key, with RS256.
    pub(super) fn signed(&self, bytes: &[u8], signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, bytes, &self.0, Algorithm::RS256).unwrap_or(false)
    }
}
