//! How requests ended whose outcome could not be kept yet.
//!
//! What the directory has confirmed is not asked of it again only because the vault or the blobs
//! were away when the outcome was to be signed and kept: the next delivery to this process, or
//! its next round of reclaiming, concludes it. A process that dies forgets it; then the change is
//! made once more, and converges.
//!
//! Another process can have concluded it meanwhile, and then nobody asks this one any more. So
//! after a day it is forgotten: nothing that was claimed can be resumed for so long.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::outcome::End;
use crate::{digest::Digest, time::Timestamp};

/// As many are remembered. Each is a few hundred bytes, and a secret's JWE.
const MOST: usize = 1000;

/// For how long each is, in seconds.
pub(crate) const REMEMBERED_S: i64 = 24 * 3600;

/// Ends, by the request that they are of, and until when they are remembered.
#[derive(Default)]
pub(super) struct Unkept(Mutex<HashMap<Digest, (Timestamp, End)>>);

impl Unkept {
    /// Remembers how a request ended, if there is room.
    pub(super) fn remember(&self, request: Digest, end: End, now: Timestamp) {
        self.forget_old(now);
        let mut all = self.lock();
        if all.len() < MOST || all.contains_key(&request) {
            all.insert(request, (now.plus_s(REMEMBERED_S), end));
        } else {
            tracing::error!("too many outcomes wait to be kept");
        }
    }

    /// How a request ended, and forgets it.
    pub(super) fn take(&self, request: Digest, now: Timestamp) -> Option<End> {
        self.lock().remove(&request).filter(|(until, _)| now < *until).map(|(_, end)| end)
    }

    /// Forgets what has been remembered for too long.
    pub(super) fn forget_old(&self, now: Timestamp) {
        self.lock().retain(|_, (until, _)| now < *until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, (Timestamp, End)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Ending;

    fn request(number: usize) -> Digest {
        Digest::of(&[&number.to_be_bytes()])
    }

    fn end() -> End {
        End::of(Ending::Succeeded, "the directory confirmed it")
    }

    #[test]
    fn an_end_is_remembered_once_and_for_a_day() {
        let (unkept, noon) = (Unkept::default(), Timestamp::from_unix_s(1_700_006_400));
        unkept.remember(request(1), end(), noon);
        unkept.remember(request(2), end(), noon);

        assert!(unkept.take(request(1), noon.plus_s(REMEMBERED_S - 1)).is_some());
        assert!(unkept.take(request(1), noon).is_none());
        assert!(unkept.take(request(2), noon.plus_s(REMEMBERED_S)).is_none());
    }

    #[test]
    fn what_is_too_old_gives_room_to_what_is_new() {
        let (unkept, noon) = (Unkept::default(), Timestamp::from_unix_s(1_700_006_400));
        for number in 0..=MOST {
            unkept.remember(request(number), end(), noon);
        }
        let tomorrow = noon.plus_s(REMEMBERED_S);
        assert_eq!(unkept.lock().len(), MOST);
        assert!(unkept.take(request(MOST), noon).is_none());

        unkept.remember(request(MOST), end(), tomorrow);

        assert_eq!(unkept.lock().len(), 1);
        assert!(unkept.take(request(MOST), tomorrow).is_some());
    }
}
