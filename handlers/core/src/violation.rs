//! Integrity violations: a leaf in the ledger and an event for whoever watches.
//!
//! Whoever owns the bus can deliver a genuine message as often as they like, and whoever owns the
//! database can spoil what it leads to; a stranger's message costs nothing at all. Each is a
//! violation, and the ledger is not theirs to fill. So in each tree sixty an hour are recorded one
//! by one, counted in the batch like quotas, by all our processes together. After that each
//! process says, at most every ten minutes, that there are more, by a leaf and an event; the log
//! has them all.
//!
//! The counter is the database's, and its owner can set it. That costs them the leaves one by one
//! and not the alarm: that there are more is counted by nobody but the process.
//!
//! What ends a request is always recorded: there is one for each request.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    digest::Digest,
    event,
    identity::App,
    ledger::{Commit, Count, Happened, Ledger, NotCommitted, commit::Change},
    ports::{Entropy, Partition, PortError},
    time::Timestamp,
};

/// Violations that are recorded one by one in an hour, in one tree.
pub const MOST_IN_AN_HOUR: u32 = 60;

/// How long a process waits before it says again that there are more, in seconds.
pub const MORE_S: i64 = 10 * 60;

/// What it says then.
pub const MORE: &str = "further violations are not recorded one by one";

/// Of what the counter is.
const COUNTED: &str = "violations";

/// What to commit when something is not what one of us signed: its leaf, and the event that
/// goes out with it. `change` ends the request that it was about, if that much was genuine.
///
/// # Errors
///
/// If there is no randomness for the event's id.
pub fn commit(
    app: App,
    partition: &Partition,
    request: Option<Digest>,
    what: &'static str,
    change: Option<Change>,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<Commit, PortError> {
    let happened = Happened::Violation;
    let outgoing = event::outgoing(app, happened, partition, request, what, entropy, now)?;
    Ok(Commit {
        request,
        reason: Some(what.to_owned()),
        change,
        outgoing: vec![outgoing],
        ..Commit::of(happened)
    })
}

/// Violations that end no request, as one process records them.
#[derive(Default)]
pub struct Violations(Mutex<HashMap<Partition, Full>>);

/// A tree to which no more are added one by one in this hour.
#[derive(Clone, Copy)]
struct Full {
    hour: i64,
    /// Until when it is not said again that there are more.
    said: Option<Timestamp>,
}

impl Violations {
    /// Records one, if it is not one of too many.
    ///
    /// # Errors
    ///
    /// [`NotCommitted`].
    pub async fn record(
        &self,
        (ledger, app): (&Ledger, App),
        partition: &Partition,
        request: Option<Digest>,
        what: &'static str,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<(), NotCommitted> {
        if !self.is_full(partition, now) {
            let mut one = commit(app, partition, request, what, None, entropy, now)
                .map_err(NotCommitted::NoEntropy)?;
            one.counts = vec![Count { of: COUNTED.to_owned(), most: MOST_IN_AN_HOUR }];
            match ledger.commit(partition, one, now).await {
                Err(NotCommitted::Quota) => self.fill(partition, now),
                recorded => return recorded.map(|_| ()),
            }
        }
        if !self.may_say_more(partition, now) {
            tracing::error!(what, "too many violations in this hour: not recorded");
            return Ok(());
        }
        let more = commit(app, partition, None, MORE, None, entropy, now)
            .map_err(NotCommitted::NoEntropy)?;
        let said = ledger.commit(partition, more, now).await;
        if said.is_err() {
            self.unsay(partition);
        }
        said.map(|_| ())
    }

    /// Whether it is known that no more are recorded one by one: a flood must not cost a
    /// signature for each.
    fn is_full(&self, partition: &Partition, now: Timestamp) -> bool {
        self.lock().get(partition).is_some_and(|full| full.hour == hour(now))
    }

    fn fill(&self, partition: &Partition, now: Timestamp) {
        let mut all = self.lock();
        all.retain(|_, full| full.is_remembered(now));
        let said = all.get(partition).and_then(|full| full.said);
        all.insert(partition.clone(), Full { hour: hour(now), said });
    }

    fn may_say_more(&self, partition: &Partition, now: Timestamp) -> bool {
        let mut all = self.lock();
        let Some(full) = all.get_mut(partition) else { return false };
        let may = full.said.is_none_or(|until| until <= now);
        if may {
            full.said = Some(now.plus_s(MORE_S));
        }
        may
    }

    fn unsay(&self, partition: &Partition) {
        if let Some(full) = self.lock().get_mut(partition) {
            full.said = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Partition, Full>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Full {
    fn is_remembered(&self, now: Timestamp) -> bool {
        self.hour == hour(now) || self.said.is_some_and(|until| now < until)
    }
}

/// The hour of the clock, as quotas are counted.
const fn hour(at: Timestamp) -> i64 {
    at.as_unix_s().div_euclid(3600)
}
