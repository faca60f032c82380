//! What a tenant's own log says was changed by Airlock's objects in the directory, or of them.
//!
//! The log is asked for a span of time, and chosen from here. Graph can choose by client id, which
//! entries of service principals leave out; the object id, which they have, is not among what it
//! documents to choose by, and an empty answer would pass for a quiet tenant. As all of a span is
//! read for that, what was done to Airlock's objects is chosen from it as well, though Graph could
//! be asked for a target: one reading cannot tell of the one and be blind to the other.

use std::{collections::BTreeSet, time::Duration};

use airlock_core::{
    drift::{actual::DirectoryChange, sources::Span},
    identity::{ObjectId, TenantId},
    ports::PortError,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::understood;
use crate::{
    failure::in_time,
    graph::{Graph, OBSERVER, answer, pages::Pages},
};

/// What is read, for errors.
const WHAT: &str = "audit log";

/// The most pages of one reading, of 999 entries each. A span with more is to be asked for in
/// parts: none takes longer than a caller can wait.
const MOST_PAGES: usize = 10;

/// The pause before each page but the first. Graph allows reports to an app and tenant five calls
/// in ten seconds, and whoever asks for one span after the other makes a call for each.
const PAUSE: Duration = Duration::from_secs(2);

impl Graph {
    pub(super) async fn read_changes(
        &self,
        tenant: TenantId,
        objects: &BTreeSet<ObjectId>,
        Span { from, until }: Span,
    ) -> Result<Option<Vec<DirectoryChange>>, PortError> {
        if objects.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let path = format!(
            "/auditLogs/directoryAudits?$filter=activityDateTime%20ge%20{from}%20and%20\
             activityDateTime%20le%20{until}&$top=999"
        );
        let id = Uuid::new_v4();
        let request = self.request("GET", &path, None, id)?;
        let is_ours = |entry: &Value| concerns(entry, objects);
        let mut pages = Pages::up_to(MOST_PAGES + 1, WHAT);
        let response = in_time(self.send(OBSERVER, tenant, request)).await?;
        pages.add(&answer::read(&response)?)?;
        let mut read = 1;
        while let Some(next) = pages.turn()? {
            if read >= MOST_PAGES {
                return Ok(None);
            }
            // A tenant's whole log is not to be held at once.
            pages.retain(is_ours);
            tokio::time::sleep(PAUSE).await;
            in_time(self.turn_page(OBSERVER, tenant, (&mut pages, next), id)).await?;
            read += 1;
        }
        pages.retain(is_ours);
        let entries: Vec<Entry> = understood(pages.into_objects()?, WHAT)?;
        let mut changes: Vec<DirectoryChange> =
            entries.into_iter().map(DirectoryChange::from).collect();
        // Newest first, as Graph gives them, would do; it does not promise it.
        changes.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        // An entry that comes in while pages are turned moves others to the next one.
        changes.dedup();
        Ok(Some(changes))
    }
}

/// Whether one of these objects did it, or it was done to one of them. What is in no form that an
/// entry has does, if it could hide one: it is not understood after that.
fn concerns(entry: &Value, objects: &BTreeSet<ObjectId>) -> bool {
    let is_one = |id: ObjectId| objects.contains(&id);
    let by = initiator(&entry["initiatedBy"]);
    match &entry["targetResources"] {
        Value::Null => by.is_some_and(is_one),
        Value::Array(targets) => {
            let mut targets = targets.iter().filter_map(|target| parsed(&target["id"]));
            by.is_some_and(is_one) || targets.any(is_one)
        }
        _ => true,
    }
}

/// Who did it, by object id: a service principal, or else a person. In an entry of somebody else's
/// it may have any form.
fn initiator(by: &Value) -> Option<ObjectId> {
    parsed(&by["app"]["servicePrincipalId"]).or_else(|| parsed(&by["user"]["id"]))
}

fn parsed(id: &Value) -> Option<ObjectId> {
    id.as_str()?.trim().parse().ok()
}

/// A `directoryAudit`. Whether it succeeded is not asked: what a worker tried without a request
/// is as telling.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    #[serde(deserialize_with = "at")]
    activity_date_time: Timestamp,
    activity_display_name: String,
    correlation_id: Option<String>,
    /// As anybody may have it.
    #[serde(default)]
    initiated_by: Value,
    #[serde(default)]
    target_resources: Option<Vec<Target>>,
}

/// A `targetResource`. Its names are people's.
#[derive(Deserialize)]
struct Target {
    id: Option<String>,
}

fn at<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    Timestamp::parse(&text).ok_or_else(|| serde::de::Error::custom("not a time"))
}

impl From<Entry> for DirectoryChange {
    fn from(entry: Entry) -> Self {
        let targets = entry.target_resources.unwrap_or_default();
        Self {
            id: entry.id,
            at: entry.activity_date_time,
            by: initiator(&entry.initiated_by),
            // None, or not one: then no request is known to have caused it.
            correlation: entry.correlation_id.and_then(|id| Uuid::try_parse(&id).ok()),
            activity: entry.activity_display_name,
            targets: targets.into_iter().filter_map(|target| target.id).map(written_once).collect(),
        }
    }
}

/// An id in the one way that ids are written; as it is, if it is another's.
fn written_once(id: String) -> String {
    Uuid::try_parse(&id).map_or(id, |id| id.to_string())
}
