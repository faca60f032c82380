//! `Signed<T>`: a compact JWS over exactly the bytes that are stored and sent.
//!
//! Nothing inside can be read before it is verified, and what was verified has a type of its
//! own, [`Verified`]. The header holds `alg`, `kid` and `typ` and nothing else: a header that
//! names a key (`jwk`, `jku`, `x5u`) or demands an extension (`crit`) is not one of ours.
//!
//! The JWS is put together by hand around an asynchronous `sign` (no library signs with a key
//! it does not hold); verification is the library's.

#[cfg(test)]
mod wycheproof;

use std::{fmt, marker::PhantomData, ops::Deref};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use crate::{
    base64url,
    digest::Digest,
    jwk::{PublicKey, Thumbprint},
    ports::{PortError, Signer},
    signing::{Signature, sign_now},
    time::{LEEWAY_S, Timestamp},
};

/// Size of the largest artefact that we read, in bytes.
///
/// The largest that we make is a keyset; a permit or a request is about 1 KiB.
pub const MAX_BYTES: usize = 64 * 1024;

/// What an artefact says it is (`typ`, RFC 8725, section 3.11), and so what its key must be
/// allowed to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Typ {
    /// A person signed in. By `signin`.
    Session,
    /// `intake` saw the ID token behind a session itself. By `intake`.
    Confirmation,
    /// A client key is held by whoever starts a sign-in. By that key.
    SignIn,
    /// What a person asks. By the person's client key.
    Request,
    /// What a caller asks whose token only `intake` saw. By `intake`.
    Attestation,
    /// What an event producer asks. By the key that the tenant's binding registers.
    Event,
    /// What an approver decides. By the approver's client key.
    Decision,
    /// A change is permitted. By `intake`.
    Permit,
    /// A change is about to be made. By a worker.
    Claim,
    /// How a change ended. By a worker.
    Outcome,
    /// What happened. By any app.
    Statement,
    /// Which keys exist. By the admin root.
    Keyset,
    /// The admin root is another from now on. By the old root, and by the new one.
    Root,
    /// What a tenant allows. By the admin root.
    Binding,
    /// Which secrets of a tenant are changed on schedule. By the admin root.
    SecretBinding,
    /// What a deployment trusts. By the admin root.
    Deployment,
    /// What names a person shall be erased. By the admin root.
    Erasure,
    /// A tree goes on in a new epoch. By the admin root.
    Recovery,
    /// How something compares with what was declared. By `drift`.
    Finding,
    /// From when on a person's sessions count. By `signin`, as a statement of its own kind.
    Revocation,
    /// A tree's head, as a signed note and never as a JWS. By `drift`.
    Checkpoint,
}

impl Typ {
    /// The value of the header's `typ`.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Session => "session+jwt",
            Self::Confirmation => "confirmation+jwt",
            Self::SignIn => "sign-in+jwt",
            Self::Request => "request+jwt",
            Self::Attestation => "attestation+jwt",
            Self::Event => "cloudevent+jwt",
            Self::Decision => "decision+jwt",
            Self::Permit => "effect-permit+jwt",
            Self::Claim => "claim+jwt",
            Self::Outcome => "outcome+jwt",
            Self::Statement => "statement+jwt",
            Self::Keyset => "keyset+jwt",
            Self::Root => "root+jwt",
            Self::Binding => "binding+jwt",
            Self::SecretBinding => "secret-binding+jwt",
            Self::Deployment => "deployment+jwt",
            Self::Erasure => "erasure+jwt",
            Self::Recovery => "recovery+jwt",
            Self::Finding => "finding+jwt",
            Self::Revocation => "revocation+jwt",
            // No JWS has it: a key for checkpoints signs notes, and no reader takes one for
            // the other.
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// What can stand in a [`Signed`].
pub trait Artefact: Serialize + DeserializeOwned {
    /// Its `typ`.
    const TYP: Typ;

    /// From when on it counts.
    fn not_before(&self) -> Option<Timestamp>;

    /// From when on it no longer counts; `None` if it never ends.
    fn expires(&self) -> Option<Timestamp>;
}

/// A payload and its signature, unread.
pub struct Signed<T> {
    text: String,
    key: Thumbprint,
    contents: PhantomData<fn() -> T>,
}

/// What stood in a [`Signed`], after its signature, its `typ` and its time were verified; or in
/// the note of a checkpoint, after the same.
///
/// Only this module and [`keyset`](crate::keyset) make one.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    value: T,
    digest: Digest,
    key: Thumbprint,
}

/// The whole header.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: Thumbprint,
    typ: String,
}

/// Text that is not an artefact of the kind expected, in the form expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {expected} in its own form")]
pub struct Malformed {
    expected: &'static str,
}

impl Malformed {
    /// Text that is not what an artefact of this kind is.
    pub(crate) const fn not_a(typ: Typ) -> Self {
        Self { expected: typ.media_type() }
    }
}

