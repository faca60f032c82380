//! Commands of people: sign in, ask, decide, see.

pub mod api;
pub mod browser;
pub mod client_key;
mod deciding;
pub mod loopback;
pub mod me;
pub mod profile;
mod session;
pub mod sign_in;
pub mod view;

use std::sync::Arc;

use airlock_core::{
    identity::{ObjectId, TenantId},
    ports::{Clock, Entropy},
    record::{REVEAL_S, State},
};
use anyhow::{Context as _, bail};

use self::{
    api::{Api, NotDone},
    me::{Me, NotPrepared, Order},
    profile::{Profile, Profiles},
    view::{Operations, Progress, RequestView, Reveal, Review},
};
use crate::{
    Ending, Surroundings, Usage,
    cli::{self, Command, Place, UserName},
    screen::{Form, line, note},
    stack::{NoStack, Stack},
    terminal::Terminal,
};

/// Everything that the commands of people share.
pub struct Desk {
    api: Api,
    stack: Option<Stack>,
    profiles: Profiles,
    form: Form,
    terminal: Option<Arc<dyn Terminal>>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
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
        let folder = surroundings
            .config
            .context("no folder to keep a session in: set HOME or XDG_CONFIG_HOME")?;
        Ok(Self {
            profiles: Profiles::new(&folder, &origin, &place.profile),
            api: Api::new(origin)?,
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
            Command::Try(_) | Command::Admin(_) => bail!("not a command of a person"),
        }
    }

    /// The tenant that somebody named, or the local cloud's own.
    async fn tenant(&self, named: Option<&str>) -> anyhow::Result<TenantId> {
        let parsed = named.map(str::parse::<TenantId>);
        match (named, parsed, &self.stack) {
            (_, Some(Ok(tenant)), _) => Ok(tenant),
            (Some(domain), _, Some(stack)) => stack
                .directory()
                .await?
                .tenant(domain)
                .ok_or_else(|| Usage(format!("the local cloud has no tenant {domain}")).into()),
            (Some(_), _, None) => Err(Usage("--tenant takes the id of a tenant".to_owned()).into()),
            (None, _, Some(stack)) => Ok(stack.tenant),
            (None, _, None) => Err(Usage("--tenant is needed with --api".to_owned()).into()),
        }
    }

    /// The user that somebody named. Only the local cloud tells who has which name: elsewhere
    /// no outer app may look into the directory.
    async fn user(&self, named: &UserName) -> anyhow::Result<ObjectId> {
        match (named, &self.stack) {
            (UserName::Id(id), _) => Ok(*id),
            (UserName::Name(name), Some(stack)) => {
                let found = stack.directory().await?.person(name).map(|(_, person)| person.id);
                found.ok_or_else(|| Usage(format!("the local cloud has no user {name}")).into())
            }
            (UserName::Name(_), None) => {
                Err(Usage("--user takes the object id of a user".to_owned()).into())
            }
        }
    }

