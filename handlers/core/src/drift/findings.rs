//! Findings: what deviates is written down once, kept while it is seen, and resolved only when it
//! is seen to be gone.
//!
//! Guarantee: what a finding says was seen by `drift` in one reading of every source that its
//! check needs. A source that could not be read changes no finding of that check: it is a finding
//! of its own, [`Unreadable`](crate::finding::Verdict::Unreadable), and after [`STALE_S`]
//! [`Stale`](crate::finding::Verdict::Stale). A round may be repeated, cut off or doubled at any point: it compares what it sees with what stands, and of
//! two that write at once one finds that the document has changed.
//!
//! What a [lasting](check::Check::lasting) check sees has happened and is seen once: while it has
//! no finding of its own, as when somebody else wrote in its place at that moment, it is
//! to be shown again.
//!
//! Bounds: nobody silences a place by making much deviate in it. Of one check at most [`MOST_NEW`]
//! are new in a round, the worst first; how many more deviate tells one collective finding
//! ([`MORE`]), until later rounds have come to them. Nobody can accept that one: it is of things
//! that nobody has seen yet. Of those that stand at most [`MOST_CHANGED`] change in a round, first
//! those that worsened or are accepted no more, then those that were written down longest ago: the
//! others do in the next ones, half a minute later each. What a lasting check found stands for
//! ever: once [`MOST_LASTING`] of it stand that nobody accepted, the collective finding alone tells
//! of others, until people have been through them. Findings that stand are read page by
//! page, `MOST_COMPARED` of a place in a round: 500 queries, and two verifications of a
//! signature each, which call nobody.
//!
//! A stored finding that is not what `drift` wrote is evidence: it is not written over. It is a
//! finding of its own ([`NOT_GENUINE`]), which tells the deviation that it should have told of,
//! and keeps no other from being told. One that was deleted, or is found by another hint, is not
//! seen here: the ledger names each document with what it is found by, and the
//! [audit](crate::sealing) of its tree tells that one is missing or is not as it was written.

mod changing;
mod next;
mod pages;
mod settling;
mod writing;

use super::{
    check::{self, Deviation, Mend},
    severity::Severity,
};
use crate::{
    binding::Accepted,
    digest::Digest,
    finding::{Drifted, Finding, StoredFinding},
    identity::{App, TenantId},
    jws::{NotSigned, Signed},
    keyset::Trust,
    ledger::{Document, Ledger, NotCommitted, NotGenuine, NotProven, Stored},
    ports::{Found, Partition, PortError, Ports},
    time::Timestamp,
};
pub use next::{AGAIN_S, STALE_S};
use pages::PAGE;
pub use pages::Pages;

/// The check that findings about unreadable sources bear.
pub const UNREADABLE: &str = "unreadable";

/// The check that findings about stored findings bear that are not genuine.
pub const NOT_GENUINE: &str = "stored-finding";

/// The thing that a check's collective finding is about: what deviates besides.
pub const MORE: &str = "more";

/// What a finding that stands is found by.
pub const STANDING: &str = "standing";

/// What a finding that was resolved is found by.
pub const RESOLVED: &str = "resolved";

/// New findings of one check in one place and round.
pub const MOST_NEW: usize = 100;

/// Findings of one place that stand and change in one round.
pub const MOST_CHANGED: usize = 200;

/// Findings of one lasting check in one place that stand and that nobody accepted.
pub const MOST_LASTING: usize = 1000;

/// Findings of one place that stand and are compared in one round, the newest. No more stand
/// unless much has deviated for hours, or somebody else writes to the store: either is told.
pub const MOST_COMPARED: usize = 50_000;

/// What a round does at the most in one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// [`MOST_NEW`].
    pub new: usize,
    /// [`MOST_CHANGED`].
    pub changed: usize,
    /// [`MOST_LASTING`].
    pub lasting: usize,
    /// [`MOST_COMPARED`].
    pub compared: usize,
    /// [`PAGE`].
    pub page: usize,
}

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
    /// New ones, and those that are worse than before or accepted no more.
    pub detected: usize,
    /// Those that were seen to be gone.
    pub resolved: usize,
    /// What shall be mended, as it was signed just now or before.
    pub to_mend: Vec<ToMend>,
    /// Whether something that has happened, and is not seen for ever, has no finding of its own
    /// yet: it must be shown again.
    pub must_see_again: bool,
    /// Stored findings that are not genuine and that nothing tells of: what would tell of them is
    /// not genuine either.
    pub untold: usize,
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
    /// Whether a stored finding is genuine cannot be told before the ledger is proven.
    #[error("ledger not proven")]
    NotProven(#[from] NotProven),
    /// A finding was not signed.
    #[error("finding not signed")]
    NotSigned(#[from] NotSigned),
    /// A finding was not committed.
    #[error("finding not committed")]
    NotCommitted(#[from] NotCommitted),
    /// It has no JSON form.
    #[error("finding not written as JSON")]
    Form(#[from] serde_json::Error),
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

impl NotOpened {
    /// Whether it is not what `drift` wrote; else that is not known now.
    #[must_use]
    pub const fn is_violation(&self) -> bool {
        match self {
            Self::NotGenuine(_) => true,
            Self::NotProven(error) => error.is_violation(),
        }
    }
}

/// A finding that was written down, with its document.
struct Kept {
    document: Document<StoredFinding>,
    drifted: Drifted,
    subject: String,
}

/// What lies where a finding does.
enum Lies {
    Genuine(Box<Kept>),
    /// Not what `drift` wrote.
    Spoilt,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            new: MOST_NEW,
            changed: MOST_CHANGED,
            lasting: MOST_LASTING,
            compared: MOST_COMPARED,
            page: PAGE,
        }
    }
}

impl Kept {
    /// Whether it tells of what deviates besides.
    fn is_collective(&self) -> bool {
        self.subject == subject(&self.drifted.check, MORE)
    }
}

impl Observed {
    fn of(
        partition: &Partition,
        check: &'static str,
        severity: Severity,
        deviation: Deviation,
    ) -> Self {
        let fingerprint = fingerprint(partition, check, &deviation.thing);
        let severity = deviation.severity.unwrap_or(severity);
        Self { fingerprint, check, severity, deviation }
    }

    fn subject(&self) -> String {
        subject(self.check, &self.deviation.thing)
    }
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

/// What a check's findings mean, and what mends them; of findings that no check makes too. None:
/// the check is no more.
#[must_use]
pub fn meaning(check: &str) -> Option<(&'static str, &'static str)> {
    match check {
        UNREADABLE => Some((
            "A source could not be read. Whether what it tells of is as declared is not known.",
            "See in drift's log why it cannot be read.",
        )),
        NOT_GENUINE => Some((
            "A stored finding is not what drift wrote: somebody else writes to the store.",
            "Find out who does, and secure the document as evidence. What the finding told of \
             stands here for as long as it deviates. Once the document is removed, drift writes \
             down again what deviates still; not what happened once, such as a change that an \
             audit log told of: that stands here for good. That the document is missing is told \
             as well.",
        )),
        check => check::named(check).map(|check| (check.explanation, check.remediation)),
    }
}

/// Whether what this check finds has happened, and is not seen for ever.
fn is_lasting(check: &str) -> bool {
    check::named(check).is_some_and(|check| check.lasting)
}

/// What a finding says that it is about.
fn subject(check: &str, thing: &str) -> String {
    format!("{check}/{thing}")
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
