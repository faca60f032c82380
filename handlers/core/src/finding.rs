//! Findings: what `drift` saw when it compared something with what was declared.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    drift::{check::Mend, severity::Severity},
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
    /// What deviates, if it is [drift](crate::drift) that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drifted>,
}

/// Something that deviates from what was declared, and how it was dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drifted {
    /// Names it, for as long as it deviates and ever after.
    pub fingerprint: Digest,
    /// The check that found it; or `unreadable`, of a source.
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// What is there. No value of a secret, and no person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// When it was first seen, since it was last seen to be gone.
    pub first_seen: Timestamp,
    /// When it was last written down that it was seen.
    pub last_seen: Timestamp,
    /// How it is dealt with.
    pub state: State,
    /// What Airlock could do about it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<Mend>,
}

impl Drifted {
    /// Names what was seen of it: the thing, what was declared, what is there and how bad that is.
    ///
    /// Who accepts a finding accepts this, and not what becomes of the thing later.
    #[must_use]
    pub fn evidence(&self) -> Digest {
        let severity = self.severity.name();
        let texts = [Some(severity), self.declared.as_deref(), self.found.as_deref()];
        let mut seen = b"airlock evidence 1\0".to_vec();
        // The fingerprint is of the place, the check and the thing.
        seen.extend(self.fingerprint.as_bytes());
        for text in texts {
            // With its length: what is declared never runs into what is found. No text has the
            // length that none has.
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            seen.extend(length.to_be_bytes());
            seen.extend(text.unwrap_or_default().as_bytes());
        }
        Digest::of(&[&seen])
    }
}

/// How a finding is dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum State {
    /// Nobody has done anything about it yet.
    Open,
    /// The tenant's terms take it as it is.
    Accepted {
        /// Why.
        reason: String,
        /// Until when.
        until: Timestamp,
    },
    /// Airlock was asked to mend it.
    Remediating {
        /// Counts the times that it was asked.
        attempt: u32,
        /// When it was asked last.
        since: Timestamp,
    },
    /// It was seen to be gone.
    Resolved {
        /// When.
        at: Timestamp,
    },
}

impl State {
    /// Its word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted { .. } => "accepted",
            Self::Remediating { .. } => "remediating",
            Self::Resolved { .. } => "resolved",
        }
    }
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
    /// It could not be looked at for so long that what was seen before counts no more.
    Stale,
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
