//! What `signin` asks of Entra and of `intake`: ports of its own, beside core's.

use airlock_azure::entra::{EntraToken, NotAccepted};
use airlock_core::{
    identity::TenantId,
    jws::Signed,
    ports::PortError,
    secret::Secret,
    session::{Confirmation, Session},
};
use async_trait::async_trait;
use serde_json::Value;

/// An ID token, verified.
pub struct IdToken {
    /// The token itself, for `intake` to look at.
    pub text: Secret,
    /// What it says.
    pub says: EntraToken,
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
