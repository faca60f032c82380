//! The catalog: every operation that can be asked, as data and one file each.
//!
//! An operation is parsed strictly into a [`Change`]; its digest is over what was understood,
//! not over what was written, and the worker computes it again from what it is about to send.
//!
//! Some operations need more than one call, or have to look something up first. What such a
//! call is about then stands in an answer of the directory's, which no digest can foresee. So
//! each operation declares every call that it can make, as a template whose places are filled
//! by what was digested: an [`Effect`] that does not fit one of them cannot be made, whatever
//! the directory answers.

mod account;
mod bitlocker_read;
mod credential_remove;
mod device;
mod effect;
mod eyes;
mod group_membership;
mod hands;
mod laps_read;
mod license_assign;
mod mfa_reset;
mod password_reset;
mod reading;
mod risk_dismiss;
mod secret_rotate;
mod sessions_revoke;
mod tap_issue;
pub mod target;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    digest::Digest,
    identity::{App, ObjectId, TenantId},
    secret::Secret,
    secret_binding::SecretName,
};

pub use credential_remove::{Removable, Removal};
use effect::Declares;
pub use effect::Effect;
pub use eyes::{Eyes, Unfit};
pub use hands::{Hands, NotDone};
pub use secret_rotate::Renewal;
pub use target::{NotATarget, Target, TargetKind};

/// All operations. Adding one is its file and its line here.
pub const OPERATIONS: &[&Operation] = &[
    &sessions_revoke::SESSIONS_REVOKE,
    &account::ACCOUNT_DISABLE,
    &account::ACCOUNT_ENABLE,
    &password_reset::PASSWORD_RESET,
    &tap_issue::TAP_ISSUE,
    &mfa_reset::MFA_RESET,
    &group_membership::GROUP_ADD,
    &group_membership::GROUP_REMOVE,
    &license_assign::LICENSE_ASSIGN,
    &laps_read::LAPS_READ,
    &bitlocker_read::BITLOCKER_READ,
    &risk_dismiss::RISK_DISMISS,
    &secret_rotate::SECRET_ROTATE,
    &credential_remove::CREDENTIAL_REMOVE,
];

/// How much harm an operation can do in the wrong hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// An inconvenience.
    Low,
    /// Somebody cannot work.
    Medium,
    /// Somebody else's account, or a secret that others rely on.
    High,
}

impl Risk {
    /// The name in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// How long a permit for it lives, in seconds: time to be delivered, not to be stolen.
    #[must_use]
    pub const fn permit_lifetime_s(self) -> i64 {
        match self {
            Self::Low => 600,
            Self::Medium => 300,
            Self::High => 120,
        }
    }
}

/// What an operation is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Entry {
    /// Its name in requests.
    pub name: &'static str,
    /// What it does, in one sentence for the person who asks.
    pub summary: &'static str,
    /// How dangerous it is.
    pub risk: Risk,
    /// Whether its result is a secret for the requester alone.
    pub secret: bool,
    /// What it takes, besides the target.
    pub parameters: &'static [Parameter],
    /// The app that carries it out.
    pub worker: App,
    /// What it acts on.
    pub target: TargetKind,
    /// By what it is carried out.
    #[serde(flatten)]
    pub means: Means,
    /// Seconds between two of it in one tenant, where the directory can take no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace_s: Option<u32>,
    /// How a repeat ends in the same state.
    pub converges: &'static str,
}

impl Entry {
    /// Whether a binding may list it for a caller that is no person: only what policy can allow
    /// them at all.
    #[must_use]
    pub const fn is_for_programs(&self) -> bool {
        let harmless = matches!(self.risk, Risk::Low) && !self.secret;
        harmless || matches!(self.target, TargetKind::Secret | TargetKind::Application)
    }
}

/// By what an operation is carried out.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum Means {
    /// Calls of Microsoft Graph, which are all declared.
    Directory(Reach),
    /// The [rotator](crate::rotation), whose steps follow from how the secret is bound.
    Rotation,
    /// The [remediator](crate::remediation), by one of these calls of Microsoft Graph.
    Remediation(Reach),
}

