//! What `signin` asks of Entra and of `intake`: ports of its own, beside core's.

use airlock_azure::entra::{self, NotAccepted};
use airlock_core::{
    identity::{PersonId, Role, TenantId},
    jws::Signed,
    ports::PortError,
    secret::Secret,
    session::{Confirmation, Session},
    time::Timestamp,
};
use async_trait::async_trait;
use serde_json::Value;

/// An ID token, verified.
pub struct IdToken {
    /// The token itself, for `intake` to look at.
    pub text: Secret,
    /// What it says.
    pub says: Says,
}

/// What a verified ID token says of a person. An application's or an agent's never gets this far.
pub struct Says {
    /// Who signed in, and where.
    pub person: PersonId,
    /// What the sign-in was bound to; none in a token that was got by a refresh.
    pub nonce: Option<String>,
    /// App roles that Entra conferred.
    pub roles: Vec<Role>,
    /// Authentication contexts that were satisfied.
    pub acrs: Vec<String>,
    /// When the person last proved who they are.
    pub auth_time: Option<Timestamp>,
    /// Entra's own id of the sign-in.
    pub sid: Option<String>,
    /// For display only.
    pub name: Secret,
    /// What Entra's sign-out page needs to know whom to sign out.
    pub login_hint: Option<Secret>,
}

impl From<&entra::IdToken> for Says {
    fn from(token: &entra::IdToken) -> Self {
        let claims = token.claims();
        let text = |name| claims.text(name).map(str::to_owned);
        let name = text("name").or_else(|| text("preferred_username")).unwrap_or_default();
        Self {
            person: token.person(),
            nonce: token.nonce().map(str::to_owned),
            roles: claims.roles(),
            acrs: claims.acrs(),
            auth_time: claims.auth_time(),
            sid: text("sid"),
            name: Secret::new(name),
            login_hint: text("login_hint").map(Secret::new),
        }
    }
}

/// What Entra gives for a code, or for a refresh token.
pub struct Tokens {
    /// Who signed in.
    pub id: IdToken,
    /// For `access_as_user`.
    pub access: Secret,
    /// For the next time.
    pub refresh: Option<Secret>,
}

/// Entra gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotGranted {
    /// It will not for this code, this refresh token or this person; asking again does not
    /// help.
    #[error("refused: {error} AADSTS{}", .code.unwrap_or_default())]
    Refused {
        /// The OAuth error.
        error: &'static str,
        /// Entra's own code, if it named one.
        code: Option<u32>,
    },
    /// The ID token that it gave is not accepted.
    #[error("ID token not accepted")]
    NotAccepted(#[source] NotAccepted),
    /// It could not be asked, or its answer was not understood.
    #[error("Entra not reached")]
    Port(#[from] PortError),
}

/// Entra, as the portal application sees it.
#[async_trait]
pub trait Entra: Send + Sync {
    /// Redeems a code.
    ///
    /// # Errors
    ///
    /// [`NotGranted`]. A code is good for one try, even if its answer is lost.
    async fn redeem(
        &self,
        tenant: TenantId,
        code: Secret,
        verifier: Secret,
    ) -> Result<Tokens, NotGranted>;

    /// Redeems a refresh token. It stays good until Entra says otherwise.
    ///
    /// # Errors
    ///
    /// [`NotGranted`].
    async fn refresh(&self, tenant: TenantId, token: Secret) -> Result<Tokens, NotGranted>;
}

/// `intake` did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum NotAnswered {
    /// It looked, and says no.
    #[error("intake refused with {0}")]
    Refused(u16),
    /// It could not be asked, or its answer was not understood.
    #[error("intake not reached")]
    Port(#[from] PortError),
}

/// The other outer app.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Asks it to look at the ID token of a session itself. What it answers is not verified
    /// yet.
    ///
    /// # Errors
    ///
    /// [`NotAnswered`]. Repeating is safe.
    async fn confirm(
        &self,
        session: &Signed<Session>,
        id_token: &Secret,
        nonce_random: &[u8; 32],
    ) -> Result<Signed<Confirmation>, NotAnswered>;

    /// Asks its public API, in a person's name, what their access token says.
    ///
    /// # Errors
    ///
    /// [`NotAnswered`].
    async fn claims(&self, access_token: &Secret) -> Result<Value, NotAnswered>;
}
