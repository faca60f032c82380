//! What a service's verified token says.

use airlock_core::{
    digest::Digest,
    service::{Holder, SeenToken},
    time::Timestamp,
};
use serde_json::{Map, Value};

use crate::entra::NotAccepted;

/// Clock skew forgiven in `nbf`, `exp` and `iat`, in seconds.
const SKEW_S: i64 = 60;

/// The longest issuer, audience, subject or scope that is read, in bytes.
const MOST_BYTES: usize = 2048;

/// Checks time and form of claims whose signature holds.
///
/// # Errors
///
/// [`NotAccepted::Claim`], with the first that is not so.
pub(super) fn seen(
    claims: &Map<String, Value>,
    issuer: String,
    digest: Digest,
    certificate: Option<Digest>,
    now: Timestamp,
) -> Result<SeenToken, NotAccepted> {
    let must = |holds: bool, name: &'static str| {
        if holds { Ok(()) } else { Err(NotAccepted::Claim(name)) }
    };
    let expires = time(claims, "exp")?.ok_or(NotAccepted::Claim("exp"))?;
    let issued_at = time(claims, "iat")?.ok_or(NotAccepted::Claim("iat"))?;
    let from = time(claims, "nbf")?.unwrap_or(issued_at);
    must(issued_at <= now.plus_s(SKEW_S), "iat")?;
    must(from <= now.plus_s(SKEW_S), "nbf")?;
    must(expires.plus_s(SKEW_S) > now, "exp")?;
    must(expires > from, "exp")?;
    Ok(SeenToken {
        issuer,
        audience: audience(claims)?.to_owned(),
        subject: text(claims, "sub")?.to_owned(),
        scopes: scopes(claims)?,
        holder: holder(claims, certificate)?,
        digest,
    })
}

/// A claim that must be text, and some.
///
/// # Errors
///
/// [`NotAccepted::Claim`].
pub(super) fn text<'a>(
    claims: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a str, NotAccepted> {
    bounded(claims.get(name)).ok_or(NotAccepted::Claim(name))
}

fn bounded(value: Option<&Value>) -> Option<&str> {
    value?.as_str().filter(|text| (1..=MOST_BYTES).contains(&text.len()))
}

/// One audience, alone or in a list of its own: several would be several readers' token.
fn audience(claims: &Map<String, Value>) -> Result<&str, NotAccepted> {
    let only = match claims.get("aud") {
        Some(Value::Array(list)) if list.len() == 1 => list.first(),
        other => other,
    };
    bounded(only).ok_or(NotAccepted::Claim("aud"))
}

/// RFC 9068, section 2.2.3. A token without is a token for nothing.
fn scopes(claims: &Map<String, Value>) -> Result<Vec<String>, NotAccepted> {
    if !claims.contains_key("scope") {
        return Ok(Vec::new());
    }
    let text = text(claims, "scope")?;
    Ok(text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
}

/// RFC 8705, section 3.1. A token that is bound to anything else is nobody's whom we can see.
fn holder(claims: &Map<String, Value>, certificate: Option<Digest>) -> Result<Holder, NotAccepted> {
    let Some(confirms) = claims.get("cnf") else { return Ok(Holder::Anyone) };
    let malformed = NotAccepted::Claim("cnf");
    let members = confirms.as_object().filter(|members| members.len() == 1);
    let thumbprint = members.and_then(|members| members.get("x5t#S256")?.as_str());
    let thumbprint = thumbprint.and_then(Digest::parse).ok_or(malformed)?;
    Ok(if certificate == Some(thumbprint) { Holder::Certificate } else { Holder::SomebodyElse })
}

/// A time, if it is given: a whole number of seconds.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, NotAccepted> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            let seconds = value.as_i64().ok_or(NotAccepted::Claim(name))?;
            Ok(Some(Timestamp::from_unix_s(seconds)))
        }
    }
}
