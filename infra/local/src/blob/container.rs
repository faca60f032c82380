//! One container: what may be put into it, and in which order it lists.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::problem::Problem;
use crate::identities::Right;

/// A container and its blobs.
#[derive(Debug)]
pub(super) struct Container {
    /// Under a time-based retention policy: what is written stays, whoever asks.
    pub(super) immutable: bool,
    pub(super) etag: String,
    pub(super) made: OffsetDateTime,
    blobs: Mutex<BTreeMap<String, Blob>>,
}

/// One block blob.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) body: Bytes,
    /// With its quotes.
    pub(super) etag: String,
    pub(super) content_type: HeaderValue,
    pub(super) made: OffsetDateTime,
    /// `x-ms-meta-` headers.
    pub(super) metadata: Vec<(HeaderName, HeaderValue)>,
}

/// `If-Match` and `If-None-Match`.
#[derive(Clone, Debug, Default)]
pub(super) struct Conditions {
    pub(super) matches: Option<String>,
    pub(super) none_match: Option<String>,
}

/// A page of a listing.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) blobs: Vec<(String, Blob)>,
    /// Name with which the next page begins.
    pub(super) next: Option<String>,
}

impl Container {
    pub(super) fn new(immutable: bool) -> Self {
        Self {
            immutable,
            etag: etag(),
            made: OffsetDateTime::now_utc(),
            blobs: Mutex::new(BTreeMap::new()),
        }
    }

    /// Writes a blob: a new one with `create`, any with `write`.
    pub(super) fn put(
        &self,
        name: &str,
        blob: Blob,
        rights: &[Right],
        conditions: &Conditions,
    ) -> Result<(), Problem> {
        if !rights.contains(&Right::Write) && !rights.contains(&Right::Create) {
            return Err(Problem::NOT_GRANTED);
        }
        let mut blobs = self.blobs();
        let present = blobs.get(name);
        if present.is_some() && conditions.none_match.as_deref() == Some("*") {
            return Err(Problem::ALREADY_EXISTS);
        }
        if present.is_some() && !rights.contains(&Right::Write) {
            return Err(Problem::NOT_GRANTED);
        }
        if !conditions.hold(present) {
            return Err(Problem::CONDITION_NOT_MET);
        }
        if present.is_some() && self.immutable {
            return Err(Problem::IMMUTABLE);
        }
        blobs.insert(name.to_owned(), blob);
        Ok(())
    }

    /// Reads a blob.
    pub(super) fn get(
        &self,
        name: &str,
        rights: &[Right],
        conditions: &Conditions,
    ) -> Result<Blob, Problem> {
        if !rights.contains(&Right::Read) {
            return Err(Problem::NOT_GRANTED);
        }
        let blobs = self.blobs();
        let blob = blobs.get(name).ok_or(Problem::BLOB_NOT_FOUND)?;
        if conditions.matches.as_deref().is_some_and(|it| !matches(it, blob)) {
            return Err(Problem::CONDITION_NOT_MET);
        }
        if conditions.none_match.as_deref().is_some_and(|it| matches(it, blob)) {
            return Err(Problem::NOT_MODIFIED);
        }
        Ok(blob.clone())
    }

    /// Removes a blob.
    pub(super) fn delete(
        &self,
        name: &str,
        rights: &[Right],
        conditions: &Conditions,
    ) -> Result<(), Problem> {
        if !rights.contains(&Right::Write) {
            return Err(Problem::NOT_GRANTED);
        }
        let mut blobs = self.blobs();
        let present = blobs.get(name);
        if present.is_none() {
            return Err(Problem::BLOB_NOT_FOUND);
        }
        if !conditions.hold(present) {
            return Err(Problem::CONDITION_NOT_MET);
        }
        if self.immutable {
            return Err(Problem::IMMUTABLE);
        }
        blobs.remove(name);
        Ok(())
    }

    /// Blobs in the order of their names.
    pub(super) fn list(
        &self,
        prefix: &str,
        from: &str,
        limit: usize,
        rights: &[Right],
    ) -> Result<Page, Problem> {
        if !rights.contains(&Right::Read) {
            return Err(Problem::NOT_GRANTED);
        }
        let blobs = self.blobs();
        let start = prefix.max(from);
        let mut found = blobs
            .range::<str, _>((Bound::Included(start), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(prefix));
        let page =
            found.by_ref().take(limit).map(|(name, blob)| (name.clone(), blob.clone())).collect();
        Ok(Page { blobs: page, next: found.next().map(|(name, _)| name.clone()) })
    }

    /// Every blob, for people and tests to look at.
    pub(super) fn snapshot(&self) -> Value {
        let shown = |(name, blob): (&String, &Blob)| {
            let blob = json!({
                "body": STANDARD.encode(&blob.body),
                "etag": blob.etag,
                "content_type": String::from_utf8_lossy(blob.content_type.as_bytes()),
            });
            (name.clone(), blob)
        };
        Value::Object(self.blobs().iter().map(shown).collect())
    }

    fn blobs(&self) -> MutexGuard<'_, BTreeMap<String, Blob>> {
        // Nothing here panics halfway through a change.
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conditions {
    /// Whether a write to what is present, or not, may go ahead.
    fn hold(&self, present: Option<&Blob>) -> bool {
        let matched = match &self.matches {
            Some(wanted) => present.is_some_and(|blob| matches(wanted, blob)),
            None => true,
        };
        let unmatched = match &self.none_match {
            Some(unwanted) => !present.is_some_and(|blob| matches(unwanted, blob)),
            None => true,
        };
        matched && unmatched
    }
}

fn matches(condition: &str, blob: &Blob) -> bool {
    condition == "*" || condition == blob.etag
}

/// A tag that no other version of any blob has.
pub(super) fn etag() -> String {
    // The first 48 bits of a version 4 UUID are all random.
    format!("\"0x8DE{:012X}\"", Uuid::new_v4().as_u128() >> 80)
}
