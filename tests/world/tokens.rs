//! Entra's tokens as an attacker handles them: read, spoiled, signed again.

use airlock_core::base64url;
use serde_json::Value;

use super::Control;

/// The claims of a token, unverified.
#[must_use]
pub fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).and_then(base64url::decode).expect("a compact JWS");
    serde_json::from_slice(&payload).expect("claims are JSON")
}

/// The same token with some claims changed, signed with `key`.
pub async fn re_minted(
    control: &Control,
    token: &str,
    changes: &[(&str, Value)],
    key: &str,
) -> String {
    let mut claims = claims_of(token);
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    control.mint(&claims, key).await
}

/// Form parameters as a body.
#[must_use]
pub fn form(parameters: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}
