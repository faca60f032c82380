//! The start of a sign-in: proof that whoever starts it holds the client key.

use serde::{Deserialize, Serialize};

use crate::{
    base64url,
    digest::Digest,
    identity::TenantId,
    jwk::{PublicKey, Thumbprint},
    jws::{Artefact, NotVerified, Signed, Typ, Verified},
    time::Timestamp,
};

/// What a client signs to start a sign-in, and to redeem its one-time code.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// Origin of the API that it is for.
    pub aud: String,
    /// The challenge, or the one-time code, that the API gave.
    pub challenge: String,
    /// The tenant to sign in to.
    pub tenant: TenantId,
    /// Where to go afterwards.
    pub return_to: String,
    /// The client key, which signs this.
    pub jwk: PublicKey,
    /// When it was signed.
    pub iat: Timestamp,
    /// Until when it counts.
    pub exp: Timestamp,
}

impl Artefact for SignIn {
    const TYP: Typ = Typ::SignIn;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}

/// Opens a proof with the key that it names itself: it proves that the key is held, and
/// nothing about who holds it.
///
/// # Errors
///
/// [`NotVerified`] unless that key signed it for this API.
pub fn open(
    proof: &Signed<SignIn>,
    audience: &str,
    now: Timestamp,
) -> Result<Verified<SignIn>, NotVerified> {
    let key = proof.peek()?.jwk;
    let proof = proof.verify(&key, now)?;
    if proof.aud == audience { Ok(proof) } else { Err(NotVerified::Other("audience")) }
}

/// Letters of a code that a person compares: no vowels, so that it spells nothing, and none that
/// is taken for another (RFC 8628, section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// What a program shows beside the page that its person confirms: `BCDF-GHJK`, made of the
/// client key, so that both sides know it and neither need be told.
///
/// 34 bits. Whoever wants a person to confirm another key must match the code that the person's
/// own program shows, and that program draws its key afresh each time.
#[must_use]
pub fn user_code(key: Thumbprint) -> String {
    let digest = Digest::of(&[b"airlock user code\0", key.as_bytes()]);
    let letters = digest.as_bytes().iter().take(8).enumerate();
    letters.fold(String::with_capacity(9), |mut code, (index, byte)| {
        if index == 4 {
            code.push('-');
        }
        code.push(char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        code
    })
}

/// The nonce of an ID token commits to the client key: SHA-256 of its thumbprint and 32
/// random bytes that `signin` keeps until it passes them to `intake`.
#[must_use]
pub fn nonce(key: Thumbprint, random: &[u8; 32]) -> String {
    base64url::encode(Digest::of(&[key.as_bytes(), random]).as_bytes())
}
