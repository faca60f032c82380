//! `credential.remove`: a credential that nobody declared is taken away from an app registration of
//! Airlock's own.
//!
//! `drift` alone asks for it, by what it found; see [`remediation`](crate::remediation).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Effect, Entry, Means, NotUnderstood, Operation, Parameter, Planning, Reach, Risk, TargetKind,
    effect::{Declares, NotDeclared},
    parameters,
};
use crate::{
    drift::check::Mend,
    identity::{App, ObjectId, TenantId},
    remediation::REMEDIATOR,
};

/// What [`Remediator::remove`](crate::remediation::Remediator::remove) does for a request.
pub(super) const CREDENTIAL_REMOVE: Operation =
    Operation { entry: &ENTRY, plan: Planning::Remediation(removal) };

const ENTRY: Entry = Entry {
    name: "credential.remove",
    summary: "Takes away a credential of one of Airlock's own applications that nobody declared.",
    // Whoever could take away the one that was declared would shut Airlock off.
    risk: Risk::High,
    secret: false,
    parameters: &[
        Parameter {
            name: "credential",
            meaning: "the credential's id: of a password its keyId",
            required: true,
            example: "00000000-0000-0000-0000-000000000000",
        },
        Parameter {
            name: "kind",
            meaning: "what it is: password, or federated",
            required: true,
            example: "password",
        },
    ],
    worker: App::Rotate,
    target: TargetKind::Application,
    means: Means::Remediation(REACH),
    pace_s: None,
    converges: "what is gone already is not removed again, and the request succeeds",
};

const REACH: Reach = Reach {
    application: REMEDIATOR,
    // None at all: a directory role of its own, assigned for each of these registrations alone.
    permissions: &[],
    calls: &[
        "POST /applications/{application}/removePassword",
        "DELETE /applications/{application}/federatedIdentityCredentials/{credential}",
    ],
    reads: &[
        "GET /applications/{application}?$select=appId,passwordCredentials",
        "GET /applications/{application}/federatedIdentityCredentials",
    ],
};

/// A credential that is to be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    application: ObjectId,
    credential: Uuid,
    kind: Removable,
}

/// Kinds of credentials that can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Removable {
    /// A client secret.
    Password,
    /// Trust in tokens of another issuer.
    Federated,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    credential: Uuid,
    kind: Removable,
}

fn removal(value: &Value, application: ObjectId) -> Result<Removal, NotUnderstood> {
    let Which { credential, kind } = parameters(value)?;
    Ok(Removal { application, credential, kind })
}

impl Removal {
    /// Object id of the registration.
    #[must_use]
    pub const fn application(&self) -> ObjectId {
        self.application
    }

    /// The credential's id.
    #[must_use]
    pub const fn credential(&self) -> Uuid {
        self.credential
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Removable {
        self.kind
    }

    /// Whether this, in this tenant, is exactly what a finding says would mend it.
    #[must_use]
    pub fn is(&self, tenant: TenantId, mend: &Mend) -> bool {
        let (application, credential) = (self.application, self.credential);
        *mend
            == match self.kind {
                Removable::Password => Mend::RemovePassword { tenant, application, credential },
                Removable::Federated => Mend::RemoveFederated { tenant, application, credential },
            }
    }

    /// The one call that it is.
    pub(crate) fn effect(&self) -> Result<Effect, NotDeclared> {
        let Self { application, credential, kind } = self;
        let registration = format!("/applications/{application}");
        match kind {
            Removable::Password => {
                let body = Some(json!({ "keyId": credential }));
                Effect::of(self, "POST", format!("{registration}/removePassword"), body)
            }
            Removable::Federated => {
                let path = format!("{registration}/federatedIdentityCredentials/{credential}");
                Effect::of(self, "DELETE", path, None)
            }
        }
    }

    pub(super) fn parameters(&self) -> Value {
        json!({ "credential": self.credential, "kind": self.kind })
    }
}

impl Declares for Removal {
    fn reach(&self) -> &'static Reach {
        &REACH
    }

    fn place(&self, name: &str) -> Option<String> {
        match name {
            "application" => Some(self.application.to_string()),
            "credential" => Some(self.credential.to_string()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLICATION: ObjectId = ObjectId::new(Uuid::from_u128(0xa0));
    const CREDENTIAL: Uuid = Uuid::from_u128(0xc1);

    fn of(kind: &str) -> Removal {
        removal(&json!({ "credential": CREDENTIAL, "kind": kind }), APPLICATION).unwrap()
    }

    #[test]
    fn each_kind_is_one_call_that_names_this_credential_and_no_other() {
        let (password, federated) = (of("password"), of("federated"));
        let (password, federated) = (password.effect().unwrap(), federated.effect().unwrap());

        let registration = format!("/applications/{APPLICATION}");
        assert_eq!(password.method(), "POST");
        assert_eq!(password.path(), format!("{registration}/removePassword"));
        assert_eq!(password.body(), Some(&json!({ "keyId": CREDENTIAL })));
        assert_eq!(federated.method(), "DELETE");
        let path = format!("{registration}/federatedIdentityCredentials/{CREDENTIAL}");
        assert_eq!((federated.path(), federated.body()), (path.as_str(), None));
        for effect in [password, federated] {
            assert_eq!(effect.application(), "airlock-remediator");
        }
    }

    #[test]
    fn a_call_about_another_registration_or_credential_is_not_declared() {
        let (removal, other) = (of("federated"), Uuid::from_u128(7));
        let credentials = format!("/applications/{APPLICATION}/federatedIdentityCredentials");
        for (method, path) in [
            ("POST", format!("/applications/{other}/removePassword")),
            ("POST", format!("/applications/{APPLICATION}/addPassword")),
            ("DELETE", format!("{credentials}/{other}")),
            ("DELETE", format!("/applications/{APPLICATION}")),
            ("POST", credentials),
        ] {
            assert!(Effect::of(&removal, method, path.clone(), None).is_err(), "{method} {path}");
        }
    }

    #[test]
    fn a_removal_is_what_a_finding_says_only_if_all_of_it_is() {
        let tenant = TenantId::new(Uuid::from_u128(1));
        let (application, credential) = (APPLICATION, CREDENTIAL);
        let mend = Mend::RemovePassword { tenant, application, credential };
        let elsewhere = TenantId::new(Uuid::from_u128(2));
        let other = |value: u128| ObjectId::new(Uuid::from_u128(value));

        assert!(of("password").is(tenant, &mend));
        assert!(!of("password").is(elsewhere, &mend));
        assert!(!of("federated").is(tenant, &mend));
        for mend in [
            Mend::RemoveFederated { tenant, application, credential },
            Mend::RemovePassword { tenant, application: other(3), credential },
            Mend::RemovePassword { tenant, application, credential: other(3).uuid() },
        ] {
            assert!(!of("password").is(tenant, &mend), "{mend:?}");
        }
    }
}
