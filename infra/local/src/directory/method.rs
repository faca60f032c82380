//! What people prove with who they are, besides a password.

use serde::Deserialize;

/// A registered authentication method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: MethodKind,
}

/// A kind of authentication method that can be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodKind {
    /// A telephone.
    Phone,
    /// Microsoft Authenticator.
    Authenticator,
    /// A FIDO2 key or passkey.
    Passkey,
    /// A software token.
    SoftwareOath,
    /// Windows Hello for Business.
    WindowsHello,
    /// An address, for resetting passwords only.
    Email,
}

impl MethodKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Phone,
        Self::Authenticator,
        Self::Passkey,
        Self::SoftwareOath,
        Self::WindowsHello,
        Self::Email,
    ];

    /// The kind as Graph's types spell it.
    #[must_use]
    pub const fn in_types(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Authenticator => "microsoftAuthenticator",
            Self::Passkey => "fido2",
            Self::SoftwareOath => "softwareOath",
            Self::WindowsHello => "windowsHelloForBusiness",
            Self::Email => "email",
        }
    }

    /// Whether it can be the default for signing in.
    #[must_use]
    pub const fn signs_in(self) -> bool {
        !matches!(self, Self::Email)
    }
}
