//! The observer's readings over canned answers, with ids in any case and batches in any order.

mod audits;
mod failures;
mod objects;
mod rights;
mod stream;

use airlock_core::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::graph::tests::canned::{Canned, ORIGIN, Reply};

/// The only tenant.
fn tenant() -> TenantId {
    TenantId::new(Uuid::nil())
}

fn id(number: u128) -> ObjectId {
    ObjectId::new(Uuid::from_u128(0xa << 124 | number))
}

/// An id as Graph may write it too.
fn shouted(number: u128) -> String {
    id(number).to_string().to_uppercase()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A span of time.
fn year() -> Span {
    Span { from: at("2026-01-01T00:00:00Z"), until: at("2026-12-31T23:59:59Z") }
}

/// The object that a path is about: its second segment.
fn about(path: &str) -> &str {
    path.split('/').nth(2).unwrap_or_default().split('?').next().unwrap_or_default()
}
