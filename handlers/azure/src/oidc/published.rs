//! The keys that an issuer publishes (OpenID Connect Discovery 1.0, RFC 7517).

use std::{collections::HashMap, sync::Arc};

use airlock_core::{base64url, jwk::PublicKey, ports::PortError};
use async_trait::async_trait;
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use crate::{
    failure::in_time,
    jose::{
        compact::Jws,
        published::{Jwks, Metadata, NotPublished, Published, document},
    },
};

/// The most keys of an issuer. An OpenIddict server publishes a few.
const MOST_KEYS: usize = 100;

/// The modulus, in bytes: RSA of 2048 to 8192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A key that an issuer's tokens are signed with.
#[derive(Clone)]
pub(super) enum IssuerKey {
    /// For RS256 and PS256, or for one of them.
    Rsa(Arc<DecodingKey>, Option<Algorithm>),
    /// P-256, for ES256.
    P256(Arc<DecodingKey>),
}

/// An issuer's keys by name.
pub(super) type Keys = HashMap<String, IssuerKey>;

/// Keys at each issuer's own address.
pub(super) struct AtIssuer {
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(default)]
    r#use: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

impl AtIssuer {
    pub(super) const fn new(http: reqwest::Client) -> Self {
        Self { http }
    }
}

#[async_trait]
impl Published<String, IssuerKey> for AtIssuer {
    async fn keys(&self, issuer: String) -> Result<Keys, PortError> {
        let address = discovery(&issuer)?;
        in_time(async {
            let metadata: Metadata = document(&self.http, &address).await?;
            let keys = keys_address(&issuer, &metadata.issuer, &metadata.jwks_uri)?;
            let jwks: Jwks = document(&self.http, &keys).await?;
            Ok(usable(jwks)?)
        })
        .await
    }
}

/// Where an issuer describes itself (Discovery, section 4).
pub(super) fn discovery(issuer: &str) -> Result<String, NotPublished> {
    let url = https(issuer).ok_or(NotPublished::Address)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(NotPublished::Address);
    }
    Ok(format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
}

/// Where its keys are. At its own origin: who writes its metadata must not send us elsewhere.
pub(super) fn keys_address(
    issuer: &str,
    named: &str,
    jwks_uri: &str,
) -> Result<String, NotPublished> {
    // To the letter (section 4.3): "https://a.example" and "https://a.example/" are two issuers.
    if named != issuer {
        return Err(NotPublished::OtherIssuer);
    }
    let own = https(issuer).ok_or(NotPublished::Address)?;
    let keys = https(jwks_uri).ok_or(NotPublished::Elsewhere)?;
    if keys.origin() != own.origin() {
        return Err(NotPublished::Elsewhere);
    }
    Ok(keys.into())
}

fn https(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (url.scheme() == "https" && url.has_host() && plain).then_some(url)
}

/// The keys that can sign tokens.
pub(super) fn usable(jwks: Jwks) -> Result<Keys, NotPublished> {
    let mut keys = Keys::new();
    for key in jwks.understood::<Jwk>(MOST_KEYS)? {
        let Some(usable) = IssuerKey::read(&key) else { continue };
        // Which of two keys a name means would be for the order of a list to say.
        if keys.insert(key.kid, usable).is_some() {
            return Err(NotPublished::Ambiguous);
        }
    }
    if keys.is_empty() { Err(NotPublished::None) } else { Ok(keys) }
}

impl IssuerKey {
    /// A key for signatures with an algorithm of ours; `None` for any other.
    fn read(key: &Jwk) -> Option<Self> {
        if key.r#use.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        match (key.kty.as_str(), key.alg.as_deref()) {
            ("RSA", None) => Some(Self::Rsa(rsa(key)?, None)),
            ("RSA", Some("RS256")) => Some(Self::Rsa(rsa(key)?, Some(Algorithm::RS256))),
            ("RSA", Some("PS256")) => Some(Self::Rsa(rsa(key)?, Some(Algorithm::PS256))),
            ("EC", None | Some("ES256")) => Some(Self::P256(p256(key)?)),
            _ => None,
        }
    }

    /// Whether a token is signed by this key, with the algorithm that its header names.
    pub(super) fn signed(&self, jws: &Jws<'_>) -> bool {
        let algorithm = jws.algorithm();
        let key = match self {
            Self::Rsa(key, only) => {
                let fits = matches!(algorithm, Algorithm::RS256 | Algorithm::PS256);
                fits.then_some(key).filter(|_| only.is_none_or(|only| only == algorithm))
            }
            Self::P256(key) => (algorithm == Algorithm::ES256).then_some(key),
        };
        key.is_some_and(|key| {
            jsonwebtoken::crypto::verify(jws.signature(), jws.input(), key, algorithm)
                .unwrap_or(false)
        })
    }
}

fn rsa(key: &Jwk) -> Option<Arc<DecodingKey>> {
    let modulus = base64url::decode(&key.n)?;
    let leading = modulus.iter().position(|byte| *byte != 0)?;
    // The exponent of every RSA key that is made today. With a small one a signature can be made
    // up, with 1 by anyone.
    let usual = base64url::decode(&key.e)? == [1, 0, 1];
    if !usual || !MODULUS_BYTES.contains(&(modulus.len() - leading)) {
        return None;
    }
    DecodingKey::from_rsa_components(&key.n, &key.e).ok().map(Arc::new)
}

fn p256(key: &Jwk) -> Option<Arc<DecodingKey>> {
    // Parsed by the domain's own type, which checks that the point is on the curve.
    let jwk = json!({ "kty": "EC", "crv": key.crv, "x": key.x, "y": key.y });
    let (x, y) = serde_json::from_value::<PublicKey>(jwk).ok()?.coordinates();
    DecodingKey::from_ec_components(&x, &y).ok().map(Arc::new)
}
