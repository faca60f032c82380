//! Which requests this process works on at this moment.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::digest::Digest;

/// Requests in work.
#[derive(Debug, Default)]
pub(super) struct Busy(Mutex<HashSet<Digest>>);

/// One request in work, until this goes.
pub(super) struct Working<'a> {
    busy: &'a Busy,
    request: Digest,
}

impl Busy {
    /// Takes a request up; `None` if this process works on it already.
    pub(super) fn enter(&self, request: Digest) -> Option<Working<'_>> {
        let entered = self.lock().insert(request);
        // Not `then_some`: a guard made in vain would, when dropped, let go of another's.
        entered.then(|| Working { busy: self, request })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.busy.lock().remove(&self.request);
    }
}
