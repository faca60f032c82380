//! Who plays: people of the local cloud, signed in as a browser would.

use std::sync::Arc;

use airlock_core::{
    ports::{Clock, Entropy},
    time::Timestamp,
};
use anyhow::Context as _;

use super::{Target, api};
use crate::{
    Surroundings,
    foreign::Plain,
    person::{browser, me::Me, sign_in, view::SessionView},
    stack::{Directory, Stack},
};

/// Everyone who is there, and what is needed to sign them in.
pub struct Cast {
    directory: Directory,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// Somebody who is signed in. Nothing of it is kept.
pub struct Player {
    /// What they can do.
    pub me: Me,
    /// Who they are.
    pub session: SessionView,
}

impl Player {
    /// The first of their names.
    pub fn name(&self) -> String {
        let name = self.session.name.split(' ').next().unwrap_or_default();
        Plain(name).to_string()
    }
}

impl Cast {
    /// Asks the local cloud who is there.
    pub async fn gather(stack: &Stack, surroundings: &Surroundings) -> anyhow::Result<Self> {
        Ok(Self {
            directory: stack.directory().await?,
            clock: Arc::clone(&surroundings.clock),
            entropy: Arc::clone(&surroundings.entropy),
        })
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Somebody to whom something is done.
    pub fn target(&self, user: &str) -> anyhow::Result<Target> {
        let (tenant, person) = self
            .directory
            .person(user)
            .with_context(|| format!("the local cloud has no {user}"))?;
        Ok(Target {
            user: user.to_owned(),
            name: Plain(&person.name).to_string(),
            object: person.id,
            tenant,
        })
    }

    /// Signs somebody in: the whole way, but for the browser.
    pub async fn sign_in(&self, stack: &Stack, user: &str) -> anyhow::Result<Player> {
        let (tenant, _) = self
            .directory
            .person(user)
            .with_context(|| format!("the local cloud has no {user}"))?;
        let api = api(stack)?;
        let (clock, entropy) = (&*self.clock, &*self.entropy);
        // Nobody listens there: the way back is read from the redirect itself.
        let return_to = format!("http://127.0.0.1:1{}", sign_in::secret_path(entropy)?);
        let plan = sign_in::Plan { tenant, return_to: return_to.clone(), step_up: None };
        let started = sign_in::start(&api, plan, clock, entropy).await?;
        let code = browser::play(stack, &started, user, &return_to).await?;
        let signed_in = started.redeem(&api, code, clock).await?;
        let me = Me::new(
            api.with(signed_in.cookie),
            signed_in.key,
            signed_in.session.sid,
            signed_in.session.person(),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
        );
        Ok(Player { me, session: signed_in.session })
    }
}
