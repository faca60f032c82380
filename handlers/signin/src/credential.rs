//! By what a caller is known: the session cookie of a browser, or the same value in a header
//! from a client that is no browser.
//!
//! Whoever holds a [`Credential`] has passed the rules against other sites' pages; whether there
//! is a session for it, [`Live`](crate::live::Live) tells.

use airlock_azure::hosting::Refusal;
use airlock_core::{
    problem::Problem,
    secret,
    session_record::{CSRF_HEADER, SCHEME, csrf_token},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Method, header, request::Parts},
};

use crate::{
    cookies::{self, Doubled},
    desk::Signin,
    opaque::Opaque,
    origin::{NotFromThere, Visitor, may_look, whence},
};

/// The name of a session, from a caller that may use it.
pub struct Credential {
    cookie: Opaque,
}

/// A credential of a client that is no browser, if it sent one.
pub struct Previous(pub Option<Opaque>);

/// Why a caller is not known, or not listened to.
#[derive(Debug, thiserror::Error)]
pub enum NotKnown {
    /// It names no session.
    #[error("no session named")]
    Nobody,
    /// It names one twice, or in two ways.
    #[error("session named twice")]
    Twice,
    /// It comes from another page than the portal's.
    #[error("from another origin")]
    FromThere(#[from] NotFromThere),
    /// The token that only the session's holder knows is missing or wrong.
    #[error("CSRF token missing or wrong")]
    Csrf,
}

impl Credential {
    /// Reads the credential of a request.
    ///
    /// # Errors
    ///
    /// [`NotKnown`].
    pub fn read(portal: &str, method: &Method, headers: &HeaderMap) -> Result<Self, NotKnown> {
        match (headers.contains_key(header::AUTHORIZATION), cookies::has_session(headers)) {
            (true, true) => Err(NotKnown::Twice),
            (true, false) => in_header(portal, headers).map(|cookie| Self { cookie }),
            (false, _) => in_cookie(portal, method, headers).map(|cookie| Self { cookie }),
        }
    }

    /// The session's cookie.
    #[must_use]
    pub const fn cookie(&self) -> &Opaque {
        &self.cookie
    }
}

fn in_header(portal: &str, headers: &HeaderMap) -> Result<Opaque, NotKnown> {
    // No browser sends this by itself, and ours never does.
    if whence(portal, headers)? != Visitor::Client {
        return Err(NotFromThere::Origin.into());
    }
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(NotKnown::Twice);
    };
    let text = value.to_str().map_err(|_| NotKnown::Nobody)?;
    let (scheme, credential) = text.split_once(' ').ok_or(NotKnown::Nobody)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(NotKnown::Nobody);
    }
    Opaque::parse(credential).ok_or(NotKnown::Nobody)
}

fn in_cookie(portal: &str, method: &Method, headers: &HeaderMap) -> Result<Opaque, NotKnown> {
    let cookie = cookies::session(headers)?.ok_or(NotKnown::Nobody)?;
    if method.is_safe() {
        may_look(portal, headers)?;
        return Ok(cookie);
    }
    // A browser's cookie without a browser's headers is not a client's credential.
    if whence(portal, headers)? != Visitor::Portal {
        return Err(NotFromThere::Origin.into());
    }
    let mut tokens = headers.get_all(CSRF_HEADER).iter();
    let (Some(token), None) = (tokens.next(), tokens.next()) else { return Err(NotKnown::Csrf) };
    let is_right = secret::equal(token.as_bytes(), csrf_token(cookie.expose()).as_bytes());
    is_right.then_some(cookie).ok_or(NotKnown::Csrf)
}

impl From<Doubled> for NotKnown {
    fn from(_: Doubled) -> Self {
        Self::Twice
    }
}

impl From<NotKnown> for Refusal {
    fn from(error: NotKnown) -> Self {
        match error {
            NotKnown::Nobody => Self::new(Problem::NOT_SIGNED_IN),
            NotKnown::Twice => Self::because(Problem::NOT_UNDERSTOOD, error),
            NotKnown::FromThere(error) => error.into(),
            NotKnown::Csrf => Self::because(Problem::WRONG_ORIGIN, error),
        }
    }
}

impl FromRequestParts<Signin> for Credential {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, signin: &Signin) -> Result<Self, Refusal> {
        Ok(Self::read(&signin.manifest().portal, &parts.method, &parts.headers)?)
    }
}

