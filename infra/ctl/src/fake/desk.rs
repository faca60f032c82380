//! A desk in a folder of its own, at which nobody has signed in yet.

use std::sync::Arc;

use airlock_core::{
    digest::Digest,
    identity::PersonId,
    memory::{Dice, SetClock},
    secret::Secret,
};

use super::{NOW, Typist};
use crate::{
    Surroundings,
    cli::Place,
    person::{Desk, api::Api, client_key::ClientKey, profile::Profile},
    scratch::Scratch,
    terminal::Terminal,
};

/// Somebody at a desk, signed in as this person.
pub fn signed_in(desk: &Desk, api: &Api, person: PersonId) -> ClientKey {
    let key = ClientKey::draw(&Dice).unwrap();
    let profile = Profile {
        api: api.origin().as_str().to_owned(),
        person,
        sid: Digest::of(&[b"mine"]),
        expires: NOW.plus_s(3600),
        key: key.clone(),
        cookie: Secret::new("cookie".to_owned()),
    };
    desk.profiles().keep(&profile).unwrap();
    key
}

/// The desk of this profile at this API, with somebody at the terminal or nobody.
pub fn desk(api: &Api, profile: &str, folder: &Scratch, terminal: Option<Arc<Typist>>) -> Desk {
    let place = Place {
        stack: folder.path().join("stack.json"),
        api: Some(api.origin().clone()),
        profile: profile.parse().unwrap(),
        json: false,
    };
    let surroundings = Surroundings {
        config: Some(folder.path().to_owned()),
        managed_identity: false,
        terminal: terminal.map(|typist| typist as Arc<dyn Terminal>),
        clock: Arc::new(SetClock::at(NOW)),
        entropy: Arc::new(Dice),
    };
    Desk::new(&place, surroundings).unwrap()
}
