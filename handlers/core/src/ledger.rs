//! What remains: one RFC 6962 Merkle tree for each tenant, whose leaves are signed statements.
//!
//! [`commit`] is the only way to write to a tenant's partition: the changed documents, their
//! statement as the next leaf, the new head and the outgoing messages in one transaction. So
//! no document of ours changes without its ledger entry.

pub mod anchor;
pub mod checkpoint;
pub mod commit;
pub mod document;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod proven;
pub mod published;
pub mod receipt;
pub mod recovery;
pub mod statement;
pub mod tile;

pub use anchor::{Anchor, Anchors, NotAnchored};
pub use checkpoint::{Checkpoint, Origin, Seal};
pub use commit::{Commit, Committed, Count, Ledger, NotCommitted, Outgoing};
pub use document::{Contents, Document, NotGenuine, NotRead, Stored};
pub use merkle::Frontier;
pub use note::Note;
pub use proven::{NotProven, Proven, Trees};
pub use receipt::Receipt;
pub use statement::{Happened, Statement};
