//! Tiles and bundles as files.

use super::MAX_ENTRY_BYTES;
use crate::digest::Digest;

/// An entry is too long for a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry is longer than {MAX_ENTRY_BYTES} bytes")]
pub struct TooLong;

/// A tile as a file.
#[must_use]
pub fn encode_hashes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Reads the file of a tile of this width; `None` if it has another length.
#[must_use]
pub fn decode_hashes(file: &[u8], width: u16) -> Option<Vec<Digest>> {
    let (hashes, rest) = file.as_chunks::<32>();
    (rest.is_empty() && hashes.len() == usize::from(width))
        .then(|| hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect())
}

/// A bundle as a file.
///
/// # Errors
///
/// [`TooLong`].
pub fn encode_entries<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, TooLong> {
    let mut file = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len()).map_err(|_| TooLong)?;
        file.extend_from_slice(&length.to_be_bytes());
        file.extend_from_slice(entry);
    }
    Ok(file)
}

/// Reads the file of a bundle of this width; `None` if it has another number of entries, or ends
/// within one.
#[must_use]
pub fn decode_entries(file: &[u8], width: u16) -> Option<Vec<&[u8]>> {
    let mut rest = file;
    let mut entries = Vec::with_capacity(usize::from(width));
    for _ in 0..width {
        let (length, after) = rest.split_first_chunk()?;
        let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry);
        rest = after;
    }
    rest.is_empty().then_some(entries)
}
