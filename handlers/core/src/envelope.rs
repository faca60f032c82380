//! Envelope encryption of data at rest: AES-256-GCM under a data key that Key Vault wraps.
//!
//! The associated data name tenant, document, field and version, so a ciphertext moved
//! anywhere else does not open.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead as _, Payload},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    base64url,
    ports::{Entropy, PortError, WrappedKey, Wrapper},
};

/// A ciphertext with its wrapped data key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Name and version of the wrapping key.
    pub kid: String,
    /// The data key, wrapped; base64url.
    pub key: String,
    /// 96-bit nonce; base64url.
    pub iv: String,
    /// Ciphertext and tag; base64url.
    pub data: String,
}

/// Where a ciphertext belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Tenant.
    pub tenant: &'a str,
    /// Id of the document.
    pub document: &'a str,
    /// Name of the field.
    pub field: &'a str,
    /// Version of the field's format.
    pub version: u32,
}

/// A data key. Cleared from memory when it goes.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

/// Nothing was sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// The vault did not help.
    #[error("data key not wrapped or unwrapped")]
    Port(#[from] PortError),
    /// It was changed, or belongs somewhere else.
    #[error("ciphertext does not belong here")]
    Changed,
}

impl Place<'_> {
    /// Length-prefixed parts: no two places have the same bytes.
    fn associated(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [self.tenant, self.document, self.field] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes
    }
}

impl DataKey {
    /// A fresh key.
    ///
    /// # Errors
    ///
    /// If there is no randomness.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, PortError> {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(&mut *key)?;
        Ok(Self(key))
    }

    /// A key that was unwrapped.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be wrapped.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Encrypts: nonce and ciphertext with tag.
    ///
    /// # Errors
    ///
    /// If there is no randomness, or the text is longer than AES-GCM allows.
    pub fn seal(
        &self,
        place: Place<'_>,
        text: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<([u8; 12], Vec<u8>), NotOpened> {
        let mut nonce = [0; 12];
        entropy.fill(&mut nonce)?;
        let cipher = Aes256Gcm::new((&*self.0).into());
        let payload = Payload { msg: text, aad: &place.associated() };
        let data = cipher.encrypt(&nonce.into(), payload).map_err(|_| NotOpened::Changed)?;
        Ok((nonce, data))
    }

    /// Decrypts.
    ///
    /// # Errors
    ///
    /// [`NotOpened::Changed`].
    pub fn open(
        &self,
        place: Place<'_>,
        nonce: [u8; 12],
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let cipher = Aes256Gcm::new((&*self.0).into());
        let payload = Payload { msg: data, aad: &place.associated() };
        cipher.decrypt(&nonce.into(), payload).map(Zeroizing::new).map_err(|_| NotOpened::Changed)
    }
}

impl Envelope {
    /// Encrypts under a fresh data key. One remote call.
    ///
    /// # Errors
    ///
    /// [`NotOpened`].
    pub async fn seal(
        place: Place<'_>,
        text: &[u8],
        wrapper: &dyn Wrapper,
        entropy: &dyn Entropy,
    ) -> Result<Self, NotOpened> {
        let key = DataKey::generate(entropy)?;
        let WrappedKey { kid, wrapped: under } = wrapper.wrap(key.expose()).await?;
        let (iv, data) = key.seal(place, text, entropy)?;
        Ok(Self {
            kid,
            key: base64url::encode(under),
            iv: base64url::encode(iv),
            data: base64url::encode(data),
        })
    }

    /// Decrypts. One remote call.
    ///
    /// # Errors
    ///
    /// [`NotOpened`].
    pub async fn open(
        &self,
        place: Place<'_>,
        wrapper: &dyn Wrapper,
    ) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let iv = base64url::decode_array(&self.iv).ok_or(NotOpened::Changed)?;
        let data = base64url::decode(&self.data).ok_or(NotOpened::Changed)?;
        let key = WrappedKey {
            kid: self.kid.clone(),
            wrapped: base64url::decode(&self.key).ok_or(NotOpened::Changed)?,
        };
        let key = DataKey::from_bytes(wrapper.unwrap(&key).await?);
        key.open(place, iv, &data)
    }
}
