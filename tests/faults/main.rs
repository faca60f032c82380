//! Faults: crashes, lost answers, trouble elsewhere. What was permitted is carried out once, or
//! converges as if once.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test, there and then")]

mod crashes;
mod lost_answers;
