//! Secrets and keys are changed without a moment in which there is none, and without one left over.

mod asked;
mod crashes;
mod keys;
mod requests;
mod rules;
mod session_key;
pub mod shop;
mod signing_keys;
