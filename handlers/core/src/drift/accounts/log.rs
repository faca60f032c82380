//! How far a tenant's audit log was read.
//!
//! The log tells of a change some time after it was made, and in no order. So it is read in passes
//! that each begin [`LATE_S`] before the one before had its end: an entry that comes in no later
//! than that is read. A pass has its end where it was begun, and may take several rounds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    claim::RESUME_S,
    drift::{seen::Why, sources::Span},
    identity::ObjectId,
    time::Timestamp,
};

/// How far back the log is read when nothing is known of it yet, in seconds.
const FIRST_S: i64 = 86_400;

/// How much later than a change the log may tell of it, in seconds.
///
/// Microsoft gives no bound; most entries are there within minutes.
const LATE_S: i64 = 3600;

/// For how long one claim's changes can go on, in seconds. A process that does not remember what
/// was read reads as much again, to see all that was changed under one name.
pub(super) const CLAIM_S: i64 = RESUME_S + 2 * SKEW_S;

/// How far the directory's clock and ours may be apart, in seconds, and for how long a call may
/// go on that was begun while its claim was in force.
pub(super) const SKEW_S: i64 = 60;

/// The longest span that is read at once, in seconds.
const LONGEST_S: i64 = 6 * 3600;

/// By how much a span is shortened that has more than is read at once.
const SHORTER: i64 = 8;

/// How far a tenant's log was read, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drift) struct Log {
    /// Up to where the pass has come.
    at: Timestamp,
    /// Where it has its end.
    until: Timestamp,
    /// From when on it is told what others did to Airlock's objects.
    pub(in crate::drift) since: Timestamp,
    /// Airlock's objects as they were then, with their client ids.
    ours: BTreeMap<ObjectId, ObjectId>,
    /// Those that are no more. The log tells later who removed them, and what they did last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    gone: BTreeMap<ObjectId, Gone>,
    /// How much is read at once, in seconds.
    #[serde(skip, default = "longest")]
    span_s: i64,
}

/// One of Airlock's objects that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gone {
    /// Its client id.
    client: ObjectId,
    /// When it was missed.
    missed: Timestamp,
}

/// What was made of an entry.
#[derive(Clone, Copy, Debug)]
pub(in crate::drift) struct Read {
    pub at: Timestamp,
    /// Why nothing accounts for it.
    pub why: Option<Why>,
    /// Whether a finding tells of it, if it must be told.
    pub is_settled: bool,
}

const fn longest() -> i64 {
    LONGEST_S
}

impl Log {
    /// One that was never read, of a tenant whose terms were signed at `signed`.
    pub(in crate::drift) fn unread(now: Timestamp, signed: Timestamp) -> Self {
        let at = now.plus_s(-FIRST_S);
        let (ours, gone) = (BTreeMap::new(), BTreeMap::new());
        Self { at, until: now, since: at.max(signed), ours, gone, span_s: LONGEST_S }
    }

    /// As it was kept, for a process that remembers nothing of what was read.
    pub(in crate::drift) fn again(self) -> Self {
        // The next pass begins earlier by itself.
        let back_s = if self.at < self.until { CLAIM_S } else { 0 };
        Self { at: self.at.plus_s(-back_s), ..self }
    }

    /// Up to where everything was read that the log had told of by then.
    pub(in crate::drift) const fn at(&self) -> Timestamp {
        self.at
    }

    /// Whether the pass has come to its end.
    pub(in crate::drift) fn is_at_end(&self) -> bool {
        self.at >= self.until
    }

    /// Whether it knows the same objects of Airlock's.
    pub(in crate::drift) fn knows_the_same_as(&self, other: &Self) -> bool {
        self.ours == other.ours && self.gone == other.gone
    }

    /// Objects that it may name as Airlock's, with their client ids: those that were there, and
    /// those that are no more.
    pub(super) fn named(&self) -> impl Iterator<Item = (ObjectId, ObjectId)> {
        let gone = self.gone.iter().map(|(object, gone)| (*object, gone.client));
        self.ours.iter().map(|(object, client)| (*object, *client)).chain(gone)
    }

    /// Notes which of Airlock's objects are there now. One that is there no more is asked about
    /// until a pass has ended that began more than [`LATE_S`] after it was missed.
    pub(super) fn saw(&mut self, ours: BTreeMap<ObjectId, ObjectId>, now: Timestamp) {
        let before = std::mem::replace(&mut self.ours, ours);
        let missed =
            before.into_iter().map(|(object, client)| (object, Gone { client, missed: now }));
        self.gone.extend(missed);
        // A pass has its end where it was begun.
        let ended = self.is_at_end().then_some(self.until);
        let is_told = |gone: &Gone| ended.is_some_and(|begun| begun.since_s(gone.missed) > LATE_S);
        self.gone.retain(|object, gone| !self.ours.contains_key(object) && !is_told(gone));
    }

    /// Begins the next pass, if the one before has come to its end: gives where.
    pub(super) fn begin(&mut self, now: Timestamp) -> Option<Timestamp> {
        if !self.is_at_end() {
            return None;
        }
        self.at = self.until.plus_s(-LATE_S);
        self.until = self.until.max(now);
        Some(self.at)
    }

    /// What is to be read next; `None` at the end of the pass.
    pub(super) fn next(&self) -> Option<Span> {
        let until = self.at.plus_s(self.span_s).min(self.until);
        (self.at < self.until).then_some(Span { from: self.at, until })
    }

    /// Everything up to then was read, and what is read at once may be more again.
    pub(super) fn read_until(&mut self, at: Timestamp) {
        self.at = self.at.max(at);
        self.span_s = self.span_s.saturating_mul(2).min(LONGEST_S);
    }

    /// Everything before that second was read. What is read at once stays as it is: that a part
    /// of it was come to says nothing of how much can be read.
    pub(super) fn read_in_part(&mut self, at: Timestamp) {
        self.at = self.at.max(at);
    }

    /// Reads as much at once as another.
    pub(super) const fn reads_as_much_as(&mut self, other: &Self) {
        self.span_s = other.span_s;
    }

    /// Reads less at once. False: less cannot be asked for.
    pub(super) fn shorten(&mut self) -> bool {
        let shorter = (self.span_s / SHORTER).max(1);
        let is_shorter = shorter < self.span_s;
        self.span_s = shorter;
        is_shorter
    }
}
