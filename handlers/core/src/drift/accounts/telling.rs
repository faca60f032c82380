//! How much of a log is told of in one round.
//!
//! Of Airlock's own identities every change is told of by itself, at most [`MOST_TOLD`] in a round:
//! the next one goes on from there. Others can change what is Airlock's as often as they like. They
//! must not hold that up, so [`MOST_STRANGE`] of their changes are told of by themselves, and all
//! others of the round as one.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    drift::{
        actual::DirectoryChange,
        seen::{Unaccounted, Why},
    },
    identity::ObjectId,
};

/// Changes by Airlock's own identities that are told of in one round, of one tenant.
const MOST_TOLD: usize = 50;

/// Changes by others that are told of by themselves in one round, of one tenant.
const MOST_STRANGE: usize = 20;

/// What is told of in this round.
#[derive(Default)]
pub(super) struct Telling {
    each: Vec<Unaccounted>,
    /// Their ids, and those of the rest.
    ids: BTreeSet<String>,
    own: usize,
    strange: usize,
    /// The first change by others that is not told of by itself, with the targets of all such, and
    /// how many they are.
    rest: Option<(DirectoryChange, usize)>,
}

impl Telling {
    /// Whether the rest of the log is the next round's.
    pub(super) const fn is_full(&self) -> bool {
        self.own >= MOST_TOLD
    }

    pub(super) fn has(&self, change: &DirectoryChange) -> bool {
        self.ids.contains(&change.id)
    }

    pub(super) fn add(&mut self, change: DirectoryChange, why: Why) {
        self.ids.insert(change.id.clone());
        if why != Why::Stranger {
            self.own += 1;
        } else if self.strange < MOST_STRANGE {
            self.strange += 1;
        } else {
            match &mut self.rest {
                Some((first, count)) => {
                    first.targets.extend(change.targets);
                    *count += 1;
                }
                None => self.rest = Some((change, 1)),
            }
            return;
        }
        self.each.push(Unaccounted { change, why });
    }

    /// All of it. Of the rest it says how many they are, since when, and which of these objects
    /// they were made to.
    pub(super) fn told<T>(mut self, ours: &BTreeMap<ObjectId, T>) -> Vec<Unaccounted> {
        if let Some((mut first, count)) = self.rest {
            first.targets.retain(|id| id.parse().is_ok_and(|id| ours.contains_key(&id)));
            let change = DirectoryChange {
                id: format!("{}-and-more", first.id),
                by: None,
                correlation: None,
                activity: format!("{count} more changes"),
                ..first
            };
            self.each.push(Unaccounted { change, why: Why::Strangers });
        }
        self.each
    }
}
