//! Tokens of services, by OpenID Connect issuers of their own.
//!
//! An access token as RFC 9068 describes it, which an OpenIddict server issues with access token
//! encryption off. Which issuers may be is said by the binding of the tenant that is asked for,
//! and that is signed: nobody else can make us fetch an address, and nothing of a token is
//! believed before its signature holds under a key that its issuer publishes.

mod claims;
mod published;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use airlock_core::{digest::Digest, ports::Clock, service::SeenToken};
use jsonwebtoken::Algorithm;

use self::{
    claims::seen,
    published::{AtIssuer, IssuerKey},
};
use crate::{
    entra::NotAccepted,
    jose::{
        compact::{Form, Jws},
        keys::KeyCache,
    },
};

/// Access tokens (RFC 9068, section 2.1). An issuer that gives no type is believed for what its
/// audience says; one that says `JWT` has issued something else to somebody else, such as an ID
/// token.
const FORM: Form = Form {
    algorithms: &[Algorithm::RS256, Algorithm::PS256, Algorithm::ES256],
    types: &["at+jwt", "application/at+jwt"],
};

/// Verifies tokens of services.
pub struct ServiceTokens {
    keys: KeyCache<String, IssuerKey>,
    clock: Arc<dyn Clock>,
}

/// A token as somebody shows it: of the right form, and not verified.
pub struct PresentedToken<'t> {
    jws: Jws<'t>,
    claims: serde_json::Map<String, serde_json::Value>,
    issuer: String,
    digest: Digest,
}

impl ServiceTokens {
    pub(crate) fn new(http: reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        Self { keys: KeyCache::new(Arc::new(AtIssuer::new(http)), Arc::clone(&clock)), clock }
    }

    /// Looks at a token that somebody shows. Calls nothing.
    ///
    /// # Errors
    ///
    /// [`NotAccepted::Malformed`], or [`NotAccepted::Claim`] if it names no issuer.
    pub fn look_at<'t>(&self, text: &'t str) -> Result<PresentedToken<'t>, NotAccepted> {
        let jws = Jws::read(text, &FORM)?;
        let claims = jws.claims()?;
        let issuer = claims::text(&claims, "iss")?.to_owned();
        Ok(PresentedToken { jws, claims, issuer, digest: Digest::of(&[text.as_bytes()]) })
    }

    /// Verifies a token of an issuer that a binding registers. `certificate` is the SHA-256 of
    /// the client certificate that was shown with it.
    ///
    /// Whether audience, subject and scopes are those of somebody registered is the caller's to
    /// ask.
    ///
    /// # Errors
    ///
    /// [`NotAccepted`].
    pub async fn verify(
        &self,
        presented: PresentedToken<'_>,
        certificate: Option<Digest>,
    ) -> Result<SeenToken, NotAccepted> {
        let PresentedToken { jws, claims, issuer, digest } = presented;
        let key = self.keys.key(issuer.clone(), jws.kid()).await?;
        if !key.signed(&jws) {
            return Err(NotAccepted::Signature);
        }
        seen(&claims, issuer, digest, certificate, self.clock.now())
    }
}

impl PresentedToken<'_> {
    /// The issuer that it says it is from: only to choose whose keys must have signed it, among
    /// issuers of ours.
    #[must_use]
    pub fn claimed_issuer(&self) -> &str {
        &self.issuer
    }
}
