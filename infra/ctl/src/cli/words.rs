//! Single words of a command line, and what they are read as.

use std::{fmt, str::FromStr};

use airlock_core::{
    ask,
    decision::Verdict,
    identity::{App, ObjectId, TenantId},
    jwk::Thumbprint,
    record::State,
    secret_binding::SecretName,
    step_up::{Context, NotAContext},
};
use clap::{ValueEnum, builder::RangedI64ValueParser, value_parser};
use serde_json::Value;

/// A user, as people name one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// By object id.
    Id(ObjectId),
    /// By sign-in name, `nina@contoso.example`.
    Name(String),
}

impl FromStr for UserName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) if text.contains('@') => Ok(Self::Name(text.to_owned())),
            Err(_) => Err("neither an object id (a UUID) nor a sign-in name (NAME@DOMAIN)"),
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Name(name) => name.fmt(formatter),
        }
    }
}

/// A tenant, as people name one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantName {
    /// By its id.
    Id(TenantId),
    /// By its domain, `contoso.example`.
    Domain(String),
}

impl FromStr for TenantName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) if text.contains('.') && text.chars().all(plain) => {
                Ok(Self::Domain(text.to_owned()))
            }
            Err(_) => Err("neither the id of a tenant (a UUID) nor a domain"),
        }
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Domain(domain) => domain.fmt(formatter),
        }
    }
}

/// `name=value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Left of the first `=`.
    pub name: String,
    /// Right of it, as [`value`] reads it.
    pub value: Value,
}

impl FromStr for Parameter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, typed) = text.split_once('=').ok_or("it has the form NAME=VALUE")?;
        if name.is_empty() {
            return Err("it has no name");
        }
        Ok(Self { name: name.to_owned(), value: value(typed) })
    }
}

/// What a typed value means: a number, a truth value or a text.
#[must_use]
pub fn value(typed: &str) -> Value {
    let parsed = serde_json::from_str(typed).ok();
    let plain = parsed.filter(|value: &Value| value.is_number() || value.is_boolean());
    plain.unwrap_or_else(|| typed.into())
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

/// For how long a request may wait.
pub(super) fn hours() -> RangedI64ValueParser {
    value_parser!(i64).range(1..=ask::MAX_LIFETIME_S / 3600)
}

/// The name of an authentication context.
pub(super) fn context(text: &str) -> Result<Context, NotAContext> {
    Context::try_from(text.to_owned())
}

/// The name of a bound secret.
pub(super) fn secret(text: &str) -> Result<SecretName, &'static str> {
    let words = "not the name of a secret: 1 to 64 small letters, digits and hyphens";
    SecretName::try_from(text.to_owned()).map_err(|_| words)
}

/// The name of a key.
pub(super) fn thumbprint(text: &str) -> Result<Thumbprint, &'static str> {
    Thumbprint::parse(text).ok_or("not the thumbprint of a key: 43 characters in base64url")
}

/// An app that has a package.
pub(super) fn app(text: &str) -> Result<App, &'static str> {
    [App::Signin, App::Intake, App::Execute, App::Rotate, App::Drift]
        .into_iter()
        .find(|app| app.to_string() == text)
        .ok_or("one of signin, intake, execute, rotate, drift")
}
