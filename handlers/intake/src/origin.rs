//! Where a browser's request comes from: exactly the portal, or it is not answered.

use airlock_azure::hosting::Refusal;
use airlock_core::problem::Problem;
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::state::Desk;

/// Refuses what another site's page sends, and answers the portal's preflights.
///
/// A client that is no browser sends neither `Origin` nor `Sec-Fetch-Site`; what it may do
/// without them is decided by how it shows its session.
pub async fn guard(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let portal = desk.manifest().portal.clone();
    if !is_welcome(request.headers(), &portal) {
        return Refusal::new(Problem::WRONG_ORIGIN).into_response();
    }
    let from_portal = request.headers().contains_key(header::ORIGIN);
    let mut response =
        if request.method() == Method::OPTIONS { preflight() } else { next.run(request).await };
    if from_portal && let Ok(origin) = HeaderValue::from_str(&portal) {
        share(response.headers_mut(), origin);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    response
}

/// `same-site` is the portal, `same-origin` nobody: both are let through only with the
/// portal's own origin, because a sibling host of the same site is not the portal.
fn is_welcome(headers: &HeaderMap, portal: &str) -> bool {
    let origin = headers.get(header::ORIGIN);
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let from_site = matches!(site, None | Some(b"same-origin" | b"same-site"));
    let from_portal = origin.is_none_or(|origin| origin.as_bytes() == portal.as_bytes());
    from_site && from_portal
}

/// Lets a page of this origin read the answer, and when to come again if it has to wait: without
/// being told so, a browser keeps `Retry-After` from it.
fn share(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let yes = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    let beside = HeaderValue::from_static("retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, beside);
}

fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, POST");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let allowed = "content-type, idempotency-key, traceparent, x-airlock-csrf";
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTAL: &str = "https://portal.example";

    fn from(origin: Option<&'static str>, site: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        if let Some(site) = site {
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
        }
        is_welcome(&headers, PORTAL)
    }

    #[test]
    fn the_portal_may_read_when_to_come_again() {
        let mut headers = HeaderMap::new();

        share(&mut headers, HeaderValue::from_static(PORTAL));

        assert_eq!(headers["access-control-allow-origin"], PORTAL);
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(headers["access-control-expose-headers"], "retry-after");
    }

    #[test]
    fn only_the_portals_own_pages_are_answered() {
        assert!(from(Some(PORTAL), Some("same-site")));
        assert!(from(Some(PORTAL), Some("same-origin")));
        assert!(from(None, None), "a client that is no browser");

        assert!(!from(Some("https://sibling.example"), Some("same-site")));
        assert!(!from(Some("https://evil.example"), Some("cross-site")));
        assert!(!from(Some(PORTAL), Some("cross-site")));
        assert!(!from(None, Some("cross-site")));
        assert!(!from(None, Some("none")), "an address typed in, or a link from outside");
        assert!(!from(Some("null"), Some("same-site")));
    }
}
