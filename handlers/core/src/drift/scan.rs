//! Which applications of a tenant trust Airlock's identities: a scan that is as large as the tenant
//! once, and from then on as large as what has changed.
//!
//! Guarantee: an application counts as looked at once its federated credentials were read after
//! the change that the directory told of. How far the scan has come is kept, encrypted, beside the
//! findings; a process that dies goes on from there, and looks at some applications twice. When
//! the directory does not know the position any more, everything is looked at anew, and what was
//! found before counts until that is done.
//!
//! A change of a federated credential is a change of its application: Graph's delta tells of
//! applications, not of credentials. To be checked in a live tenant; until then everything is
//! scanned anew once in `WHOLE_S` seconds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Drift,
    actual::{Admirer, Federated},
    kept::NotKept,
    seen::{Reading, Source, Unread},
    sources::{Changed, Page, Position},
    stored::told,
};
use crate::{
    identity::{ObjectId, TenantId},
    keyset::Trust,
    ports::{Partition, PortError},
    time::Timestamp,
};

/// `kind`, and id, of the document that says how far the scan has come.
pub const KIND: &str = "scan-applications";

/// How often everything is looked at anew, in seconds: a week.
const WHOLE_S: i64 = 7 * 86_400;

/// How old a position that was kept may become while nothing changes, in seconds. Graph forgets
/// those of directory objects after a week.
const KEPT_S: i64 = 86_400;

/// Pages after which it is kept how far the scan has come: what a killed process looks at twice.
const PAGES_AT_ONCE: usize = 5;

/// How often in one round, at the most: the next one goes on.
const MOST_TURNS: usize = 12;

/// How far a scan has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scan {
    /// Where it goes on.
    position: Option<Position>,
    /// When the position was got.
    got: i64,
    /// When everything was looked at for the last time; none while the first scan goes on.
    whole: Option<i64>,
    /// When the scan that goes on was begun.
    begun: i64,
    /// What was found: `(application, client, credential, issuer, subject, audiences)`.
    found: BTreeSet<Found>,
}

/// How far some pages have come.
struct Scanned {
    scan: Scan,
    /// Applications that were looked at.
    looked_at: usize,
    /// Whether nothing has changed after that, for now.
    is_done: bool,
    /// What it ended with before its time.
    failed: Option<PortError>,
}

/// An application that trusts one of Airlock's identities, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    application: ObjectId,
    client: ObjectId,
    credential: ObjectId,
    issuer: String,
    subject: String,
    audiences: BTreeSet<String>,
    /// The scan that found it: one that does not find it again forgets it.
    scan: i64,
}

impl Drift {
    /// Applications of a tenant that trust Airlock's identities, once all were looked at. Goes on
    /// until the deadline, and the page then begun; the next round goes on from there.
    ///
    /// Remote calls: one read; a page at least; for each 20 applications that have changed, one;
    /// and for each five pages on which anything did, a commit and a read.
    pub(super) async fn admirers(
        &self,
        trust: &Trust,
        tenant: TenantId,
        partition: &Partition,
        deadline: Timestamp,
    ) -> Reading<Vec<Admirer>> {
        let scan = self.scan(trust, tenant, partition, deadline).await;
        let scan = scan.map_err(|error| told(Source::Applications, &error))?;
        // As long as it goes on for the first time, nobody can say what there is.
        if scan.whole.is_none() {
            return Err(Unread(Source::Applications));
        }
        Ok(scan.found.into_iter().map(Admirer::from).collect())
    }

