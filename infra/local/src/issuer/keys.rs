//! The issuer's keys: P-256, for ES256.

use anyhow::anyhow;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Which key a token is minted with.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum With {
    /// The one that is published.
    Current,
    /// One that is published nowhere.
    Stranger,
}

#[derive(Debug)]
pub(super) struct Key {
    pair: EcdsaKeyPair,
    x: String,
    y: String,
}

impl Key {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| anyhow!("no P-256 key made"))?;
        // Uncompressed: 4, then both coordinates.
        let point = pair.public_key().as_ref();
        let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
            return Err(anyhow!("a P-256 point has 65 bytes"));
        };
        let (x, y) = (BASE64URL.encode(x), BASE64URL.encode(y));
        Ok(Self { pair, x, y })
    }

    /// RFC 7638.
    pub(super) fn name(&self) -> String {
        let Self { x, y, .. } = self;
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        BASE64URL.encode(Sha256::digest(members))
    }

    pub(super) fn jwk(&self) -> Value {
        json!({
            "kid": self.name(), "use": "sig", "kty": "EC", "alg": "ES256", "crv": "P-256",
            "x": self.x, "y": self.y,
        })
    }

    // By hand and not by `jsonwebtoken`, which writes no header that is wrong on purpose.
    pub(super) fn signed(&self, header: &Value, claims: &Value) -> anyhow::Result<String> {
        let encoded = |value: &Value| BASE64URL.encode(value.to_string());
        let input = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), input.as_bytes())
            .map_err(|_| anyhow!("token not signed"))?;
        Ok(format!("{input}.{}", BASE64URL.encode(signature)))
    }
}
