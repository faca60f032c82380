//! The operations of a batch, and when each one fails.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cosmos::{access::Action, wire::Refusal};

/// Most operations in one batch.
const MAX_OPERATIONS: usize = 100;
/// Largest batch, and largest document, in bytes.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// One operation of a batch.
#[derive(Debug, Deserialize)]
#[serde(tag = "operationType", rename_all_fields = "camelCase")]
pub enum Operation {
    /// Fails if the document exists.
    Create { id: Option<String>, resource_body: Value },
    /// Creates or replaces.
    Upsert {
        id: Option<String>,
        resource_body: Value,
        if_match: Option<String>,
        if_none_match: Option<String>,
    },
    /// Fails if the document does not exist.
    Replace { id: String, resource_body: Value, if_match: Option<String> },
    /// Fails if the document does not exist.
    Read { id: String, if_match: Option<String>, if_none_match: Option<String> },
    /// Fails if the document does not exist.
    Delete { id: String, if_match: Option<String> },
}

impl Operation {
    /// The right that it takes.
    pub fn action(&self) -> Action {
        match self {
            Self::Read { .. } => Action::Read,
            Self::Create { .. } => Action::Create,
            Self::Upsert { .. } | Self::Replace { .. } | Self::Delete { .. } => Action::Change,
        }
    }

    /// The document that it brings.
    pub fn document(&self) -> Option<&Value> {
        match self {
            Self::Create { resource_body, .. }
            | Self::Upsert { resource_body, .. }
            | Self::Replace { resource_body, .. } => Some(resource_body),
            Self::Read { .. } | Self::Delete { .. } => None,
        }
    }

    /// Whether the operation's document, if it brings one, belongs in this partition and fits.
    /// `path` is where the container's partition key is.
    pub fn belongs(&self, path: &str, partition: &Value) -> Result<(), Refusal> {
        let Some(document) = self.document() else {
            return Ok(());
        };
        if !document.is_object() {
            return Err(Refusal::bad_request("document body must be a JSON object"));
        }
        if !document["id"].is_string() {
            return Err(Refusal::bad_request("Missing 'id' field in document"));
        }
        // A missing property is a key of its own, which the header spells `{}`.
        let key = document.pointer(path).cloned().unwrap_or_else(|| json!({}));
        if !is_key(&key) || !same_key(&key, partition) {
            return Err(Refusal::bad_request(
                "Transactional batch operations must use the batch partition key",
            ));
        }
        // Written anew, numbers can be longer than the caller spelt them, and a document that the
        // emulator refuses while the batch is applied would leave half of it.
        if document.to_string().len() > MAX_BYTES {
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                "Request size is too large",
            ));
        }
        Ok(())
    }

    /// The status with which it fails on a document in this state, if it does.
    pub fn fails_on(&self, known: &Known) -> Option<u16> {
        const NOT_FOUND: u16 = 404;
        const CONFLICT: u16 = 409;
        const PRECONDITION_FAILED: u16 = 412;
        let stale = |if_match: &Option<String>| match (if_match, known) {
            (None, _) => false,
            (Some(expected), Known::Stored(etag)) => expected != etag,
            (Some(_), Known::Written | Known::Missing) => true,
        };
        let missing = matches!(known, Known::Missing);
        match self {
            Self::Create { .. } => (!missing).then_some(CONFLICT),
            Self::Upsert { .. } if missing => None,
            Self::Upsert { if_match, if_none_match, .. } => (stale(if_match)
                || if_none_match.as_deref() == Some("*"))
            .then_some(PRECONDITION_FAILED),
            Self::Replace { .. } | Self::Read { .. } | Self::Delete { .. } if missing => {
                Some(NOT_FOUND)
            }
            Self::Replace { if_match, .. }
            | Self::Read { if_match, .. }
            | Self::Delete { if_match, .. } => stale(if_match).then_some(PRECONDITION_FAILED),
        }
    }

    /// Id of the document that it is about.
    pub fn id(&self) -> Result<&str, Refusal> {
        let named = match self {
            Self::Create { id, .. } | Self::Upsert { id, .. } => id.as_deref(),
            Self::Replace { id, .. } | Self::Read { id, .. } | Self::Delete { id, .. } => {
                Some(id.as_str())
            }
        };
        let contained =
            self.document().and_then(|document| document.get("id")).and_then(Value::as_str);
        match (named, contained) {
            (Some(named), Some(contained)) if named != contained => Err(Refusal::bad_request(
                "Document id in request body must match the batch operation id",
            )),
            (Some(id), _) | (None, Some(id)) => Ok(id),
            (None, None) => Err(Refusal::bad_request("Missing 'id' field in document")),
        }
    }
}

/// Reads the operations of a batch.
///
/// # Errors
///
/// 400 or 413 if the body is no batch, or too large a one.
pub fn read(body: &[u8]) -> Result<Vec<Operation>, Refusal> {
    if body.len() > MAX_BYTES {
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "Transactional batch payload exceeds the maximum allowed size",
        ));
    }
    let operations: Vec<Operation> = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("Invalid batch JSON body: {error}")))?;
    if operations.len() > MAX_OPERATIONS {
        return Err(Refusal::bad_request("Transactional batch cannot exceed 100 operations"));
    }
    Ok(operations)
}

/// What is known of a document at this point of the batch.
#[derive(Clone, Debug)]
pub enum Known {
    /// There is none.
    Missing,
    /// Stored before this batch, with this etag.
    Stored(String),
    /// Written by this batch: no etag that the caller could know fits it.
    Written,
}

/// Whether a value can be a component of a partition key. `{}` stands for a missing property.
pub fn is_key(value: &Value) -> bool {
    match value {
        Value::Array(_) => false,
        Value::Object(members) => members.is_empty(),
        _ => true,
    }
}

/// Numbers are doubles to Cosmos DB, however they are spelt.
fn same_key(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}
