//! A desk in a folder of its own, at which nobody has signed in yet.

use std::sync::Arc;

use airlock_core::memory::{Dice, SetClock};

use super::{NOW, Typist};
use crate::{
    Surroundings,
    cli::Place,
    person::{Desk, api::Api},
    scratch::Scratch,
    terminal::Terminal,
};

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
