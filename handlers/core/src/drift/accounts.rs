//! Whether a claim accounts for what Airlock's service principals change.
//!
//! A worker gives each of its calls the name of the request that it is for
//! ([`correlation`]), and the tenant's audit log tells it. So a change is accounted for by the
//! claim of that request, which is a blob that nobody can take away; that the ledger tells of each
//! claim, sealing sees to. One request changes one thing: a second thing under the same name is
//! accounted for by nothing.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    Drift,
    actual::{DirectoryChange, ServicePrincipal},
    desired::{Desired, ROTATOR},
    seen::{Reading, Source, Unread},
    stored::told,
};
use crate::{
    base64url,
    claim::CONTAINER,
    digest::Digest,
    identity::{App, ObjectId, TenantId},
    ports::PortError,
    request::correlation,
    time::Timestamp,
};

/// How far back the log is read when nothing is known of it yet, in seconds.
const FIRST_S: i64 = 86_400;

/// How much later than a change the log may tell of it, in seconds.
///
/// Microsoft gives no bound; most entries are there within minutes.
const LATE_S: i64 = 3600;

/// Bytes of a digest that its [`correlation`] leaves as they are, and characters of base64url for
/// them.
const WHOLE_BYTES: usize = 6;
const WHOLE_CHARACTERS: usize = 8;

/// Claims that begin alike: more than that is no accident.
const MOST_ALIKE: usize = 64;

/// What is known of the logs of tenants.
#[derive(Default)]
pub(super) struct Accounts(Mutex<BTreeMap<TenantId, Known>>);

#[derive(Default)]
struct Known {
    /// Up to when everything was read.
    read: Option<Timestamp>,
    /// Changes that were found to be accounted for, and when they were made.
    accounted: BTreeMap<String, Timestamp>,
    /// What each request has changed, as far back as the log is read.
    targets: BTreeMap<Uuid, (BTreeSet<String>, Timestamp)>,
    /// Changes that nothing accounts for.
    unaccounted: Vec<DirectoryChange>,
}

impl Drift {
    /// Changes of a tenant that nothing accounts for. Remote calls: those of the log, and one list
    /// for each change that was not seen before.
    pub(super) async fn unaccounted(
        &self,
        tenant: TenantId,
        principals: &[ServicePrincipal],
        bound: &BTreeSet<ObjectId>,
        now: Timestamp,
    ) -> Reading<Vec<DirectoryChange>> {
        let (workers, rotator) = changing(&self.desired, principals);
        let mut known = self.accounts.0.lock().await;
        let known = known.entry(tenant).or_default();
        let since = known.read.map_or(now.plus_s(-FIRST_S), |read| read.plus_s(-LATE_S));
        let asked: Vec<ObjectId> = workers.iter().copied().chain(rotator).collect();
        let changes = self.directories.changes(tenant, &asked, since).await;
        let changes = changes.map_err(|error| told(Source::DirectoryAudits, &error))?;
        known.forget(since);
        for change in changes {
            if known.accounted.contains_key(&change.id)
                || known.unaccounted.iter().any(|each| each.id == change.id)
            {
                continue;
            }
            let accounted = if Some(change.by) == rotator {
                // Its scheduled work is no request's: it touches what is bound, or nothing.
                let bound: BTreeSet<String> = bound.iter().map(ToString::to_string).collect();
                !change.targets.is_empty()
                    && change.targets.iter().all(|target| bound.contains(&target.to_lowercase()))
            } else {
                self.is_claimed(tenant, &change).await? && known.is_the_same_thing(&change)
            };
            if accounted {
                known.accounted.insert(change.id, change.at);
            } else {
                known.unaccounted.push(change);
            }
        }
        known.read = Some(now);
        Ok(known.unaccounted.clone())
    }

    /// Whether a claim has the name that the change bears.
    async fn is_claimed(&self, tenant: TenantId, change: &DirectoryChange) -> Result<bool, Unread> {
        let Some(named) = change.correlation else { return Ok(false) };
        let first = base64url::encode(&named.as_bytes()[..WHOLE_BYTES]);
        debug_assert_eq!(first.len(), WHOLE_CHARACTERS);
        let start = format!("{tenant}/");
        let listed = self.ports.blobs.list(CONTAINER, &format!("{start}{first}"), MOST_ALIKE).await;
        let listed = listed.map_err(|error: PortError| told(Source::Claims, &error))?;
        let digests = listed.iter().filter_map(|blob| {
            let name = blob.name.strip_prefix(&start)?;
            Digest::parse(name.split('/').next()?)
        });
        Ok(digests.into_iter().any(|digest| correlation(digest) == named))
    }
}

impl Known {
    /// Whether a request has changed nothing else before.
    fn is_the_same_thing(&mut self, change: &DirectoryChange) -> bool {
        let Some(named) = change.correlation else { return false };
        let (targets, _) =
            self.targets.entry(named).or_insert_with(|| (change.targets.clone(), change.at));
        *targets == change.targets
    }

    /// Forgets what the log will not tell again.
    fn forget(&mut self, since: Timestamp) {
        self.accounted.retain(|_, at| *at >= since);
        self.targets.retain(|_, (_, at)| *at >= since);
        self.unaccounted.retain(|change| change.at >= since);
    }
}

/// Service principals that change what a permit says, and the rotator's.
fn changing(
    desired: &Desired,
    principals: &[ServicePrincipal],
) -> (Vec<ObjectId>, Option<ObjectId>) {
    let is_worker = |application: &super::desired::Application| {
        let inner = [App::Execute, App::Rotate].map(|app| desired.principals.get(&app).copied());
        application.trusts.is_some() && inner.contains(&application.trusts)
    };
    let mut workers = Vec::new();
    let mut rotator = None;
    for principal in principals {
        match desired.named(principal.client) {
            Some((ROTATOR, _)) => rotator = Some(principal.object),
            Some((_, application)) if is_worker(application) => workers.push(principal.object),
            _ => {}
        }
    }
    (workers, rotator)
}
