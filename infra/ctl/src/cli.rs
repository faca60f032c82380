//! What can be typed.

use std::path::PathBuf;

use airlock_core::{
    ask,
    decision::Verdict,
    identity::{App, ObjectId, TenantId},
    jwk::Thumbprint,
    record::State,
    step_up::{Context, NotAContext},
};
use clap::{Args, Parser, Subcommand, ValueEnum, builder::RangedI64ValueParser, value_parser};
use serde_json::Value;

use crate::{
    origin::Origin,
    person::{profile::ProfileName, view::RequestId},
};

/// Airlock on the command line: ask for privileged work, decide what others ask, or run the
/// admin plane.
///
/// A person signs in once; their client key never leaves this machine, and signs everything
/// they ask and decide. Without --api the commands talk to the local cloud that `cargo run`
/// starts.
#[derive(Debug, Parser)]
#[command(name = "airlockctl", version, propagate_version = true, after_help = EXITS)]
pub struct Cli {
    /// Which API, and as whom.
    #[command(flatten)]
    pub place: Place,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXITS: &str = "Exit codes: 0 done, 1 refused or failed, 2 not understood.";

/// Which API, and as whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Place {
    /// Where a running local cloud wrote itself down
    #[arg(long, global = true, value_name = "FILE", default_value = ".local/stack.json")]
    pub stack: PathBuf,
    /// Origin of a deployment's API, instead of the local cloud's
    #[arg(long, global = true, value_name = "URL", env = "AIRLOCK_API")]
    pub api: Option<Origin>,
    /// Name to keep the session under, for whoever is several people
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    pub profile: ProfileName,
    /// Print results as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign in with a browser; the session is kept for the next commands
    SignIn(SignIn),
    /// End the session and forget it
    SignOut,
    /// Show who is signed in
    Whoami,
    /// List what can be asked
    Operations,
    /// Ask for an operation on a user
    Ask(Ask),
    /// List requests, newest first
    Requests(Requests),
    /// Follow a request until nothing more will happen to it
    Watch(Watch),
    /// Show what a request says itself, as its requester signed it
    Show(Show),
    /// Approve or deny what somebody else asked
    ///
    /// The request is shown as its requester signed it. You are asked what it does and to whom;
    /// if that is what it says, your decision is signed with your client key.
    ///
    /// If the tenant wants its approvers to step up, sign in again with `sign-in --step-up` and
    /// the context that it uses.
    Decide(Decide),
    /// Take back what you asked, or your approval of what somebody else asked
    Withdraw(Withdraw),
    /// Review an emergency that somebody else had carried out without approvals
    ///
    /// The request is shown and you are asked as by `decide`.
    Review(Review),
    /// See the secret result of a request, once
    ///
    /// The secret alone goes to the standard output; it is encrypted to a key that only the
    /// profile that asked has.
    Reveal(Reveal),
    /// Play a whole story against the local cloud, and see what happens at each door
    Try(Try),
    /// The admin plane: sign what a deployment trusts
    #[command(subcommand)]
    Admin(Admin),
}

/// Options of `sign-in`.
#[derive(Debug, Args)]
pub struct SignIn {
    /// Tenant to sign in to: its id or, in the local cloud, its domain
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    /// Sign in as this person, without a browser (local cloud only)
    #[arg(long = "as", value_name = "USER@DOMAIN")]
    pub person: Option<String>,
    /// Print the address and let me open it myself
    #[arg(long)]
    pub no_browser: bool,
    /// Prove more than usual, as an authentication context of Entra's demands: some tenants want
    /// that of whoever decides
    #[arg(long, value_name = "CONTEXT", value_parser = context)]
    pub step_up: Option<Context>,
    /// Go on as whoever signed in, and do not ask whether that is me
    #[arg(long)]
    pub yes: bool,
}

