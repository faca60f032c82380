//! The domain of Airlock: what is asked, by whom, and what must be proved before it is done.
//!
//! A request is followed through these modules in this order: [`session`] (who asks),
//! [`request`] (what they ask, and the stages that it earns), [`tenancy`] (where),
//! [`catalog`] (what that means), [`policy`] (may they), [`decision`] (who approves),
//! [`permit`] (what `intake` signs), [`claim`] (what the worker signs before and after it
//! acts), [`ledger`] (what remains).
//!
//! Nothing here knows a cloud SDK or an HTTP framework: everything impure is one of the
//! [`ports`].

pub mod ask;
pub mod base64url;
pub mod binding;
pub mod catalog;
pub mod claim;
pub mod comparing;
pub mod data_keys;
pub mod decision;
pub mod digest;
pub mod disclosure;
pub mod drift;
pub mod envelope;
pub mod erasure;
pub mod event;
pub mod execution;
pub mod finding;
pub mod functions;
pub mod identity;
pub mod jwe;
pub mod jwk;
pub mod jws;
pub mod keyset;
pub mod ledger;
pub mod manifest;
pub mod memory;
pub mod outbox;
pub mod package;
pub mod permit;
pub mod policy;
pub mod ports;
pub mod problem;
pub mod producer;
pub mod reception;
pub mod record;
pub mod recording;
pub mod recovery;
pub mod remediation;
pub mod request;
pub mod revocation;
pub mod root;
pub mod rotation;
pub mod sealing;
pub mod secret;
pub mod secret_binding;
pub mod service;
pub mod session;
pub mod session_record;
pub mod sign_in;
pub mod signing;
pub mod step_up;
pub mod tenancy;
pub mod time;
pub mod trust;
pub mod violation;

#[cfg(test)]
mod tests;
