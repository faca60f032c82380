//! What a verified token says.

use std::fmt;

use airlock_core::{
    identity::{ObjectId, Role, TenantId},
    time::Timestamp,
};
use serde_json::{Map, Value};

use super::NotAccepted;

/// Clock skew forgiven in `nbf`, `exp` and `iat`, in seconds.
///
/// Microsoft allows five minutes; the platform keeps our clocks, and Entra keeps its own.
pub(super) const SKEW_S: i64 = 60;

/// What a verified token says. Only its verification makes one.
pub struct Claims {
    tenant: TenantId,
    object: ObjectId,
    expires: Timestamp,
    all: Map<String, Value>,
}

/// What a token must say about itself.
pub(super) struct Expected {
    pub(super) issuer: String,
    pub(super) tenant: TenantId,
    pub(super) audience: ObjectId,
    pub(super) now: Timestamp,
}

impl Claims {
    /// Checks issuer, tenant, audience, version and time, of claims whose signature holds.
    ///
    /// # Errors
    ///
    /// [`NotAccepted::Claim`], with the first that is not so.
    pub(super) fn check(all: Map<String, Value>, expected: &Expected) -> Result<Self, NotAccepted> {
        let Expected { issuer, tenant, audience, now } = expected;
        let must = |holds: bool, name: &'static str| {
            if holds { Ok(()) } else { Err(NotAccepted::Claim(name)) }
        };
        must(required(&all, "ver")? == "2.0", "ver")?;
        must(required(&all, "iss")? == issuer, "iss")?;
        must(required(&all, "tid")? == tenant.to_string(), "tid")?;
        // One audience, as text: several would be several readers' token.
        must(required(&all, "aud")? == audience.to_string(), "aud")?;
        let [from, issued, expires] = [time(&all, "nbf")?, time(&all, "iat")?, time(&all, "exp")?];
        must(from <= now.plus_s(SKEW_S), "nbf")?;
        must(issued <= now.plus_s(SKEW_S), "iat")?;
        must(expires.plus_s(SKEW_S) > *now, "exp")?;
        must(expires > from, "exp")?;
        let object = id(&all, "oid")?;
        Ok(Self { tenant: *tenant, object, expires, all })
    }

    /// The tenant that issued it.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Whom it is about: a person, an agent's user account, or a service principal.
    #[must_use]
    pub const fn object(&self) -> ObjectId {
        self.object
    }

    /// From when on it no longer counts.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Every claim.
    #[must_use]
    pub const fn all(&self) -> &Map<String, Value> {
        &self.all
    }

    /// A claim that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.as_str()
    }

    /// App roles that are ours. Others count for nothing.
    #[must_use]
    pub fn roles(&self) -> Vec<Role> {
        self.texts("roles").filter_map(Role::named).collect()
    }

    /// Authentication contexts that were satisfied.
    #[must_use]
    pub fn acrs(&self) -> Vec<String> {
        self.texts("acrs").map(str::to_owned).collect()
    }

    /// When the person last proved who they are.
    #[must_use]
    pub fn auth_time(&self) -> Option<Timestamp> {
        self.all.get("auth_time")?.as_i64().map(Timestamp::from_unix_s)
    }

    /// The texts of a claim that is an array, or a single text.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let claim = self.all.get(name);
        let single = claim.and_then(Value::as_str);
        let several = claim.and_then(Value::as_array).into_iter().flatten();
        several.filter_map(Value::as_str).chain(single)
    }

    /// A claim that is an id, in the one spelling that Entra writes.
    ///
    /// # Errors
    ///
    /// [`NotAccepted::Claim`].
    pub(super) fn id(&self, name: &'static str) -> Result<ObjectId, NotAccepted> {
        id(&self.all, name)
    }
}

fn required<'a>(
    claims: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a str, NotAccepted> {
    claims.get(name).and_then(Value::as_str).ok_or(NotAccepted::Claim(name))
}

fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Timestamp, NotAccepted> {
    let seconds = claims.get(name).and_then(Value::as_i64).ok_or(NotAccepted::Claim(name))?;
    Ok(Timestamp::from_unix_s(seconds))
}

/// One spelling: a second one of the same id must not count as somebody else further on.
fn id(claims: &Map<String, Value>, name: &'static str) -> Result<ObjectId, NotAccepted> {
    let text = required(claims, name)?;
    let id: ObjectId = text.parse().map_err(|_| NotAccepted::Claim(name))?;
    if id.to_string() == text { Ok(id) } else { Err(NotAccepted::Claim(name)) }
}

/// The tenant that unverified claims name.
pub(super) fn claimed_tenant(claims: &Map<String, Value>) -> Result<TenantId, NotAccepted> {
    id(claims, "tid").map(|id| TenantId::new(id.uuid()))
}

/// The claims are about a person.
impl fmt::Debug for Claims {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Claims").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}
