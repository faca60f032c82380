//! What deviates from what was declared.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::openapi::forms::{Digest, ObjectId, TenantId, Timestamp, UniqueId};

/// Something that deviates from what was declared, or a source that could not be read.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// Names it, for as long as it deviates and ever after.
    pub fingerprint: Digest,
    /// The check that found it; `unreadable`, if it is about a source; `stored-finding`, if it is
    /// about a stored finding that is not what `drift` wrote.
    pub check: String,
    /// What it is about.
    pub subject: String,
    /// How it compares.
    pub verdict: FindingVerdict,
    /// How bad it is.
    pub severity: Severity,
    /// What that means. Absent if the check is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub explanation: Option<String>,
    /// What mends it. Absent if the check is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub remediation: Option<String>,
    /// What was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub declared: Option<String>,
    /// What is there: no value of a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    pub found: Option<String>,
    /// Names all of that. The tenant's terms accept a finding together with this: what becomes of
    /// the thing later is open again.
    pub evidence: Digest,
    /// When it was first seen, since it was last seen to be gone.
    pub first_seen: Timestamp,
    /// When it was last written down that it was seen.
    pub last_seen: Timestamp,
    /// How it is dealt with.
    #[serde(flatten)]
    pub state: FindingState,
    /// What Airlock can do about it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Mend)]
    pub mend: Option<Mend>,
    /// All of this, as `drift` signed it: a JWS of the type `finding+jwt`.
    pub signed: String,
}

/// How something compares with what was declared.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FindingVerdict {
    /// It is as declared.
    Match,
    /// It is not.
    Drift,
    /// It could not be looked at.
    Unreadable,
    /// It could not be looked at for more than an hour.
    Stale,
}

/// How bad a finding is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is open, and something does not work as it should.
    Low,
    /// A promise rests on fewer things than it should.
    Medium,
    /// A promise is likely to be broken before long.
    High,
    /// A promise is broken now.
    Critical,
}

/// How a finding is dealt with.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FindingState {
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

/// A change that takes a deviation away.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mend {
    /// Remove a password from an app registration.
    RemovePassword {
        /// Where the registration is.
        tenant: TenantId,
        /// Its object id.
        application: ObjectId,
        /// The password's `keyId`.
        credential: UniqueId,
    },
    /// Remove a federated credential from an app registration.
    RemoveFederated {
        /// Where the registration is.
        tenant: TenantId,
        /// Its object id.
        application: ObjectId,
        /// The credential's object id.
        credential: UniqueId,
    },
}

#[cfg(test)]
mod tests {
    use airlock_core::{
        digest::Digest as Sha256,
        drift::{check, severity},
        finding::{State, Verdict},
        reception::FindingView,
        time::Timestamp as At,
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn a_finding_is_told_as_it_is_described_in_every_state_and_of_every_kind() {
        let at = At::from_unix_s(1_700_000_000);
        let mend = |kind: &str| -> Option<check::Mend> {
            let id = "7f4e3c1a-0000-4000-8000-00000000c0de";
            let mend = json!({ "kind": kind, "tenant": id, "application": id, "credential": id });
            Some(serde_json::from_value(mend).unwrap())
        };
        let mends = [None, mend("remove_password"), mend("remove_federated")];
        let states = [
            State::Open,
            State::Accepted { reason: "known".to_owned(), until: at },
            State::Remediating { attempt: 2, since: at },
            State::Resolved { at },
        ];
        let severities = [
            severity::Severity::Low,
            severity::Severity::Medium,
            severity::Severity::High,
            severity::Severity::Critical,
        ];
        let verdicts = [Verdict::Match, Verdict::Drift, Verdict::Unreadable, Verdict::Stale];
        let each = states.into_iter().zip(severities).zip(verdicts).zip(mends.into_iter().cycle());
        for (((state, severity), verdict), mend) in each {
            let view = FindingView {
                fingerprint: Sha256::of(&[b"it"]),
                check: "function".to_owned(),
                subject: "function/x".to_owned(),
                verdict,
                severity,
                explanation: mend.is_none().then_some("what it means"),
                remediation: mend.is_none().then_some("what mends it"),
                declared: Some("none".to_owned()),
                found: None,
                evidence: Sha256::of(&[b"what was seen"]),
                first_seen: at,
                last_seen: at,
                state,
                mend,
                signed: "a.b.c".to_owned(),
            };
            let written = serde_json::to_value(&view).unwrap();

            let read: Finding = serde_json::from_value(written.clone()).unwrap();

            assert_eq!(serde_json::to_value(read).unwrap(), written);
        }
    }
}
