//! Drift: what is, compared with what was declared.
//!
//! A round reads every source once ([`sources`]), lets each [`check`] judge what it needs of what
//! was [`seen`], and keeps what deviates as a finding ([`findings`]) until it is seen to be gone.
//! What Airlock can mend it is asked to mend ([`mending`]).
//!
//! What a round cannot see: a program that lies about its own package; a change that was made and
//! undone between two rounds and that no log tells of.

mod accounts;
pub mod actual;
pub mod check;
pub mod desired;
pub mod findings;
mod kept;
pub mod looks;
pub mod mending;
mod reading;
mod rounds;
pub mod scan;
pub mod seen;
pub mod severity;
pub mod sources;
mod stored;

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::{
    comparing::Comparer, data_keys::DataKeys, identity::App, ledger::Ledger, ports::Ports,
    trust::TrustStore,
};
use desired::Desired;
use looks::Looks;
use mending::Asks;
use sources::{Directories, Resources};

/// Compares what is with what was declared, in the name of `drift`.
pub struct Drift {
    ports: Ports,
    trust: Arc<TrustStore>,
    ledger: Arc<Ledger>,
    comparer: Comparer,
    keys: DataKeys,
    desired: Arc<Desired>,
    directories: Arc<dyn Directories>,
    resources: Arc<dyn Resources>,
    looks: Looks,
    asks: Asks,
    /// Held by the round that goes on.
    alone: Mutex<()>,
}

/// What came of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Checks that could be judged, in all places.
    pub judged: usize,
    /// Sources that could not be read.
    pub unreadable: usize,
    /// Findings that are new, worse than before, or accepted no more.
    pub detected: usize,
    /// Findings that were seen to be gone.
    pub resolved: usize,
    /// Places whose findings could not be settled, or of which it was not kept that they were.
    pub failed: usize,
    /// Findings that were written about what backs step-ups: new ones, and ones renewed.
    pub backing: usize,
    /// Tenants that there was no time for.
    pub left: usize,
}

impl Drift {
    /// Compares over these ports and sources.
    #[must_use]
    pub fn new(
        ports: Ports,
        trust: TrustStore,
        desired: Desired,
        directories: Arc<dyn Directories>,
        resources: Arc<dyn Resources>,
    ) -> Self {
        let trust = Arc::new(trust);
        let ledger = Arc::new(Ledger::new(App::Drift, &ports, Arc::clone(&trust)));
        let keys = DataKeys::new(&ports, Arc::clone(&ledger));
        let comparer = Comparer::new(&ports, Arc::clone(&ledger));
        Self {
            ports,
            trust,
            ledger,
            comparer,
            keys,
            desired: Arc::new(desired),
            directories,
            resources,
            looks: Looks::default(),
            asks: Asks::default(),
            alone: Mutex::default(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
