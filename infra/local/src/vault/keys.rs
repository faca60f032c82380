//! The keys themselves: held in memory, never handed out.

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use aws_lc_rs::{
    digest::{Digest, SHA256},
    encoding::{AsDer as _, Pkcs8V1Der},
    error::Unspecified,
    rsa::{
        self, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
        PrivateDecryptingKey,
    },
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Bytes of a SHA-256 digest: all that ES256 signs.
pub(super) const DIGEST_BYTES: usize = 32;

/// What Key Vault lets a signing key do.
pub(super) const SIGNING_OPERATIONS: [&str; 2] = ["sign", "verify"];
/// What it lets a wrapping key do.
pub(super) const WRAPPING_OPERATIONS: [&str; 2] = ["wrapKey", "unwrapKey"];

/// One key.
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// P-256.
    Sign(Arc<EcdsaKeyPair>),
    /// RSA.
    Wrap(Arc<Wrapping>),
}

/// An RSA key that is made when it is first needed, or on a thread of its own before that: finding
/// primes takes longer than everything else at start-up together.
#[derive(Debug)]
pub(super) struct Wrapping {
    size: KeySize,
    made: OnceLock<Result<RsaKey, Unspecified>>,
}

#[derive(Debug)]
struct RsaKey {
    private: OaepPrivateDecryptingKey,
    public: OaepPublicEncryptingKey,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// Why a key did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotDone {
    /// The key is of the other kind.
    OtherKind,
    /// The key cannot take this value.
    BadValue,
    /// The key could not be made.
    NoKey,
}

impl Key {
    /// Makes a signing key.
    pub(super) fn signing() -> Result<Self, NotDone> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Ok(Self::Sign(Arc::new(pair.map_err(|_| NotDone::NoKey)?)))
    }

    /// A wrapping key of this many bits, or of 3072. It is made when it is first used.
    pub(super) fn wrapping(bits: Option<u32>) -> Result<Self, NotDone> {
        let size = match bits {
            Some(2048) => KeySize::Rsa2048,
            Some(3072) | None => KeySize::Rsa3072,
            Some(4096) => KeySize::Rsa4096,
            Some(_) => return Err(NotDone::BadValue),
        };
        Ok(Self::Wrap(Arc::new(Wrapping { size, made: OnceLock::new() })))
    }

    /// A new key of the same kind and size.
    pub(super) fn another(&self) -> Result<Self, NotDone> {
        match self {
            Self::Sign(_) => Self::signing(),
            Self::Wrap(wrapping) => {
                let (size, made) = (wrapping.size, OnceLock::new());
                Ok(Self::Wrap(Arc::new(Wrapping { size, made })))
            }
        }
    }

    /// Whether both are of one kind.
    pub(super) const fn is_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Sign(_), Self::Sign(_)) | (Self::Wrap(_), Self::Wrap(_)))
    }

    /// The raw signature, r and s, over a digest.
    pub(super) fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, NotDone> {
        let Self::Sign(pair) = self else {
            return Err(NotDone::OtherKind);
        };
        let digest = Digest::import_less_safe(digest, &SHA256).map_err(|_| NotDone::BadValue)?;
        let signature = pair.sign_digest(&digest).map_err(|_| NotDone::BadValue)?;
        Ok(signature.as_ref().to_vec())
    }

    /// Whether a raw signature over a digest is this key's.
    pub(super) fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<bool, NotDone> {
        let Self::Sign(pair) = self else {
            return Err(NotDone::OtherKind);
        };
        let digest = Digest::import_less_safe(digest, &SHA256).map_err(|_| NotDone::BadValue)?;
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
        Ok(public.verify_digest(&digest, signature).is_ok())
    }

    /// Encrypts a key by RSA-OAEP with SHA-256.
    pub(super) fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, NotDone> {
        let public = &self.rsa()?.public;
        let mut wrapped = vec![0; public.ciphertext_size()];
        let wrapped = public
            .encrypt(&OAEP_SHA256_MGF1SHA256, plain, &mut wrapped, None)
            .map_err(|_| NotDone::BadValue)?;
        Ok(wrapped.to_vec())
    }

    /// Decrypts what [`Key::wrap`] encrypted.
    pub(super) fn unwrap(&self, wrapped: &[u8]) -> Result<Vec<u8>, NotDone> {
        let private = &self.rsa()?.private;
        let mut plain = vec![0; private.min_output_size()];
        let plain = private
            .decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut plain, None)
            .map_err(|_| NotDone::BadValue)?;
        Ok(plain.to_vec())
    }

    /// The public half as a JSON Web Key with this `kid`.
    pub(super) fn jwk(&self, kid: &str) -> Result<Value, NotDone> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Sign(pair) => {
                // An uncompressed point: 4, then both coordinates.
                let (x, y) = pair
                    .public_key()
                    .as_ref()
                    .get(1..)
                    .and_then(|point| point.split_at_checked(32))
                    .ok_or(NotDone::NoKey)?;
                Ok(json!({
                    "kid": kid, "kty": "EC", "key_ops": SIGNING_OPERATIONS,
                    "crv": "P-256", "x": text(x), "y": text(y),
                }))
            }
            Self::Wrap(_) => {
                let key = self.rsa()?;
                Ok(json!({
                    "kid": kid, "kty": "RSA", "key_ops": WRAPPING_OPERATIONS,
                    "n": text(&key.modulus), "e": text(&key.exponent),
                }))
            }
        }
    }

    fn rsa(&self) -> Result<&RsaKey, NotDone> {
        match self {
            Self::Sign(_) => Err(NotDone::OtherKind),
            Self::Wrap(wrapping) => wrapping.key().map_err(|_| NotDone::NoKey),
        }
    }
}

impl Key {
    /// Begins to make it, if that takes long. Who needs it sooner waits.
    ///
    /// Not for a process that may end before it is made: aws-lc aborts a process that ends while
    /// another of its threads is at work in it.
    pub(super) fn begin(&self, name: &str) -> anyhow::Result<()> {
        let Self::Wrap(wrapping) = self else { return Ok(()) };
        let wrapping = Arc::clone(wrapping);
        std::thread::Builder::new()
            .name(format!("make {name}"))
            // Whether it succeeded is told to whoever uses the key.
            .spawn(move || wrapping.key().is_ok())
            .with_context(|| format!("the key {name} could not be made"))?;
        Ok(())
    }
}

impl Wrapping {
    /// The key, made here and now if nobody has begun to.
    fn key(&self) -> Result<&RsaKey, &Unspecified> {
        self.made.get_or_init(|| RsaKey::make(self.size)).as_ref()
    }
}

impl RsaKey {
    fn make(size: KeySize) -> Result<Self, Unspecified> {
        // As a pair, because only that tells modulus and exponent.
        let pair = rsa::KeyPair::generate(size)?;
        let document: Pkcs8V1Der<'_> = pair.as_der()?;
        let private =
            PrivateDecryptingKey::from_pkcs8(document.as_ref()).map_err(|_| Unspecified)?;
        Ok(Self {
            public: OaepPublicEncryptingKey::new(private.public_key())?,
            private: OaepPrivateDecryptingKey::new(private)?,
            modulus: pair.public_key().modulus().big_endian_without_leading_zero().to_vec(),
            exponent: pair.public_key().exponent().big_endian_without_leading_zero().to_vec(),
        })
    }
}
