//! Findings: what `drift` saw when it compared something with what was declared.

use serde::{Deserialize, Serialize};

use crate::{
    identity::{App, TenantId},
    jws::{Artefact, Typ},
    keyset::Issued,
    time::Timestamp,
};

/// `kind` of a stored finding.
pub const KIND: &str = "finding";

/// How one thing compares. Signed by `drift`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Always `drift`.
    pub iss: App,
    /// The tenant that it is about.
    pub tnt: TenantId,
    /// What was compared, such as `step-up/c1`.
    pub subject: String,
    /// How it compares.
    pub verdict: Verdict,
    /// When it was looked at.
    pub iat: Timestamp,
    /// Until when it may be relied upon.
    pub exp: Timestamp,
}

/// How something compares with what was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is as declared.
    Match,
    /// It is not.
    Drift,
    /// It could not be looked at.
    Unreadable,
}

/// The body of a stored finding.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredFinding {
    /// By `drift`.
    pub finding: crate::jws::Signed<Finding>,
}

impl Artefact for Finding {
    const TYP: Typ = Typ::Finding;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        Some(self.exp)
    }
}

impl Issued for Finding {
    fn issuer(&self) -> App {
        self.iss
    }
}
