//! Blob storage: two accounts, so that who may write claims cannot touch anchors.
//!
//! `claims` and `anchors` are under a retention policy: nothing there is replaced or deleted,
//! whatever right one holds. `create` is the right to add what does not exist yet.

mod container;
mod list;
mod path;
mod problem;
mod rest;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    cloud::{Answer, Asked, Caller, Shared},
    identities::{Identities, Right},
};
use container::Container;

/// The container that has an account of its own.
const ANCHORS: &str = "anchors";

/// Containers under a retention policy.
const IMMUTABLE: [&str; 2] = [ANCHORS, "claims"];

/// Both accounts. All is in memory.
#[derive(Debug)]
pub struct Blobs {
    /// `Names::blobs`
    main: BTreeMap<String, Container>,
    /// `Names::anchors`
    anchors: BTreeMap<String, Container>,
}

impl Blobs {
    /// The containers on which `identities.json` grants anything, all empty.
    #[must_use]
    pub fn new(identities: &Identities) -> Self {
        let mut blobs = Self { main: BTreeMap::new(), anchors: BTreeMap::new() };
        for name in identities.identities.values().flat_map(|identity| identity.blobs.keys()) {
            let account = if name == ANCHORS { &mut blobs.anchors } else { &mut blobs.main };
            let immutable = IMMUTABLE.contains(&name.as_str());
            account.entry(name.clone()).or_insert_with(|| Container::new(immutable));
        }
        blobs
    }

    /// Answers one REST call to either account.
    #[expect(clippy::unused_async, reason = "every service answers asynchronously")]
    pub async fn answer(cloud: &Shared, asked: Asked) -> Answer {
        rest::answer(cloud, &asked)
    }

    /// Every blob: account, container, name, then body in base64, tag and content type.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        let shown = |account: &BTreeMap<String, Container>| {
            account
                .iter()
                .map(|(name, it)| (name.clone(), it.snapshot()))
                .collect::<BTreeMap<_, _>>()
        };
        json!({ "blobs": shown(&self.main), "anchors": shown(&self.anchors) })
    }
}

/// What `identities.json` grants this caller on this container.
fn rights<'a>(identities: &'a Identities, caller: &Caller, container: &str) -> &'a [Right] {
    caller
        .identity
        .as_deref()
        .and_then(|name| identities.identities.get(name))
        .and_then(|identity| identity.blobs.get(container))
        .map_or(&[], Vec::as_slice)
}

/// An answer with the headers that all have.
fn stamped(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Answer::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers
        .insert("server", HeaderValue::from_static("Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0"));
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.insert("x-ms-request-id", id);
    }
    answer
}