/// Options of `ask`.
#[derive(Debug, Args)]
pub struct Ask {
    /// Name of the operation, as `operations` lists it
    pub operation: String,
    /// The user that it changes: an object id or, in the local cloud, a sign-in name
    #[arg(long, value_name = "USER")]
    pub user: UserName,
    /// Tenant of that user; without it, the one that you signed in to
    #[arg(long, value_name = "GUID")]
    pub tenant: Option<TenantId>,
    /// A parameter; numbers, true and false are taken as such
    #[arg(long = "parameter", short = 'p', value_name = "NAME=VALUE")]
    pub parameters: Vec<Parameter>,
    /// Why; approvers and auditors read it
    #[arg(long, value_name = "TEXT")]
    pub purpose: String,
    /// The ticket that it belongs to
    #[arg(long, value_name = "TEXT")]
    pub ticket: Option<String>,
    /// It is an emergency: no approval is waited for, whoever watches is told at once, and
    /// somebody else must review it afterwards (tenant administrators only)
    #[arg(long)]
    pub break_glass: bool,
    /// How long it may wait for approvals, in hours
    #[arg(long, value_name = "HOURS", default_value_t = 8, value_parser = hours())]
    pub hours: i64,
    /// Wait until nothing more will happen to it
    #[arg(long)]
    pub wait: bool,
}

/// Options of `requests`.
#[derive(Debug, Args)]
pub struct Requests {
    /// Tenant to look at; without it, the one that you signed in to
    #[arg(long, value_name = "GUID")]
    pub tenant: Option<TenantId>,
    /// Only those in this state
    #[arg(long)]
    pub state: Option<StateName>,
}

/// Options of `watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// The request
    #[arg(value_name = "ID")]
    pub request: RequestId,
    /// Give up after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    pub seconds: Option<u32>,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The request
    #[arg(value_name = "ID")]
    pub request: RequestId,
}

/// Options of `decide`.
#[derive(Debug, Args)]
pub struct Decide {
    /// The request
    #[arg(value_name = "ID")]
    pub request: RequestId,
    /// Your decision
    pub verdict: VerdictName,
    /// Why; the requester and auditors read it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// What it must say.
    #[command(flatten)]
    pub reading: Reading,
}

/// Options of `withdraw`.
#[derive(Debug, Args)]
pub struct Withdraw {
    /// The request
    #[arg(value_name = "ID")]
    pub request: RequestId,
    /// Why; approvers and auditors read it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// Options of `review`.
#[derive(Debug, Args)]
pub struct Review {
    /// The request
    #[arg(value_name = "ID")]
    pub request: RequestId,
    /// What you found; the requester and auditors read it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// What it must say.
    #[command(flatten)]
    pub reading: Reading,
}

/// What a request must say, from somebody who has read it before.
#[derive(Debug, Args)]
pub struct Reading {
    /// Sign only if the request asks for this operation; with --user, instead of being asked
    #[arg(long, value_name = "NAME", requires = "user")]
    pub operation: Option<String>,
    /// Sign only if it is about this user: an object id or, in the local cloud, a sign-in name
    #[arg(long, value_name = "USER", requires = "operation")]
    pub user: Option<UserName>,
}

/// Options of `reveal`.
#[derive(Debug, Args)]
pub struct Reveal {
    /// The request
    #[arg(value_name = "ID")]
    pub request: RequestId,
}

/// Options of `try`.
#[derive(Debug, Args)]
pub struct Try {
    /// Only tell what is not as it should be
    #[arg(long, short)]
    pub quiet: bool,
}

/// Commands of the admin plane.
///
/// They use the managed identity `admin` where the platform offers one, else whoever is signed
/// in to the Azure CLI, who then needs the same rights.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Sign keyset, bindings and manifests of a deployment; what has not changed is left alone
    Bootstrap(Deployed),
    /// Sign and publish the keyset: the public keys of all apps, from Key Vault
    Keyset(Keyset),
    /// Sign and publish the bindings: the terms under which tenants are worked in
    Bind(Bind),
    /// Sign the manifest of an app's package into it
    Manifest(Manifest),
    /// Order that what names a person is erased from a tenant; the ledger still verifies
    ///
    /// Every request that the person asked for, decided or was changed by gives way to the
    /// order. This cannot be taken back.
    Erase(Erase),
}

/// The deployment that is meant.
#[derive(Debug, Args)]
pub struct Deployed {
    /// The deployment: its hosts, identities, applications and packages
    #[arg(long, value_name = "FILE")]
    pub deployment: PathBuf,
}

