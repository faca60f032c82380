//! Faults: crashes, lost answers, trouble elsewhere. What was permitted is carried out once, or
//! converges as if once.

#![expect(clippy::unwrap_used, reason = "what a test calls fails the test, there and then")]

mod appending;
mod calls;
mod crashes;
mod drift;
mod lost_answers;
mod rotation;
