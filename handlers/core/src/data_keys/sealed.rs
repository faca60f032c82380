//! What is encrypted: a document's salt and text, as they are stored.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{NamedKey, NotSealed};
use crate::{
    base64url,
    digest::Digest,
    envelope::{DataKey, Place},
    ledger::{NotGenuine, statement::commitment},
    ports::Entropy,
};

/// Name of the encrypted field in the associated data, and the version of its format.
const FIELD: (&str, u32) = ("contents", 1);

/// Bytes of a salt, which stands before the text.
pub(super) const SALT_BYTES: usize = 16;

/// A document's salt and text, encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Id of the data key's document, in the same partition.
    pub key: String,
    /// 96-bit nonce; base64url.
    pub iv: String,
    /// Ciphertext and tag; base64url.
    pub data: String,
}

/// Contents that are ready to be stored: encrypted, and committed to.
#[derive(Debug)]
pub struct SealedContents {
    pub(crate) sealed: Sealed,
    pub(crate) salt: [u8; SALT_BYTES],
    pub(crate) commitment: Digest,
}

/// What was encrypted, still to be compared with what a statement commits to.
pub struct Opened {
    pub(crate) salt: [u8; SALT_BYTES],
    pub(crate) text: Zeroizing<String>,
}

impl SealedContents {
    /// Encrypts under a key that is at hand.
    ///
    /// # Errors
    ///
    /// [`NotSealed`].
    pub fn seal(
        tenant: &str,
        document: &str,
        key: &NamedKey,
        salt: Option<[u8; SALT_BYTES]>,
        text: &str,
        entropy: &dyn Entropy,
    ) -> Result<Self, NotSealed> {
        let salt = if let Some(salt) = salt {
            salt
        } else {
            let mut salt = [0; SALT_BYTES];
            entropy.fill(&mut salt).map_err(NotSealed::NoEntropy)?;
            salt
        };
        // The salt is hidden as well: beside it, the commitment in the ledger would tell whoever
        // knows a person's id whether it was they.
        let clear = Zeroizing::new([&salt, text.as_bytes()].concat());
        let place = place(tenant, document);
        let (iv, data) = key.key.seal(place, &clear, entropy).map_err(NotSealed::Encryption)?;
        Ok(Self {
            sealed: Sealed {
                key: key.id.clone(),
                iv: base64url::encode(iv),
                data: base64url::encode(data),
            },
            salt,
            commitment: commitment(&salt, text.as_bytes()),
        })
    }
}

impl SealedContents {
    /// What is stored.
    #[must_use]
    pub const fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// What its statement commits to.
    #[must_use]
    pub const fn commitment(&self) -> Digest {
        self.commitment
    }
}

impl Sealed {
    /// Decrypts under a key that is at hand.
    ///
    /// # Errors
    ///
    /// [`NotGenuine::Contents`].
    pub fn open(&self, tenant: &str, document: &str, key: &DataKey) -> Result<Opened, NotGenuine> {
        let changed = || NotGenuine::Contents("ciphertext");
        let iv = base64url::decode_array(&self.iv).ok_or_else(changed)?;
        let data = base64url::decode(&self.data).ok_or_else(changed)?;
        let clear = key.open(place(tenant, document), iv, &data).map_err(|_| changed())?;
        let (salt, text) = clear.split_first_chunk::<SALT_BYTES>().ok_or_else(changed)?;
        let text = str::from_utf8(text).map_err(|_| changed())?;
        Ok(Opened { salt: *salt, text: Zeroizing::new(text.to_owned()) })
    }
}

impl Opened {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

const fn place<'a>(tenant: &'a str, document: &'a str) -> Place<'a> {
    let (field, version) = FIELD;
    Place { tenant, document, field, version }
}
