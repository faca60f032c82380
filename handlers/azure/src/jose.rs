//! What tokens have in common, whoever issued them: their form, and the keys that they are
//! verified with (RFC 7515, RFC 7517, RFC 7519).
//!
//! What an issuer's tokens may look like and which of its keys count stands with the issuer: in
//! [`entra`](crate::entra) and in [`oidc`](crate::oidc).

pub(crate) mod compact;
pub(crate) mod keys;
pub(crate) mod published;
mod unique;
