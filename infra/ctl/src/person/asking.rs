//! Asking for something, and seeing what becomes of it.

use airlock_core::record::{REVEAL_S, State};
use anyhow::bail;

use super::{
    Desk,
    me::{Me, NotPrepared, Order},
    view::{Progress, RequestView, Reveal, Review, catalog::Operations},
};
use crate::{Ending, Usage, cli, named, screen::note};

impl Desk {
    pub(super) async fn operations(&self) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        let operations: Operations = me.api().get("/api/operations").await?;
        self.form.result(&operations, operations.told(&self.again))?;
        Ok(Ending::Done)
    }

    pub(super) async fn ask(&self, options: &cli::Ask) -> anyhow::Result<Ending> {
        let (me, profile) = self.me()?;
        let stack = self.stack.as_ref();
        let tenant = match &options.tenant {
            Some(named) => named::tenant(stack, named).await?,
            None => profile.person.tid,
        };
        let cli::On { user, secret } = &options.on;
        let target = named::target(stack, (user.as_ref(), secret.as_ref()), tenant).await?;
        let target = target.ok_or_else(|| Usage("neither --user nor --secret".to_owned()))?;
        let order = Order {
            operation: options.operation.clone(),
            target,
            tenant,
            parameters: parameters(&options.parameters)?,
            purpose: options.purpose.clone(),
            ticket: options.ticket.clone(),
            break_glass: options.break_glass,
            lifetime_s: options.hours * 3600,
        };
        let prepared = me.prepare(&order).await.map_err(|error| match error {
            NotPrepared::Misfit(_) | NotPrepared::Purpose | NotPrepared::Ticket => {
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
        self.form.result(&view, view.told(&self.people(&me).await))?;
        self.next(&view);
        Ok(ending(&view))
    }

    pub(super) async fn requests(&self, options: &cli::Requests) -> anyhow::Result<Ending> {
        let (me, profile) = self.me()?;
        let tenant = match &options.tenant {
            Some(named) => named::tenant(self.stack.as_ref(), named).await?,
            None => profile.person.tid,
        };
        let state = options.state.map(cli::StateName::as_str);
        let requests = me.requests(tenant, state).await?;
        self.form.result(&requests, requests.told(&self.people(&me).await))?;
        Ok(Ending::Done)
    }

    pub(super) async fn watch(&self, options: &cli::Watch) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        self.follow(&me, options).await
    }

    async fn follow(&self, me: &Me, options: &cli::Watch) -> anyhow::Result<Ending> {
        let until = options.seconds.map(|seconds| self.clock.now().plus_s(seconds.into()));
        let told = |view: &RequestView| note(view.standing());
        let watched = me.watch(options.request, until, told).await;
        let view = watched.map_err(|error| self.not_there(error))?;
        self.form.result(&view, view.told(&self.people(me).await))?;
        if let Some(closing) = options.seconds.and_then(|seconds| closing(seconds, &view)) {
            note(closing);
        }
        self.next(&view);
        Ok(if view.state.is(State::Succeeded) { Ending::Done } else { Ending::Refused })
    }

    /// Tells what can be done next with a request.
    pub(super) fn next(&self, view: &RequestView) {
        for step in self.next_steps(view) {
            note(step);
        }
    }

    fn next_steps(&self, view: &RequestView) -> Vec<String> {
        let id = view.id;
        let mut steps = Vec::new();
        if view.state.is(State::Pending) {
            let decide = format!("decide {id} approve --reason \"WHY\"");
            let decide = self.again.with_of_somebody_else(decide);
            steps.push(format!("Somebody else can approve it: {decide}"));
        }
        if !view.state.is_final() {
            let watch = self.again.with(format_args!("watch {id}"));
            steps.push(format!("See how it goes on: {watch}"));
        }
        if view.reveal == Some(Reveal::Ready) {
            let reveal = self.again.with(format_args!("reveal {id}"));
            steps.push(format!("See its secret, once and soon: {reveal}"));
        }
        if view.review == Some(Review::Due) {
            let review = format!("review {id} --reason \"WHAT YOU FOUND\"");
            let review = self.again.with_of_somebody_else(review);
            steps.push(format!("Somebody else must look at it: {review}"));
        }
        steps
    }
}

/// What is said when somebody was not to look for longer.
fn closing(seconds: u32, view: &RequestView) -> Option<String> {
    let text = format!("Not ended after {seconds} s, so this stops looking: {}.", view.progress());
    (!view.state.is_final()).then_some(text)
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

#[cfg(test)]
mod tests;
