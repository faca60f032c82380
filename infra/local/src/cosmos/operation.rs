//! What a request asks for, read exactly as the emulator reads it.
//!
//! INVARIANT: whatever the emulator would carry out on documents is a [`Operation::Documents`] here
//! with the same act, or it is refused. What is not recognised is [`Operation::Control`], which
//! nobody may do.

use azure_core::http::{Method, Request, headers::HeaderName};
use uuid::Uuid;

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
        /// The container, as [`container_key`] names it.
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
            (method, ["dbs", database, "colls", container, rest @ ..]) => {
                let act = match (method, rest) {
                    (Method::Get, ["pkranges" | "docs"] | ["docs", _]) => Act::Read,
                    (Method::Post, ["docs"]) if plans || queries => Act::Query,
                    (Method::Post, ["docs"]) if flag(request, &wire::IS_BATCH) => Act::Batch,
                    (Method::Post, ["docs"]) if flag(request, &wire::IS_UPSERT) => Act::Write,
                    (Method::Post, ["docs"]) => Act::Create,
                    (Method::Put | Method::Patch | Method::Delete, ["docs", _]) => Act::Write,
                    _ => return Self::Control,
                };
                match container_key(database, container) {
                    Some(container) => Self::documents(request, container, act),
                    None => Self::Control,
                }
            }
            _ => Self::Control,
        }
    }

    fn documents(request: &Request, container: String, act: Act) -> Self {
        let partition =
            request.headers().get_optional_str(&wire::PARTITION_KEY).and_then(wire::one_partition);
        Self::Documents { container, act, partition }
    }
}

/// How a container is called among those of the account: by its name in the deployment's own
/// database, and by `<database>/<name>` in a tenant's own. Of other databases nothing is known.
///
/// No name holds a slash, so no two containers are called the same.
fn container_key(database: &str, container: &str) -> Option<String> {
    if database == DATABASE {
        return Some(container.to_owned());
    }
    let tenant = database.strip_prefix(DATABASE)?.strip_prefix('-')?;
    tenant.parse::<Uuid>().ok().map(|_| format!("{database}/{container}"))
}

fn flag(request: &Request, name: &HeaderName) -> bool {
    request.headers().get_optional_str(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
