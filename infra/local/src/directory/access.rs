//! Conditional-access policies: what a tenant asks of whom before it lets them in.

use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// A conditional-access policy.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    /// Its id.
    pub id: Uuid,
    /// Display name.
    pub name: String,
    /// Whether it is in force.
    pub state: PolicyState,
    /// When it was created.
    pub created: OffsetDateTime,
    /// When it was last changed.
    pub modified: Option<OffsetDateTime>,
    /// Applications that it is about, by id, or `All`.
    pub applications: Vec<String>,
    /// Authentication contexts that it is about.
    pub contexts: Vec<String>,
    /// Groups that it is for; none means everybody.
    pub groups: Vec<Uuid>,
    /// Groups that it leaves out.
    pub excluded_groups: Vec<Uuid>,
    /// What it asks for: any of these.
    pub controls: Vec<String>,
    /// Whether it asks for a proof that cannot be phished.
    pub phishing_resistant: bool,
}

/// Whether a policy is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicyState {
    /// It is.
    Enabled,
    /// It is not.
    Disabled,
    /// It only reports what it would have done.
    EnabledForReportingButNotEnforced,
}

impl PolicyState {
    /// As Graph says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::EnabledForReportingButNotEnforced => "enabledForReportingButNotEnforced",
        }
    }
}
