//! A token in compact form (RFC 7515, section 7.1), taken apart and not believed yet.

use airlock_core::base64url;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::unique;

/// The longest token that is read, in bytes.
pub(crate) const MOST_BYTES: usize = 16 * 1024;

/// Members of a header that no issuer of ours writes. The first four bring a key of the sender's
/// own, the others ask for a reading that is not ours: an extension, another payload, a token
/// inside.
const NOT_READ: [&str; 9] = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty"];

/// What the header of an issuer's tokens may say of itself.
pub(crate) struct Form {
    /// The algorithms that it signs with (RFC 8725, section 3.1): asymmetric ones.
    pub(crate) algorithms: &'static [Algorithm],
    /// The types that it gives to what is read here. A header without any is of this form too.
    pub(crate) types: &'static [&'static str],
}

/// A compact JWS of an issuer's form. Nothing of it is verified.
pub(crate) struct Jws<'t> {
    input: &'t [u8],
    payload: &'t str,
    signature: &'t str,
    algorithm: Algorithm,
    kid: String,
}

/// A text is not a token of the form that its issuer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("token malformed: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl<'t> Jws<'t> {
    /// Takes a token apart: its length first, then its three parts, then its header.
    ///
    /// # Errors
    ///
    /// [`Malformed`], with the first that is not so.
    pub(crate) fn read(text: &'t str, form: &Form) -> Result<Self, Malformed> {
        if text.len() > MOST_BYTES {
            return Err(Malformed("length"));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed("parts"));
        };
        let (algorithm, kid) = form.read(&object(header).ok_or(Malformed("header"))?)?;
        let input = &text.as_bytes()[..header.len() + 1 + payload.len()];
        Ok(Self { input, payload, signature, algorithm, kid })
    }

    /// The name of the key that it claims to be signed by.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// What it claims to be signed with: one of its form's.
    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What is signed.
    pub(crate) const fn input(&self) -> &'t [u8] {
        self.input
    }

    /// Its signature, in base64url.
    pub(crate) const fn signature(&self) -> &'t str {
        self.signature
    }

    /// What it claims.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if that is no JSON object in which each name stands once.
    pub(crate) fn claims(&self) -> Result<Map<String, Value>, Malformed> {
        object(self.payload).ok_or(Malformed("claims"))
    }
}

impl Form {
    /// The algorithm and the key that a header of this form names.
    fn read(&self, header: &Map<String, Value>) -> Result<(Algorithm, String), Malformed> {
        if NOT_READ.iter().any(|name| header.contains_key(*name)) {
            return Err(Malformed("header"));
        }
        let is_one = |typ: &str| self.types.iter().any(|one| one.eq_ignore_ascii_case(typ));
        if !header.get("typ").is_none_or(|typ| typ.as_str().is_some_and(is_one)) {
            return Err(Malformed("typ"));
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let algorithm = text("alg")
            .and_then(|name| name.parse().ok())
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or(Malformed("alg"))?;
        match text("kid") {
            Some(kid) if (1..=256).contains(&kid.len()) => Ok((algorithm, kid.to_owned())),
            _ => Err(Malformed("kid")),
        }
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    unique::object(&base64url::decode(part)?)
}
