//! Which applications of a tenant have changed: the pages of a delta query.
//!
//! Nothing is selected. Graph reports changes of what is selected alone, and federated
//! credentials, which are looked for, cannot be: what comes is every application of which
//! anything changed.

use airlock_core::{
    drift::sources::{Changed, Page, Position},
    identity::{ObjectId, TenantId},
    ports::PortError,
};
use azure_core::http::{Method, RawResponse, Request, Url};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::understood;
use crate::graph::{Graph, OBSERVER, answer, batch::Questions, pages::NotUnderstood};

/// What is read, for errors.
const WHAT: &str = "changed applications";

const PATH: &str = "/applications/delta";

/// Below what every position is.
const BELOW: &str = "/v1.0/applications/";

/// The most of a position that is kept, in bytes.
const MOST_BYTES: usize = 16 << 10;

/// Codes of a refused position, besides every 410: it is too old, or no longer understood.
const EXPIRED: [&str; 4] =
    ["syncStateNotFound", "syncStateInvalid", "resyncRequired", "Directory_ExpiredPageToken"];

impl Graph {
    pub(super) async fn read_changed(
        &self,
        tenant: TenantId,
        from: Option<&Position>,
    ) -> Result<Page, PortError> {
        let request = match from {
            None => self.request("GET", PATH, None, Uuid::new_v4())?,
            Some(position) => {
                let mut request = Request::new(self.address(position)?, Method::Get);
                request.insert_header("client-request-id", Uuid::new_v4().to_string());
                request
            }
        };
        let response = self.send(OBSERVER, tenant, request).await?;
        if from.is_some() && is_lost(&response) {
            return Ok(Page::Lost);
        }
        let mut body = answer::read(&response)?;
        let Some(Value::Array(objects)) = body.get_mut("value").map(Value::take) else {
            return Err(NotUnderstood(WHAT).into());
        };
        let objects: Vec<Found> = understood(objects, WHAT)?;
        let link = |name: &str| body.get(name).map(|link| self.position(link)).transpose();
        let (next, last) = (link("@odata.nextLink")?, link("@odata.deltaLink")?);
        let changed = self.with_clients(tenant, objects).await?;
        match (next, last) {
            (Some(next), None) => Ok(Page::More(changed, next)),
            (None, Some(last)) => Ok(Page::Last(changed, last)),
            _ => Err(NotUnderstood(WHAT).into()),
        }
    }

    /// The address of a position, at Graph.
    fn address(&self, Position(place): &Position) -> Result<Url, PortError> {
        let origin = self.origin.as_str().trim_end_matches('/');
        let url = self.below(&format!("{origin}{place}"))?;
        if place.starts_with(BELOW) && url.path().starts_with(BELOW) {
            Ok(url)
        } else {
            Err(NotUnderstood(WHAT).into())
        }
    }

    /// The position at an address of Graph's.
    fn position(&self, link: &Value) -> Result<Position, PortError> {
        let url = self.below(link.as_str().ok_or(NotUnderstood(WHAT))?)?;
        let place = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        if place.starts_with(BELOW) && place.len() <= MOST_BYTES {
            Ok(Position(place))
        } else {
            Err(NotUnderstood(WHAT).into())
        }
    }

    /// What changed, with the client ids that Graph left out because they did not change.
    async fn with_clients(
        &self,
        tenant: TenantId,
        found: Vec<Found>,
    ) -> Result<Vec<Changed>, PortError> {
        let incomplete = found.iter().filter(|one| one.removed.is_none() && one.app_id.is_none());
        let paths: Vec<String> =
            incomplete.map(|one| format!("/applications/{}?$select=id,appId", one.id)).collect();
        let questions = Questions { application: OBSERVER, tenant, what: WHAT, paths: &paths };
        let mut read = self.ask_for_each(questions).await?.into_iter();
        found
            .into_iter()
            .map(|one| {
                let client = match (one.removed, one.app_id) {
                    (Some(_), _) => None,
                    (None, Some(client)) => Some(client),
                    // Gone since, if it is not there.
                    (None, None) => {
                        read.next().flatten().map(|read| client_of(read, one.id)).transpose()?
                    }
                };
                Ok(Changed { object: one.id, client })
            })
            .collect()
    }
}

/// An `application` that was added or changed, or a trace of one that is gone.
#[derive(Deserialize)]
struct Found {
    id: ObjectId,
    #[serde(rename = "appId")]
    app_id: Option<ObjectId>,
    /// With the reason, which is not asked: what can be restored is gone until it is, which is a
    /// change again.
    #[serde(rename = "@removed")]
    removed: Option<Value>,
}

fn client_of(application: Value, id: ObjectId) -> Result<ObjectId, NotUnderstood> {
    match understood::<Found>(vec![application], WHAT)?.pop() {
        Some(Found { id: read, app_id: Some(client), .. }) if read == id => Ok(client),
        _ => Err(NotUnderstood(WHAT)),
    }
}

/// Whether Graph says that it does not know the position any more.
fn is_lost(response: &RawResponse) -> bool {
    let status = u16::from(response.status());
    let expired = || {
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        EXPIRED.iter().any(|code| answer::code(&body).eq_ignore_ascii_case(code))
    };
    status == 410 || (matches!(status, 400 | 404) && expired())
}
