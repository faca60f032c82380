//! The catalog: every operation that can be asked, as data and one file each.
//!
//! An operation is parsed strictly into a [`Change`]; its digest is over what was understood,
//! not over what was written, and the worker computes it again from what it is about to send.

mod account;
mod password_reset;
mod sessions_revoke;
mod tap_issue;

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    digest::Digest,
    identity::{App, ObjectId, TenantId},
    ports::{Entropy, PortError},
    secret::Secret,
};

/// All operations. Adding one is its file and its line here.
pub const OPERATIONS: &[&dyn Operation] = &[
    &sessions_revoke::SessionsRevoke,
    &account::AccountDisable,
    &account::AccountEnable,
    &password_reset::PasswordReset,
    &tap_issue::TapIssue,
];

/// How much harm an operation can do in the wrong hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// An inconvenience.
    Low,
    /// Somebody cannot work.
    Medium,
    /// Somebody else's account.
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
    /// The app that carries it out.
    pub worker: App,
    /// The one worker application whose token it needs.
    pub application: &'static str,
    /// The Microsoft Graph application permissions that cover it.
    pub permissions: &'static [&'static str],
    /// How a repeat ends in the same state.
    pub converges: &'static str,
}

/// One operation of the catalog.
pub trait Operation: Send + Sync {
    /// What it is.
    fn entry(&self) -> &'static Entry;

    /// Reads its parameters, strictly.
    ///
    /// # Errors
    ///
    /// [`NotUnderstood`] for unknown, missing or out-of-range parameters.
    fn plan(&self, parameters: &Value) -> Result<Box<dyn Plan>, NotUnderstood>;
}

/// An operation with its parameters understood.
pub trait Plan: fmt::Debug + Send + Sync {
    /// The parameters as understood, defaults filled in.
    fn parameters(&self) -> Value;

    /// The call that carries it out on a user.
    ///
    /// # Errors
    ///
    /// If there is no randomness for a secret that it must choose.
    fn effect(&self, target: ObjectId, entropy: &dyn Entropy) -> Result<Effect, PortError>;
}

/// One Microsoft Graph request.
pub struct Effect {
    /// HTTP method.
    pub method: &'static str,
    /// Path below the version, with leading slash.
    pub path: String,
    /// JSON body, if any. May hold a secret.
    pub body: Option<Value>,
    /// Where the secret result is.
    pub reveals: Reveals,
}

/// The body may hold a secret.
impl fmt::Debug for Effect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Effect({})", self.method)
    }
}

/// The secret result of an effect.
pub enum Reveals {
    /// None.
    Nothing,
    /// We chose it.
    Chosen(Secret),
    /// The directory answers with it in this property.
    InAnswer(&'static str),
}

/// What is asked, before it is understood.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Name of the operation.
    pub name: String,
    /// On whom.
    pub target: Target,
    /// Its parameters: an object.
    #[serde(default = "no_parameters")]
    pub parameters: Value,
}

/// What an operation acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Object id of a user in the target tenant.
    pub user: ObjectId,
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
    plan: Box<dyn Plan>,
    digest: Digest,
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
        let plan = operation.plan(&asked.parameters)?;
        let understood = Understood {
            tenant,
            name: entry.name,
            target: asked.target,
            parameters: plan.parameters(),
        };
        let digest =
            Digest::of_canonical_json(&understood).map_err(|_| NotUnderstood::Parameters)?;
        Ok(Self { entry, tenant, target: asked.target, plan, digest })
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

    /// Whom it changes.
    #[must_use]
    pub const fn target(&self) -> ObjectId {
        self.target.user
    }

    /// SHA-256 over the canonical JSON of tenant, name, target and parameters as understood.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The call that carries it out.
    ///
    /// # Errors
    ///
    /// If there is no randomness for a secret.
    pub fn effect(&self, entropy: &dyn Entropy) -> Result<Effect, PortError> {
        self.plan.effect(self.target.user, entropy)
    }
}

#[derive(Serialize)]
struct Understood {
    tenant: TenantId,
    name: &'static str,
    target: Target,
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

/// Parameters of an operation that takes none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[cfg(test)]
mod tests;
