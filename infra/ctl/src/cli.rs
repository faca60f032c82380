//! What can be typed.

mod admin;
mod drift;
mod secrets;
mod verify;
mod words;

use std::path::PathBuf;

use airlock_core::{identity::ObjectId, secret_binding::SecretName, step_up::Context};
use clap::{Args, Parser, Subcommand};

#[cfg(test)]
pub use self::admin::Deployed;
use self::words::{context, hours, secret};
pub use self::{
    admin::{
        Admin, Admit, BindOrder, DEPLOYMENT, Erase, KeyOrder, RecoverOrder, ReplaceRoot, Revoke,
        TreeName,
    },
    drift::Drift,
    secrets::Secrets,
    verify::{By, Since, Verify},
    words::{Parameter, StateName, TenantName, UserName, VerdictName, value},
};
use crate::{
    origin::Origin,
    person::{profile::ProfileName, view::RequestId},
};

/// Where a local cloud writes itself down, unless it is told otherwise.
pub const STACK: &str = ".local/stack.json";

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
    #[arg(long, global = true, value_name = "FILE", default_value = STACK)]
    pub stack: PathBuf,
    /// Origin of a deployment's API, instead of the local cloud's
    #[arg(long, global = true, value_name = "URL", env = "AIRLOCK_API")]
    pub api: Option<Origin>,
    /// Name to keep the session under, for whoever is several people
    #[arg(long, global = true, value_name = "NAME", default_value = ProfileName::DEFAULT)]
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
    /// List what can be asked, with its parameters and a line to copy
    Operations,
    /// Ask for an operation on a user or a secret
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
    /// If the tenant wants its approvers to step up and you have not, you are told to which
    /// authentication context: `sign-in --step-up` takes it.
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
    /// List the secrets that are changed on schedule: their age, how far a change has come, and what
    /// is overdue (approvers, auditors and tenant administrators)
    Secrets(Secrets),
    /// List what deviates from what was declared, and what cannot be looked at (approvers, auditors
    /// and tenant administrators)
    Drift(Drift),
    /// Verify the ledger with public keys alone: a receipt, a tree's files, or a tree as it is served
    #[command(subcommand)]
    Verify(Verify),
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
    pub tenant: Option<TenantName>,
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
    /// What it changes.
    #[command(flatten)]
    pub on: On,
    /// Tenant that it changes, its id or, in the local cloud, its domain; without it, the one that
    /// you signed in to
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<TenantName>,
    /// A parameter, as `operations` lists it; numbers, true and false are taken as such
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

/// What an operation changes: one thing.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct On {
    /// The user that it changes: an object id or, in the local cloud, a sign-in name
    #[arg(long, value_name = "USER")]
    pub user: Option<UserName>,
    /// The secret that it changes, as the tenant's secret bindings name it
    #[arg(long, value_name = "NAME", value_parser = secret)]
    pub secret: Option<SecretName>,
}

/// Options of `requests`.
#[derive(Debug, Args)]
pub struct Requests {
    /// Tenant to look at, its id or, in the local cloud, its domain; without it, the one that you
    /// signed in to
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<TenantName>,
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
    /// Sign only if the request asks for this operation; with --user, --secret or --application,
    /// instead of being asked
    #[arg(long, value_name = "NAME", requires = "About")]
    pub operation: Option<String>,
    /// What it must be about.
    #[command(flatten)]
    pub about: About,
}

/// What a request must be about, from somebody who has read it before.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct About {
    /// Sign only if it is about this user: an object id or, in the local cloud, a sign-in name
    #[arg(long, value_name = "USER", requires = "operation")]
    pub user: Option<UserName>,
    /// Sign only if it is about the secret of this name
    #[arg(long, value_name = "NAME", requires = "operation", value_parser = secret)]
    pub secret: Option<SecretName>,
    /// Sign only if it is about the app registration of this object id
    #[arg(long, value_name = "ID", requires = "operation")]
    pub application: Option<ObjectId>,
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

#[cfg(test)]
mod tests;
