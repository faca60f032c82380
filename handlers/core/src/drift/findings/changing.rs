//! Findings that stand and change: which of them in this round.

use std::collections::BTreeMap;

use super::{
    Book, Kept, Observed, Settled, is_lasting,
    next::{Look, happened},
};
use crate::{digest::Digest, ledger::Happened, time::Timestamp};

/// What a round knows of a finding that stands.
pub(super) enum Known {
    /// It deviates.
    Seen(Observed),
    /// It was looked for, and deviates no more.
    Gone,
    /// Nothing.
    Unknown,
}

/// A finding that changes, and by what.
pub(super) struct Change {
    pub kept: Kept,
    pub known: Known,
}

/// Those that change first, of all that were met: at most as many as a round changes.
#[derive(Default)]
pub(super) struct Changes {
    first: BTreeMap<Turn, Change>,
    /// How many are left to the next round.
    pub left: usize,
}

/// When it is a finding's turn: those before all others that the world must be told of, then those
/// that were written down longest ago. So none waits for ever while others come and go.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    can_wait: bool,
    last_seen: Timestamp,
    fingerprint: Digest,
}

impl Known {
    pub(super) const fn look(&self) -> Look<'_> {
        match self {
            Self::Seen(observed) => Look::Seen(observed),
            Self::Gone => Look::Gone,
            Self::Unknown => Look::Unknown,
        }
    }
}

impl Changes {
    /// Takes one that stands, if it changes and unless `most` others come before it.
    pub(super) async fn take(
        &mut self,
        book: &Book<'_>,
        change: Change,
        most: usize,
        settled: &mut Settled,
    ) -> Result<(), super::NotSettled> {
        let Change { kept, known } = change;
        let Some(after) = book.after(Some(&kept), known.look()) else {
            book.keep(Some(kept), known.look(), settled).await?;
            return Ok(());
        };
        let drifted = &kept.drifted;
        let turn = Turn {
            can_wait: happened(Some(drifted), &after) != Happened::DriftDetected,
            last_seen: drifted.last_seen,
            fingerprint: drifted.fingerprint,
        };
        self.first.insert(turn, Change { kept, known });
        if self.first.len() > most {
            self.left += 1;
            let left = self.first.pop_last().map(|(_, change)| change.known);
            // What was seen of it now is not written down, and is not seen for ever.
            if let Some(Known::Seen(observed)) = left {
                settled.must_see_again |= is_lasting(observed.check);
            }
        }
        Ok(())
    }

    /// In their turn.
    pub(super) fn into_turns(self) -> impl Iterator<Item = Change> {
        self.first.into_values()
    }
}