    async fn operations(&self) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        let operations: Operations = me.api().get("/api/operations").await?;
        self.form.result(&operations, &operations)?;
        Ok(Ending::Done)
    }

    async fn ask(&self, options: &cli::Ask) -> anyhow::Result<Ending> {
        let (me, profile) = self.me()?;
        let order = Order {
            operation: options.operation.clone(),
            user: self.user(&options.user).await?,
            tenant: options.tenant.unwrap_or(profile.person.tid),
            parameters: parameters(&options.parameters)?,
            purpose: options.purpose.clone(),
            ticket: options.ticket.clone(),
            break_glass: options.break_glass,
            lifetime_s: options.hours * 3600,
        };
        let prepared = me.prepare(&order).await.map_err(|error| match error {
            NotPrepared::NotUnderstood(_) | NotPrepared::Purpose | NotPrepared::Ticket => {
                Usage(error.to_string()).into()
            }
            error => anyhow::Error::from(error),
        })?;
        if let Some(key) = prepared.reveal.clone() {
            let now = self.clock.now();
            // The secret can be seen for a while after the request was carried out.
            let until = prepared.expires.plus_s(REVEAL_S);
            self.profiles.await_secret(prepared.id, key, until, now)?;
        }
        let view = me.send(&prepared).await?;
        if view.id != prepared.id {
            bail!("the API took another request than the one that was signed");
        }
        if options.wait {
            note(view.id);
            return self.follow(&me, &cli::Watch { request: view.id, seconds: None }).await;
        }
        self.form.result(&view, &view)?;
        Ok(ending(&view))
    }

    async fn requests(&self, options: &cli::Requests) -> anyhow::Result<Ending> {
        let (me, profile) = self.me()?;
        let tenant = options.tenant.unwrap_or(profile.person.tid);
        let state = options.state.map(cli::StateName::as_str);
        let requests = me.requests(tenant, state).await?;
        self.form.result(&requests, &requests)?;
        Ok(Ending::Done)
    }

    async fn watch(&self, options: &cli::Watch) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        self.follow(&me, options).await
    }

    async fn follow(&self, me: &Me, options: &cli::Watch) -> anyhow::Result<Ending> {
        let until = options.seconds.map(|seconds| self.clock.now().plus_s(seconds.into()));
        let told = |view: &RequestView| note(view.standing());
        let view = me.watch(options.request, until, told).await?;
        self.form.result(&view, &view)?;
        if view.reveal == Some(Reveal::Ready) {
            note(format_args!("See its secret with: airlockctl reveal {}", view.id));
        }
        if view.review == Some(Review::Due) {
            note(format_args!("Somebody else must look at it: airlockctl review {}", view.id));
        }
        Ok(if view.state.is(State::Succeeded) { Ending::Done } else { Ending::Refused })
    }

    async fn reveal(&self, options: &cli::Reveal) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        let key = self
            .profiles
            .key_for(options.request)?
            .context("no key for that secret: only the profile that asked can see it, and once")?;
        let secret = me.reveal(options.request, &key).await?;
        note(match secret.expose().lines().count() {
            1 => "The next line is the secret:".to_owned(),
            lines => format!("The next {lines} lines are the secret:"),
        });
        line(secret.expose())?;
        self.profiles.seen(options.request)?;
        note("This was the only time that it is shown.");
        Ok(Ending::Done)
    }

    /// Whoever is signed in.
    fn me(&self) -> anyhow::Result<(Me, Profile)> {
        let nobody = || NotDone::NotSignedIn(self.api.origin().clone());
        let profile = self.profiles.read()?.ok_or_else(nobody)?;
        // A session is sent to no other API than the one that gave it, whatever the file's name.
        if profile.api != self.api.origin().as_str() || profile.expires <= self.clock.now() {
            return Err(nobody().into());
        }
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let api = self.api.with(profile.cookie.clone());
        Ok((
            Me::new(api, profile.key.clone(), profile.sid, profile.person, clock, entropy),
            profile,
        ))
    }
}

/// Whether a request that was just sent is refused already.
const fn ending(view: &RequestView) -> Ending {
    match view.state {
        Progress::Recorded(
            State::Pending | State::Permitted | State::Executing | State::Succeeded,
        ) => Ending::Done,
        Progress::Expired
        | Progress::Recorded(
            State::Refused | State::Failed | State::Unknown | State::TurnedDown | State::Withdrawn,
        ) => Ending::Refused,
    }
}

fn parameters(
    typed: &[cli::Parameter],
) -> Result<serde_json::Map<String, serde_json::Value>, Usage> {
    let mut parameters = serde_json::Map::new();
    for each in typed {
        if parameters.insert(each.name.clone(), each.value.clone()).is_some() {
            return Err(Usage(format!("parameter {} is given twice", each.name)));
        }
    }
    Ok(parameters)
}
