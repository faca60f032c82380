//! The keys that Entra publishes for a tenant.

use std::{collections::HashMap, sync::Arc};

use airlock_core::{base64url, identity::TenantId, ports::PortError};
use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    failure::{Meaning, in_time},
    transport,
};

/// The largest document that is read, in bytes. A tenant's keys are about 20 KiB.
const MOST_BYTES: usize = 1024 * 1024;

/// The most keys of a tenant.
const MOST_KEYS: usize = 1000;

/// The shortest modulus, in bytes: RSA of 2048 bits.
const MODULUS_BYTES: usize = 256;

/// The smallest public exponent: the one that Entra's keys have. With a small one a signature can
/// be made up, with 1 by anyone.
const EXPONENT: u64 = 65537;

/// A key that a tenant's tokens are signed with.
#[derive(Clone)]
pub(crate) struct SigningKey(Arc<DecodingKey>);

/// A tenant's keys by name.
pub(super) type Keys = HashMap<String, SigningKey>;

/// Where keys are published: a tenant's by Entra, or another issuer's by itself.
#[async_trait]
pub(crate) trait Published<Issuer: Send + 'static = TenantId, Key = SigningKey>:
    Send + Sync
{
    /// The keys that sign for an issuer now.
    async fn keys(&self, issuer: Issuer) -> Result<HashMap<String, Key>, PortError>;
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
    #[error("two keys have one name")]
    Ambiguous,
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

/// What is published as keys. One that is not understood is passed over (RFC 7517, section 5).
#[derive(Deserialize)]
pub(super) struct Jwks {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    r#use: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    alg: Option<String>,
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
}

#[async_trait]
impl Published for FromEntra {
    async fn keys(&self, tenant: TenantId) -> Result<Keys, PortError> {
        let issuer = issuer(&self.authority, tenant);
        in_time(async {
            let address = format!("{issuer}/.well-known/openid-configuration");
            let metadata: Metadata = document(&self.http, &address).await?;
            if metadata.issuer != issuer {
                return Err(NotPublished::OtherIssuer.into());
            }
            if !metadata.jwks_uri.starts_with(&format!("{}/", self.authority)) {
                return Err(NotPublished::Elsewhere.into());
            }
            let jwks: Jwks = document(&self.http, &metadata.jwks_uri).await?;
            Ok(jwks.for_issuer(&issuer, tenant)?)
        })
        .await
    }
}

/// Reads a JSON document of any issuer's, up to a bound.
///
/// # Errors
///
/// [`PortError`].
pub(crate) async fn document<T: DeserializeOwned>(
    http: &reqwest::Client,
    address: &str,
) -> Result<T, PortError> {
    let unavailable = |error: reqwest::Error| PortError::Unavailable(error.into());
    let request = http.get(address).build().map_err(unavailable)?;
    let mut response = transport::send(http, request).await.map_err(unavailable)?;
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
        let mut components = HashMap::new();
        let mut keys = Keys::new();
        let read = self.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        for key in read.filter(of_tenant) {
            let Some(signing) = SigningKey::read(&key) else { continue };
            let Jwk { kid, n, e, .. } = key;
            // Which of two keys a name means would be for the order of a list to say.
            if components.get(&kid).is_some_and(|known| *known != (n.clone(), e.clone())) {
                return Err(NotPublished::Ambiguous);
            }
            components.insert(kid.clone(), (n, e));
            keys.insert(kid, signing);
        }
        if keys.is_empty() { Err(NotPublished::None) } else { Ok(keys) }
    }
}

impl SigningKey {
    /// An RSA key for RS256 signatures; `None` for any other.
    fn read(key: &Jwk) -> Option<Self> {
        let signs = key.r#use.as_deref().is_none_or(|purpose| purpose == "sig");
        let verifies = key.key_ops.as_ref().is_none_or(|all| all.iter().any(|one| one == "verify"));
        let for_rs256 = key.alg.as_deref().is_none_or(|algorithm| algorithm == "RS256");
        if key.kty != "RSA" || !signs || !verifies || !for_rs256 {
            return None;
        }
        let exponent = base64url::decode(&key.e).and_then(|bytes| number(&bytes))?;
        if base64url::decode(&key.n)?.len() < MODULUS_BYTES || exponent < EXPONENT {
            return None;
        }
        let key = DecodingKey::from_rsa_components(&key.n, &key.e).ok()?;
        Some(Self(Arc::new(key)))
    }

    /// Whether the signature (base64url) over these bytes is by this key, with RS256.
    pub(super) fn signed(&self, bytes: &[u8], signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, bytes, &self.0, Algorithm::RS256).unwrap_or(false)
    }

    /// Whether both came from the same fetch, under the same name.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A big-endian number of at most eight bytes.
fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.len() > 8 {
        return None;
    }
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
