//! Who and where: tenants, directory objects, people, our own apps, roles.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// An id that is already a UUID.
            #[must_use]
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

id!(
    /// An Entra tenant (`tid`).
    TenantId
);
id!(
    /// A directory object in some tenant (`oid`).
    ObjectId
);

/// A person: an object id means nothing without its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonId {
    /// The tenant that the person signs in to.
    pub tid: TenantId,
    /// The person's object there.
    pub oid: ObjectId,
}

/// `entra:<tenant>:<object>`, the form in statements and policies.
impl fmt::Display for PersonId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "entra:{}:{}", self.tid, self.oid)
    }
}

/// One of our own applications, or the admin plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum App {
    /// Signs people in.
    Signin,
    /// Takes requests, judges them and signs permits.
    Intake,
    /// Carries permitted changes out.
    Execute,
    /// Rotates secrets.
    Rotate,
    /// Compares the world with what was declared.
    Drift,
    /// `airlockctl` in the hands of a platform engineer or a pipeline.
    Admin,
}

impl fmt::Display for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Signin => "signin",
            Self::Intake => "intake",
            Self::Execute => "execute",
            Self::Rotate => "rotate",
            Self::Drift => "drift",
            Self::Admin => "admin",
        })
    }
}

/// A role, as `airlock-portal` exposes it and a tenant's binding lets a home tenant confer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Asks for everyday work; sensitive work of theirs needs an approval.
    HelpdeskAgent,
    /// Asks for sensitive work without one.
    SeniorAgent,
    /// Decides what others ask.
    Approver,
    /// Sees everything, changes nothing.
    Auditor,
    /// Answers for a tenant.
    TenantAdmin,
    /// Answers for the deployment.
    PlatformAdmin,
}

impl Role {
    /// All six.
    pub const ALL: [Self; 6] = [
        Self::HelpdeskAgent,
        Self::SeniorAgent,
        Self::Approver,
        Self::Auditor,
        Self::TenantAdmin,
        Self::PlatformAdmin,
    ];

    /// The value of the app role in Entra.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HelpdeskAgent => "HelpdeskAgent",
            Self::SeniorAgent => "SeniorAgent",
            Self::Approver => "Approver",
            Self::Auditor => "Auditor",
            Self::TenantAdmin => "TenantAdmin",
            Self::PlatformAdmin => "PlatformAdmin",
        }
    }

    /// The role with this name in Entra.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}
