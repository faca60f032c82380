//! What remains: one RFC 6962 Merkle tree for each tenant, whose leaves are signed statements.
//!
//! [`commit`] is the only way to write to a tenant's partition: the changed documents, their
//! statement as the next leaf, the new head and the outgoing messages in one transaction. So
//! no document of ours changes without its ledger entry.

pub mod commit;
pub mod document;
pub mod merkle;
pub mod statement;

pub use commit::{Commit, Committed, Count, Ledger, NotCommitted, Outgoing};
pub use document::{Contents, Document, NotGenuine, NotRead, Stored};
pub use merkle::Frontier;
pub use statement::{Happened, Statement};
