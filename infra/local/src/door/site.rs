//! Function apps at their own host names, as the network within reaches them.
//!
//! What may be called there is how an app does, and nothing else: in Azure access restrictions keep
//! everybody out, and the private endpoint lets in who asks for that.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};

use super::serve::bare;
use crate::{
    cloud::{Answer, Asked},
    host::{Host, proxy::Body},
    package,
};

/// The one path.
const HEALTH: &str = "/health";
/// Largest answer that is passed on, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// The app with this host name.
#[must_use]
pub fn app(host: &str) -> Option<&'static str> {
    package::APPS.into_iter().find(|app| package::host(app).eq_ignore_ascii_case(host))
}

/// Answers one request.
pub async fn answer(host: Option<Arc<Host>>, asked: Asked) -> Answer {
    let app = asked.uri().host().and_then(app);
    let (Some(app), true) = (app, is_admitted(&asked)) else {
        return bare(StatusCode::FORBIDDEN);
    };
    // Before the host has started nobody is there.
    let Some(host) = host else { return bare(StatusCode::SERVICE_UNAVAILABLE) };
    let (mut head, body) = asked.into_parts();
    head.uri = Uri::from_static(HEALTH);
    let request = Request::from_parts(head, Full::from(body));
    let (head, body) = host.serve(app, &["health"], request).await.into_parts();
    match whole(body).await {
        Some(body) => Answer::from_parts(head, body),
        None => bare(StatusCode::BAD_GATEWAY),
    }
}

/// The body in one piece; none, if it broke off or is too large.
async fn whole(mut body: Body) -> Option<Bytes> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame.ok()?.into_data() else { continue };
        if read.len() + part.len() > MOST_BYTES {
            return None;
        }
        read.extend_from_slice(&part);
    }
    Some(read.freeze())
}

fn is_admitted(asked: &Asked) -> bool {
    asked.method() == Method::GET && asked.uri().path() == HEALTH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, url: &str) -> Asked {
        Request::builder().method(method).uri(url).body(Bytes::new()).unwrap()
    }

    #[tokio::test]
    async fn nothing_but_health_is_answered_at_an_apps_own_name() {
        let of = "http://airlock-local-execute.azurewebsites.net";

        for (method, path) in [
            (Method::GET, "/"),
            (Method::GET, "/execute"),
            (Method::POST, "/health"),
            (Method::GET, "/health/"),
            (Method::GET, "/admin/host/status"),
            (Method::GET, "/HEALTH"),
        ] {
            let refused = answer(None, asked(method, &format!("{of}{path}"))).await;
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
        }
        let early = answer(None, asked(Method::GET, &format!("{of}/health"))).await;
        assert_eq!(early.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn every_app_has_a_name_and_nobody_else() {
        assert_eq!(app("AIRLOCK-LOCAL-signin.azurewebsites.net"), Some("signin"));
        for other in ["airlock-local-admin.azurewebsites.net", "signin", "azurewebsites.net", ""] {
            assert_eq!(app(other), None, "{other}");
        }
    }
}
