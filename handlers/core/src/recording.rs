//! Writing down what `signin` says: `drift`'s part, for apps that write to no tree.
//!
//! Guarantee, under at-least-once delivery, in any order, and SIGKILL at any instruction: each
//! event that `signin` sent becomes exactly one leaf of its tenant's tree; the events of one
//! session stand there in their order. What nobody of ours signed becomes none: it becomes a
//! violation in the platform's tree.
//!
//! None is lost: an event is put off for as long as something is in its way. A message whose
//! process died often enough to use up its deliveries goes to the dead letters, and `drift` deals
//! with those like with the others.
//!
//! Once: the leaf is committed together with a document that is named after the event's digest,
//! and is only ever created. That document is signed like every other, so whoever owns the
//! database can put none there for an event to be passed over. One that is gone while its leaf is
//! there is a violation, as it is for the audit of the tree.
//!
//! In order: an event names the one that must stand before it, and is put off until it does. That
//! is given up after some minutes, and the leaf says so: the gap is what is to be seen.
//!
//! The leaf is `drift`'s own statement, signed when it is written, with `signin`'s whole within:
//! an event that an outage has held back for hours is no leaf from hours ago, which sealing would
//! have to refuse.
//!
//! What it does not see: an event that the owner of the bus takes away, with all that come after
//! it for that session. Requests that rest on the session show it: they name a session that no
//! leaf says was started.
//!
//! A tenant without a binding has no tree; what happens to its people's sessions is the
//! platform's to tell.

pub mod event;
mod pace;

use std::{error::Error, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    event::outgoing,
    identity::App,
    jws::{NotVerified, Verified},
    keyset::Trust,
    ledger::{
        Commit, Contents, Document, Happened, Ledger, NotCommitted, NotGenuine, Outgoing,
        Statement,
        commit::{Change, LEAF},
    },
    ports::{PLATFORM, Partition, PortError, Ports, Query},
    time::Timestamp,
    trust::{NotTrusted, TrustStore},
    violation::Violations,
};
use event::{QUEUE, Report};
use pace::{MOST_WAITS, pause_s};

/// `kind` of the document that says that an event was written down.
pub const KIND: &str = "event";

/// What a leaf says of an event whose predecessor has not come.
pub const GAP: &str = "what it comes after has not come";

/// The largest event, in bytes: several times what `signin` says at the most. The leaf around it
/// must fit into an entry of a tile.
const MOST_BYTES: usize = 8 * 1024;

/// After how many attempts it is said again that an event is kept from being written down: an
/// hour.
const SAID_AGAIN: u32 = 60;

/// Writes down, in the name of `drift`.
pub struct Recorder {
    ports: Ports,
    trust: Arc<TrustStore>,
    ledger: Ledger,
    violations: Violations,
}

/// The body of the document that says that an event was written down.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDown {
    event: Digest,
}

