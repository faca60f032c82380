//! The person behind a request: a session, shown by a browser's cookie or by a client's header.

use airlock_azure::hosting::{Leave, Refusal};
use airlock_core::{
    digest::Digest,
    identity::PersonId,
    problem::Problem,
    reception::Caller,
    secret::{Secret, equal},
    session_record::{COOKIE, CSRF_HEADER, NoSession, SCHEME, csrf_token, find},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Method, header, request::Parts},
};

use crate::{refusals, state::Desk};

/// A person who is signed in now, as an extractor.
pub struct SignedIn(pub Caller);

impl FromRequestParts<Desk> for SignedIn {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Refusal> {
        let cookie = shown(&parts.headers, &parts.method)?;
        let connected = desk.connected().await.map_err(refusals::port)?;
        let now = connected.ports.clock.now();
        let trust = connected.trust.trust().await.map_err(refusals::untrusted)?;
        let session = find(&*connected.ports.documents, &trust, cookie.expose(), now).await;
        if matches!(session, Err(NoSession::NotGenuine(_))) {
            connected.reception.notice(None, None).await;
        }
        let session = session.map_err(no_session)?;
        let evidence = session.body.person;
        let person = evidence
            .verify(&trust, now)
            .map_err(|error| Refusal::because(Problem::NOT_SIGNED_IN, error))?;
        // One caller, with however many sessions.
        let PersonId { tid, oid } = person.id();
        Leave::of(parts)?.caller(&Digest::of(&[tid.uuid().as_bytes(), oid.uuid().as_bytes()]))?;
        Ok(Self(Caller { evidence, person }))
    }
}

/// The session cookie's value, from wherever it was shown.
fn shown(headers: &HeaderMap, method: &Method) -> Result<Secret, Refusal> {
    let not_signed_in = || Refusal::new(Problem::NOT_SIGNED_IN);
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return value
            .to_str()
            .ok()
            .and_then(|value| value.strip_prefix(SCHEME)?.strip_prefix(' '))
            .map(|value| Secret::new(value.to_owned()))
            .ok_or_else(not_signed_in);
    }
    let cookie = cookie(headers).ok_or_else(not_signed_in)?;
    if !method.is_safe() && !carries_csrf_token(headers, &cookie) {
        return Err(Refusal::new(Problem::WRONG_ORIGIN));
    }
    Ok(cookie)
}

/// The one cookie of that name; two of them mean that somebody planted one.
fn cookie(headers: &HeaderMap) -> Option<Secret> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE);
    let (_, value) = found.next()?;
    found.next().is_none().then(|| Secret::new(value.to_owned()))
}

fn carries_csrf_token(headers: &HeaderMap, cookie: &Secret) -> bool {
    let expected = csrf_token(cookie.expose());
    // A browser names the origin with every unsafe request; `origin::guard` compared it.
    headers.contains_key(header::ORIGIN)
        && headers
            .get(CSRF_HEADER)
            .is_some_and(|token| equal(token.as_bytes(), expected.as_bytes()))
}

fn no_session(error: NoSession) -> Refusal {
    match error {
        NoSession::Over => Refusal::new(Problem::NOT_SIGNED_IN),
        NoSession::NotGenuine(error) => Refusal::because(Problem::INTEGRITY, error),
        NoSession::Port(error) => refusals::port(error),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn with_cookie() -> (&'static str, String) {
        ("cookie", format!("other=1; {COOKIE}=abc"))
    }

    #[test]
    fn a_cookie_is_enough_to_look_and_not_to_change() {
        let only_cookie = headers(&[with_cookie()]);

        assert_eq!(shown(&only_cookie, &Method::GET).unwrap().expose(), "abc");
        assert!(shown(&only_cookie, &Method::POST).is_err());
    }

    #[test]
    fn a_change_needs_the_sessions_own_token_and_an_origin() {
        let origin = ("origin", "https://portal.example".to_owned());
        let token = ("x-airlock-csrf", csrf_token("abc"));
        let other = ("x-airlock-csrf", csrf_token("abd"));

        let whole = headers(&[with_cookie(), origin.clone(), token.clone()]);
        assert!(shown(&whole, &Method::POST).is_ok());
        let without_origin = headers(&[with_cookie(), token]);
        assert!(shown(&without_origin, &Method::POST).is_err());
        let of_another = headers(&[with_cookie(), origin, other]);
        assert!(shown(&of_another, &Method::POST).is_err());
    }

    #[test]
    fn two_session_cookies_are_none() {
        let planted = headers(&[with_cookie(), ("cookie", format!("{COOKIE}=planted"))]);

        assert!(shown(&planted, &Method::GET).is_err());
    }

    #[test]
    fn a_header_that_is_not_ours_is_not_passed_over_for_the_cookie() {
        let mixed = headers(&[with_cookie(), ("authorization", "Bearer abc".to_owned())]);

        assert!(shown(&mixed, &Method::GET).is_err());
    }
}