impl FromRequestParts<Signin> for Previous {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, signin: &Signin) -> Result<Self, Refusal> {
        let headers = &parts.headers;
        if !headers.contains_key(header::AUTHORIZATION) {
            return Ok(Self(None));
        }
        Ok(Self(Some(in_header(&signin.manifest().portal, headers)?)))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PORTAL: &str = "https://portal.example";
    const COOKIE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// What the portal's script sends when it changes something.
    fn good() -> HeaderMap {
        headers(&[
            ("cookie", &format!("__Host-airlock={COOKIE}")),
            ("origin", PORTAL),
            ("sec-fetch-site", "same-site"),
            ("x-airlock-csrf", &csrf_token(COOKIE)),
        ])
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: axum::http::HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn read(method: &Method, headers: &HeaderMap) -> &'static str {
        match Credential::read(PORTAL, method, headers) {
            Ok(credential) => {
                assert_eq!(credential.cookie().expose(), COOKIE);
                "known"
            }
            Err(NotKnown::Nobody) => "nobody",
            Err(NotKnown::Twice) => "twice",
            Err(NotKnown::FromThere(_)) => "from there",
            Err(NotKnown::Csrf) => "csrf",
        }
    }

    #[test]
    fn a_change_needs_the_cookie_the_portal_and_the_token() {
        assert_eq!(read(&Method::POST, &good()), "known");
        for (missing, outcome) in [
            ("cookie", "nobody"),
            ("origin", "from there"),
            ("sec-fetch-site", "from there"),
            ("x-airlock-csrf", "csrf"),
        ] {
            let mut headers = good();
            headers.remove(missing);

            assert_eq!(read(&Method::POST, &headers), outcome, "without {missing}");
        }
        for (name, value, outcome) in [
            ("origin", "https://evil.example", "from there"),
            ("sec-fetch-site", "cross-site", "from there"),
            ("x-airlock-csrf", COOKIE, "csrf"),
            ("x-airlock-csrf", "", "csrf"),
        ] {
            let mut headers = good();
            headers.insert(name, HeaderValue::from_static(value));

            assert_eq!(read(&Method::POST, &headers), outcome, "{name}: {value}");
        }
        let mut headers = good();
        headers.append("x-airlock-csrf", HeaderValue::from_str(&csrf_token(COOKIE)).unwrap());
        assert_eq!(read(&Method::POST, &headers), "csrf");
    }

    #[test]
    fn looking_needs_no_token_but_no_other_site_may_look() {
        let cookie = format!("__Host-airlock={COOKIE}");
        let looked = |more: &[(&str, &str)]| {
            let mut pairs = vec![("cookie", cookie.as_str())];
            pairs.extend_from_slice(more);
            read(&Method::GET, &headers(&pairs))
        };

        assert_eq!(looked(&[]), "known");
        assert_eq!(looked(&[("origin", PORTAL), ("sec-fetch-site", "same-site")]), "known");
        assert_eq!(looked(&[("sec-fetch-site", "cross-site")]), "from there");
        assert_eq!(looked(&[("sec-fetch-site", "none")]), "from there");
        assert_eq!(looked(&[("origin", "https://evil.example")]), "from there");
    }

    #[test]
    fn a_client_that_is_no_browser_sends_the_header_and_nothing_of_a_browser() {
        let session = format!("Session {COOKIE}");
        let sent = |more: &[(&str, &str)]| {
            let mut pairs = vec![("authorization", session.as_str())];
            pairs.extend_from_slice(more);
            read(&Method::POST, &headers(&pairs))
        };
        let cookie = format!("__Host-airlock={COOKIE}");

        assert_eq!(sent(&[]), "known");
        assert_eq!(sent(&[("cookie", &cookie)]), "twice");
        assert_eq!(sent(&[("authorization", &session)]), "twice");
        assert_eq!(sent(&[("origin", PORTAL), ("sec-fetch-site", "same-site")]), "from there");
        assert_eq!(sent(&[("origin", "https://evil.example")]), "from there");
    }

    #[test]
    fn another_scheme_or_form_names_nobody() {
        for value in ["Session", "Session x", "Bearer AAAA", "Session  x", COOKIE] {
            let sent = headers(&[("authorization", value)]);

            assert_eq!(read(&Method::GET, &sent), "nobody", "{value}");
        }
    }
}
