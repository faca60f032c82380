//! Which key may sign what: the keyset, signed by the admin root.
//!
//! [`Trust`] is the keyset after verification. Everything that one handler believes of another
//! goes through [`Trust::open`].

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    identity::App,
    jwk::{PublicKey, Thumbprint},
    jws::{Artefact, NotVerified, Signed, Typ, Verified},
    ledger::{Checkpoint, Note, statement::ArtefactVersion},
    root::{Countersigned, Roots},
    time::{LEEWAY_S, Timestamp},
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
    /// How the root became what it is, from the first one on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replacements: Vec<Countersigned>,
    /// The version of the platform's [secret bindings](crate::secret_binding::PlatformDriver) that
    /// counts, if there are any. It is named here because anchors name the keyset's version: so
    /// neither can be put back without the other, and no earlier pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<ArtefactVersion>,
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
    /// older than the revocation ([`Trust::as_of`]).
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
    roots: Roots,
    keyset: Verified<Keyset>,
    /// When what is opened was anchored, if that was proven.
    anchored: Option<Timestamp>,
}

impl Trust {
    /// Verifies a keyset by the admin root, which a handler knows from its manifest, or by the
    /// one that took over from it.
    ///
    /// # Errors
    ///
    /// [`NotVerified`] if the root did not sign it or it has expired.
    pub fn verify(
        root: &PublicKey,
        keyset: &Signed<Keyset>,
        now: Timestamp,
    ) -> Result<Self, NotVerified> {
        let roots = Roots::of_keyset(root, keyset, now)?;
        let keyset = roots.open(keyset, now)?;
        Ok(Self { roots, keyset, anchored: None })
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

    /// Opens what this app signed in a form that names no issuer of ours, as an event's does.
    ///
    /// # Errors
    ///
    /// [`NotVerified::UnknownKey`] unless the keyset lists the key for this app and that `typ`,
    /// unrevoked and with its time begun; else as [`Signed::verify`].
    pub fn open_by<T: Artefact>(
        &self,
        app: App,
        signed: &Signed<T>,
        now: Timestamp,
    ) -> Result<Verified<T>, NotVerified> {
        let key = self.key_for(signed)?;
        if key.app != app || key.nbf > now {
            return Err(NotVerified::UnknownKey(signed.key()));
        }
        signed.verify(&key.jwk, now)
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
            .filter(|key| key.signs.contains(&T::TYP) && self.counts(key))
            .ok_or_else(|| NotVerified::UnknownKey(signed.key()))
    }

    /// Whether a key counts: it was not revoked, or only after what is opened was anchored.
    fn counts(&self, key: &KeysetKey) -> bool {
        key.revoked.is_none_or(|revoked| self.anchored.is_some_and(|anchored| anchored < revoked))
    }

    /// The same keys for what was anchored at a time: keys count that were revoked after it.
    ///
    /// Only for what was proven to be under that anchor
    /// ([`Trees::anchored_at`](crate::ledger::Trees::anchored_at)), or to be held by something
    /// that was; or, for an auditor, to be under a checkpoint that they kept since then.
    #[must_use]
    pub fn as_of(&self, anchored: Timestamp) -> Self {
        Self { anchored: Some(anchored), ..self.clone() }
    }

    /// Whether what this key signs as a `T` of this app's counts now.
    #[must_use]
    pub fn lists<T: Issued>(&self, key: &PublicKey, app: App, now: Timestamp) -> bool {
        self.keyset.keys.iter().any(|listed| {
            listed.jwk == *key
                && listed.app == app
                && listed.signs.contains(&T::TYP)
                && listed.nbf <= now
                && listed.revoked.is_none()
        })
    }

    /// The keys that are listed for an app and were not revoked, in the order in which they were
    /// listed; whether or not their time has begun.
    pub fn keys_of(&self, app: App) -> impl Iterator<Item = &KeysetKey> {
        self.keyset.keys.iter().filter(move |key| key.app == app && key.revoked.is_none())
    }

    /// The version of the platform's secret bindings that counts.
    #[must_use]
    pub fn secrets(&self) -> Option<ArtefactVersion> {
        self.keyset.secrets
    }

    /// Opens what the admin root signed: whoever was the root at that time.
    ///
    /// # Errors
    ///
    /// [`NotVerified`], as [`Roots::open`].
    pub fn open_root<T: Artefact>(
        &self,
        signed: &Signed<T>,
        now: Timestamp,
    ) -> Result<Verified<T>, NotVerified> {
        self.roots.open(signed, now)
    }

    /// Opens what one of our apps signed with a key that may have been revoked since: for whoever
    /// judges by [`revoked`](Self::revoked) whether it still counts.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but for the revocation.
    pub(crate) fn open_once_valid<T: Issued>(
        &self,
        signed: &Signed<T>,
        now: Timestamp,
    ) -> Result<Verified<T>, NotVerified> {
        let key = self
            .listed(signed.key())
            .filter(|key| key.signs.contains(&T::TYP) && key.nbf <= now)
            .ok_or_else(|| NotVerified::UnknownKey(signed.key()))?;
        let opened = signed.verify(&key.jwk, now)?;
        if opened.issuer() != key.app {
            return Err(NotVerified::Other("issuer"));
        }
        Ok(opened)
    }

    /// From when on a key no longer counts, if it was revoked.
    #[must_use]
    pub(crate) fn revoked(&self, key: Thumbprint) -> Option<Timestamp> {
        self.listed(key)?.revoked
    }

    fn listed(&self, key: Thumbprint) -> Option<&KeysetKey> {
        self.keyset.keys.iter().find(|listed| listed.jwk.thumbprint() == key)
    }

    /// Opens a checkpoint of the ledger with this name, wherever it was found.
    ///
    /// # Errors
    ///
    /// [`NotVerified::Malformed`] if the note is no checkpoint; [`NotVerified::Other`] if it is
    /// of another ledger; [`NotVerified::Signature`] unless an unrevoked key that the keyset
    /// lists for checkpoints signed it, under the tree's own name; [`NotVerified::NotYet`] if it
    /// comes from the future.
    pub fn open_checkpoint(
        &self,
        note: &Note,
        ledger: &str,
        now: Timestamp,
    ) -> Result<Verified<Checkpoint>, NotVerified> {
        self.checkpoint(note, ledger, now, |_, key| key.revoked.is_none())
    }

    /// Opens a checkpoint that was read from the anchors, which nobody can change or backdate:
    /// there a key that was revoked later still counts.
    ///
    /// # Errors
    ///
    /// As [`open_checkpoint`](Self::open_checkpoint).
    pub fn open_anchored(
        &self,
        note: &Note,
        ledger: &str,
        now: Timestamp,
    ) -> Result<Verified<Checkpoint>, NotVerified> {
        self.checkpoint(note, ledger, now, |checkpoint, key| {
            key.revoked.is_none_or(|revoked| checkpoint.seal.time < revoked)
        })
    }

    fn checkpoint(
        &self,
        note: &Note,
        ledger: &str,
        now: Timestamp,
        counts: impl Fn(&Checkpoint, &KeysetKey) -> bool,
    ) -> Result<Verified<Checkpoint>, NotVerified> {
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin.ledger() != ledger {
            return Err(NotVerified::Other("ledger"));
        }
        // The name is the origin, so that what one tree's note says is never another's word.
        let name = checkpoint.origin.to_string();
        let signed_by = self
            .keyset
            .keys
            .iter()
            .filter(|key| key.signs.contains(&Typ::Checkpoint) && key.nbf <= now)
            .filter(|key| counts(&checkpoint, key))
            .find(|key| note.is_signed_by(&name, &key.jwk))
            .ok_or(NotVerified::Signature)?;
        if checkpoint.seal.time > now.plus_s(LEEWAY_S) {
            return Err(NotVerified::NotYet(checkpoint.seal.time));
        }
        let digest = Digest::of(&[note.text().as_bytes()]);
        Ok(Verified::otherwise(checkpoint, digest, signed_by.jwk.thumbprint()))
    }

    /// When the admin root signed it.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.keyset.iat
    }

    /// The keyset's version, which permits name.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.keyset.ver
    }
}
