//! The key of a person's client: it signs what they ask and decide, and leaves this machine
//! never.

use std::fmt;

use airlock_core::{
    base64url,
    jwe::{self, NotSealed},
    jwk::{NotAKey, PublicKey},
    memory::LocalKey,
    ports::Entropy,
    secret::Secret,
};
use p256::SecretKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::Zeroizing;

/// A P-256 key pair in this process.
#[derive(Clone)]
pub struct ClientKey(SecretKey);

impl ClientKey {
    /// A fresh one.
    ///
    /// # Errors
    ///
    /// If there is no randomness.
    pub fn draw(entropy: &dyn Entropy) -> Result<Self, NotSealed> {
        jwe::private_key(entropy).map(Self)
    }

    /// Its public half.
    ///
    /// # Errors
    ///
    /// [`NotAKey`], which no private key is.
    pub fn public(&self) -> Result<PublicKey, NotAKey> {
        PublicKey::from_point(&self.0.public_key())
    }

    /// Signs with it.
    ///
    /// # Errors
    ///
    /// [`NotAKey`], which no private key is.
    pub fn signer(&self) -> Result<LocalKey, NotAKey> {
        LocalKey::new(&self.0)
    }

    /// Decrypts what was encrypted to it.
    ///
    /// # Errors
    ///
    /// [`NotSealed`].
    pub fn open(&self, jwe: &str) -> Result<Secret, NotSealed> {
        jwe::open(jwe, &self.0)
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientKey")
    }
}

/// The private scalar in base64url: the `d` of its JWK.
impl Serialize for ClientKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scalar = Zeroizing::new(<[u8; 32]>::from(self.0.to_bytes()));
        serializer.serialize_str(&Zeroizing::new(base64url::encode(*scalar)))
    }
}

impl<'de> Deserialize<'de> for ClientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        base64url::decode_array::<32>(&text)
            .map(Zeroizing::new)
            .and_then(|scalar| SecretKey::from_slice(&*scalar).ok())
            .map(Self)
            .ok_or_else(|| D::Error::custom("not a P-256 private key"))
    }
}

#[cfg(test)]
mod tests {
    use airlock_core::memory::Dice;

    use super::*;

    #[test]
    fn a_key_is_the_same_after_it_was_kept_and_prints_nothing() {
        let key = ClientKey::draw(&Dice).unwrap();

        let kept: ClientKey = serde_json::from_str(&serde_json::to_string(&key).unwrap()).unwrap();

        assert_eq!(kept.public().unwrap(), key.public().unwrap());
        assert_eq!(format!("{key:?}"), "ClientKey");
        assert!(serde_json::from_str::<ClientKey>("\"AAAA\"").is_err());
    }
}
