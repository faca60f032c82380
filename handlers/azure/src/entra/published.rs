//! The keys that Entra publishes for a tenant.

use std::{collections::HashMap, sync::Arc};

use airlock_core::{base64url, identity::TenantId, ports::PortError};
use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use crate::{
    failure::in_time,
    jose::{
        compact::Jws,
        published::{Jwks, Metadata, NotPublished, Published, document},
    },
};

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

/// Keys at Entra's own addresses.
pub(super) struct FromEntra {
    http: reqwest::Client,
    authority: String,
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
impl Published<TenantId, SigningKey> for FromEntra {
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
            Ok(of_issuer(jwks, &issuer, tenant)?)
        })
        .await
    }
}

/// The keys that sign for this issuer. Entra publishes keys of others beside them.
pub(super) fn of_issuer(jwks: Jwks, issuer: &str, tenant: TenantId) -> Result<Keys, NotPublished> {
    let tenant = tenant.to_string();
    let of_tenant = |key: &Jwk| {
        key.issuer.as_ref().is_some_and(|of| of.replace("{tenantid}", &tenant) == issuer)
    };
    let mut components = HashMap::new();
    let mut keys = Keys::new();
    for key in jwks.understood(MOST_KEYS)?.filter(of_tenant) {
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

    /// Whether a token is signed by this key, with RS256: whatever its header says.
    pub(super) fn signed(&self, jws: &Jws<'_>) -> bool {
        let (input, signature) = (jws.input(), jws.signature());
        jsonwebtoken::crypto::verify(signature, input, &self.0, Algorithm::RS256).unwrap_or(false)
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
