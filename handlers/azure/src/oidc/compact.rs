//! A service's token in compact form, taken apart and not believed yet.

use airlock_core::base64url;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::published::IssuerKey;
use crate::entra::{NotAccepted, unique};

/// The longest token that is read, in bytes.
pub(super) const MOST_BYTES: usize = 16 * 1024;

/// Members of a header that bring a key of the sender's own, or ask for a reading that is not
/// ours: an extension, another payload, a token inside.
const NOT_READ: [&str; 9] = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty"];

/// A compact JWS of the kind that issuers sign access tokens as. Nothing of it is verified.
pub(super) struct Jws<'t> {
    input: &'t [u8],
    payload: &'t str,
    signature: &'t str,
    algorithm: Algorithm,
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
        let members = object(header).ok_or(NotAccepted::Malformed("header"))?;
        if NOT_READ.iter().any(|name| members.contains_key(*name)) {
            return Err(NotAccepted::Malformed("header"));
        }
        if !is_access_token(members.get("typ")) {
            return Err(NotAccepted::Malformed("typ"));
        }
        let text_of = |name| members.get(name).and_then(Value::as_str);
        let algorithm = algorithm(text_of("alg")).ok_or(NotAccepted::Malformed("alg"))?;
        let kid = match text_of("kid") {
            Some(kid) if (1..=256).contains(&kid.len()) => kid.to_owned(),
            _ => return Err(NotAccepted::Malformed("kid")),
        };
        let input = &text.as_bytes()[..header.len() + 1 + payload.len()];
        Ok(Self { input, payload, signature, algorithm, kid })
    }

    /// The name of the key that it claims to be signed by.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether this key signed it, with the algorithm that the header names.
    pub(super) fn is_signed_by(&self, key: &IssuerKey) -> bool {
        key.signed(self.algorithm, self.input, self.signature)
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

/// RFC 9068, section 2.1. An issuer that gives no type is believed for what its audience says;
/// one that says `JWT` has issued something else to somebody else, such as an ID token.
fn is_access_token(typ: Option<&Value>) -> bool {
    let is_one = |typ: &str| {
        typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
    };
    typ.is_none_or(|typ| typ.as_str().is_some_and(is_one))
}

/// The algorithms of asymmetric keys that issuers use (RFC 8725, section 3.1).
fn algorithm(name: Option<&str>) -> Option<Algorithm> {
    match name? {
        "RS256" => Some(Algorithm::RS256),
        "PS256" => Some(Algorithm::PS256),
        "ES256" => Some(Algorithm::ES256),
        _ => None,
    }
}
