//! What a tenant's own log says was changed by service principals of Airlock's.
//!
//! The log is asked for a span of time, and chosen from here. Graph can choose by client id, which
//! entries of service principals leave out; the object id, which they have, is not among what it
//! documents to choose by, and an empty answer would pass for a quiet tenant.

use std::{collections::BTreeSet, time::Duration};

use airlock_core::{
    drift::actual::DirectoryChange,
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

/// The most pages of one reading, of 999 entries each.
const MOST_PAGES: usize = 40;

/// Pages that may be read without a pause. Graph allows reports to an app and tenant five calls
/// in ten seconds.
const AT_ONCE: usize = 5;

/// The pause before each page after those.
const PAUSE: Duration = Duration::from_secs(2);

impl Graph {
    pub(super) async fn read_changes(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
        since: Timestamp,
    ) -> Result<Vec<DirectoryChange>, PortError> {
        if principals.is_empty() {
            return Ok(Vec::new());
        }
        let path =
            format!("/auditLogs/directoryAudits?$filter=activityDateTime%20ge%20{since}&$top=999");
        let id = Uuid::new_v4();
        let request = self.request("GET", &path, None, id)?;
        let ours: BTreeSet<ObjectId> = principals.iter().copied().collect();
        let is_ours = |entry: &Value| by(entry).is_some_and(|by| ours.contains(&by));
        let mut pages = Pages::up_to(MOST_PAGES, WHAT);
        let response = in_time(self.send(OBSERVER, tenant, request)).await?;
        pages.add(&answer::read(&response)?)?;
        let mut read = 1;
        while let Some(next) = pages.turn()? {
            // A tenant's whole log is not to be held at once.
            pages.retain(is_ours);
            if read >= AT_ONCE {
                tokio::time::sleep(PAUSE).await;
            }
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
        Ok(changes)
    }
}

/// Which service principal an entry is about. What people and services without one do is not
/// ours to understand, whatever form it has.
fn by(entry: &Value) -> Option<ObjectId> {
    entry["initiatedBy"]["app"]["servicePrincipalId"].as_str()?.trim().parse().ok()
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
    initiated_by: Initiator,
    #[serde(default)]
    target_resources: Option<Vec<Target>>,
}

/// An `auditActivityInitiator`.
#[derive(Deserialize)]
struct Initiator {
    app: Initiating,
}

/// An `appIdentity`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initiating {
    service_principal_id: ObjectId,
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
            by: entry.initiated_by.app.service_principal_id,
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
