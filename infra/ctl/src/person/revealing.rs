//! Seeing a secret result, once.

use airlock_core::record::State;
use anyhow::Context as _;

use super::{
    Desk,
    api::NotDone,
    me::{Me, NotRevealed},
    view::{RequestId, RequestView, Reveal},
};
use crate::{
    Ending, cli,
    foreign::Word,
    screen::{line, note},
};

/// There is no secret to see, or not for this profile.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum NoSecret {
    /// The request has not come so far.
    #[error("there is no secret yet: the request is {standing}; follow it with `{watch}`")]
    Early {
        /// How far it has come.
        standing: String,
        /// How to follow it.
        watch: String,
    },
    /// The request ended without one.
    #[error("there is no secret: the request is {0}")]
    Without(String),
    /// What it does has no secret result.
    #[error("there is no secret: {0} has none to show")]
    Never(String),
    /// It was seen.
    #[error("no key for that secret: it was seen already, and is shown once")]
    Seen,
    /// Another profile asked, or another machine.
    #[error("no key for that secret: only the profile that asked for it has one, on its machine")]
    Elsewhere,
}

impl Desk {
    pub(super) async fn reveal(&self, options: &cli::Reveal) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        let Some(key) = self.profiles.key_for(options.request)? else {
            let why = self.without_a_key(&me, options.request).await?;
            return Err(why.into());
        };
        let secret = match me.reveal(options.request, &key).await {
            Ok(secret) => secret,
            Err(NotRevealed::Api(error)) => return self.not_yet(&me, options.request, error).await,
            Err(error) => return Err(error.into()),
        };
        note(match secret.expose().lines().count() {
            1 => "The next line is the secret:".to_owned(),
            lines => format!("The next {lines} lines are the secret:"),
        });
        line(secret.expose())?;
        self.profiles.seen(options.request)?;
        note("This was the only time that it is shown.");
        Ok(Ending::Done)
    }

    /// Why this profile keeps no key for a request's secret.
    async fn without_a_key(&self, me: &Me, request: RequestId) -> anyhow::Result<NoSecret> {
        let view = me.request(request).await.map_err(|error| self.not_there(error))?;
        let is_secret = airlock_core::catalog::OPERATIONS
            .iter()
            .map(|operation| operation.entry())
            .any(|entry| entry.name == view.operation && entry.secret);
        Ok(match view.reveal {
            Some(Reveal::Revealed) => NoSecret::Seen,
            _ if !is_secret => NoSecret::Never(Word(&view.operation).to_string()),
            _ => NoSecret::Elsewhere,
        })
    }

    /// Says why the API hands nothing out, if the request itself tells.
    async fn not_yet(&self, me: &Me, request: RequestId, error: NotDone) -> anyhow::Result<Ending> {
        if !error.is_refusal(409) {
            return Err(self.not_there(error));
        }
        let view = me.request(request).await.context("not told how far it has come")?;
        Err(self.none_of(&view).map_or_else(|| error.into(), Into::into))
    }

    fn none_of(&self, view: &RequestView) -> Option<NoSecret> {
        let standing = view.standing();
        match view.state.is_final() {
            false => {
                let watch = self.again.with(format_args!("watch {}", view.id));
                Some(NoSecret::Early { standing, watch })
            }
            true if view.state.is(State::Succeeded) => None,
            true => Some(NoSecret::Without(standing)),
        }
    }
}

#[cfg(test)]
mod tests;
