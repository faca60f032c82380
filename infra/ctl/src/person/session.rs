//! Whose session it is: signing in, seeing it, signing out.

use airlock_core::{identity::TenantId, step_up::Context};
use anyhow::{Context as _, anyhow};
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
    named,
    nearest::suggestion,
    screen::note,
    stack::Stack,
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
        let tenant = self.sign_in_tenant(options).await?;
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
            Ok(_) | Err(NotDone::NotSignedIn(..)) => {}
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
            return match browser::play(stack, started, person, return_to).await {
                Err(browser::NotPlayed::Nobody) => Err(self.nobody_signs_in(stack, person).await?),
                played => Ok(played?),
            };
        }
        note(format_args!("Sign in here, where you must see the code {}:", started.code));
        note(&started.page);
        if !options.no_browser && !browser::open(&started.page).await {
            note("(no browser was found: open it yourself)");
        }
        Ok(loopback.code().await?)
    }

    /// The tenant that somebody signs in to: the one that they named, or the one of whom they
    /// play, or the local cloud's own.
    async fn sign_in_tenant(&self, options: &cli::SignIn) -> anyhow::Result<TenantId> {
        let stack = self.stack.as_ref();
        if let Some(named) = &options.tenant {
            return named::tenant(stack, named).await;
        }
        let Some(stack) = stack else {
            return Err(Usage("--tenant is needed with --api".to_owned()).into());
        };
        let home = match &options.person {
            Some(person) => named::home(stack, person).await?,
            None => None,
        };
        Ok(home.unwrap_or(stack.tenant))
    }

    /// Why the local cloud's page did not sign somebody in who was to be played there.
    async fn nobody_signs_in(&self, stack: &Stack, person: &str) -> anyhow::Result<anyhow::Error> {
        let directory = stack.directory().await?;
        let Some((tenant, found)) = directory.person(person) else {
            let names = directory.tenants.values().flat_map(|tenant| tenant.people.keys());
            let instead = suggestion(person, names.map(String::as_str));
            return Ok(
                Usage(format!("the local cloud has no user {person}: {}", Plain(&instead))).into()
            );
        };
        if !found.enabled {
            let why = format!(
                "{person} cannot sign in: the account is disabled; `account.enable`, asked by \
                 somebody else, brings it back"
            );
            return Ok(anyhow!(why));
        }
        let why = format!("{person} is a user of another tenant: say --tenant {tenant}");
        Ok(Usage(why).into())
    }

    pub(super) async fn sign_out(&self) -> anyhow::Result<Ending> {
        let (me, _) = self.me()?;
        match me.api().post::<SignedOut>("/auth/sign-out", &json!({})).await {
            Ok(SignedOut { sign_out }) => {
                note("You are signed out of Airlock. To leave Entra as well, open:");
                note(Plain(&sign_out));
            }
            Err(NotDone::NotSignedIn(..)) => note("The session was over already."),
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
