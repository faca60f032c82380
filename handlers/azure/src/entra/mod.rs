//! Tokens that Entra issued, verified by the keys of the tenant that they must come from.
//!
//! The tenant and the audience are the caller's to know: nothing of a token is believed, not
//! even who issued it, before its signature holds under a key of *that* tenant. What comes out
//! has a type of its own for each kind of holder, which nothing but this verification makes: a
//! path that takes a [`PersonToken`] cannot be handed an application's or an agent's.

mod claims;
mod kept;
mod kind;
mod published;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use airlock_core::{
    digest::Digest,
    identity::{ObjectId, TenantId},
    ports::{Clock, PortError},
};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

pub use self::{
    claims::Claims,
    kind::{AccessToken, Acting, AgentToken, ApplicationToken, IdToken, Kind, PersonToken},
};
use self::{
    claims::{Expected, claimed_tenant},
    kept::{Kept, KeptTokens},
    published::{FromEntra, SigningKey},
};
use crate::jose::{
    compact::{self, Form, Jws, Malformed},
    keys::{KeyCache, NoKey},
};

/// Entra's tokens. RS256 alone: a key says nothing of which other algorithms it would serve.
const FORM: Form = Form { algorithms: &[Algorithm::RS256], types: &["JWT"] };

/// Verifies tokens that Entra issued.
pub struct TokenVerifier {
    authority: String,
    keys: KeyCache<TenantId, SigningKey>,
    kept: KeptTokens,
    clock: Arc<dyn Clock>,
}

/// An access token as somebody shows it: of the right form, and not verified.
pub struct Presented<'t> {
    text: &'t str,
    digest: Digest,
    tenant: TenantId,
    content: Content<'t>,
}

enum Content<'t> {
    /// It was verified before.
    Known(Arc<Kept>),
    /// It was not: what it is made of, and what it claims.
    New(Jws<'t>, Map<String, Value>),
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
    /// It is genuine, and of another kind than is taken here.
    #[error("{0} is not taken here")]
    Kind(Kind),
    /// The tenant's keys could not be read. The token may be good.
    #[error("signing keys not read")]
    Keys(#[source] PortError),
}

impl From<Malformed> for NotAccepted {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Malformed(what)
    }
}

impl From<NoKey> for NotAccepted {
    fn from(error: NoKey) -> Self {
        match error {
            NoKey::Unknown => Self::UnknownKey,
            NoKey::NotRead(error) => Self::Keys(error),
        }
    }
}

impl TokenVerifier {
    pub(crate) fn new(http: reqwest::Client, authority: &str, clock: Arc<dyn Clock>) -> Self {
        let authority = authority.trim_end_matches('/').to_owned();
        let published = Arc::new(FromEntra::new(http, authority.clone()));
        let keys = KeyCache::new(published, Arc::clone(&clock));
        Self { authority, keys, kept: KeptTokens::default(), clock }
    }

    /// Looks at an access token that somebody shows. Calls nothing.
    ///
    /// # Errors
    ///
    /// [`NotAccepted::Malformed`], or [`NotAccepted::Claim`] if it names no tenant.
    pub fn look_at<'t>(&self, text: &'t str) -> Result<Presented<'t>, NotAccepted> {
        if text.len() > compact::MOST_BYTES {
            return Err(NotAccepted::Malformed("length"));
        }
        let digest = Digest::of(&[text.as_bytes()]);
        if let Some(kept) = self.kept.find(&digest, self.clock.now()) {
            let tenant = kept.token.claims().tenant();
            return Ok(Presented { text, digest, tenant, content: Content::Known(kept) });
        }
        let (jws, claims) = read(text)?;
        let tenant = claimed_tenant(&claims)?;
        Ok(Presented { text, digest, tenant, content: Content::New(jws, claims) })
    }

    /// Verifies an access token for one of our applications (`audience`) from one tenant.
    ///
    /// Whether that tenant may be is the caller's to ask, before: its keys are fetched.
    ///
    /// # Errors
    ///
    /// [`NotAccepted`].
    pub async fn access_token(
        &self,
        presented: Presented<'_>,
        tenant: TenantId,
        audience: ObjectId,
    ) -> Result<AccessToken, NotAccepted> {
        let Presented { text, digest, content, .. } = presented;
        let (jws, claims) = match content {
            Content::Known(kept) if self.still_counts(&kept, tenant, audience).await? => {
                return Ok(kept.token.clone());
            }
            Content::Known(_) => read(text)?,
            Content::New(jws, claims) => (jws, claims),
        };
        let (claims, key) = self.verified(&jws, claims, tenant, audience).await?;
        let token = AccessToken::of(claims)?;
        if text.len() <= kept::LONGEST_BYTES {
            let kid = jws.kid().to_owned();
            self.kept.keep(digest, Kept { token: token.clone(), audience, kid, key });
        }
        Ok(token)
    }

    /// Verifies an ID token that Entra issued to one of our applications (`audience`).
    ///
    /// Whether its nonce is the expected one is the caller's to ask.
    ///
    /// # Errors
    ///
    /// [`NotAccepted`].
    pub async fn id_token(
        &self,
        text: &str,
        tenant: TenantId,
        audience: ObjectId,
    ) -> Result<IdToken, NotAccepted> {
        let (jws, claims) = read(text)?;
        let (claims, _) = self.verified(&jws, claims, tenant, audience).await?;
        IdToken::of(claims)
    }

    /// Whether the key that verified a token is still the one of that name.
    async fn still_counts(
        &self,
        kept: &Kept,
        tenant: TenantId,
        audience: ObjectId,
    ) -> Result<bool, NotAccepted> {
        let same = kept.token.claims().tenant() == tenant && kept.audience == audience;
        Ok(same && self.keys.key(tenant, &kept.kid).await?.is(&kept.key))
    }

    async fn verified(
        &self,
        jws: &Jws<'_>,
        claims: Map<String, Value>,
        tenant: TenantId,
        audience: ObjectId,
    ) -> Result<(Claims, SigningKey), NotAccepted> {
        let key = self.keys.key(tenant, jws.kid()).await?;
        if !key.signed(jws) {
            return Err(NotAccepted::Signature);
        }
        let issuer = published::issuer(&self.authority, tenant);
        let now = self.clock.now();
        let expected = Expected { issuer, tenant, audience, now };
        Ok((Claims::check(claims, &expected)?, key))
    }
}

/// Takes a token apart. Its claims are read once, and released by nobody but `verified`.
fn read(text: &str) -> Result<(Jws<'_>, Map<String, Value>), NotAccepted> {
    let jws = Jws::read(text, &FORM)?;
    let claims = jws.claims()?;
    Ok((jws, claims))
}

impl Presented<'_> {
    /// The tenant that it says it is from: only to choose whose keys must have signed it, among
    /// tenants of ours.
    #[must_use]
    pub const fn claimed_tenant(&self) -> TenantId {
        self.tenant
    }
}
