//! Findings: what deviates is written down once, kept while it is seen, and resolved only when it
//! is seen to be gone.
//!
//! Guarantee: what a finding says was seen by `drift` in one reading of every source that its
//! check needs. A source that could not be read changes no finding of that check: it is a finding
//! of its own, [`Verdict::Unreadable`], and after [`STALE_S`] [`Verdict::Stale`]. A round may be
//! repeated, cut off or doubled at any point: it compares what it sees with what stands, and of
//! two that write at once one finds that the document has changed.

mod next;

use std::collections::BTreeMap;

use super::{
    check::{Check, Deviation, Judged, Mend},
    severity::Severity,
};
use crate::{
    binding::Accepted,
    digest::Digest,
    event::outgoing,
    finding::{Drifted, Finding, KIND, State, StoredFinding, Verdict},
    identity::{App, TenantId},
    jws::{NotSigned, Signed},
    keyset::Trust,
    ledger::{
        Commit, Contents, Document, Happened, Ledger, NotCommitted, NotGenuine, NotProven, Stored,
        commit::Change,
    },
    ports::{Found, Partition, PortError, Ports, Query},
    time::Timestamp,
};
use next::next;
pub use next::{AGAIN_S, STALE_S};

/// The check that findings about unreadable sources bear.
pub const UNREADABLE: &str = "unreadable";

/// What a finding that stands is found by.
pub const STANDING: &str = "standing";

/// What a finding that was resolved is found by.
pub const RESOLVED: &str = "resolved";

/// Findings that stand in one place and are read at once. More are a flood: the round says so.
const MOST: u32 = 2000;

/// For how long a finding can be read after it was last written down, in seconds: ten years. It is
/// evidence, and stands in the way of nobody's reading of others.
const READABLE_S: i64 = 10 * 365 * 86_400;

/// What was seen of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    pub fingerprint: Digest,
    pub check: &'static str,
    pub severity: Severity,
    pub deviation: Deviation,
}

/// Where findings are written down, and by whose terms.
pub(super) struct Book<'a> {
    pub ports: &'a Ports,
    pub ledger: &'a Ledger,
    pub trust: &'a Trust,
    pub partition: &'a Partition,
    /// The tenant that it is about; of the platform, the deployment's own.
    pub tenant: TenantId,
    /// What is taken as it is.
    pub accepted: &'a [Accepted],
    /// Whether the terms let `drift` ask for what mends.
    pub may_mend: bool,
    pub now: Timestamp,
}

/// What came of a place's findings.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// New ones.
    pub detected: usize,
    /// Those that were seen to be gone.
    pub resolved: usize,
    /// What shall be mended, as it was signed just now or before.
    pub to_mend: Vec<ToMend>,
}

/// A finding that Airlock shall be asked to mend.
#[derive(Clone, Debug)]
pub(super) struct ToMend {
    pub finding: Signed<Finding>,
    pub fingerprint: Digest,
    pub attempt: u32,
    pub since: Timestamp,
    pub mend: Mend,
}

