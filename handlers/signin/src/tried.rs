//! Sign-ins whose code was tried at Entra.
//!
//! Entra takes a code once, and answers whoever comes with another. So a stranger with one
//! transaction and the cookie that belongs to it could have us ask Entra again and again for
//! codes that they made up. Each process asks once for each transaction; a person for whom that
//! went wrong starts again.
//!
//! This spares Entra and us, and nothing rests on it: that a transaction is *used* once, for ever
//! and by all instances, its mark in the store ensures.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

/// As many are remembered, less than a megabyte: 16 new ones a second, for as long as a transaction
/// counts.
const MOST: usize = 10_000;

/// Transactions, by the random value in them.
#[derive(Default)]
pub struct Tried(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    all: HashSet<[u8; 32]>,
    oldest_first: VecDeque<[u8; 32]>,
}

impl Tried {
    /// Remembers a transaction, and tells whether it is tried for the first time.
    pub fn is_first(&self, random: [u8; 32]) -> bool {
        // What is remembered is whole between any two lines that could panic.
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !remembered.all.insert(random) {
            return false;
        }
        remembered.oldest_first.push_back(random);
        if remembered.oldest_first.len() > MOST
            && let Some(oldest) = remembered.oldest_first.pop_front()
        {
            remembered.all.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: usize) -> [u8; 32] {
        let mut random = [0; 32];
        random[..8].copy_from_slice(&number.to_be_bytes());
        random
    }

    #[test]
    fn a_transaction_is_tried_for_the_first_time_once() {
        let tried = Tried::default();

        assert!(tried.is_first(numbered(1)));
        assert!(tried.is_first(numbered(2)));
        assert!(!tried.is_first(numbered(1)));
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for_and_the_newest_are() {
        let tried = Tried::default();

        assert!((0..=MOST).all(|number| tried.is_first(numbered(number))));

        assert!((1..=MOST).all(|number| !tried.is_first(numbered(number))));
        assert!(tried.is_first(numbered(0)));
        let remembered = tried.0.lock().unwrap();
        assert_eq!((remembered.all.len(), remembered.oldest_first.len()), (MOST, MOST));
    }
}
