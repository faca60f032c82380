//! Services: programs that show a token of an issuer of their own.
//!
//! `Authorization: Bearer` at `POST /api/requests` is a service's; a person shows a session there
//! and signs what they ask. The binding of the tenant that is asked for says which issuers may
//! be, and it is signed: a stranger's token does not make us call anyone.
//!
//! A token can be bound to a client certificate (RFC 8705). Azure's front end ends TLS, and writes
//! the certificate that it saw into `X-ARR-ClientCert`. Only where an app asks for client
//! certificates does it take away what a caller wrote there; so that header counts for nothing
//! unless the binding registers the service as certificate-bound, which says that it does.

use airlock_azure::hosting::{Leave, Refusal};
use airlock_core::{
    digest::Digest,
    identity::TenantId,
    problem::Problem,
    reception::Caller,
    service::{SeenToken, ServiceAsk},
    trust::NotTrusted,
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::{bearer, caller::SignedIn, refusals, state::Desk};

/// Where Azure's front end says which client certificate it saw: base64 of its DER.
const CERTIFICATE: &str = "x-arr-clientcert";

/// The longest certificate that is read, in bytes of base64.
const MOST_BYTES: usize = 16 * 1024;

/// Whoever asks, as an extractor.
pub enum AnyCaller {
    /// A person who is signed in now.
    Person(Box<Caller>),
    /// Somebody with a bearer token that nobody has looked at yet: whose keys verify it, the
    /// tenant says that they ask for.
    Service(Leave),
}

/// What a service asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSubmission {
    /// Signed by nobody: the token says whose it is.
    pub ask: ServiceAsk,
}

impl FromRequestParts<Desk> for AnyCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Refusal> {
        if shows_bearer(&parts.headers) {
            return Ok(Self::Service(Leave::of(parts)?.clone()));
        }
        let SignedIn(caller) = SignedIn::from_request_parts(parts, desk).await?;
        Ok(Self::Person(Box::new(caller)))
    }
}

fn shows_bearer(headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.split_once(' '))
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
}

/// Verifies the token of a service that asks for something in a tenant.
///
/// # Errors
///
/// `not-verified` unless an issuer that the tenant's binding registers signed it, and it counts
/// now.
pub async fn seen(
    desk: &Desk,
    headers: &HeaderMap,
    tenant: TenantId,
    leave: &Leave,
) -> Result<SeenToken, Refusal> {
    let tokens = desk.azure().service_tokens();
    // Its form first: what is none must not even make us look up a tenant.
    let presented = tokens.look_at(bearer::token(headers)?).map_err(bearer::refused)?;
    let certificate = certificate(headers)?;
    let connected = desk.connected().await.map_err(refusals::port)?;
    let trust = connected.trust.trust().await.map_err(refusals::untrusted)?;
    let scope = connected.trust.scope(&trust, tenant).await.map_err(|error| match error {
        NotTrusted::NoBinding => Refusal::new(Problem::NOT_VERIFIED),
        error => refusals::untrusted(error),
    })?;
    let issuers = scope.terms().services.iter().map(|service| &service.issuer);
    if !issuers.into_iter().any(|issuer| issuer == presented.claimed_issuer()) {
        return Err(Refusal::new(Problem::NOT_VERIFIED));
    }
    let token = tokens.verify(presented, certificate).await.map_err(bearer::refused)?;
    // One caller, with however many tokens.
    leave.caller(&Digest::of(&[token.issuer.as_bytes(), b"\0", token.subject.as_bytes()]))?;
    Ok(token)
}

/// The thumbprint (`x5t#S256`) of the client certificate that the front end saw.
fn certificate(headers: &HeaderMap) -> Result<Option<Digest>, Refusal> {
    let mut values = headers.get_all(CERTIFICATE).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if value.len() <= MOST_BYTES => {
            let der = STANDARD.decode(value.as_bytes());
            let der = der.map_err(|error| Refusal::because(Problem::NOT_VERIFIED, error))?;
            Ok(Some(Digest::of(&[&der])))
        }
        _ => Err(Refusal::new(Problem::NOT_VERIFIED)),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn who_shows_a_bearer_token_is_a_service_and_nobody_else_is() {
        let shown = |values: &[&str]| shows_bearer(&headers("authorization", values));

        assert!(shown(&["Bearer a.b.c"]) && shown(&["bearer a.b.c"]));
        assert!(!shown(&[]) && !shown(&["Session abc"]) && !shown(&["Bearer"]));
    }

    #[test]
    fn a_certificate_is_known_by_the_digest_of_its_der() {
        let der = [0x30, 0x03, 0x02, 0x01, 0x07];
        let seen = |values: &[&str]| certificate(&headers(CERTIFICATE, values));

        assert_eq!(seen(&[]).unwrap(), None);
        assert_eq!(seen(&[&STANDARD.encode(der)]).unwrap(), Some(Digest::of(&[&der])));
        let long = "A".repeat(MOST_BYTES + 4);
        for bad in [&["%"][..], &["AAAA", "AAAA"], &[&long]] {
            assert_eq!(seen(bad).unwrap_err().problem(), Problem::NOT_VERIFIED);
        }
    }
}
