//! Journeys: what works, from a person's sign-in to the effect in the directory.

mod admin;
mod approval;
mod cli;
mod erasure;
mod operations;
mod receipts;
mod recording;
mod secret;
mod services;
mod sign_in;
mod sign_out;
mod step_up;
