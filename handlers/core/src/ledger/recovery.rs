//! An order of the admin root to go on in a tree that `drift` refused to seal.
//!
//! The last good anchor is the end of the epoch; what was written after it is left behind,
//! counted and named by its root, so that nobody can take it back later or slip anything in.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::merkle::{Frontier, leaf_hash};
use crate::{
    digest::Digest,
    jws::{Artefact, Typ},
    time::Timestamp,
};

/// Id of a stored order, in the bindings of its partition.
pub const RECOVERY_ID: &str = "recovery";

/// How a tree goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Key of the partition.
    pub tnt: String,
    /// The epoch that it opens: the first after that of the last good anchor in which nothing
    /// stands.
    pub epoch: u32,
    /// Number of the last good anchor.
    pub after: u64,
    /// Its checkpoint: the signed note. Empty if nothing was ever anchored.
    pub previous: String,
    /// The leaves that stay behind.
    pub quarantined: Quarantined,
    /// Why, in the words of whoever signed it.
    pub reason: String,
    /// When it was signed.
    pub iat: Timestamp,
    /// Until when it may be carried out.
    pub exp: Timestamp,
}

/// Leaves that no longer count: all that stand between the last good anchor and the new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    /// Position of the first.
    pub from: u64,
    /// How many.
    pub count: u64,
    /// RFC 6962 root over their hashes.
    pub root: Digest,
}

impl Quarantined {
    /// Of stored leaves, whatever they are, from this position on and in the order of their ids.
    pub fn of<'a>(from: u64, stored: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut tree = Frontier::empty();
        for leaf in stored {
            tree.push(Self::leaf(leaf));
        }
        Self { from, count: tree.size(), root: tree.root() }
    }

    /// The hash of a stored leaf: of the statement's text, or of none if there is no text.
    #[must_use]
    pub fn leaf(stored: &Value) -> Digest {
        leaf_hash(stored["statement"].as_str().unwrap_or_default().as_bytes())
    }
}

impl Artefact for Recovery {
    const TYP: Typ = Typ::Recovery;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}
