//! The world that the tests act in: the local cloud with the five handler processes, unmodified,
//! and everyone who deals with them.
//!
//! [`World::start`] runs the cloud in a process of its own, on free ports. [`Person`] is somebody
//! who signs in and signs what they ask, [`Impostor`] somebody who has taken an app over, and
//! [`Control`] the cloud's own hand: faults, records, documents behind everyone's back.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a world that is not as a test needs it fails the test, there and then"
)]

mod answer;
mod browser;
mod clock;
mod control;
mod desk;
mod drift;
mod forgery;
mod impostor;
mod launch;
mod ledger;
mod mill;
mod person;
mod producer;
mod rotation;
mod sealed;
mod search;
mod service;
mod sign_in;
mod spoil;
mod tokens;
mod waiting;
mod who;
mod world;

pub use self::{
    answer::{Answer, INTERNAL_NAMES},
    browser::{Browser, callback_of, leads_to},
    clock::now,
    control::{Control, Kill},
    desk::{Desk, Said},
    drift::{Drifts, Found},
    forgery::{Forged, Forger},
    impostor::{Impostor, VaultKey, cosmos_authorization},
    launch::{launched, program},
    ledger::{Leaf, Ledger},
    mill::{Mill, changed, input, with_before, with_hmac},
    person::{Asking, Order, Person},
    producer::{EVENTS_IN, Producer, request_of},
    rotation::Rotations,
    sealed::Opener,
    search::{Places, holds},
    service::{Service, re_headed, service_ask},
    sign_in::{RETURN_TO, challenge, client_key, proof, public},
    spoil::{payload, spoiled, twin},
    tokens::{claims_of, form, re_minted},
    waiting::eventually,
    who::Who,
    world::{Before, LATER, SOON, Stored, World},
};