/// Findings were not settled.
#[derive(Debug, thiserror::Error)]
pub enum NotSettled {
    /// An earlier finding was not read.
    #[error("findings not read")]
    Port(#[from] PortError),
    /// A stored finding is not believed. It is not written over: evidence.
    #[error("stored finding not opened")]
    NotOpened(#[from] NotOpened),
    /// A finding was not signed.
    #[error("finding not signed")]
    NotSigned(#[from] NotSigned),
    /// A finding was not committed.
    #[error("finding not committed")]
    NotCommitted(#[from] NotCommitted),
    /// It has no JSON form.
    #[error("finding not written as JSON")]
    Form(#[from] serde_json::Error),
    /// More findings stand than are looked through: none is resolved before there are fewer.
    #[error("more than {MOST} findings")]
    Flood,
}

/// A stored finding is not believed.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// It is not what `drift` wrote.
    #[error("stored finding not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// It is by a key that was revoked, and the ledger does not show when.
    #[error("ledger not proven")]
    NotProven(#[from] NotProven),
}

/// A finding that stands, with its document.
struct Standing {
    document: Document<StoredFinding>,
    drifted: Drifted,
    subject: String,
}

/// Id of a finding's document.
#[must_use]
pub fn document_id(fingerprint: Digest) -> String {
    format!("finding-{fingerprint}")
}

/// Names a deviation: the same for the same thing, however often it is seen.
#[must_use]
pub fn fingerprint(partition: &Partition, check: &str, thing: &str) -> Digest {
    // Neither a partition's key nor a check's name holds a NUL.
    let parts = ["airlock finding 1", partition.key(), check, thing];
    Digest::of(&[parts.join("\0").as_bytes()])
}

impl Book<'_> {
    /// Writes down what was judged.
    ///
    /// Remote calls: one query; one read for each deviation that does not stand; for each change
    /// of a finding a signature and a commit.
    ///
    /// # Errors
    ///
    /// [`NotSettled`]; what was written before it stands.
    pub(super) async fn settle(
        &self,
        judged: &[(&'static Check, Judged)],
    ) -> Result<Settled, NotSettled> {
        let mut standing = self.standing().await?;
        let mut settled = Settled::default();
        for observed in self.observed(judged) {
            let before = match standing.remove(&observed.fingerprint) {
                None => self.stored(observed.fingerprint).await?,
                before => before,
            };
            self.keep(before, Some(&observed), &mut settled).await?;
        }
        for (_, before) in standing {
            if is_gone(&before.drifted, judged) {
                self.keep(Some(before), None, &mut settled).await?;
            }
        }
        Ok(settled)
    }

    /// What was seen, in a stable order: deviations, and sources that could not be read.
    fn observed(&self, judged: &[(&'static Check, Judged)]) -> Vec<Observed> {
        let mut all = BTreeMap::new();
        let mut add = |check: &'static str, severity, deviation: Deviation| {
            let fingerprint = fingerprint(self.partition, check, &deviation.thing);
            let severity = deviation.severity.unwrap_or(severity);
            all.insert(fingerprint, Observed { fingerprint, check, severity, deviation });
        };
        for (check, judged) in judged {
            match judged {
                Ok(deviations) => {
                    for deviation in deviations {
                        add(check.name, check.severity, deviation.clone());
                    }
                }
                Err(unread) => {
                    let deviation = Deviation::of(format!("source/{}", unread.0.name()));
                    add(UNREADABLE, Severity::Medium, deviation.declared("readable"));
                }
            }
        }
        all.into_values().collect()
    }

    /// Moves one finding on, if what is seen now makes another of it.
    async fn keep(
        &self,
        before: Option<Standing>,
        observed: Option<&Observed>,
        settled: &mut Settled,
    ) -> Result<(), NotSettled> {
        let drifted = before.as_ref().map(|before| &before.drifted);
        let Some(after) = next(drifted, observed, self.accepted, self.may_mend, self.now) else {
            let waiting = before.and_then(|before| {
                let signed = before.document.body.finding;
                to_mend(&before.drifted, signed)
            });
            settled.to_mend.extend(waiting);
            return Ok(());
        };
        let was_open =
            drifted.is_some_and(|before| !matches!(before.state, State::Resolved { .. }));
        let is_open = !matches!(after.state, State::Resolved { .. });
        let happened = match (was_open, is_open) {
            (false, true) => Happened::DriftDetected,
            (true, false) => Happened::DriftResolved,
            _ => Happened::Compared,
        };
        let subject = match (observed, &before) {
            (Some(observed), _) => format!("{}/{}", observed.check, observed.deviation.thing),
            (None, Some(before)) => before.subject.clone(),
            (None, None) => return Ok(()),
        };
        let Some(signed) = self.commit(before, &after, subject, happened).await? else {
            return Ok(());
        };
        tracing::info!(
            partition = self.partition.key(),
            check = after.check,
            fingerprint = %after.fingerprint,
            severity = after.severity.name(),
            state = after.state.name(),
            "drift",
        );
        settled.detected += usize::from(happened == Happened::DriftDetected);
        settled.resolved += usize::from(happened == Happened::DriftResolved);
        settled.to_mend.extend(to_mend(&after, signed));
        Ok(())
    }

    /// None: somebody else was faster, and the next round sees what they wrote.
    async fn commit(
        &self,
        before: Option<Standing>,
        after: &Drifted,
        subject: String,
        happened: Happened,
    ) -> Result<Option<Signed<Finding>>, NotSettled> {
        let finding = Finding {
            iss: App::Drift,
            tnt: self.tenant,
            subject,
            verdict: verdict(after, self.now),
            iat: self.now,
            exp: self.now.plus_s(READABLE_S),
            drift: Some(after.clone()),
        };
        let signed = Signed::sign(&finding, &*self.ports.signer).await?;
        let before = before.map(|before| before.document);
        let told = matches!(happened, Happened::DriftDetected | Happened::DriftResolved);
        let entropy = &*self.ports.entropy;
        let told = told.then(|| {
            let reason = super::check::named(&after.check).map_or(UNREADABLE, |check| check.name);
            let fingerprint = Some(after.fingerprint);
            let app = App::Drift;
            outgoing(app, happened, self.partition, fingerprint, reason, entropy, self.now)
        });
        let commit = Commit {
            happened,
            principal: None,
            request: None,
            reason: None,
            traceparent: None,
            change: Some(Change {
                id: document_id(after.fingerprint),
                kind: KIND,
                at: before.as_ref().map_or(self.now.as_unix_s(), |document| document.at),
                hint: Some(hint(&after.state).to_owned()),
                contents: Contents::Clear {
                    salt: before.as_ref().map(|document| document.salt),
                    body: serde_json::to_string(&StoredFinding { finding: signed.clone() })?,
                },
                replaces: before.map(|document| document.etag),
            }),
            markers: Vec::new(),
            counts: Vec::new(),
            outgoing: told.transpose()?.into_iter().collect(),
            subject: None,
            artefact: None,
        };
        match self.ledger.commit(self.partition, commit, self.now).await {
            Ok(_) => Ok(Some(signed)),
            Err(NotCommitted::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn standing(&self) -> Result<BTreeMap<Digest, Standing>, NotSettled> {
        let equals = Some(("hint", STANDING.to_owned()));
        let query = Query { kind: KIND, equals, not_after: None, limit: MOST };
        let found = self.ports.documents.query(self.partition, &query).await?;
        if found.len() >= MOST as usize {
            return Err(NotSettled::Flood);
        }
        let mut all = BTreeMap::new();
        for found in found {
            let standing = self.open(found).await?;
            all.insert(standing.drifted.fingerprint, standing);
        }
        Ok(all)
    }

    async fn stored(&self, fingerprint: Digest) -> Result<Option<Standing>, NotSettled> {
        let id = document_id(fingerprint);
        match self.ports.documents.read(self.partition, &id).await? {
            Some(found) => self.open(found).await.map(Some),
            None => Ok(None),
        }
    }

    async fn open(&self, found: Found) -> Result<Standing, NotSettled> {
        let (document, finding) =
            open(found, self.partition, self.ledger, self.trust, self.now).await?;
        let subject = finding.subject;
        let missing = || NotOpened::from(NotGenuine::Contents("finding"));
        let drifted = finding.drift.ok_or_else(missing)?;
        Ok(Standing { document, drifted, subject })
    }
}

/// Opens a stored finding of drift.
///
/// # Errors
///
/// [`NotOpened`].
pub async fn open(
    found: Found,
    partition: &Partition,
    ledger: &Ledger,
    trust: &Trust,
    now: Timestamp,
) -> Result<(Document<StoredFinding>, Finding), NotOpened> {
    let statement = Stored::statement_of(&found)?;
    let (digest, key) = (statement.digest(), statement.key());
    let about = ledger.trust_about(partition, digest, key, trust, now).await?;
    let document = Document::<StoredFinding>::open(found, partition, &about, now)?;
    let finding = about.open(&document.body.finding, now).map_err(NotGenuine::Statement)?;
    let is_its = |drifted: &Drifted| document.id == document_id(drifted.fingerprint);
    if document.by != App::Drift || !finding.drift.as_ref().is_some_and(is_its) {
        return Err(NotGenuine::Contents("finding").into());
    }
    let finding = finding.value().clone();
    Ok((document, finding))
}

/// Whether a finding that was not seen has been looked for.
fn is_gone(standing: &Drifted, judged: &[(&'static Check, Judged)]) -> bool {
    if standing.check == UNREADABLE {
        // Whatever is unreadable now was seen: this source is readable again, or nothing needs it.
        return true;
    }
    match judged.iter().find(|(check, _)| check.name == standing.check) {
        Some((check, judged)) => judged.is_ok() && !check.lasting,
        // The check is no more.
        None => true,
    }
}

fn to_mend(drifted: &Drifted, finding: Signed<Finding>) -> Option<ToMend> {
    let State::Remediating { attempt, since } = drifted.state else { return None };
    let mend = drifted.mend.clone()?;
    Some(ToMend { finding, fingerprint: drifted.fingerprint, attempt, since, mend })
}

const fn hint(state: &State) -> &'static str {
    match state {
        State::Open | State::Accepted { .. } | State::Remediating { .. } => STANDING,
        State::Resolved { .. } => RESOLVED,
    }
}

fn verdict(drifted: &Drifted, now: Timestamp) -> Verdict {
    match drifted.state {
        State::Resolved { .. } => Verdict::Match,
        _ if drifted.check != UNREADABLE => Verdict::Drift,
        _ if now.since_s(drifted.first_seen) >= STALE_S => Verdict::Stale,
        _ => Verdict::Unreadable,
    }
}
