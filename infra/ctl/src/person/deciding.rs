//! Reading what somebody else asked, and deciding it: in this order.

use std::{io, sync::Arc};

use super::{
    Desk,
    api::NotDone,
    me::{
        Me,
        opened::{NotDecided, NotOpened, NotRecognised, Opened, Recognised},
    },
    view::{RequestId, RequestView},
};
use crate::{Ending, Usage, cli, named, screen::note, terminal::Terminal};
use airlock_core::{
    catalog::Target,
    decision::{UNBACKED, Verdict},
    identity::TenantId,
};

/// How somebody shows that they have read a request.
enum Reading {
    /// They named operation and target when they typed the command.
    Named { operation: String, target: String },
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
    #[error("nothing was signed: the operation and what it is about were not typed")]
    NotTyped,
    /// The terminal is gone.
    #[error("nothing was signed: the terminal cannot be read")]
    Terminal(#[from] io::Error),
}

/// Somebody is not in a position to sign that about a request. Nothing was signed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum NotTheirs {
    /// The tenant wants them to have proved more than their session does.
    #[error(
        "nothing was signed: whoever decides {operation} there must have stepped up to {context}, \
         and your session has not; run `{sign_in}`, then decide again"
    )]
    StepUp {
        /// What the request does.
        operation: &'static str,
        /// The authentication context.
        context: String,
        /// How to step up.
        sign_in: String,
    },
    /// There is nothing of theirs in it.
    #[error(
        "nothing was signed: {requester} asked for that, and you have not approved it, so nothing \
         of yours can be taken back; whoever may decide it turns it down with `{deny}`"
    )]
    Withdrawal {
        /// Whose request it is.
        requester: String,
        /// How to turn it down.
        deny: String,
    },
}

impl Desk {
    pub(super) async fn show(&self, options: &cli::Show) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        let request = self.open(&me, options.request).await?;
        self.form.result(&request, request.told(&self.people(&me).await))?;
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
        let request = self.open(&me, options.request).await?;
        let people = self.people(&me).await;
        note(request.told(&people));
        let person = me.person().to_string();
        if request.requester() != person && !request.is_approved_by(&person) {
            let deny = format!("decide {} deny --reason \"WHY\"", request.id());
            return Err(NotTheirs::Withdrawal {
                requester: people.briefly(request.requester()),
                deny: self.again.with(deny),
            }
            .into());
        }
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
        let reading = self.reading(reading, request.tenant).await?;
        let request = self.open(&me, request).await?;
        note(request.told(&self.people(&me).await));
        // Before anybody is asked in vain.
        request.waits_for(verdict, self.clock.now())?;
        self.stepped_up(&me, &request, verdict).await?;
        let request = read(request, &reading).await?;
        let decided = me.decide(&request, verdict, reason).await;
        self.decided(decided)
    }

    async fn open(&self, me: &Me, request: RequestId) -> anyhow::Result<Opened> {
        me.open(request).await.map_err(|error| match error {
            NotOpened::Api(error) => self.not_there(error),
            error @ NotOpened::Disclosed(_) => error.into(),
        })
    }

    /// Says which step-up is missing. That the tenant wants it is the API's word, which also
    /// judges it: nothing is signed for less because of what is said here.
    async fn stepped_up(&self, me: &Me, request: &Opened, verdict: Verdict) -> anyhow::Result<()> {
        let Some(wanted) = request.step_up_for(verdict) else { return Ok(()) };
        let session = me.session().await?;
        if session.acrs.iter().any(|satisfied| satisfied == wanted.as_str()) {
            return Ok(());
        }
        let context = wanted.as_str().to_owned();
        let sign_in = self.again.with(format_args!("sign-in --step-up {context}"));
        Err(NotTheirs::StepUp { operation: request.operation(), context, sign_in }.into())
    }

    /// How this person shows that they have read a request: known before it is fetched, so that
    /// what is missing does not depend on what is shown.
    async fn reading(&self, typed: &cli::Reading, tenant: TenantId) -> anyhow::Result<Reading> {
        let cli::About { user, secret, application } = &typed.about;
        let named = (user.as_ref(), secret.as_ref());
        let target = named::target(self.stack.as_ref(), named, tenant).await?;
        let target = target.or(application.map(Target::Application));
        match (&typed.operation, target, &self.terminal) {
            (Some(operation), Some(target), _) => {
                let target = match target {
                    Target::User(object) | Target::Application(object) => object.to_string(),
                    Target::Secret(name) => name.into(),
                };
                Ok(Reading::Named { operation: operation.clone(), target })
            }
            (None, None, Some(terminal)) => Ok(Reading::Asked(Arc::clone(terminal))),
            _ => Err(Usage(
                "without a terminal --operation and --user, --secret or --application say which request is \
                 meant: see what it says with `airlockctl show`"
                    .to_owned(),
            )
            .into()),
        }
    }

    fn decided(&self, decided: Result<RequestView, NotDecided>) -> anyhow::Result<Ending> {
        let view = decided.map_err(|error| match error {
            NotDecided::Reason => Usage(error.to_string()).into(),
            NotDecided::Api(error) if is_unbacked(&error) => {
                anyhow::Error::from(error).context(BACKING)
            }
            error => anyhow::Error::from(error),
        })?;
        self.form.result(&view, format_args!("state     {}", view.standing()))?;
        self.next(&view);
        Ok(Ending::Done)
    }
}

/// What is to be done about a step-up that nothing is behind.
const BACKING: &str = "your step-up does not count: an administrator of the tenant must enable a \
                       conditional-access policy that demands multifactor authentication of \
                       everybody for that context, and `drift` sees it within half a minute";

fn is_unbacked(error: &NotDone) -> bool {
    matches!(error, NotDone::Refused(problem) if problem.detail.as_deref() == Some(UNBACKED))
}

/// Goes on with a request that somebody has shown to have read.
async fn read(request: Opened, reading: &Reading) -> Result<Recognised, NotRead> {
    match reading {
        Reading::Named { operation, target } => Ok(request.recognise(operation, target)?),
        Reading::Asked(terminal) => {
            // The question does not hold its own answer.
            let typed = terminal
                .ask(
                    "To sign, type the operation, and the user's id up to its first hyphen or the \
                     secret's name, as they stand above:",
                )
                .await?;
            let words: Vec<&str> = typed.split_whitespace().collect();
            let [operation, target] = words[..] else { return Err(NotRead::NotTyped) };
            Ok(request.recognise(operation, target)?)
        }
    }
}

#[cfg(test)]
mod tests;
