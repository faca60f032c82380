//! What the API shows: sessions, requests, the catalog. Members that it may add are ignored.

pub mod catalog;
pub mod findings;
pub mod secrets;
pub mod text;

use std::{fmt, str::FromStr};

use airlock_core::{
    catalog::{Target, target},
    digest::Digest,
    identity::{ObjectId, PersonId, Role, TenantId},
    reception::RequestName,
    record::State,
    time::Timestamp,
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, IntoDeserializer as _},
};

/// Names a request: its tenant and its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId {
    /// The tenant that is changed.
    pub tenant: TenantId,
    /// What decisions are made about.
    pub digest: Digest,
}

/// The text is not the id of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a request: it has the form <tenant>.<digest>")]
pub struct NotAnId;

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, digest } = *self;
        fmt::Display::fmt(&RequestName { tenant, digest }, formatter)
    }
}

impl FromStr for RequestId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let RequestName { tenant, digest } = RequestName::parse(text).ok_or(NotAnId)?;
        Ok(Self { tenant, digest })
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// How far a request has come, as the API shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// As it is recorded.
    Recorded(State),
    /// It waits for approvals, and its time is over.
    Expired,
}

/// What [`Progress::Expired`] is called.
const EXPIRED: &str = "expired";

impl Progress {
    /// Whether it is recorded so.
    #[must_use]
    pub fn is(self, state: State) -> bool {
        self == Self::Recorded(state)
    }

    /// Whether nothing more will happen to it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Recorded(state) => state.is_final(),
            Self::Expired => true,
        }
    }

    /// What the API calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorded(state) => state.name(),
            Self::Expired => EXPIRED,
        }
    }
}

impl Serialize for Progress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Progress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name == EXPIRED {
            return Ok(Self::Expired);
        }
        State::deserialize(name.into_deserializer()).map(Self::Recorded)
    }
}

/// A request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestView {
    /// Its name.
    pub id: RequestId,
    /// How far it has come.
    pub state: Progress,
    /// What was asked.
    pub operation: String,
    /// On what.
    #[serde(with = "target::in_a_word")]
    pub target: Target,
    /// Where.
    pub tenant: TenantId,
    /// By whom.
    pub requester: String,
    /// Why.
    pub purpose: String,
    /// The ticket that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Whether it is an emergency.
    #[serde(default)]
    pub break_glass: bool,
    /// When.
    pub asked_at: Timestamp,
    /// Until when it may be carried out.
    pub expires: Timestamp,
    /// Approvals that it needs in all.
    pub needs_approvals: u32,
    /// Approvals that it has.
    pub approvals: u32,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeView>,
    /// Whether an emergency waits for its review, or had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    /// Whether there is a secret to see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reveal: Option<Reveal>,
}

/// How a request ended, by the worker's word.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutcomeView {
    /// `succeeded`, `refused`, `failed` or `unknown`.
    pub ending: String,
    /// Why, if it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The secret result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reveal {
    /// It can be seen, once.
    Ready,
    /// It was seen.
    Revealed,
}

/// The review of an emergency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Review {
    /// Somebody else must look at it.
    Due,
    /// Somebody did.
    Done,
}

/// A list of requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Requests {
    /// Newest first.
    pub requests: Vec<RequestView>,
}

/// A session, as the API tells its owner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionView {
    /// SHA-256 of the session's id.
    pub sid: Digest,
    /// Tenant that the person signed in to.
    pub tid: TenantId,
    /// The person there.
    pub oid: ObjectId,
    /// The person's name.
    pub name: String,
    /// Roles that the tenant conferred.
    pub roles: Vec<Role>,
    /// Authentication contexts that were satisfied.
    #[serde(default)]
    pub acrs: Vec<String>,
    /// Its absolute end.
    pub expires: Timestamp,
    /// Its end without a call.
    pub idle_expires: Timestamp,
}

impl SessionView {
    /// Whose it is.
    #[must_use]
    pub const fn person(&self) -> PersonId {
        PersonId { tid: self.tid, oid: self.oid }
    }
}

impl RequestView {
    /// The user that it changes, if it is one.
    #[must_use]
    pub fn user(&self) -> Option<PersonId> {
        self.target.user().map(|oid| PersonId { tid: self.tenant, oid })
    }

    /// Why it ended as it did, if anything was said about that.
    #[must_use]
    pub fn because(&self) -> Option<&str> {
        let reason = self.outcome.as_ref()?.reason.as_deref();
        reason.filter(|reason| !reason.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";

    #[test]
    fn an_id_is_a_tenant_and_a_digest() {
        let text = format!("{TENANT}.{}", Digest::of(&[b"x"]));

        assert_eq!(text.parse::<RequestId>().unwrap().to_string(), text);
        for bad in ["", TENANT, "x.y", "605d9d43-3534-4810-8152-9d01a268ad22."] {
            assert_eq!(bad.parse::<RequestId>(), Err(NotAnId), "{bad}");
        }
    }

    #[test]
    fn a_request_whose_time_is_over_has_ended() {
        let read = |name: &str| serde_json::from_value::<Progress>(name.into());

        assert_eq!(read("expired").unwrap(), Progress::Expired);
        assert!(read("expired").unwrap().is_final());
        assert_eq!(read("turned_down").unwrap(), Progress::Recorded(State::TurnedDown));
        assert!(!read("pending").unwrap().is_final());
        assert!(read("gone").is_err());
        assert_eq!(serde_json::to_value(Progress::Expired).unwrap(), "expired");
    }
}
