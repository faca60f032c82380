//! Reading what somebody else asked, and deciding it: in this order.

use std::{io, sync::Arc};

use airlock_core::decision::Verdict;

use super::{
    Desk,
    me::opened::{NotDecided, NotRecognised, Opened, Recognised},
    view::{RequestId, RequestView},
};
use crate::{Ending, Usage, cli, screen::note, terminal::Terminal};

/// How somebody shows that they have read a request.
enum Reading {
    /// They named operation and user when they typed the command.
    Named { operation: String, user: String },
    /// They are asked once they can have read it.
    Asked(Arc<dyn Terminal>),
}

/// A request was not recognised, or nobody could say so.
#[derive(Debug, thiserror::Error)]
enum NotRead {
    /// It is another one than they have in mind.
    #[error(transparent)]
    Other(#[from] NotRecognised),
    /// Two words were wanted.
    #[error("nothing was signed: the operation and the beginning of the user's id were not typed")]
    NotTyped,
    /// The terminal is gone.
    #[error("nothing was signed: the terminal cannot be read")]
    Terminal(#[from] io::Error),
}

impl Desk {
    pub(super) async fn show(&self, options: &cli::Show) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        let request = me.open(options.request).await?;
        self.form.result(&request, &request)?;
        Ok(Ending::Done)
    }

    pub(super) async fn decide(&self, options: &cli::Decide) -> anyhow::Result<Ending> {
        self.judge(options.request, options.verdict.into(), &options.reason, &options.reading).await
    }

    pub(super) async fn review(&self, options: &cli::Review) -> anyhow::Result<Ending> {
        self.judge(options.request, Verdict::Review, &options.reason, &options.reading).await
    }

    pub(super) async fn withdraw(&self, options: &cli::Withdraw) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        let request = me.open(options.request).await?;
        note(&request);
        let decided = me.withdraw(&request, &options.reason).await;
        self.decided(decided)
    }

    async fn judge(
        &self,
        request: RequestId,
        verdict: Verdict,
        reason: &str,
        reading: &cli::Reading,
    ) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        let reading = self.reading(reading).await?;
        let request = me.open(request).await?;
        note(&request);
        // Before anybody is asked in vain.
        request.waits_for(verdict, self.clock.now())?;
        let request = read(request, &reading).await?;
        let decided = me.decide(&request, verdict, reason).await;
        self.decided(decided)
    }

    /// How this person shows that they have read a request: known before it is fetched, so that
    /// what is missing does not depend on what is shown.
    async fn reading(&self, typed: &cli::Reading) -> anyhow::Result<Reading> {
        match (&typed.operation, &typed.user, &self.terminal) {
            (Some(operation), Some(user), _) => {
                let user = self.user(user).await?.to_string();
                Ok(Reading::Named { operation: operation.clone(), user })
            }
            (None, None, Some(terminal)) => Ok(Reading::Asked(Arc::clone(terminal))),
            _ => Err(Usage(
                "without a terminal --operation and --user say which request is meant: see what \
                 it says with `airlockctl show`"
                    .to_owned(),
            )
            .into()),
        }
    }

    fn decided(&self, decided: Result<RequestView, NotDecided>) -> anyhow::Result<Ending> {
        let view = decided.map_err(|error| match error {
            NotDecided::Reason => Usage(error.to_string()).into(),
            error => anyhow::Error::from(error),
        })?;
        self.form.result(&view, format_args!("state     {}", view.standing()))?;
        Ok(Ending::Done)
    }
}

/// Goes on with a request that somebody has shown to have read.
async fn read(request: Opened, reading: &Reading) -> Result<Recognised, NotRead> {
    match reading {
        Reading::Named { operation, user } => Ok(request.recognise(operation, user)?),
        Reading::Asked(terminal) => {
            // The question does not hold its own answer.
            let typed = terminal
                .ask(
                    "To sign, type the operation and the user's id up to its first hyphen, as they \
                     stand above:",
                )
                .await?;
            let words: Vec<&str> = typed.split_whitespace().collect();
            let [operation, user] = words[..] else { return Err(NotRead::NotTyped) };
            Ok(request.recognise(operation, user)?)
        }
    }
}

#[cfg(test)]
mod tests;