/// Options of `admin keyset`.
#[derive(Debug, Args)]
pub struct Keyset {
    /// The deployment that is meant.
    #[command(flatten)]
    pub deployed: Deployed,
    /// Thumbprint of a key whose signatures count no longer; this cannot be taken back
    #[arg(long, value_name = "KID", value_parser = thumbprint)]
    pub revoke: Vec<Thumbprint>,
}

/// Options of `admin bind`.
#[derive(Debug, Args)]
pub struct Bind {
    /// The deployment that is meant.
    #[command(flatten)]
    pub deployed: Deployed,
    /// The bindings; without it, those that the deployment names
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Options of `admin erase`.
#[derive(Debug, Args)]
pub struct Erase {
    /// The deployment that is meant.
    #[command(flatten)]
    pub deployed: Deployed,
    /// The tenant whose requests are looked through
    #[arg(long, value_name = "GUID")]
    pub tenant: TenantId,
    /// The person's object id
    #[arg(long, value_name = "GUID")]
    pub user: ObjectId,
    /// The tenant that the person signs in to, if it is another one
    #[arg(long, value_name = "GUID")]
    pub home: Option<TenantId>,
}

/// Options of `admin manifest`.
#[derive(Debug, Args)]
pub struct Manifest {
    /// The deployment that is meant.
    #[command(flatten)]
    pub deployed: Deployed,
    /// The package's folder
    #[arg(long, value_name = "DIR")]
    pub package: PathBuf,
    /// The app that it is
    #[arg(long, value_parser = app)]
    pub app: App,
}

/// A user, as people name one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// By object id.
    Id(ObjectId),
    /// By sign-in name, `nina@contoso.example`.
    Name(String),
}

impl std::str::FromStr for UserName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) if text.contains('@') => Ok(Self::Name(text.to_owned())),
            Err(_) => Err("neither an object id nor a sign-in name"),
        }
    }
}

/// `name=value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Left of the first `=`.
    pub name: String,
    /// Right of it: a number, a truth value or a text.
    pub value: Value,
}

impl std::str::FromStr for Parameter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("it has the form NAME=VALUE")?;
        if name.is_empty() {
            return Err("it has no name");
        }
        let parsed = serde_json::from_str(value).ok();
        let plain = parsed.filter(|value: &Value| value.is_number() || value.is_boolean());
        let value = plain.unwrap_or_else(|| value.into());
        Ok(Self { name: name.to_owned(), value })
    }
}

/// A verdict as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerdictName {
    /// Do it.
    Approve,
    /// Do not.
    Deny,
}

impl From<VerdictName> for Verdict {
    fn from(name: VerdictName) -> Self {
        match name {
            VerdictName::Approve => Self::Approve,
            VerdictName::Deny => Self::Deny,
        }
    }
}

/// A state as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StateName {
    /// Waits for approvals.
    Pending,
    /// Permitted and sent.
    Permitted,
    /// Claimed by the worker.
    Executing,
    /// Done.
    Succeeded,
    /// Must not be done.
    Refused,
    /// Could not be done.
    Failed,
    /// A person must look.
    Unknown,
    /// An approver said no.
    TurnedDown,
    /// Whoever asked took it back.
    Withdrawn,
}

impl StateName {
    /// As the API knows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => State::Pending,
            Self::Permitted => State::Permitted,
            Self::Executing => State::Executing,
            Self::Succeeded => State::Succeeded,
            Self::Refused => State::Refused,
            Self::Failed => State::Failed,
            Self::Unknown => State::Unknown,
            Self::TurnedDown => State::TurnedDown,
            Self::Withdrawn => State::Withdrawn,
        }
        .name()
    }
}

fn hours() -> RangedI64ValueParser {
    value_parser!(i64).range(1..=ask::MAX_LIFETIME_S / 3600)
}

fn context(text: &str) -> Result<Context, NotAContext> {
    Context::try_from(text.to_owned())
}

fn thumbprint(text: &str) -> Result<Thumbprint, &'static str> {
    Thumbprint::parse(text).ok_or("not the thumbprint of a key: 43 characters in base64url")
}

fn app(text: &str) -> Result<App, &'static str> {
    [App::Signin, App::Intake, App::Execute, App::Rotate, App::Drift]
        .into_iter()
        .find(|app| app.to_string() == text)
        .ok_or("one of signin, intake, execute, rotate, drift")
}

#[cfg(test)]
mod tests;
