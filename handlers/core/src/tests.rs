//! The whole way of a request, over ports in memory: what the rules promise, and what becomes
//! of them under faults and in the wrong hands.

pub mod artefacts;
mod attested;
mod commits;
mod erased;
mod erasures;
mod faults;
mod floods;
mod hiding;
mod impostors;
mod isolation;
mod matrix;
mod protection;
mod proven;
mod recovery;
mod remediation;
mod rotation;
mod rules;
mod sealing;
mod story;
mod tamper;
pub mod world;
