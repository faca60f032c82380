//! Secrets that are changed on schedule.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::openapi::forms::{ObjectId, Timestamp};

/// A secret, and how far its rotation has come.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SecretKind,
    /// Days after which it is replaced, at the latest.
    pub max_age_days: u32,
    /// Hours for which the one before stays valid beside it.
    pub overlap_hours: u32,
    /// People of the tenant who answer for it.
    pub owners: Vec<ObjectId>,
    /// How far its rotation has come.
    pub stage: SecretStage,
    /// Since when the credential in use is valid. Absent if there is none yet, or it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Timestamp)]
    pub active_since: Option<Timestamp>,
    /// Its age, in seconds. Absent with `active_since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64)]
    pub age_s: Option<i64>,
    /// When it is replaced, at the latest. Absent with `active_since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Timestamp)]
    pub next: Option<Timestamp>,
    /// Whether nothing is in use that is as young as it must be. Absent if what is recorded is not
    /// verified, as all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool)]
    pub overdue: Option<bool>,
    /// Whether nothing goes on before a person admits the new key to the keyset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool)]
    pub waits_for_admission: Option<bool>,
    /// Changes in a row whose new credential did not prove good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32)]
    pub failures: Option<u32>,
    /// When the credentials before it are removed, each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Timestamp>)]
    pub old: Option<Vec<Timestamp>>,
}

/// What a secret is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// A client secret of an Entra application.
    EntraClientSecret,
    /// A Key Vault key that wraps data keys.
    KeyVaultKey,
    /// Random bytes that somebody else compares.
    Generated,
    /// A Key Vault key with which an app of the deployment signs.
    SigningKey,
    /// The Key Vault key under which what is held of sessions is kept.
    SessionKey,
}

/// How far a secret's rotation has come.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretStage {
    /// Nothing was begun yet.
    Unknown,
    /// Nothing is being changed.
    Active,
    /// A change is planned.
    Planned,
    /// A new credential exists beside the one in use.
    Added,
    /// The new one is where its users find it.
    Stored,
    /// The new one was used, and accepted.
    Proved,
    /// The new one did not prove good, and is being taken back.
    Refused,
    /// What is recorded is about another thing than is bound by this name: nothing is done.
    OfAnother,
    /// What is recorded is not what the service wrote: an alarm, and nothing more is told.
    NotVerified,
}

#[cfg(test)]
mod tests {
    use airlock_core::{
        reception::{Recorded, SecretStage as Stage, SecretView},
        time::Timestamp as At,
    };
    use serde_json::json;

    use super::*;

    fn told_as_written(view: &SecretView) {
        let written = serde_json::to_value(view).unwrap();

        let read: Secret = serde_json::from_value(written.clone()).unwrap();

        assert_eq!(serde_json::to_value(read).unwrap(), written);
    }

    #[test]
    fn a_secret_is_told_as_it_is_described_in_every_stage_and_of_every_kind() {
        let at = At::from_unix_s(1_700_000_000);
        let stages = [
            Stage::Unknown,
            Stage::Active,
            Stage::Planned,
            Stage::Added,
            Stage::Stored,
            Stage::Proved,
            Stage::Refused,
            Stage::OfAnother,
            Stage::NotVerified,
        ];
        for (stage, kind) in stages.into_iter().zip(
            ["entra_client_secret", "key_vault_key", "generated", "signing_key", "session_key"]
                .into_iter()
                .cycle(),
        ) {
            let recorded = || Recorded {
                active_since: Some(at),
                age_s: Some(7),
                next: Some(at),
                overdue: false,
                waits_for_admission: true,
                failures: 1,
                old: vec![at],
            };
            let none = || Recorded { active_since: None, age_s: None, next: None, ..recorded() };
            for recorded in [None, Some(recorded()), Some(none())] {
                told_as_written(&SecretView {
                    name: serde_json::from_value(json!("payroll")).unwrap(),
                    kind,
                    max_age_days: 90,
                    overlap_hours: 24,
                    owners: vec![
                        serde_json::from_value(json!("7f4e3c1a-0000-4000-8000-00000000c0de"))
                            .unwrap(),
                    ],
                    stage,
                    recorded,
                });
            }
        }
    }
}