/// An event was not written down.
#[derive(Debug, thiserror::Error)]
pub enum NotRecorded {
    /// It is not what an app of ours says.
    #[error("{0}")]
    Foreign(&'static str),
    /// What is stored of it is not what we wrote.
    #[error("what is stored of the event not genuine")]
    NotGenuine(#[from] NotGenuine),
    /// Its time, or what it comes after, has not come.
    #[error("too early for the event")]
    Early,
    /// Whom to trust, or the tenant's terms, could not be had.
    #[error("whom to trust not known")]
    NotTrusted(#[from] NotTrusted),
    /// It was not committed.
    #[error("event not committed")]
    NotCommitted(#[from] NotCommitted),
    /// Store or bus did not answer.
    #[error("store or bus not reached")]
    Port(#[from] PortError),
}

impl Recorder {
    /// Writes down over these ports.
    #[must_use]
    pub fn new(ports: Ports, trust: TrustStore) -> Self {
        let trust = Arc::new(trust);
        let ledger = Ledger::new(App::Drift, &ports, Arc::clone(&trust));
        Self { ports, trust, ledger, violations: Violations::default() }
    }

    /// Deals with one delivery. `Ok` lets the broker forget the message.
    ///
    /// # Errors
    ///
    /// [`NotRecorded`] if it could not even be put off: deliver it again.
    pub async fn handle(
        &self,
        body: &[u8],
        traceparent: Option<String>,
    ) -> Result<(), NotRecorded> {
        let Ok(report) = serde_json::from_slice::<Report>(body) else {
            return self.violated("the message is not a report").await;
        };
        match self.record(&report, traceparent.clone()).await {
            Ok(()) => Ok(()),
            Err(NotRecorded::Foreign(what)) => self.violated(what).await,
            Err(error) => {
                let is_said = report.attempt.is_multiple_of(SAID_AGAIN);
                if matches!(error, NotRecorded::NotGenuine(_)) && is_said {
                    self.violated("what is stored of an event is not genuine").await?;
                }
                self.put_off(report, &error, traceparent).await
            }
        }
    }

    /// Sends oneself a copy for later. The host would deliver at once, without any pause.
    async fn put_off(
        &self,
        mut report: Report,
        error: &NotRecorded,
        traceparent: Option<String>,
    ) -> Result<(), NotRecorded> {
        let pause_s = pause_s(error, report.attempt);
        {
            let error = error as &(dyn Error + 'static);
            tracing::info!(pause_s, error, "event put off");
        }
        report.attempt = report.attempt.saturating_add(1);
        let later = self.ports.clock.now().plus_s(pause_s);
        let message = report.message(Some(later), traceparent)?;
        Ok(self.ports.bus.send(QUEUE, &message).await?)
    }

    async fn record(
        &self,
        report: &Report,
        traceparent: Option<String>,
    ) -> Result<(), NotRecorded> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await?;
        let event = opened(&trust, report, now)?;
        let partition = self.partition(&trust, &event).await?;
        let place = Place { trust: &trust, partition: &partition, now };
        if self.stands(&place, event.digest()).await? {
            return Ok(());
        }
        self.was_never(&place, event.digest()).await?;
        let is_early = match event.data.after {
            Some(after) => !self.stands(&place, after).await?,
            None => false,
        };
        if is_early && report.attempt < MOST_WAITS {
            return Err(NotRecorded::Early);
        }
        let commit = self.commit(&place, &event, is_early, traceparent)?;
        match self.ledger.record(&partition, commit, report.event.clone(), now).await {
            Ok(_) => Ok(()),
            // Another delivery of the same was faster. If it cannot be seen yet, later.
            Err(NotCommitted::Conflict) if self.stands(&place, event.digest()).await? => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The tree that an event belongs to.
    async fn partition(
        &self,
        trust: &Trust,
        event: &Verified<Statement>,
    ) -> Result<Partition, NotRecorded> {
        let is_platforms = event.r#type == Happened::SessionKeyUsed;
        match (event.tenantid == PLATFORM, is_platforms) {
            (true, true) => return Ok(Partition::platform()),
            (false, true) => return Err(NotRecorded::Foreign("the event is the platform's")),
            (_, false) => {}
        }
        let tenant = event.tenantid.parse();
        let tenant = tenant.map_err(|_| NotRecorded::Foreign("the event is of no tenant"))?;
        match self.trust.scope_as_signed(trust, tenant).await {
            Ok(scope) => Ok(Partition::tenant(&scope)),
            Err(NotTrusted::NoBinding) => Ok(Partition::platform()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether an event was written down: in this tree, or in the platform's, if its tenant had no
    /// binding then.
    async fn stands(&self, place: &Place<'_>, event: Digest) -> Result<bool, NotRecorded> {
        let platform = Partition::platform();
        let (here, there) =
            tokio::try_join!(self.stands_in(place, place.partition, event), async {
                if place.partition.key() == PLATFORM {
                    return Ok(false);
                }
                self.stands_in(place, &platform, event).await
            })?;
        Ok(here || there)
    }

    async fn stands_in(
        &self,
        place: &Place<'_>,
        partition: &Partition,
        event: Digest,
    ) -> Result<bool, NotRecorded> {
        let id = document_id(event);
        let Some(found) = self.ports.documents.read(partition, &id).await? else {
            return Ok(false);
        };
        let document: Document<WrittenDown> =
            Document::open(found, partition, place.trust, place.now)?;
        let is_it = document.by == App::Drift
            && document.statement.r#type == Happened::Recorded
            && document.id == id
            && document.body.event == event;
        if is_it { Ok(true) } else { Err(NotGenuine::Contents("event").into()) }
    }

    /// Makes sure that there is no leaf either of an event whose document is not there: whoever
    /// deleted it and sends the event again must not have it told twice.
    async fn was_never(&self, place: &Place<'_>, event: Digest) -> Result<(), NotRecorded> {
        let equals = Some(("subject", document_id(event)));
        let query = Query { kind: LEAF, equals, not_after: None, limit: 1 };
        let found = self.ports.documents.query(place.partition, &query).await?;
        // A moment ago it was not there: another delivery may have written both since.
        if found.is_empty() || self.stands_in(place, place.partition, event).await? {
            return Ok(());
        }
        Err(NotGenuine::Contents("document that is gone").into())
    }

    fn commit(
        &self,
        place: &Place<'_>,
        event: &Verified<Statement>,
        is_early: bool,
        traceparent: Option<String>,
    ) -> Result<Commit, NotRecorded> {
        let written = WrittenDown { event: event.digest() };
        let body = serde_json::to_string(&written).map_err(NotCommitted::Form)?;
        let change = Change {
            id: document_id(event.digest()),
            kind: KIND,
            at: place.now.as_unix_s(),
            hint: None,
            contents: Contents::Clear { salt: None, body },
            replaces: None,
        };
        Ok(Commit {
            reason: is_early.then(|| GAP.to_owned()),
            traceparent,
            change: Some(change),
            outgoing: self.alarm(place, event)?,
            ..Commit::of(Happened::Recorded)
        })
    }

    /// What goes out to whoever watches: a sign-in that was refused is somebody's attempt.
    fn alarm(
        &self,
        place: &Place<'_>,
        event: &Verified<Statement>,
    ) -> Result<Vec<Outgoing>, PortError> {
        if event.r#type != Happened::SignInRefused {
            return Ok(Vec::new());
        }
        let (entropy, now) = (&*self.ports.entropy, place.now);
        let reason = "a sign-in was refused, because of evidence that contradicts itself";
        let alarm =
            outgoing(App::Drift, event.r#type, place.partition, None, reason, entropy, now)?;
        Ok(vec![alarm])
    }

    /// Records that somebody wanted something written down that is not so, or is kept from it.
    async fn violated(&self, what: &'static str) -> Result<(), NotRecorded> {
        tracing::error!(what, "integrity violation; nothing was written down");
        let (ledger, entropy) = ((&self.ledger, App::Drift), &*self.ports.entropy);
        let (platform, now) = (Partition::platform(), self.ports.clock.now());
        match self.violations.record(ledger, &platform, None, what, entropy, now).await {
            Err(NotCommitted::NotProven(error)) => {
                let error = &error as &(dyn Error + 'static);
                tracing::error!(what, error, "integrity violation; no ledger to record it in");
                Ok(())
            }
            recorded => Ok(recorded?),
        }
    }
}

/// Where and when an event is written down, and whom that rests on.
struct Place<'a> {
    trust: &'a Trust,
    partition: &'a Partition,
    now: Timestamp,
}

/// Id of the document that says that an event was written down.
#[must_use]
pub fn document_id(event: Digest) -> String {
    format!("{KIND}-{event}")
}

/// What a report says, if an app says it that may.
fn opened(
    trust: &Trust,
    report: &Report,
    now: Timestamp,
) -> Result<Verified<Statement>, NotRecorded> {
    if report.event.as_str().len() > MOST_BYTES {
        return Err(NotRecorded::Foreign("the event is larger than any"));
    }
    let event = trust.open(&report.event, now).map_err(|error| match error {
        // A clock that is somewhat ahead of ours is no forgery.
        NotVerified::NotYet(_) if report.attempt < MOST_WAITS => NotRecorded::Early,
        error => {
            tracing::error!(error = %error, "event not verified");
            NotRecorded::Foreign("the event is no app's of ours")
        }
    })?;
    // Each document of `signin`'s has a statement too, which is about that document alone.
    if event.iss != App::Signin || !event.r#type.is_reported() {
        return Err(NotRecorded::Foreign("the event is none that is reported"));
    }
    Ok(event)
}

#[cfg(test)]
mod tests;
