//! What the API shows: sessions, requests, operations. Members that it may add are ignored.

use std::{fmt, str::FromStr};

use airlock_core::{
    digest::Digest,
    identity::{ObjectId, Role, TenantId},
    reception::RequestName,
    record::State,
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::me::Opened;
use crate::screen::Plain;

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

/// A request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestView {
    /// Its name.
    pub id: RequestId,
    /// How far it has come.
    pub state: State,
    /// What was asked.
    pub operation: String,
    /// On whom.
    pub target: ObjectId,
    /// Where.
    pub tenant: TenantId,
    /// By whom.
    pub requester: String,
    /// Why.
    pub purpose: String,
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

/// The catalog, as the API has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operations {
    /// Its entries.
    pub operations: Vec<OperationView>,
}

/// An operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperationView {
    /// Its name in requests.
    pub name: String,
    /// What it does.
    pub summary: String,
    /// How dangerous it is.
    pub risk: String,
    /// Whether its result is a secret for the requester alone.
    pub secret: bool,
}

impl RequestView {
    /// How far it has come, in a few words.
    #[must_use]
    pub fn standing(&self) -> String {
        let state = self.state.name().replace('_', " ");
        let waits = match self.needs_approvals.saturating_sub(self.approvals) {
            _ if self.state != State::Pending => String::new(),
            1 => ", waits for 1 approval".to_owned(),
            missing => format!(", waits for {missing} approvals"),
        };
        let reason = self.outcome.as_ref().and_then(|outcome| outcome.reason.as_deref());
        let reason = reason.filter(|reason| !reason.is_empty());
        let reason = reason.map_or_else(String::new, |reason| format!(": {}", Plain(reason)));
        let secret = match self.reveal {
            Some(Reveal::Ready) => " (its secret can be seen once)",
            Some(Reveal::Revealed) => " (its secret was seen)",
            None => "",
        };
        format!("{state}{waits}{reason}{secret}")
    }
}

/// All that a person needs to decide, out of the signed request; only the state is the API's word.
impl fmt::Display for Opened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = &self.says;
        let id = RequestId { tenant: says.tenant(), digest: says.digest() };
        writeln!(formatter, "request   {id}")?;
        writeln!(formatter, "state     {}", self.standing)?;
        writeln!(formatter, "operation {}: {}", says.entry().name, says.entry().summary)?;
        writeln!(formatter, "user      {}", says.target())?;
        if says.parameters().as_object().is_some_and(|parameters| !parameters.is_empty()) {
            writeln!(formatter, "with      {}", Plain(&says.parameters().to_string()))?;
        }
        writeln!(formatter, "tenant    {}", says.tenant())?;
        writeln!(formatter, "asked by  {}", Plain(says.requester()))?;
        writeln!(formatter, "purpose   {}", Plain(says.purpose()))?;
        write!(formatter, "asked     {}, until {}", says.asked_at(), says.expires())
    }
}

/// What the API says of a request.
impl fmt::Display for RequestView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "request   {}", self.id)?;
        writeln!(formatter, "state     {}", self.standing())?;
        writeln!(formatter, "operation {}", Plain(&self.operation))?;
        writeln!(formatter, "user      {}", self.target)?;
        writeln!(formatter, "tenant    {}", self.tenant)?;
        writeln!(formatter, "asked by  {}", Plain(&self.requester))?;
        writeln!(formatter, "purpose   {}", Plain(&self.purpose))?;
        write!(formatter, "asked     {}, until {}", self.asked_at, self.expires)
    }
}

/// One line for each.
impl fmt::Display for Requests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requests.is_empty() {
            return formatter.write_str("no requests");
        }
        for (index, request) in self.requests.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            let (operation, purpose) = (Plain(&request.operation), Plain(&request.purpose));
            write!(
                formatter,
                "{}  {}  {operation} of {}  {purpose:?}  {}",
                request.id,
                request.asked_at,
                request.target,
                request.standing(),
                purpose = purpose.to_string(),
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for SessionView {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles: Vec<&str> = self.roles.iter().map(|role| role.name()).collect();
        let roles = if roles.is_empty() { "none".to_owned() } else { roles.join(", ") };
        writeln!(formatter, "name     {}", Plain(&self.name))?;
        writeln!(formatter, "person   {}", self.oid)?;
        writeln!(formatter, "tenant   {}", self.tid)?;
        writeln!(formatter, "roles    {roles}")?;
        if !self.acrs.is_empty() {
            writeln!(formatter, "contexts {}", Plain(&self.acrs.join(", ")))?;
        }
        write!(formatter, "until    {}, or {} without a call", self.expires, self.idle_expires)
    }
}

impl fmt::Display for Operations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.operations.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
        for (index, entry) in self.operations.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            let (name, risk) = (Plain(&entry.name).to_string(), Plain(&entry.risk).to_string());
            write!(formatter, "{name:widest$}  {risk:6}  {}", Plain(&entry.summary))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";

    fn shown(state: &str) -> serde_json::Value {
        json!({
            "id": format!("{TENANT}.{}", Digest::of(&[b"x"])),
            "state": state,
            "operation": "account.disable",
            "target": TENANT,
            "tenant": TENANT,
            "requester": "entra:a:b",
            "purpose": "left\u{1b}[1A",
            "asked_at": 1_700_000_000,
            "expires": 1_700_028_800,
            "needs_approvals": 1,
            "approvals": 0,
            "later": "ignored",
        })
    }

    #[test]
    fn an_id_is_a_tenant_and_a_digest() {
        let text = format!("{TENANT}.{}", Digest::of(&[b"x"]));

        assert_eq!(text.parse::<RequestId>().unwrap().to_string(), text);
        for bad in ["", TENANT, "x.y", "605d9d43-3534-4810-8152-9d01a268ad22."] {
            assert_eq!(bad.parse::<RequestId>(), Err(NotAnId), "{bad}");
        }
    }

    #[test]
    fn a_request_is_shown_with_what_it_waits_for_and_without_control_characters() {
        let view: RequestView = serde_json::from_value(shown("pending")).unwrap();

        let text = view.to_string();

        assert!(text.contains("state     pending, waits for 1 approval\n"), "{text}");
        assert!(text.contains(r"purpose   left\u{1b}[1A"), "{text}");
        assert!(text.contains("asked     2023-11-14T22:13:20Z, until"), "{text}");
    }

    #[test]
    fn an_ending_is_shown_with_its_reason() {
        let mut json = shown("refused");
        json["outcome"] = json!({ "ending": "refused", "reason": "the target is protected" });
        let view: RequestView = serde_json::from_value(json).unwrap();

        assert_eq!(view.standing(), "refused: the target is protected");
    }
}
