//! What a request asks for, read exactly as the emulator reads it.
//!
//! INVARIANT: whatever the emulator would carry out on documents is a [`Operation::Documents`] here
//! with the same act, or it is refused. What is not recognised is [`Operation::Control`], which
//! nobody may do.

use azure_core::http::{Method, Request, headers::HeaderName};

use super::{DATABASE, wire};

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads the account, a database, or a container's properties.
    Metadata,
    /// Anything else that is not about documents. Entra tokens are never good for that.
    Control,
    /// Something about documents.
    Documents {
        /// Name of the container.
        container: String,
        /// What is done.
        act: Act,
        /// The partition key header, if it names exactly one logical partition.
        partition: Option<String>,
    },
}

/// What is done to documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Reads one, several, a change feed or the partition key ranges.
    Read,
    /// Runs a query, or asks how it would run.
    Query,
    /// Creates what must not exist.
    Create,
    /// Replaces, upserts, patches or deletes.
    Write,
    /// A transactional batch.
    Batch,
}

impl Operation {
    /// Reads a request.
    pub fn of(request: &Request) -> Self {
        let path = request.url().path();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let queries = flag(request, &wire::IS_QUERY) || flag(request, &wire::IS_QUERY_LEGACY);
        let plans = flag(request, &wire::IS_QUERY_PLAN);
        match (request.method(), segments.as_slice()) {
            (
                Method::Get,
                [] | ["dbs"] | ["dbs", _] | ["dbs", _, "colls"] | ["dbs", _, "colls", _],
            ) => Self::Metadata,
            (Method::Post, ["dbs"] | ["dbs", _, "colls"]) if queries => Self::Metadata,
            (Method::Get, ["dbs", DATABASE, "colls", container, "pkranges"]) => {
                Self::documents(request, container, Act::Read)
            }
            (
                Method::Get,
                ["dbs", DATABASE, "colls", container, "docs"]
                | ["dbs", DATABASE, "colls", container, "docs", _],
            ) => Self::documents(request, container, Act::Read),
            (Method::Post, ["dbs", DATABASE, "colls", container, "docs"]) => {
                let act = if plans || queries {
                    Act::Query
                } else if flag(request, &wire::IS_BATCH) {
                    Act::Batch
                } else if flag(request, &wire::IS_UPSERT) {
                    Act::Write
                } else {
                    Act::Create
                };
                Self::documents(request, container, act)
            }
            (
                Method::Put | Method::Patch | Method::Delete,
                ["dbs", DATABASE, "colls", container, "docs", _],
            ) => Self::documents(request, container, Act::Write),
            _ => Self::Control,
        }
    }

    fn documents(request: &Request, container: &str, act: Act) -> Self {
        let partition =
            request.headers().get_optional_str(&wire::PARTITION_KEY).and_then(wire::one_partition);
        Self::Documents { container: container.to_owned(), act, partition }
    }
}

fn flag(request: &Request, name: &HeaderName) -> bool {
    request.headers().get_optional_str(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
