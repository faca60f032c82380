//! Conformance: what the parts hold, carry and depend on, and how they start.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test calls fails the test, there and then"
)]

mod dependencies;
mod openapi;
mod separation;
mod settings;
mod start_up;
mod telemetry;
