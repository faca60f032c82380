//! Proofs of possession: a client shows that it holds its key.

use airlock_azure::hosting::Refusal;
use airlock_core::{
    identity::TenantId,
    jwk::PublicKey,
    jws::{NotVerified, Signed},
    problem::Problem,
    sign_in::{self, SignIn},
};

use crate::{
    desk::Desk,
    return_to::{NotAPlace, ReturnTo},
};

/// The longest time for which a client may make a proof count, in seconds: no longer than the
/// challenge in it.
pub const LONGEST_S: i64 = crate::challenge::CHALLENGE_S;

/// What a client proved, and said with it.
pub struct Proved {
    /// The challenge, or the one-time code. Not yet looked at.
    pub challenge: String,
    /// The tenant to sign in to.
    pub tenant: TenantId,
    /// Where to go afterwards.
    pub return_to: ReturnTo,
    /// The key that it holds.
    pub jwk: PublicKey,
}

/// A proof does not hold.
#[derive(Debug, thiserror::Error)]
pub enum NotProved {
    /// The signature, the audience or the time.
    #[error("proof not verified")]
    NotVerified(#[from] NotVerified),
    /// It counts for too long.
    #[error("proof counts for more than {LONGEST_S} s")]
    Lifetime,
    /// It would return to somewhere else.
    #[error("return URL not taken")]
    ReturnTo(#[from] NotAPlace),
}

/// Opens a proof.
///
/// # Errors
///
/// [`NotProved`].
pub fn open(proof: &Signed<SignIn>, desk: &Desk) -> Result<Proved, NotProved> {
    let proof = sign_in::open(proof, &desk.manifest.api, desk.now())?;
    if proof.exp.since_s(proof.iat) > LONGEST_S {
        return Err(NotProved::Lifetime);
    }
    Ok(Proved {
        challenge: proof.challenge.clone(),
        tenant: proof.tenant,
        return_to: ReturnTo::parse(&proof.return_to)?,
        jwk: proof.jwk.clone(),
    })
}

impl From<NotProved> for Refusal {
    fn from(error: NotProved) -> Self {
        match error {
            NotProved::NotVerified(_) => Self::because(Problem::NOT_VERIFIED, error),
            NotProved::Lifetime => Self::because(Problem::NOT_UNDERSTOOD, error)
                .detail("a proof counts for five minutes at the most"),
            NotProved::ReturnTo(_) => Self::because(Problem::NOT_UNDERSTOOD, error)
                .detail("return_to is a path of the portal, or http://127.0.0.1:<port>/<path>"),
        }
    }
}
