//! Opaque tokens: 256 random bits that we know again by their hash only.
//!
//! Session cookies, the cookie that binds a sign-in to its browser, and one-time codes.

use std::fmt;

use airlock_core::{
    base64url,
    digest::Digest,
    ports::{Entropy, PortError},
    secret::{self, Secret},
};
use uuid::Uuid;

/// An opaque token. Printing it prints nothing of it.
#[derive(Clone)]
pub struct Opaque(Secret);

impl Opaque {
    /// A fresh one.
    ///
    /// # Errors
    ///
    /// If there is no randomness.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, PortError> {
        let bytes: [u8; 32] = random(entropy)?;
        Ok(Self(Secret::new(base64url::encode(bytes))))
    }

    /// Reads one: exactly 32 bytes in canonical base64url. Anything else was never ours, and
    /// need not be looked for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        base64url::decode_array::<32>(text).map(|_| Self(Secret::new(text.to_owned())))
    }

    /// The text. The only door.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// How it is stored.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&[self.expose().as_bytes()])
    }

    /// Whether it is the one with this hash.
    #[must_use]
    pub fn is(&self, digest: Digest) -> bool {
        secret::equal(self.digest().as_bytes(), digest.as_bytes())
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Opaque")
    }
}

/// Random bytes.
///
/// # Errors
///
/// If the system has none to give.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], PortError> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

/// A random name.
///
/// # Errors
///
/// If the system has no randomness to give.
pub fn name(entropy: &dyn Entropy) -> Result<Uuid, PortError> {
    Ok(uuid::Builder::from_random_bytes(random(entropy)?).into_uuid())
}

#[cfg(test)]
mod tests {
    use airlock_core::memory::Dice;

    use super::*;

    #[test]
    fn a_token_is_read_back_as_it_was_made_and_only_so() {
        let token = Opaque::generate(&Dice).unwrap();

        assert_eq!(token.expose().len(), 43);
        assert!(Opaque::parse(token.expose()).unwrap().is(token.digest()));
        for bad in ["", "short", &format!("{}A", token.expose()), &"=".repeat(43), &"/".repeat(43)]
        {
            assert!(Opaque::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_token_prints_nothing_of_itself() {
        let token = Opaque::generate(&Dice).unwrap();

        assert_eq!(format!("{token:?}"), "Opaque");
    }
}
