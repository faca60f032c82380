//! Journeys: what works, from a person's sign-in to the effect in the directory.

mod admin;
mod approval;
mod cli;
mod drift;
mod erasure;
mod on_demand;
mod operations;
mod receipts;
mod recording;
mod rotation;
mod secret;
mod services;
mod session_key;
mod sign_in;
mod sign_out;
mod signing_keys;
mod step_up;
