//! `secret.rotate`: a bound secret gets a new credential before its time.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Entry, Means, NotUnderstood, Operation, Parameter, Planning, Risk, TargetKind, parameters,
};
use crate::{identity::App, secret_binding::SecretName};

/// What [`Rotator::rotate`](crate::rotation::Rotator::rotate) does for a request.
pub(super) const SECRET_ROTATE: Operation =
    Operation { entry: &ENTRY, plan: Planning::Rotation(renewal) };

const ENTRY: Entry = Entry {
    name: "secret.rotate",
    summary: "Replaces a secret or key before its time; whoever uses it finds the new one.",
    // Who replaces a secret at will can keep everybody busy who uses it; and in an emergency,
    // whoever has only the old one stands still.
    risk: Risk::High,
    secret: false,
    parameters: &[Parameter {
        name: "emergency",
        meaning: "whether the old one is removed at once, and not after its overlap; false by \
                  default",
        required: false,
        example: "true",
    }],
    worker: App::Rotate,
    target: TargetKind::Secret,
    means: Means::Rotation,
    pace_s: None,
    converges: "the same request again finishes what it began, and adds no second credential",
};

/// A secret that is to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    secret: SecretName,
    emergency: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct How {
    #[serde(default)]
    emergency: bool,
}

fn renewal(value: &Value, secret: &SecretName) -> Result<Renewal, NotUnderstood> {
    let How { emergency } = parameters(value)?;
    Ok(Renewal { secret: secret.clone(), emergency })
}

impl Renewal {
    /// Which.
    #[must_use]
    pub const fn secret(&self) -> &SecretName {
        &self.secret
    }

    /// Whether the old credential is removed at once.
    #[must_use]
    pub const fn is_emergency(&self) -> bool {
        self.emergency
    }

    pub(super) fn parameters(&self) -> Value {
        json!({ "emergency": self.emergency })
    }
}
