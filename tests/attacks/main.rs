//! Attacks: what somebody tries who has taken over a part of the system, or none. Each refusal
//! also asserts that nothing happened, and where it is promised that the ledger says so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test calls fails the test, there and then"
)]

mod bad_tokens;
mod changed_messages;
mod doors;
mod entra;
mod events;
mod forged;
mod grants;
mod integrity;
mod invented_people;
mod isolation;
mod kept_id_tokens;
mod keys;
mod moved_evidence;
mod other_origins;
mod pace;
mod recording;
mod replay;
mod rotator;
mod routes;
mod services;
mod signed_nonsense;
mod taken_over_signin;
mod targets;
mod thief;
