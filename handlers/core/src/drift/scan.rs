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
//! scanned anew once in [`WHOLE_S`] seconds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Drift,
    actual::{Admirer, Federated},
    seen::{Reading, Source, Unread},
    sources::{Changed, Page, Position},
    stored::told,
};
use crate::{
    data_keys::NotSealed,
    identity::{App, ObjectId, TenantId},
    keyset::Trust,
    ledger::{
        Commit, Contents, Document, Happened, NotCommitted, NotGenuine, NotRead, commit::Change,
    },
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

/// Pages that one round turns at the most: the next one goes on.
const MOST_PAGES: usize = 60;

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

/// How far a round has come.
struct Scanned {
    scan: Scan,
    /// Applications that were looked at.
    looked_at: usize,
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

/// How far a scan has come could not be told, or kept.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error("position of the scan not read")]
    NotRead(#[from] NotRead),
    #[error("store not reached")]
    Port(#[from] PortError),
    #[error("position of the scan not encrypted")]
    NotSealed(#[from] NotSealed),
    #[error("position of the scan not committed")]
    NotCommitted(#[from] NotCommitted),
    #[error("position of the scan not written as JSON")]
    Form(#[from] serde_json::Error),
}

impl Drift {
    /// Applications of a tenant that trust Airlock's identities, once all were looked at.
    ///
    /// Remote calls: one read; a page at least; for each 20 applications that have changed, one;
    /// and a commit if anything did.
    pub(super) async fn admirers(
        &self,
        trust: &Trust,
        tenant: TenantId,
        partition: &Partition,
        now: Timestamp,
    ) -> Reading<Vec<Admirer>> {
        let unread = Unread(Source::Applications);
        let kept = self.kept(trust, partition, now).await;
        let kept = kept.map_err(|error| told(Source::Applications, &error))?;
        let before = kept.as_ref().map(|document| document.body.clone()).unwrap_or_default();
        let Scanned { scan, looked_at, failed } = self.scanned(before.clone(), tenant, now).await;
        let is_old = scan.got - before.got > KEPT_S;
        let is_first = before.position.is_none() && scan.position.is_some();
        // As long as nothing changes, an earlier position is as good, and costs no leaf.
        if looked_at > 0 || is_old || scan.whole != before.whole || is_first {
            let stored = self.keep(trust, partition, kept, &scan, now).await;
            stored.map_err(|error| told(Source::Applications, &error))?;
        }
        if let Some(error) = failed {
            return Err(told(Source::Applications, &error));
        }
        // As long as it goes on for the first time, nobody can say what there is.
        if scan.whole.is_none() {
            return Err(unread);
        }
        Ok(scan.found.into_iter().map(Admirer::from).collect())
    }

    /// Goes on as far as it comes. What failed is said beside how far that was.
    async fn scanned(&self, mut scan: Scan, tenant: TenantId, now: Timestamp) -> Scanned {
        let mut looked_at = 0;
        let now_s = now.as_unix_s();
        if scan.whole.is_some_and(|whole| now_s.saturating_sub(whole) > WHOLE_S)
            && scan.begun <= whole_of(&scan)
        {
            scan.position = None;
        }
        for _ in 0..MOST_PAGES {
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
                Err(error) => return Scanned { scan, looked_at, failed: Some(error) },
            };
            if let Err(error) = self.looked_at(&mut scan, tenant, &changed).await {
                return Scanned { scan, looked_at, failed: Some(error) };
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
                break;
            }
        }
        Scanned { scan, looked_at, failed: None }
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

    async fn kept(
        &self,
        trust: &Trust,
        partition: &Partition,
        now: Timestamp,
    ) -> Result<Option<Document<Scan>>, NotKept> {
        let Some(found) = self.ports.documents.read(partition, KIND).await? else {
            return Ok(None);
        };
        let keys = self.keys.of(trust, partition);
        let document: Document<Scan> = Document::open_sealed(found, keys, now).await?;
        // No other app says how far drift has come.
        if document.by != App::Drift {
            return Err(NotRead::from(NotGenuine::Contents("author")).into());
        }
        Ok(Some(document))
    }

    async fn keep(
        &self,
        trust: &Trust,
        partition: &Partition,
        kept: Option<Document<Scan>>,
        scan: &Scan,
        now: Timestamp,
    ) -> Result<(), NotKept> {
        let text = serde_json::to_string(scan)?;
        let salt = kept.as_ref().map(|document| document.salt);
        let sealed = self.keys.of(trust, partition).seal(KIND, salt, &text).await?;
        let commit = Commit {
            happened: Happened::Scanned,
            principal: None,
            request: None,
            reason: None,
            traceparent: None,
            change: Some(Change {
                id: KIND.to_owned(),
                kind: KIND,
                at: kept.as_ref().map_or(now.as_unix_s(), |document| document.at),
                hint: None,
                contents: Contents::Sealed(sealed),
                replaces: kept.map(|document| document.etag),
            }),
            markers: Vec::new(),
            counts: Vec::new(),
            outgoing: Vec::new(),
            subject: None,
            artefact: None,
        };
        match self.ledger.commit(partition, commit, now).await {
            // Another run was faster: what it kept is as good.
            Ok(_) | Err(NotCommitted::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
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