/// How far an operation reaches into the directory.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Reach {
    /// The one application whose token it needs.
    pub application: &'static str,
    /// The Microsoft Graph application permissions that cover it.
    pub permissions: &'static [&'static str],
    /// Every call that it can make as that application: method and path below the version.
    ///
    /// `{user}` or `{application}` is the target, a parameter's name stands for its value, and any other name for
    /// what the directory says: one or more letters, digits, hyphens and underscores.
    pub calls: &'static [&'static str],
    /// What it looks at before it is claimed, as another application, which may not do it.
    pub reads: &'static [&'static str],
}

/// One parameter of an operation.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it says, and within which bounds.
    pub meaning: &'static str,
    /// Whether there is no default.
    pub required: bool,
    /// A value, as it is typed.
    pub example: &'static str,
}

/// One operation of the catalog.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    entry: &'static Entry,
    plan: Planning,
}

/// How parameters are read, strictly.
#[derive(Clone, Copy, Debug)]
enum Planning {
    /// Into calls to the directory.
    Directory(fn(&Value) -> Result<Box<dyn Plan>, NotUnderstood>),
    /// Into the change of a secret.
    Rotation(fn(&Value, &SecretName) -> Result<Renewal, NotUnderstood>),
    /// Into what is taken away from an app registration.
    Remediation(fn(&Value, ObjectId) -> Result<Removal, NotUnderstood>),
}

impl Operation {
    /// What it is.
    #[must_use]
    pub const fn entry(&self) -> &'static Entry {
        self.entry
    }
}

/// An operation on a user, with its parameters understood.
#[async_trait]
pub trait Plan: fmt::Debug + Send + Sync {
    /// The parameters as understood, defaults filled in.
    fn parameters(&self) -> Value;

    /// Looks whether the target, and whatever else it is about, is as the operation needs it.
    ///
    /// Looked at before the request is claimed, and again by each later attempt: what it asks
    /// for must still hold when the operation was carried out already.
    ///
    /// # Errors
    ///
    /// [`Unfit`]: nothing is written then.
    async fn check(&self, _: &Eyes<'_>) -> Result<(), Unfit> {
        Ok(())
    }

    /// Carries it out, and gives the secret that its requester shall see.
    ///
    /// Done twice, or begun again after a crash between any two of its calls, it ends in the
    /// same state.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone>;
}

/// What is asked, before it is understood.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Name of the operation.
    pub name: String,
    /// On what.
    pub target: Target,
    /// Its parameters: an object.
    #[serde(default = "no_parameters")]
    pub parameters: Value,
}

fn no_parameters() -> Value {
    Value::Object(serde_json::Map::new())
}

/// What was asked is not an operation of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    /// There is no operation of that name.
    #[error("no such operation")]
    Operation,
    /// It acts on another kind of thing.
    #[error("not what this operation acts on")]
    Target,
    /// Its parameters are not what the operation takes.
    #[error("parameters not understood")]
    Parameters,
    /// A secret result needs a key to encrypt it to, and only a secret result may name one.
    #[error("reveal_to must be given exactly for operations with a secret result")]
    RevealTo,
}

/// An operation on a target, understood.
#[derive(Debug)]
pub struct Change {
    entry: &'static Entry,
    tenant: TenantId,
    target: Target,
    work: Work,
    digest: Digest,
}

/// What is to be done.
#[derive(Debug)]
pub enum Work {
    /// Calls to the directory, about one of its users.
    Directory(OnUser),
    /// A new credential for a secret.
    Rotation(Renewal),
    /// One credential less for an app registration.
    Remediation(Removal),
}

/// Calls to the directory, about one of its users.
#[derive(Debug)]
pub struct OnUser {
    user: ObjectId,
    reach: &'static Reach,
    plan: Box<dyn Plan>,
}

