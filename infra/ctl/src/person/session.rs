//! Whose session it is: signing in, seeing it, signing out.

use airlock_core::step_up::Context;
use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;

use super::{
    Desk,
    api::NotDone,
    browser,
    loopback::Loopback,
    profile::Profile,
    sign_in::{self, Plan, SignedIn, Started},
};
use crate::{
    Ending, Usage, cli,
    foreign::{Plain, Quoted},
    screen::note,
};

#[derive(Deserialize)]
struct SignedOut {
    sign_out: String,
}

impl Desk {
    pub(super) async fn sign_in(&self, options: &cli::SignIn) -> anyhow::Result<Ending> {
        if self.terminal.is_none() && !options.yes && options.person.is_none() {
            let why = "without a terminal nobody can be asked whether the right person signed in: \
                       say --yes, and look at what is printed";
            return Err(Usage(why.to_owned()).into());
        }
        let tenant = self.tenant(options.tenant.as_deref()).await?;
        let path = sign_in::secret_path(&*self.entropy)?;
        let loopback = Loopback::listen(path).await?;
        let return_to = loopback.url();
        let plan = Plan { tenant, return_to: return_to.clone(), step_up: options.step_up.clone() };
        let started = sign_in::start(&self.api, plan, &*self.clock, &*self.entropy).await?;
        let code = self.code(options, &started, loopback, &return_to).await?;
        let signed_in = started.redeem(&self.api, code, &*self.clock).await?;
        self.go_on(options, signed_in).await
    }

    /// Keeps a session that is somebody's, if that somebody is the one who typed the command.
    ///
    /// The page's address goes through the browser's command line, which other users of this
    /// machine can read. Whoever is quicker there can sign in as themself and send the browser
    /// back here: then everything that is asked would be asked in their name.
    async fn go_on(&self, options: &cli::SignIn, signed_in: SignedIn) -> anyhow::Result<Ending> {
        let session = &signed_in.session;
        let name = Quoted(&session.name).to_string();
        note(format_args!(
            "Signed in as {name}, person {} of tenant {}.",
            session.oid, session.tid
        ));
        let missed = |asked: &Context| session.acrs.iter().all(|acr| acr != asked.as_str());
        if let Some(asked) = options.step_up.as_ref().filter(|asked| missed(asked)) {
            note(format_args!("But the API does not say that {} was satisfied.", asked.as_str()));
            return self.turn_away(signed_in).await;
        }
        let terminal = self.terminal.as_ref();
        let asked = terminal.filter(|_| !options.yes && options.person.is_none());
        if let Some(terminal) = asked {
            let answer = terminal.ask(&format!("Go on as {name}? [y/N]")).await;
            if !answer.is_ok_and(|answer| is_yes(&answer)) {
                return self.turn_away(signed_in).await;
            }
        }
        self.profiles.keep(&Profile {
            api: self.api.origin().as_str().to_owned(),
            person: session.person(),
            sid: session.sid,
            expires: session.expires,
            key: signed_in.key.clone(),
            cookie: signed_in.cookie.clone(),
        })?;
        self.form.result(session, session)?;
        Ok(Ending::Done)
    }

    /// Ends a session that is not kept.
    async fn turn_away(&self, signed_in: SignedIn) -> anyhow::Result<Ending> {
        let until = signed_in.session.expires;
        let api = self.api.with(signed_in.cookie);
        let ended: Result<SignedOut, NotDone> = api.post("/auth/sign-out", &json!({})).await;
        match ended {
            Ok(_) | Err(NotDone::NotSignedIn(_)) => {}
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("the session was not kept here, and lasts until {until}")
                });
            }
        }
        note("That session is ended, and nothing of it is kept.");
        Ok(Ending::Refused)
    }

    /// The one-time code that the browser comes back with.
    async fn code(
        &self,
        options: &cli::SignIn,
        started: &Started,
        loopback: Loopback,
        return_to: &str,
    ) -> anyhow::Result<String> {
        if let Some(person) = &options.person {
            let stack = self.stack.as_ref().ok_or(browser::NotPlayed::NotLocal)?;
            return Ok(browser::play(stack, started, person, return_to).await?);
        }
        note(format_args!("Sign in here, where you must see the code {}:", started.code));
        note(&started.page);
        if !options.no_browser && !browser::open(&started.page).await {
            note("(no browser was found: open it yourself)");
        }
        Ok(loopback.code().await?)
    }

    pub(super) async fn sign_out(&self) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        match me.api().post::<SignedOut>("/auth/sign-out", &json!({})).await {
            Ok(SignedOut { sign_out }) => {
                note("You are signed out of Airlock. To leave Entra as well, open:");
                note(Plain(&sign_out));
            }
            Err(NotDone::NotSignedIn(_)) => note("The session was over already."),
            // The session lasts there, so it is not forgotten here.
            Err(error) => return Err(error.into()),
        }
        self.profiles.forget()?;
        Ok(Ending::Done)
    }

    pub(super) async fn whoami(&self) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        let session = me.session().await?;
        self.form.result(&session, &session)?;
        Ok(Ending::Done)
    }
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests;
