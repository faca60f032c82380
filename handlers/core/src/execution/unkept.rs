//! How requests ended whose outcome could not be kept yet.
//!
//! What the directory has confirmed is not asked of it again only because the vault or the blobs
//! were away when the outcome was to be signed and kept: the next delivery to this process, or
//! its next round of reclaiming, concludes it. A process that dies forgets it; then the change is
//! made once more, and converges.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::outcome::End;
use crate::digest::Digest;

/// As many are remembered. Each is a few hundred bytes, and a secret's JWE.
const MOST: usize = 1000;

/// Ends, by the request that they are of.
#[derive(Default)]
pub(super) struct Unkept(Mutex<HashMap<Digest, End>>);

impl Unkept {
    /// Remembers how a request ended, if there is room.
    pub(super) fn remember(&self, request: Digest, end: End) {
        let mut all = self.lock();
        if all.len() < MOST || all.contains_key(&request) {
            all.insert(request, end);
        } else {
            tracing::error!("too many outcomes wait to be kept");
        }
    }

    /// How a request ended, and forgets it.
    pub(super) fn take(&self, request: Digest) -> Option<End> {
        self.lock().remove(&request)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, End>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
