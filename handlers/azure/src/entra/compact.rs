//! A token in compact form, taken apart and not believed yet.

use airlock_core::base64url;
use serde_json::{Map, Value};

use super::{NotAccepted, published::SigningKey, unique};

/// The longest token that is read, in bytes.
pub(super) const MOST_BYTES: usize = 16 * 1024;

/// Members of a header that Entra never writes. The first four bring a key of the sender's own,
/// the others ask for a reading that is not ours: an extension, another payload, a token inside.
const NOT_ENTRAS: [&str; 9] = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty"];

/// A compact JWS whose header is one of Entra's. Nothing of it is verified.
pub(super) struct Jws<'t> {
    input: &'t [u8],
    payload: &'t str,
    signature: &'t str,
    kid: String,
}

impl<'t> Jws<'t> {
    /// Takes a token apart: its length first, then its three parts, then its header.
    ///
    /// # Errors
    ///
    /// [`NotAccepted::Malformed`].
    pub(super) fn read(text: &'t str) -> Result<Self, NotAccepted> {
        if text.len() > MOST_BYTES {
            return Err(NotAccepted::Malformed("length"));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAccepted::Malformed("parts"));
        };
        let kid = key_name(&object(header).ok_or(NotAccepted::Malformed("header"))?)?;
        let input = &text.as_bytes()[..header.len() + 1 + payload.len()];
        Ok(Self { input, payload, signature, kid })
    }

    /// The name of the key that it claims to be signed by.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether this key signed it.
    pub(super) fn is_signed_by(&self, key: &SigningKey) -> bool {
        key.signed(self.input, self.signature)
    }

    /// What it claims.
    ///
    /// # Errors
    ///
    /// [`NotAccepted::Malformed`] if that is no JSON object in which each name stands once.
    pub(super) fn claims(&self) -> Result<Map<String, Value>, NotAccepted> {
        object(self.payload).ok_or(NotAccepted::Malformed("claims"))
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    unique::object(&base64url::decode(part)?)
}

/// The key that a header names. RS256 alone (RFC 8725, section 3.1): the key says nothing about
/// which other algorithms it would serve.
fn key_name(header: &Map<String, Value>) -> Result<String, NotAccepted> {
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    if text("alg") != Some("RS256") {
        return Err(NotAccepted::Malformed("alg"));
    }
    let is_jwt = header
        .get("typ")
        .is_none_or(|typ| typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("JWT")));
    if !is_jwt {
        return Err(NotAccepted::Malformed("typ"));
    }
    if NOT_ENTRAS.iter().any(|name| header.contains_key(*name)) {
        return Err(NotAccepted::Malformed("header"));
    }
    match text("kid") {
        Some(kid) if (1..=256).contains(&kid.len()) => Ok(kid.to_owned()),
        _ => Err(NotAccepted::Malformed("kid")),
    }
}
