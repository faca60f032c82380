//! From where a call comes: the portal in a browser, or a client that is no browser.
//!
//! Three things guard against another site's page that uses a person's browser: Fetch Metadata,
//! the `Origin` (exactly the portal's), and for unsafe methods a token that only the session's
//! holder knows. None of them is optional, and none is enough alone.

use airlock_azure::hosting::Refusal;
use airlock_core::{problem::Problem, session_record::CSRF_HEADER};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts},
};
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::desk::Signin;

/// Where a script stands in relation to us (W3C Fetch Metadata).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How long a browser may keep what a preflight told it.
const PREFLIGHT: Duration = Duration::from_mins(10);

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visitor {
    /// A script of the portal, in a browser that vouches for it.
    Portal,
    /// Something that is no browser: it sends neither `Origin` nor Fetch Metadata.
    Client,
}

/// The call comes from a page that is not the portal's, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFromThere {
    /// Another origin, none at all, or several.
    #[error("origin is not the portal's")]
    Origin,
    /// Another site, or a browser that does not say.
    #[error("fetch metadata does not say same-origin or same-site")]
    Site,
}

/// Tells who calls something that changes state, or starts a sign-in.
///
/// # Errors
///
/// [`NotFromThere`] for every browser that does not vouch for the portal.
pub fn whence(portal: &str, headers: &HeaderMap) -> Result<Visitor, NotFromThere> {
    if !headers.contains_key(header::ORIGIN) && !headers.contains_key(FETCH_SITE) {
        return Ok(Visitor::Client);
    }
    if only(headers, &header::ORIGIN) != Some(portal.as_bytes()) {
        return Err(NotFromThere::Origin);
    }
    is_same_site(only(headers, &FETCH_SITE)).then_some(Visitor::Portal).ok_or(NotFromThere::Site)
}

/// Checks that a browser's form was sent by a page of our own API, and nothing else sent it.
///
/// # Errors
///
/// [`NotFromThere`].
pub fn is_own_page(api: &str, headers: &HeaderMap) -> Result<(), NotFromThere> {
    if only(headers, &header::ORIGIN) != Some(api.as_bytes()) {
        return Err(NotFromThere::Origin);
    }
    if only(headers, &FETCH_SITE) != Some(b"same-origin") {
        return Err(NotFromThere::Site);
    }
    Ok(())
}

/// Checks that a browser's call which only looks is not another site's doing.
///
/// Browsers send no `Origin` with a `GET` to the same origin, and old ones no Fetch Metadata;
/// what they do send must be right.
///
/// # Errors
///
/// [`NotFromThere`].
pub fn may_look(portal: &str, headers: &HeaderMap) -> Result<(), NotFromThere> {
    if headers.contains_key(header::ORIGIN)
        && only(headers, &header::ORIGIN) != Some(portal.as_bytes())
    {
        return Err(NotFromThere::Origin);
    }
    if headers.contains_key(FETCH_SITE) && !is_same_site(only(headers, &FETCH_SITE)) {
        return Err(NotFromThere::Site);
    }
    Ok(())
}

fn is_same_site(site: Option<&[u8]>) -> bool {
    matches!(site, Some(b"same-origin" | b"same-site"))
}

/// The value of a header that stands once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// CORS with credentials, for scripts of exactly one origin.
///
/// # Errors
///
/// If the origin cannot stand in a header.
pub fn cors(portal: &str) -> Result<CorsLayer, axum::http::header::InvalidHeaderValue> {
    let portal = HeaderValue::from_str(portal)?;
    Ok(CorsLayer::new()
        // A list of one and not `exact`, which would name the portal to every origin.
        .allow_origin(AllowOrigin::list([portal]))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            HeaderName::from_static(CSRF_HEADER),
            HeaderName::from_static("traceparent"),
        ])
        .expose_headers([header::RETRY_AFTER])
        .max_age(PREFLIGHT))
}

impl From<NotFromThere> for Refusal {
    fn from(error: NotFromThere) -> Self {
        Self::because(Problem::WRONG_ORIGIN, error)
    }
}

impl FromRequestParts<Signin> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, signin: &Signin) -> Result<Self, Refusal> {
        Ok(whence(&signin.manifest().portal, &parts.headers)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const PORTAL: &str = "https://portal.example";

    fn headers(origins: &[&str], sites: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        for site in sites {
            headers.append(FETCH_SITE, HeaderValue::from_str(site).unwrap());
        }
        headers
    }

    /// Every origin by every Fetch Metadata: what is made of a call that changes something,
    /// and whether it may look.
    #[test]
    fn only_the_portal_and_what_is_no_browser_may_act() {
        let origins: [&[&str]; 7] = [
            &[],
            &[PORTAL],
            &["https://portal.example:443"],
            &["https://PORTAL.example"],
            &["https://evil.example"],
            &["null"],
            &[PORTAL, PORTAL],
        ];
        let sites: [&[&str]; 6] = [
            &[],
            &["same-origin"],
            &["same-site"],
            &["cross-site"],
            &["none"],
            &["same-site", "cross-site"],
        ];

        let mut table = format!("{:47} | {:22} | acts as | may look\n", "Origin", "Sec-Fetch-Site");
        for origin in origins {
            for site in sites {
                let headers = headers(origin, site);
                let acts = match whence(PORTAL, &headers) {
                    Ok(Visitor::Portal) => "portal",
                    Ok(Visitor::Client) => "client",
                    Err(NotFromThere::Origin) => "origin!",
                    Err(NotFromThere::Site) => "site!",
                };
                let looks = match may_look(PORTAL, &headers) {
                    Ok(()) => "yes",
                    Err(NotFromThere::Origin) => "origin!",
                    Err(NotFromThere::Site) => "site!",
                };
                let shown = |values: &[&str]| match values {
                    [] => "(none)".to_owned(),
                    values => values.join(" + "),
                };
                let (origin, site) = (shown(origin), shown(site));
                writeln!(table, "{origin:47} | {site:22} | {acts:7} | {looks}").unwrap();
            }
        }

        println!("{table}");
        assert_eq!(table, include_str!("origin_matrix.txt"));
    }
}
