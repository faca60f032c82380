//! Tokens of Entra's with one thing wrong, and signed by its own key all the same.

use airlock_core::{base64url, digest::Digest};
use serde_json::Value;

use super::Control;

/// What good tokens are made of, and who signs them.
pub struct Mill<'w> {
    control: &'w Control,
    header: Value,
    claims: Value,
}

impl<'w> Mill<'w> {
    /// Of a token with these claims.
    pub async fn new(control: &'w Control, claims: Value) -> Self {
        let good = control.mint(&claims, "current").await;
        let header = good.split('.').next().and_then(base64url::decode);
        let header = header.and_then(|header| serde_json::from_slice(&header).ok());
        Self { control, header: header.expect("a token has a header"), claims }
    }

    /// The usual header.
    #[must_use]
    pub const fn header(&self) -> &Value {
        &self.header
    }

    /// The claims.
    #[must_use]
    pub const fn claims(&self) -> &Value {
        &self.claims
    }

    /// A token with the claims, by any key and under that key's own name.
    pub async fn minted(&self, key: &str) -> String {
        self.control.mint(&self.claims, key).await
    }

    /// A good token.
    pub async fn good(&self) -> String {
        self.signed(&self.header.to_string(), &self.claims.to_string(), "current").await
    }

    /// Signs header and claims as they are written.
    pub async fn signed(&self, header: &str, claims: &str, key: &str) -> String {
        self.control.sign(&input(header, claims), key).await
    }

    /// A good token but for these claims.
    pub async fn with_claims(&self, changes: &[(&str, Value)]) -> String {
        let claims = changed(&self.claims, changes).to_string();
        self.signed(&self.header.to_string(), &claims, "current").await
    }

    /// A good token but for a member of the header.
    pub async fn with_header(&self, name: &str, value: Value, key: &str) -> String {
        let header = changed(&self.header, &[(name, value)]).to_string();
        self.signed(&header, &self.claims.to_string(), key).await
    }
}

/// A JSON object with some members changed; `null` takes one away.
#[must_use]
pub fn changed(object: &Value, changes: &[(&str, Value)]) -> Value {
    let mut members = object.as_object().expect("an object").clone();
    for (name, value) in changes {
        members.insert((*name).to_owned(), value.clone());
    }
    members.retain(|_, value| !value.is_null());
    Value::Object(members)
}

/// The text of a JSON object with something written before its first member.
#[must_use]
pub fn with_before(object: &Value, member: &str) -> String {
    object.to_string().replacen('{', &format!("{{{member},"), 1)
}

/// The text of a token that is signed.
#[must_use]
pub fn input(header: &str, claims: &str) -> String {
    format!("{}.{}", base64url::encode(header), base64url::encode(claims))
}

/// HMAC-SHA-256 (RFC 2104), with a secret that is longer than a block, as a public key is.
#[must_use]
pub fn with_hmac(secret: &[u8], input: &str) -> String {
    let mut block = [0; 64];
    block[..32].copy_from_slice(Digest::of(&[secret]).as_bytes());
    let inner = Digest::of(&[&block.map(|byte| byte ^ 0x36), input.as_bytes()]);
    let tag = Digest::of(&[&block.map(|byte| byte ^ 0x5c), inner.as_bytes()]);
    format!("{input}.{}", base64url::encode(tag.as_bytes()))
}