    async fn scan(
        &self,
        trust: &Trust,
        tenant: TenantId,
        partition: &Partition,
        deadline: Timestamp,
    ) -> Result<Scan, NotKept> {
        let now = self.ports.clock.now();
        let mut kept = self.kept::<Scan>(KIND, trust, partition, now).await?;
        let mut scan = kept.as_ref().map(|document| document.body.clone()).unwrap_or_default();
        for _ in 0..MOST_TURNS {
            let before = kept.as_ref().map(|document| document.body.clone()).unwrap_or_default();
            let scanned = self.scanned(scan, tenant, deadline).await;
            scan = scanned.scan;
            let is_old = scan.got - before.got > KEPT_S;
            let is_first = before.position.is_none() && scan.position.is_some();
            // As long as nothing changes, an earlier position is as good, and costs no leaf.
            if scanned.looked_at > 0 || is_old || scan.whole != before.whole || is_first {
                let now = self.ports.clock.now();
                self.keep(KIND, trust, partition, kept.as_ref(), &scan, now).await?;
                kept = self.kept(KIND, trust, partition, now).await?;
            }
            if let Some(error) = scanned.failed {
                return Err(error.into());
            }
            if scanned.is_done || self.ports.clock.now() >= deadline {
                break;
            }
        }
        Ok(scan)
    }

    /// Turns some pages. What failed is said beside how far that was.
    async fn scanned(&self, mut scan: Scan, tenant: TenantId, deadline: Timestamp) -> Scanned {
        let mut looked_at = 0;
        let now_s = self.ports.clock.now().as_unix_s();
        if scan.whole.is_some_and(|whole| now_s.saturating_sub(whole) > WHOLE_S)
            && scan.begun <= whole_of(&scan)
        {
            scan.position = None;
        }
        for turned in 0..PAGES_AT_ONCE {
            if turned > 0 && self.ports.clock.now() >= deadline {
                break;
            }
            if scan.position.is_none() {
                scan.begun = now_s;
            }
            let page = self.directories.changed_applications(tenant, scan.position.as_ref()).await;
            let (changed, next, is_last) = match page {
                Ok(Page::More(changed, next)) => (changed, next, false),
                Ok(Page::Last(changed, next)) => (changed, next, true),
                Ok(Page::Lost) => {
                    tracing::info!(%tenant, "position of the scan is lost: looking at everything");
                    scan.position = None;
                    continue;
                }
                Err(error) => {
                    return Scanned { scan, looked_at, is_done: false, failed: Some(error) };
                }
            };
            if let Err(error) = self.looked_at(&mut scan, tenant, &changed).await {
                return Scanned { scan, looked_at, is_done: false, failed: Some(error) };
            }
            looked_at += changed.len();
            scan.position = Some(next);
            scan.got = now_s;
            if is_last {
                if scan.begun > whole_of(&scan) {
                    scan.whole = Some(scan.begun);
                    let begun = scan.begun;
                    scan.found.retain(|found| found.scan >= begun);
                }
                return Scanned { scan, looked_at, is_done: true, failed: None };
            }
        }
        Scanned { scan, looked_at, is_done: false, failed: None }
    }

    async fn looked_at(
        &self,
        scan: &mut Scan,
        tenant: TenantId,
        changed: &[Changed],
    ) -> Result<(), PortError> {
        if changed.is_empty() {
            return Ok(());
        }
        let standing: Vec<Changed> =
            changed.iter().copied().filter(|each| each.client.is_some()).collect();
        let subjects: Vec<ObjectId> = self.desired.principals.values().copied().collect();
        let found = self.directories.admirers(tenant, &standing, &subjects).await?;
        let seen: BTreeSet<ObjectId> = changed.iter().map(|each| each.object).collect();
        scan.found.retain(|found| !seen.contains(&found.application));
        let at = scan.begun;
        scan.found.extend(found.into_iter().map(|admirer| Found::of(admirer, at)));
        Ok(())
    }
}

fn whole_of(scan: &Scan) -> i64 {
    scan.whole.unwrap_or(i64::MIN)
}

impl Found {
    fn of(admirer: Admirer, scan: i64) -> Self {
        let Admirer { object, client, federated } = admirer;
        let Federated { id, issuer, subject, audiences } = federated;
        Self { application: object, client, credential: id, issuer, subject, audiences, scan }
    }
}

impl From<Found> for Admirer {
    fn from(found: Found) -> Self {
        let Found { application, client, credential, issuer, subject, audiences, .. } = found;
        let federated = Federated { id: credential, issuer, subject, audiences };
        Self { object: application, client, federated }
    }
}
