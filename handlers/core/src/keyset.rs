//! Which key may sign what: the keyset, signed by the admin root.
//!
//! [`Trust`] is the keyset after verification. Everything that one handler believes of another
//! goes through [`Trust::open`].

use serde::{Deserialize, Serialize};

use crate::{
    identity::App,
    jwk::PublicKey,
    jws::{Artefact, NotVerified, Signed, Typ, Verified},
    time::Timestamp,
};

/// All public keys of a deployment, with what each may sign.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyset {
    /// Counts up by one with every change.
    pub ver: u64,
    /// When the admin plane signed it.
    pub iat: Timestamp,
    /// When it must have been renewed, so that an old one cannot be kept alive for ever.
    pub exp: Timestamp,
    /// The keys. Old ones stay as long as what they signed is read.
    pub keys: Vec<KeysetKey>,
}

/// One key of the keyset.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysetKey {
    /// The public key.
    pub jwk: PublicKey,
    /// The app whose managed identity alone may use it.
    pub app: App,
    /// What it may sign.
    pub signs: Vec<Typ>,
    /// From when on its signatures count.
    pub nbf: Timestamp,
    /// From when on they no longer count.
    ///
    /// Set means: no signature of it is accepted, whenever it says that it was made. A
    /// revoked key can backdate; only an anchored ledger entry proves that a signature is
    /// older than the revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

impl Artefact for Keyset {
    const TYP: Typ = Typ::Keyset;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}

/// An artefact of one of our apps. `iss` must be the app whose key signed it.
pub trait Issued: Artefact {
    /// The app that it says it comes from.
    fn issuer(&self) -> App;
}

/// The verified keyset, and with it every other app's word.
#[derive(Clone, Debug)]
pub struct Trust {
    root: PublicKey,
    keyset: Verified<Keyset>,
}

impl Trust {
    /// Verifies a keyset by the admin root, which a handler knows from its manifest.
    ///
    /// # Errors
    ///
    /// [`NotVerified`] if the root did not sign it or it has expired.
    pub fn verify(
        root: &PublicKey,
        keyset: &Signed<Keyset>,
        now: Timestamp,
    ) -> Result<Self, NotVerified> {
        Ok(Self { root: root.clone(), keyset: keyset.verify(root, now)? })
    }

    /// Opens what one of our apps signed.
    ///
    /// # Errors
    ///
    /// [`NotVerified::UnknownKey`] unless the keyset lists the key for that `typ`, unrevoked
    /// and with its time begun; [`NotVerified::Other`] if it was issued in another app's name.
    pub fn open<T: Issued>(
        &self,
        signed: &Signed<T>,
        now: Timestamp,
    ) -> Result<Verified<T>, NotVerified> {
        let key = self.key_for(signed)?;
        if key.nbf > now {
            return Err(NotVerified::UnknownKey(signed.key()));
        }
        let opened = signed.verify(&key.jwk, now)?;
        if opened.issuer() != key.app {
            return Err(NotVerified::Other("issuer"));
        }
        Ok(opened)
    }

    /// Reads what one of our apps signed without judging its time: for the caller that must
    /// read on to learn at which time to judge it.
    pub(crate) fn open_undated<T: Issued>(&self, signed: &Signed<T>) -> Result<T, NotVerified> {
        let key = self.key_for(signed)?;
        let value = signed.verify_undated(&key.jwk)?;
        if value.issuer() != key.app {
            return Err(NotVerified::Other("issuer"));
        }
        Ok(value)
    }

    fn key_for<T: Artefact>(&self, signed: &Signed<T>) -> Result<&KeysetKey, NotVerified> {
        self.keyset
            .keys
            .iter()
            .find(|key| key.jwk.thumbprint() == signed.key())
            .filter(|key| key.signs.contains(&T::TYP) && key.revoked.is_none())
            .ok_or_else(|| NotVerified::UnknownKey(signed.key()))
    }

    /// Opens what the admin root signed.
    ///
    /// # Errors
    ///
    /// [`NotVerified`], as [`Signed::verify`].
    pub fn open_root<T: Artefact>(
        &self,
        signed: &Signed<T>,
        now: Timestamp,
    ) -> Result<Verified<T>, NotVerified> {
        signed.verify(&self.root, now)
    }

    /// The keyset's version, which permits name.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.keyset.ver
    }
}
