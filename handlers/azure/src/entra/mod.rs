//! Tokens that Entra issued, verified by the keys of the tenant that they must come from.
//!
//! The tenant and the audience are the caller's to know: nothing of a token is believed, not
//! even who issued it, before its signature holds under a key of *that* tenant.

mod claims;
mod keys;
mod published;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use airlock_core::{
    base64url,
    identity::{ObjectId, Role, TenantId},
    ports::{Clock, PortError},
    time::Timestamp,
};
use serde_json::{Map, Value};

use self::{claims::UniqueObject, keys::KeyCache, published::FromEntra};

/// The longest token that is read, in bytes.
const MOST_BYTES: usize = 16 * 1024;

/// Clock skew forgiven in `nbf`, `exp` and `iat`, in seconds.
///
/// Microsoft allows five minutes; the platform keeps our clocks, and Entra keeps its own.
const SKEW_S: i64 = 60;

/// Verifies tokens that Entra issued.
pub struct TokenVerifier {
    authority: String,
    keys: KeyCache,
    clock: Arc<dyn Clock>,
}

/// What a token says, after its verification.
#[derive(Clone)]
pub struct EntraToken {
    /// The tenant that issued it.
    pub tenant: TenantId,
    /// Whom it is about: a person, or a service principal.
    pub object: ObjectId,
    /// Every claim.
    pub claims: Map<String, Value>,
}

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// It is not a token of the form that Entra writes.
    #[error("token malformed: {0}")]
    Malformed(&'static str),
    /// The tenant has no key of that name.
    #[error("signed by a key that its tenant does not publish")]
    UnknownKey,
    /// The signature does not hold.
    #[error("signature not valid")]
    Signature,
    /// A claim is not what it must be.
    #[error("claim {0} not accepted")]
    Claim(&'static str),
    /// The tenant's keys could not be read. The token may be good.
    #[error("signing keys not read")]
    Keys(#[source] PortError),
}

impl TokenVerifier {
    pub(crate) fn new(http: reqwest::Client, authority: &str, clock: Arc<dyn Clock>) -> Self {
        let authority = authority.trim_end_matches('/').to_owned();
        let published = Arc::new(FromEntra::new(http, authority.clone()));
        let keys = KeyCache::new(published, Arc::clone(&clock));
        Self { authority, keys, clock }
    }

    /// Verifies a token for one of our applications (`audience`) from one tenant.
    ///
    /// Whether that tenant may be, whether an application or a person may hold the token, and
    /// whether a nonce or an authentication context is the expected one, is the caller's to ask.
    ///
    /// # Errors
    ///
    /// [`NotAccepted`].
    pub async fn verify(
        &self,
        token: &str,
        tenant: TenantId,
        audience: ObjectId,
    ) -> Result<EntraToken, NotAccepted> {
        if token.len() > MOST_BYTES {
            return Err(NotAccepted::Malformed("too long"));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else {
            return Err(NotAccepted::Malformed("not three parts"));
        };
        let kid = key_name(&object(header, "header")?)?;
        let key = self.keys.key(tenant, &kid).await?;
        let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
        if !key.signed(signed, signature) {
            return Err(NotAccepted::Signature);
        }
        let claims = object(payload, "claims")?;
        let issuer = published::issuer(&self.authority, tenant);
        let object = claims::check(&claims, &issuer, tenant, audience, self.clock.now())?;
        Ok(EntraToken { tenant, object, claims })
    }
}

/// A part of the token that is a JSON object in which no name stands twice: another reader
/// might take the other value.
fn object(part: &str, what: &'static str) -> Result<Map<String, Value>, NotAccepted> {
    let bytes = base64url::decode(part).ok_or(NotAccepted::Malformed(what))?;
    serde_json::from_slice::<UniqueObject>(&bytes)
        .map(|object| object.0)
        .map_err(|_| NotAccepted::Malformed(what))
}

/// The key that the header names. RS256 alone; a key in the header (`jwk`, `jku`, `x5u`, `x5c`)
/// is nobody's, and is not looked at.
fn key_name(header: &Map<String, Value>) -> Result<String, NotAccepted> {
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    if text("alg") != Some("RS256") {
        return Err(NotAccepted::Malformed("algorithm"));
    }
    let is_jwt = header
        .get("typ")
        .is_none_or(|typ| typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("JWT")));
    if !is_jwt || header.contains_key("crit") || header.contains_key("b64") {
        return Err(NotAccepted::Malformed("header"));
    }
    match text("kid") {
        Some(kid) if (1..=256).contains(&kid.len()) => Ok(kid.to_owned()),
        _ => Err(NotAccepted::Malformed("kid")),
    }
}

impl EntraToken {
    /// App roles that are ours. Others count for nothing.
    #[must_use]
    pub fn roles(&self) -> Vec<Role> {
        self.texts("roles").filter_map(Role::named).collect()
    }

    /// A claim that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// Authentication contexts that were satisfied.
    #[must_use]
    pub fn acrs(&self) -> Vec<String> {
        self.texts("acrs").map(str::to_owned).collect()
    }

    /// When the person last proved who they are.
    #[must_use]
    pub fn auth_time(&self) -> Option<Timestamp> {
        self.claims.get("auth_time")?.as_i64().map(Timestamp::from_unix_s)
    }

    /// Whether an application got it in its own name.
    #[must_use]
    pub fn is_app(&self) -> bool {
        self.text("idtyp") == Some("app")
    }

    /// Delegated permissions.
    #[must_use]
    pub fn scopes(&self) -> Vec<&str> {
        self.text("scp").unwrap_or_default().split(' ').filter(|scope| !scope.is_empty()).collect()
    }

    /// The nonce of an ID token.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.text("nonce")
    }

    /// The texts of a claim that is an array, or a single text.
    fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let claim = self.claims.get(name);
        let single = claim.and_then(Value::as_str);
        let several = claim.and_then(Value::as_array).into_iter().flatten();
        several.filter_map(Value::as_str).chain(single)
    }
}

/// The claims are about a person.
impl std::fmt::Debug for EntraToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EntraToken").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
