//! What the claims of a token must say, whoever it is for.

use std::fmt;

use airlock_core::{
    identity::{ObjectId, TenantId},
    time::Timestamp,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{NotAccepted, SKEW_S};

/// A JSON object in which no name stands twice.
pub(super) struct UniqueObject(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique;

        impl<'de> Visitor<'de> for Unique {
            type Value = UniqueObject;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<UniqueObject, A::Error> {
                let mut object = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if object.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name stands twice"));
                    }
                }
                Ok(UniqueObject(object))
            }
        }

        deserializer.deserialize_map(Unique)
    }
}

/// Checks issuer, tenant, audience, version and time; gives the object that it is about.
pub(super) fn check(
    claims: &Map<String, Value>,
    issuer: &str,
    tenant: TenantId,
    audience: ObjectId,
    now: Timestamp,
) -> Result<ObjectId, NotAccepted> {
    let text = |name: &'static str| {
        claims.get(name).and_then(Value::as_str).ok_or(NotAccepted::Claim(name))
    };
    let time = |name: &'static str| {
        let seconds = claims.get(name).and_then(Value::as_i64).ok_or(NotAccepted::Claim(name))?;
        Ok(Timestamp::from_unix_s(seconds))
    };
    let must = |holds: bool, name: &'static str| {
        if holds { Ok(()) } else { Err(NotAccepted::Claim(name)) }
    };
    must(text("ver")? == "2.0", "ver")?;
    must(text("iss")? == issuer, "iss")?;
    must(text("tid")? == tenant.to_string(), "tid")?;
    // One audience, as text: several would be several readers' token.
    must(text("aud")? == audience.to_string(), "aud")?;
    must(time("nbf")? <= now.plus_s(SKEW_S), "nbf")?;
    must(time("iat")? <= now.plus_s(SKEW_S), "iat")?;
    must(time("exp")?.plus_s(SKEW_S) > now, "exp")?;
    must(time("exp")? > time("nbf")?, "exp")?;
    text("oid")?.parse().map_err(|_| NotAccepted::Claim("oid"))
}
