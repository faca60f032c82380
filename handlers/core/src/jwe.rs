//! Secret results on their way to the requester: compact JWE, ECDH-ES with A256GCM, to the
//! ephemeral key in the signed request.
//!
//! Composed from primitives (RFC 7518, section 4.6): the libraries at hand have only the
//! key-wrap variants, or need OpenSSL. Foreign ones decrypt it in `tests/`.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead as _, Payload},
};
use p256::{SecretKey, ecdh::diffie_hellman};
use zeroize::Zeroizing;

use crate::{
    base64url,
    digest::Digest,
    jwk::{NotAKey, PublicKey},
    ports::{Entropy, PortError},
    secret::Secret,
};

/// A result was not encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum NotSealed {
    /// No randomness.
    #[error("no randomness")]
    Entropy(#[from] PortError),
    /// A key is not one.
    #[error("key not usable")]
    Key(#[from] NotAKey),
    /// It is not a JWE to this key.
    #[error("not encrypted to this key")]
    NotForThisKey,
}

/// Encrypts a secret to a public key.
///
/// # Errors
///
/// [`NotSealed`].
pub fn seal(
    secret: &Secret,
    recipient: &PublicKey,
    entropy: &dyn Entropy,
) -> Result<String, NotSealed> {
    let ephemeral = private_key(entropy)?;
    let epk = serde_json::to_value(PublicKey::from_point(&ephemeral.public_key())?)
        .map_err(|_| NotAKey)?;
    let header = serde_json::json!({
        "alg": "ECDH-ES", "enc": "A256GCM", "epk": epk, "cty": "text/plain",
    });
    let header = base64url::encode(header.to_string());
    let key = agree(&ephemeral, recipient)?;
    let mut iv = [0; 12];
    entropy.fill(&mut iv)?;
    let payload = Payload { msg: secret.expose().as_bytes(), aad: header.as_bytes() };
    let sealed = Aes256Gcm::new((&*key).into())
        .encrypt(&iv.into(), payload)
        .map_err(|_| NotSealed::NotForThisKey)?;
    let (text, tag) = sealed.split_at(sealed.len() - 16);
    let [iv, text, tag] = [base64url::encode(iv), base64url::encode(text), base64url::encode(tag)];
    // No encrypted key: the agreed key is used directly.
    Ok(format!("{header}..{iv}.{text}.{tag}"))
}

/// Decrypts with the private key that the request named the public half of.
///
/// # Errors
///
/// [`NotSealed::NotForThisKey`].
pub fn open(jwe: &str, private: &SecretKey) -> Result<Secret, NotSealed> {
    let parts: Vec<&str> = jwe.split('.').collect();
    let [header, "", iv, text, tag] = parts[..] else { return Err(NotSealed::NotForThisKey) };
    let decode = |part| base64url::decode(part).ok_or(NotSealed::NotForThisKey);
    let parsed: serde_json::Value =
        serde_json::from_slice(&decode(header)?).map_err(|_| NotSealed::NotForThisKey)?;
    if parsed["alg"] != "ECDH-ES" || parsed["enc"] != "A256GCM" {
        return Err(NotSealed::NotForThisKey);
    }
    let epk: PublicKey =
        serde_json::from_value(parsed["epk"].clone()).map_err(|_| NotSealed::NotForThisKey)?;
    let key = agree(private, &epk)?;
    let iv: [u8; 12] = base64url::decode_array(iv).ok_or(NotSealed::NotForThisKey)?;
    let mut sealed = decode(text)?;
    sealed.extend(decode(tag)?);
    let payload = Payload { msg: &sealed, aad: header.as_bytes() };
    let text = Aes256Gcm::new((&*key).into())
        .decrypt(&iv.into(), payload)
        .map_err(|_| NotSealed::NotForThisKey)?;
    String::from_utf8(text).map(Secret::new).map_err(|_| NotSealed::NotForThisKey)
}

/// A fresh private key.
///
/// # Errors
///
/// If there is no randomness.
pub fn private_key(entropy: &dyn Entropy) -> Result<SecretKey, NotSealed> {
    loop {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(&mut *bytes)?;
        // All but 2^-32 of all 256-bit numbers are scalars of P-256.
        if let Ok(key) = SecretKey::from_slice(&*bytes) {
            return Ok(key);
        }
    }
}

/// ECDH, then the one-step key derivation of RFC 7518, section 4.6.2: one SHA-256.
fn agree(private: &SecretKey, public: &PublicKey) -> Result<Zeroizing<[u8; 32]>, NotSealed> {
    let shared = diffie_hellman(private.to_nonzero_scalar(), public.point()?.as_affine());
    let algorithm = b"A256GCM";
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let key = Digest::of(&[
        &length(1),
        shared.raw_secret_bytes(),
        &length(algorithm.len()),
        algorithm,
        &length(0),
        &length(0),
        &length(256),
    ]);
    Ok(Zeroizing::new(*key.as_bytes()))
}
