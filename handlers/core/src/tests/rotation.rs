//! Secrets and keys are changed without a moment in which there is none, and without one left over.

mod crashes;
mod rules;
mod shop;
