//! Access tokens that were verified, kept so that the next request with one costs a hash.
//!
//! A client sends one token for an hour. Kept is what its verification gave, under the SHA-256 of
//! its whole text, until its `exp`; a token that was refused never is. A kept token still counts
//! only while its tenant publishes the very key that verified it:
//! [`KeyCache`](crate::jose::keys::KeyCache) is asked each time, and after each fetch of keys every
//! token is verified once more.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use airlock_core::{digest::Digest, identity::ObjectId, time::Timestamp};

use super::{kind::AccessToken, published::SigningKey};

/// The most tokens that are kept.
///
/// Enough for everyone who is at work in a large helpdesk, and 10 MiB at the very most: a
/// verified token takes two to three times the size of its text.
pub(super) const MOST_TOKENS: usize = 1024;

/// The longest text of a token that is kept, in bytes. Entra's are 1 to 2 KiB.
pub(super) const LONGEST_BYTES: usize = 4 * 1024;

/// Verified tokens by the digest of their text.
#[derive(Default)]
pub(super) struct KeptTokens(Mutex<Generations>);

/// Two halves: what was used since the last change of generation, and what was used before.
///
/// When the young half is full it becomes the old one, and the old one is forgotten: the bound
/// holds, what is used stays, and nothing is ever searched through.
#[derive(Default)]
struct Generations {
    young: HashMap<Digest, Arc<Kept>>,
    old: HashMap<Digest, Arc<Kept>>,
}

/// A verified token and by what it was verified.
pub(super) struct Kept {
    pub(super) token: AccessToken,
    pub(super) audience: ObjectId,
    pub(super) kid: String,
    pub(super) key: SigningKey,
}

impl KeptTokens {
    /// The token with this digest, if it was verified and is not over.
    pub(super) fn find(&self, digest: &Digest, now: Timestamp) -> Option<Arc<Kept>> {
        let mut generations = self.generations();
        let young = generations.young.get(digest).cloned();
        let is_old = young.is_none();
        let found = young.or_else(|| generations.old.remove(digest))?;
        if found.token.claims().expires() <= now {
            generations.young.remove(digest);
            return None;
        }
        if is_old {
            generations.keep(*digest, Arc::clone(&found));
        }
        Some(found)
    }

    /// Keeps a token that was verified just now.
    pub(super) fn keep(&self, digest: Digest, kept: Kept) {
        self.generations().keep(digest, Arc::new(kept));
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        let generations = self.generations();
        generations.young.len() + generations.old.len()
    }
}

impl Generations {
    fn keep(&mut self, digest: Digest, kept: Arc<Kept>) {
        if self.young.len() >= MOST_TOKENS / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(digest, kept);
    }
}