impl Change {
    /// Understands what is asked.
    ///
    /// # Errors
    ///
    /// [`NotUnderstood`].
    pub fn understand(tenant: TenantId, asked: &Asked) -> Result<Self, NotUnderstood> {
        let operation = OPERATIONS
            .iter()
            .find(|operation| operation.entry().name == asked.name)
            .ok_or(NotUnderstood::Operation)?;
        let entry = operation.entry();
        let work = match (&operation.plan, &entry.means, &asked.target) {
            (Planning::Directory(plan), Means::Directory(reach), Target::User(user)) => {
                Work::Directory(OnUser { user: *user, reach, plan: plan(&asked.parameters)? })
            }
            (Planning::Rotation(plan), Means::Rotation, Target::Secret(secret)) => {
                Work::Rotation(plan(&asked.parameters, secret)?)
            }
            (
                Planning::Remediation(plan),
                Means::Remediation(_),
                Target::Application(application),
            ) => Work::Remediation(plan(&asked.parameters, *application)?),
            _ => return Err(NotUnderstood::Target),
        };
        let target = asked.target.clone();
        let understood =
            Understood { tenant, name: entry.name, target: &target, parameters: work.parameters() };
        let digest =
            Digest::of_canonical_json(&understood).map_err(|_| NotUnderstood::Parameters)?;
        Ok(Self { entry, tenant, target, work, digest })
    }

    /// Its parameters as understood, defaults filled in.
    #[must_use]
    pub fn parameters(&self) -> Value {
        self.work.parameters()
    }

    /// The catalog's entry.
    #[must_use]
    pub const fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// The tenant that it changes.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What it changes.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// What is to be done.
    #[must_use]
    pub const fn work(&self) -> &Work {
        &self.work
    }

    /// SHA-256 over the canonical JSON of tenant, name, target and parameters as understood.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl Work {
    fn parameters(&self) -> Value {
        match self {
            Self::Directory(on) => on.plan.parameters(),
            Self::Rotation(renewal) => renewal.parameters(),
            Self::Remediation(removal) => removal.parameters(),
        }
    }
}

impl OnUser {
    /// The user.
    #[must_use]
    pub const fn user(&self) -> ObjectId {
        self.user
    }

    /// Looks whether what it is about is as the operation needs it.
    ///
    /// # Errors
    ///
    /// [`Unfit`].
    pub async fn check(&self, eyes: &Eyes<'_>) -> Result<(), Unfit> {
        self.plan.check(eyes).await
    }

    /// Carries it out with these hands, and gives the secret that its requester shall see.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    pub async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        self.plan.carry_out(hands).await
    }
}

impl Declares for OnUser {
    fn reach(&self) -> &'static Reach {
        self.reach
    }

    fn place(&self, name: &str) -> Option<String> {
        if name == "user" {
            return Some(self.user.to_string());
        }
        self.plan.parameters()[name].as_str().map(str::to_owned)
    }
}

#[derive(Serialize)]
struct Understood<'a> {
    tenant: TenantId,
    name: &'static str,
    target: &'a Target,
    parameters: Value,
}

/// Reads parameters into the operation's own type.
fn parameters<T: DeserializeOwned>(value: &Value) -> Result<T, NotUnderstood> {
    // A derived reader takes a list for a struct as well.
    if !value.is_object() {
        return Err(NotUnderstood::Parameters);
    }
    T::deserialize(value).map_err(|_| NotUnderstood::Parameters)
}

/// The plan of an operation whose parameters say all of it.
fn as_written<P>(value: &Value) -> Result<Box<dyn Plan>, NotUnderstood>
where
    P: Plan + DeserializeOwned + 'static,
{
    Ok(Box::new(parameters::<P>(value)?))
}

/// The plan of an operation that takes no parameters.
fn always(plan: impl Plan + 'static, value: &Value) -> Result<Box<dyn Plan>, NotUnderstood> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    let Nothing {} = parameters(value)?;
    Ok(Box::new(plan))
}

#[cfg(test)]
pub(crate) mod tests;
