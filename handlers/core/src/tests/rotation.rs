//! Secrets and keys are changed without a moment in which there is none, and without one left over.

mod asked;
mod crashes;
mod keys;
mod rules;
mod shop;
mod signing_keys;
