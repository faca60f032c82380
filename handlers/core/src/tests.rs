//! The whole way of a request, over ports in memory: what the rules promise, and what becomes
//! of them under faults and in the wrong hands.

mod artefacts;
mod attested;
mod commits;
mod erasures;
mod faults;
mod impostors;
mod isolation;
mod matrix;
mod protection;
mod rules;
mod story;
pub mod world;
