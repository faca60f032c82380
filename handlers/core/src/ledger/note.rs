//! Signed notes (C2SP signed-note v1.0.0): a text that people can read, and who signed it.
//!
//! Ours is one type of signature, 0x02: ECDSA with P-256 and SHA-256, the only one of the
//! format's that Key Vault can make. Signatures of other types and by other keys stay in the
//! note and say nothing to us: so a witness's cosignature can stand beside ours, and a new key's
//! beside an old one's.
//!
//! Key ids are those of the format for this type: the first four bytes of the SHA-256 of the
//! key's `SubjectPublicKeyInfo`. They only find a key; what counts is the signature.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey};
use p256::ecdsa::Signature;

use crate::{
    base64url,
    digest::Digest,
    jwk::PublicKey,
    ports::{PortError, Signer},
    signing::sign_now,
};

/// Size of the largest note that we read, in bytes: room for the 16 signatures that every
/// verifier must take, of the largest post-quantum kind.
pub const MAX_BYTES: usize = 128 * 1024;

/// The format's number for ECDSA signatures.
const ECDSA: u8 = 0x02;

/// What a signature line begins with: em dash, space.
const DASH: &str = "\u{2014} ";

/// A text and its signatures, of which none is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

/// Who signs a note: a name and a public key, written as the format's "vkey".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: PublicKey,
}

/// Not a signed note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a signed note")]
pub struct NotANote;

/// Not a verifier key of type 0x02.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a verifier key for ECDSA signatures with P-256")]
pub struct NotAVerifierKey;

/// A note could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// The text does not end in a newline, has other control characters, or is too large; or the
    /// name is none.
    #[error("not the text of a note, or not a name")]
    Text,
    /// The key did not sign.
    #[error("key did not sign")]
    Key(#[source] PortError),
}

impl Note {
    /// Reads a note. Verifies nothing.
    ///
    /// # Errors
    ///
    /// [`NotANote`].
    pub fn parse(note: &str) -> Result<Self, NotANote> {
        if note.len() > MAX_BYTES || !is_printable(note) {
            return Err(NotANote);
        }
        // The last empty line: the text may have empty lines, signatures have none.
        let end = note.rfind("\n\n").ok_or(NotANote)?;
        let (text, lines) = (&note[..=end], &note[end + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NotANote)?;
        let signatures: Result<Vec<_>, _> = lines.split('\n').map(NoteSignature::parse).collect();
        Ok(Self { text: text.to_owned(), signatures: signatures? })
    }

    /// Signs a text with a key that this process does not hold.
    ///
    /// # Errors
    ///
    /// [`NotSigned`]. Repeating is safe.
    pub async fn sign(text: String, name: &str, signer: &dyn Signer) -> Result<Self, NotSigned> {
        if !text.ends_with('\n') || !is_printable(&text) || !is_name(name) {
            return Err(NotSigned::Text);
        }
        // The digest of the text, its last newline included.
        let made = sign_now(signer, |_| Ok(&*text), NotSigned::Key).await?;
        let signature = Signature::from_slice(&made.bytes)
            .map_err(|error| NotSigned::Key(PortError::Broken(error.to_string().into())))?;
        let line = NoteSignature {
            name: name.to_owned(),
            key_id: key_id(&made.key),
            bytes: signature.to_der().as_bytes().to_vec(),
        };
        let note = Self { text, signatures: vec![line] };
        // What nobody would read again must not be stored or sent.
        if note.to_string().len() > MAX_BYTES {
            return Err(NotSigned::Text);
        }
        Ok(note)
    }

    /// Whether a key signed it under a name.
    ///
    /// A line that claims to be by that key and is not spoils the note, as the format advises.
    #[must_use]
    pub fn is_signed_by(&self, name: &str, key: &PublicKey) -> bool {
        let id = key_id(key);
        let mut claimed =
            self.signatures.iter().filter(|line| line.name == name && line.key_id == id).peekable();
        claimed.peek().is_some() && claimed.all(|line| line.verifies(&self.text, key))
    }

    /// The text, its last newline included. Means nothing before a signature is verified.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

/// The note as a file.
impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)?;
        formatter.write_str("\n")?;
        self.signatures.iter().try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Result<Self, NotANote> {
        let line = line.strip_prefix(DASH).ok_or(NotANote)?;
        let (name, signature) = line.split_once(' ').ok_or(NotANote)?;
        let signature = decode(signature).ok_or(NotANote)?;
        match signature.split_first_chunk() {
            Some((key_id, bytes)) if is_name(name) && !bytes.is_empty() => {
                Ok(Self { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
            }
            _ => Err(NotANote),
        }
    }

    /// The name of whoever signed, as they say.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Verified by the library that verifies every JWS of ours, which is held to Wycheproof's
    /// vectors; it takes the numbers themselves, without the DER around them.
    fn verifies(&self, text: &str, key: &PublicKey) -> bool {
        let Ok(signature) = Signature::from_der(&self.bytes) else { return false };
        let signature = base64url::encode(signature.to_bytes());
        let (x, y) = key.coordinates();
        DecodingKey::from_ec_components(&x, &y)
            .and_then(|key| {
                jsonwebtoken::crypto::verify(&signature, text.as_bytes(), &key, Algorithm::ES256)
            })
            .unwrap_or(false)
    }
}

/// The line, without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = encode(&[&self.key_id, self.bytes.as_slice()].concat());
        write!(formatter, "{DASH}{} {signature}", self.name)
    }
}

impl VerifierKey {
    /// A key under a name.
    ///
    /// # Errors
    ///
    /// [`NotAVerifierKey`] if the name is empty or has a space or a plus in it.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NotAVerifierKey> {
        if !is_name(name) {
            return Err(NotAVerifierKey);
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// The name that it signs under: of a log, its origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }
}

impl FromStr for VerifierKey {
    type Err = NotAVerifierKey;

    fn from_str(text: &str) -> Result<Self, NotAVerifierKey> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAVerifierKey);
        };
        let bytes = decode(encoded).ok_or(NotAVerifierKey)?;
        let Some((&ECDSA, spki)) = bytes.split_first() else { return Err(NotAVerifierKey) };
        let key = PublicKey::from_spki_der(spki).map_err(|_| NotAVerifierKey)?;
        if id != hex(key_id(&key)) {
            return Err(NotAVerifierKey);
        }
        Self::new(name, key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&vkey(&self.name, &self.key))
    }
}

/// A key as verifiers of notes are told it: `<name>+<key id>+<type and key>`.
#[must_use]
pub fn vkey(name: &str, key: &PublicKey) -> String {
    let typed = [&[ECDSA], key.to_spki_der().as_slice()].concat();
    format!("{name}+{}+{}", hex(key_id(key)), encode(&typed))
}

fn key_id(key: &PublicKey) -> [u8; 4] {
    let [a, b, c, d, ..] = *Digest::of(&[&key.to_spki_der()]).as_bytes();
    [a, b, c, d]
}

fn hex(id: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(id))
}

/// No control characters but newlines.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte >= 0x20 || byte == b'\n')
}

fn is_name(name: &str) -> bool {
    let is_letter = |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != '+';
    !name.is_empty() && name.chars().all(is_letter)
}

/// Base64 with padding (RFC 4648, section 4): the alphabet of notes.
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads base64; `None` if it is not canonical.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests;
