//! Receipts (C2SP tlog-proof v1): that an entry is in a tree that `drift` sealed, in one file
//! that verifies offline, with a public key and nothing else.

use std::fmt;

use super::{
    checkpoint::{Checkpoint, decimal, hash},
    merkle::leaf_hash,
    note::{self, Note, VerifierKey},
    proof::{self, MAX_HASHES, NotProven},
};
use crate::digest::Digest;

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Size of the largest receipt that we read, in bytes: a note, a proof, and as much extra data
/// as an artefact may be large.
pub const MAX_BYTES: usize = note::MAX_BYTES + 64 * 1024 + MAX_HASHES * 45;

/// A proof that some entry is in a tree, with the tree's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Index of the entry.
    pub index: u64,
    /// From the leaf's sibling up to the root's child.
    pub proof: Vec<Digest>,
    /// The signed checkpoint, unverified.
    pub checkpoint: Note,
    /// What else whoever made it put in. Nobody signed that.
    pub extra: Option<Vec<u8>>,
}

/// Not a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a proof of the form {HEADER}")]
pub struct NotAReceipt;

/// A receipt does not say that the entry is in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReceived {
    /// The key did not sign the checkpoint under its name.
    #[error("checkpoint not signed by the key given")]
    NotSigned,
    /// What the key signed is not a checkpoint of the tree that it is the key of.
    #[error("not a checkpoint of the tree that the key is for")]
    NotACheckpoint,
    /// The entry is not at that index in that tree.
    #[error("entry not proven to be in the tree")]
    NotProven(#[from] NotProven),
}

impl Receipt {
    /// Reads a receipt. Verifies nothing.
    ///
    /// # Errors
    ///
    /// [`NotAReceipt`].
    pub fn parse(text: &str) -> Result<Self, NotAReceipt> {
        if text.len() > MAX_BYTES {
            return Err(NotAReceipt);
        }
        Self::read(text).ok_or(NotAReceipt)
    }

    fn read(text: &str) -> Option<Self> {
        // The first empty line: a checkpoint has one of its own, further down.
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.split('\n').peekable();
        if lines.next()? != HEADER {
            return None;
        }
        let extra = match lines.peek()?.strip_prefix("extra ") {
            Some(extra) => {
                lines.next();
                Some(note::decode(extra)?)
            }
            None => None,
        };
        let index = decimal(lines.next()?.strip_prefix("index ")?)?;
        let proof: Vec<Digest> = lines.map(hash).collect::<Option<_>>()?;
        let checkpoint = Note::parse(checkpoint).ok()?;
        (proof.len() <= MAX_HASHES).then_some(Self { index, proof, checkpoint, extra })
    }

    /// Verifies that the key signed the checkpoint of its tree and that the entry is in it.
    ///
    /// # Errors
    ///
    /// [`NotReceived`].
    pub fn verify(&self, entry: &[u8], key: &VerifierKey) -> Result<Checkpoint, NotReceived> {
        if !self.checkpoint.is_signed_by(key.name(), key.key()) {
            return Err(NotReceived::NotSigned);
        }
        let checkpoint = Checkpoint::parse(self.checkpoint.text())
            .ok()
            .filter(|checkpoint| checkpoint.origin.to_string() == key.name())
            .ok_or(NotReceived::NotACheckpoint)?;
        self.prove(entry, &checkpoint)?;
        Ok(checkpoint)
    }

    /// Verifies that the entry is in the tree of a checkpoint that is already verified: the one
    /// of this receipt, as [`Trust::open_checkpoint`](crate::keyset::Trust::open_checkpoint)
    /// gives it.
    ///
    /// # Errors
    ///
    /// [`NotProven`].
    pub fn prove(&self, entry: &[u8], checkpoint: &Checkpoint) -> Result<(), NotProven> {
        let leaf = leaf_hash(entry);
        let Checkpoint { size, root, .. } = *checkpoint;
        proof::verify_inclusion(leaf, self.index, size, &self.proof, root)
    }
}

/// The receipt as a file.
impl fmt::Display for Receipt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(formatter, "extra {}", note::encode(extra))?;
        }
        writeln!(formatter, "index {}", self.index)?;
        for hash in &self.proof {
            writeln!(formatter, "{}", note::encode(hash.as_bytes()))?;
        }
        write!(formatter, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests;