/// Why an artefact was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// It is not of the form expected.
    #[error("malformed")]
    Malformed(#[from] Malformed),
    /// No key of that name may sign it.
    #[error("no key {0} for this purpose")]
    UnknownKey(Thumbprint),
    /// The signature is not by the key that it names.
    #[error("signature or contents not valid")]
    Signature,
    /// Its time has not come.
    #[error("not valid before {0}")]
    NotYet(Timestamp),
    /// Its time is over.
    #[error("expired at {0}")]
    Expired(Timestamp),
    /// It is genuine and about something else.
    #[error("is about another {0}")]
    Other(&'static str),
}

/// An artefact could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// Its claims have no JSON form.
    #[error("claims not written as JSON")]
    Claims(#[source] serde_json::Error),
    /// It is larger than anyone reads.
    #[error("larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// The key did not sign.
    #[error("key did not sign")]
    Key(#[source] PortError),
    /// Nobody would believe it: the keyset does not list the key for that.
    #[error("signing key not listed in the keyset")]
    Unlisted,
}

impl<T: Artefact> Signed<T> {
    /// Reads the compact form and checks everything that needs no key.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is too large, has not three parts, or its header is not exactly
    /// `{alg: ES256, kid, typ}` with the `typ` of `T`.
    pub fn parse(text: impl Into<String>) -> Result<Self, Malformed> {
        let text = text.into();
        let malformed = Malformed { expected: T::TYP.media_type() };
        if text.len() > MAX_BYTES {
            return Err(malformed);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(_), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let header = base64url::decode(header).ok_or(malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| malformed)?;
        if header.alg != "ES256" || header.typ != T::TYP.media_type() {
            return Err(malformed);
        }
        Ok(Self { text, key: header.kid, contents: PhantomData })
    }

    /// Signs claims with a key that this process does not hold.
    ///
    /// # Errors
    ///
    /// [`NotSigned`] if the claims cannot be written or the key did not sign. Repeating is
    /// safe: a second signature over the same claims has the same [digest](Self::digest).
    pub async fn sign(claims: &T, signer: &dyn Signer) -> Result<Self, NotSigned> {
        let claims = serde_json::to_vec(claims).map_err(NotSigned::Claims)?;
        let claims = base64url::encode(claims);
        let typ = T::TYP.media_type();
        let input = |key: &PublicKey| {
            let kid = key.thumbprint();
            let header = Header { alg: "ES256".to_owned(), kid, typ: typ.to_owned() };
            let header = serde_json::to_vec(&header).map_err(NotSigned::Claims)?;
            Ok(format!("{}.{claims}", base64url::encode(header)))
        };
        let Signature { key, input: mut text, bytes } =
            sign_now(signer, input, NotSigned::Key).await?;
        let key = key.thumbprint();
        text.push('.');
        text.push_str(&base64url::encode(bytes));
        // What nobody would read again must not be stored or sent.
        if text.len() > MAX_BYTES {
            return Err(NotSigned::TooLarge);
        }
        Ok(Self { text, key, contents: PhantomData })
    }

    /// Verifies the signature by `key`, and the artefact's own time, at `now`.
    ///
    /// Which key that is, the caller knows from a source other than the artefact: the keyset,
    /// a session, the manifest.
    ///
    /// # Errors
    ///
    /// [`NotVerified`]; nothing of the contents is disclosed by it.
    pub fn verify(&self, key: &PublicKey, now: Timestamp) -> Result<Verified<T>, NotVerified> {
        let value = self.verify_undated(key)?;
        if let Some(from) = value.not_before()
            && from > now.plus_s(LEEWAY_S)
        {
            return Err(NotVerified::NotYet(from));
        }
        if let Some(until) = value.expires()
            && until <= now
        {
            return Err(NotVerified::Expired(until));
        }
        Ok(Verified { value, digest: self.digest(), key: self.key })
    }

    /// Reads the payload before any verification, to learn which key it names itself.
    ///
    /// Only for proofs of possession: anything else is read after its key is known.
    pub(crate) fn peek(&self) -> Result<T, NotVerified> {
        self.text
            .split('.')
            .nth(1)
            .and_then(base64url::decode)
            .and_then(|payload| serde_json::from_slice(&payload).ok())
            .ok_or(NotVerified::Signature)
    }

    /// Verifies the signature alone.
    pub(crate) fn verify_undated(&self, key: &PublicKey) -> Result<T, NotVerified> {
        // A derived reader takes a list for a struct as well; no other reader of a JWT does.
        let payload = self.text.split('.').nth(1).and_then(base64url::decode);
        if !payload.is_some_and(|payload| payload.starts_with(b"{")) {
            return Err(NotVerified::Signature);
        }
        if key.thumbprint() != self.key {
            return Err(NotVerified::UnknownKey(self.key));
        }
        let (x, y) = key.coordinates();
        let decoding =
            DecodingKey::from_ec_components(&x, &y).map_err(|_| NotVerified::Signature)?;
        let mut validation = Validation::new(Algorithm::ES256);
        // Ours, below: the library forgives a minute, and takes `exp` = now for valid.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        jsonwebtoken::decode::<T>(&self.text, &decoding, &validation)
            .map(|token| token.claims)
            .map_err(|_| NotVerified::Signature)
    }

    /// SHA-256 of the signing input, without the signature.
    ///
    /// An ECDSA signature has a twin, (r, n-s), that verifies as well: a digest over the whole
    /// text would let one request count as two.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let end = self.text.rfind('.').unwrap_or(self.text.len());
        Digest::of(&[&self.text.as_bytes()[..end]])
    }

    /// The name of the key that it claims to be signed by.
    #[must_use]
    pub const fn key(&self) -> Thumbprint {
        self.key
    }

    /// The compact form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<T> Verified<T> {
    /// What is signed in another form than a JWS. The caller has verified the signature.
    pub(crate) const fn otherwise(value: T, digest: Digest, key: Thumbprint) -> Self {
        Self { value, digest, key }
    }

    /// What was signed.
    #[must_use]
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The digest of the signing input.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The key that signed it.
    #[must_use]
    pub const fn key(&self) -> Thumbprint {
        self.key
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Clone for Signed<T> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), key: self.key, contents: PhantomData }
    }
}

impl<T> fmt::Debug for Signed<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signed(by {})", self.key)
    }
}

impl<T: Artefact> Serialize for Signed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T: Artefact> Deserialize<'de> for Signed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
