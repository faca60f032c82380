//! Commands of people: sign in, ask, decide, see.

pub mod api;
mod asking;
pub mod browser;
pub mod client_key;
mod deciding;
mod drift;
pub mod loopback;
pub mod me;
pub mod people;
pub mod profile;
mod revealing;
mod secrets;
mod session;
pub mod sign_in;
pub mod view;

use std::sync::Arc;

use airlock_core::{
    ports::{Clock, Entropy},
    time::Timestamp,
};
use anyhow::{Context as _, bail};

use self::{
    api::{Api, NotDone},
    me::Me,
    people::People,
    profile::{NoProfile, Profile, ProfileName, Profiles},
};
use crate::{
    Ending, Surroundings,
    again::Again,
    cli::{Command, Place},
    origin::Origin,
    screen::Form,
    stack::{NoStack, Stack},
    terminal::Terminal,
};

/// Everything that the commands of people share.
pub struct Desk {
    api: Api,
    stack: Option<Stack>,
    profiles: Profiles,
    form: Form,
    again: Again,
    terminal: Option<Arc<dyn Terminal>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// There is nobody in whose name something could be done.
#[derive(Debug, thiserror::Error)]
enum Nobody {
    /// Nobody signed in, under this name.
    #[error("nobody is signed in at {api} under the profile {profile}{others}: run `{sign_in}`")]
    Signed {
        /// Where.
        api: Origin,
        /// As whom.
        profile: ProfileName,
        /// Profiles under which somebody is.
        others: String,
        /// How to sign in.
        sign_in: String,
    },
    /// Somebody did, and it is over.
    #[error("your session at {api} was over at {at}: run `{sign_in}`")]
    Over {
        /// Where.
        api: Origin,
        /// When it was over.
        at: Timestamp,
        /// How to sign in.
        sign_in: String,
    },
}

impl Desk {
    /// Finds the API and whoever is signed in there.
    ///
    /// # Errors
    ///
    /// If no API is named and none runs here, or there is no folder for sessions.
    pub fn new(place: &Place, surroundings: Surroundings) -> anyhow::Result<Self> {
        let stack = match (&place.api, Stack::read(&place.stack)) {
            (None, stack) => Some(stack?),
            // An API was named; a local cloud counts only if it is that one.
            (Some(api), stack) => stack.ok().filter(|stack| stack.api == *api),
        };
        let origin = match (&place.api, &stack) {
            (Some(api), _) => api.clone(),
            (None, Some(stack)) => stack.api.clone(),
            (None, None) => return Err(NoStack::NotRunning(place.stack.clone()).into()),
        };
        let again = Again::of(place);
        let folder = surroundings
            .config
            .context("no folder to keep a session in: set HOME or XDG_CONFIG_HOME")?;
        Ok(Self {
            profiles: Profiles::new(&folder, &origin, &place.profile),
            api: Api::new(origin)?.called_by(&again),
            again,
            stack,
            form: if place.json { Form::Json } else { Form::Text },
            terminal: surroundings.terminal,
            clock: surroundings.clock,
            entropy: surroundings.entropy,
        })
    }

    /// Carries out a command of a person.
    ///
    /// # Errors
    ///
    /// In one sentence for that person.
    pub async fn carry_out(&self, command: &Command) -> anyhow::Result<Ending> {
        match command {
            Command::SignIn(options) => self.sign_in(options).await,
            Command::SignOut => self.sign_out().await,
            Command::Whoami => self.whoami().await,
            Command::Operations => self.operations().await,
            Command::Ask(options) => self.ask(options).await,
            Command::Requests(options) => self.requests(options).await,
            Command::Watch(options) => self.watch(options).await,
            Command::Show(options) => self.show(options).await,
            Command::Decide(options) => self.decide(options).await,
            Command::Withdraw(options) => self.withdraw(options).await,
            Command::Review(options) => self.review(options).await,
            Command::Reveal(options) => self.reveal(options).await,
            Command::Secrets(options) => self.secrets(options).await,
            Command::Drift(options) => self.drift(options).await,
            Command::Verify(_) | Command::Try(_) | Command::Admin(_) => {
                bail!("not a command of a person")
            }
        }
    }

    /// The API, called as whoever is signed in.
    ///
    /// # Errors
    ///
    /// If nobody is.
    pub fn api(&self) -> anyhow::Result<Api> {
        let (_, profile) = self.me()?;
        Ok(self.api.with(profile.cookie))
    }

    /// Where sessions are kept.
    #[cfg(test)]
    pub const fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// Whoever is signed in.
    fn me(&self) -> anyhow::Result<(Me, Profile)> {
        let profile = self.profiles.read()?;
        // A session is sent to no other API than the one that gave it, whatever the file's name.
        let profile = profile.filter(|profile| profile.api == self.api.origin().as_str());
        let Some(profile) = profile else { return Err(self.nobody()?.into()) };
        if profile.expires <= self.clock.now() {
            let (api, at) = (self.api.origin().clone(), profile.expires);
            return Err(Nobody::Over { api, at, sign_in: self.again.with("sign-in") }.into());
        }
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let api = self.api.with(profile.cookie.clone());
        Ok((
            Me::new(api, profile.key.clone(), profile.sid, profile.person, clock, entropy),
            profile,
        ))
    }

    /// Nobody signed in under this name; perhaps under another.
    fn nobody(&self) -> Result<Nobody, NoProfile> {
        let kept = self.profiles.kept()?;
        let others = if kept.is_empty() {
            String::new()
        } else {
            format!(" (signed in there: {})", kept.join(", "))
        };
        Ok(Nobody::Signed {
            api: self.api.origin().clone(),
            profile: self.profiles.name().clone(),
            others,
            sign_in: self.again.with("sign-in"),
        })
    }

    /// Whom this program can call by name beside whoever uses it.
    async fn people(&self, me: &Me) -> People {
        // Programs are shown ids.
        let stack = self.stack.as_ref().filter(|_| self.form == Form::Text);
        People::around(stack, me.person()).await
    }

    /// Says more of an answer that says little on purpose: there is no such request, or none for
    /// this caller.
    fn not_there(&self, error: NotDone) -> anyhow::Error {
        if !error.is_refusal(404) {
            return error.into();
        }
        let list = self.again.with("requests");
        let next = format!(
            "no request of that id that you may see: whoever asked sees it, and whoever approves \
             or audits in its tenant (see `{list}`)"
        );
        anyhow::Error::from(error).context(next)
    }
}
