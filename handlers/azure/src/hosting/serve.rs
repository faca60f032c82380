//! The HTTP server that the Functions host calls.

use std::{io, net::Ipv4Addr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use airlock_core::{functions::is_traceparent, problem::Problem};
use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::get,
    serve::ListenerExt as _,
};
use futures::FutureExt as _;
use tokio::net::TcpListener;
use tracing::{Instrument as _, Span, field::Empty};

use super::{
    Handler, Refusal,
    health::{self, Running},
    json::MOST_BYTES,
    trace::current_traceparent,
};

/// Listens, answers the host's probe, and only then connects.
///
/// Beside the app's routes there is `GET /health`, which tells whether the dependencies work.
/// It is not routed to the public, and calls nothing. It tells what package runs, too.
///
/// Runs until the process is killed, which is how the Functions host ends one.
///
/// # Errors
///
/// If the port cannot be listened on.
pub async fn serve(handler: &Handler, routes: Router) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, handler.settings.port)).await?;
    tracing::info!(app = %handler.app, port = handler.settings.port, "listening");
    tokio::spawn(health::watch(Arc::clone(&handler.azure)));
    // Answers are small: none may wait for the next to fill a packet.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY not set");
        }
    });
    let health = Arc::clone(handler.azure.health());
    let running = Running::beside_the_program();
    let routes = routes.merge(health::route(handler.app, health, running));
    axum::serve(listener, router(routes)).await
}

/// An app's routes with everything that all apps answer alike: the probe at `/`, problems for
/// what is not there, limits, security headers, the trace.
///
/// # Panics
///
/// If the routes answer `/` themselves.
pub fn router(routes: Router) -> Router {
    routes
        .route("/", get(async || "ready"))
        .fallback(async || Refusal::new(Problem::NOT_FOUND))
        .method_not_allowed_fallback(async || Refusal::new(Problem::METHOD))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(from_fn(without_panics))
        .layer(from_fn(in_problems))
        .layer(from_fn(with_security_headers))
        .layer(from_fn(in_its_trace))
}

/// A panic is told to the log where it happens. Whoever called is told no more than that it was
/// our fault.
async fn without_panics(request: Request, next: Next) -> Response {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| Refusal::new(Problem::INTERNAL).into_response())
}

/// Refusals of axum's own extractors are plain text, which can quote the request.
async fn in_problems(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let plain = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/plain"));
    if !plain || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => Problem::METHOD,
        StatusCode::PAYLOAD_TOO_LARGE => Problem::TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::MEDIA_TYPE,
        status if status.is_client_error() => Problem::NOT_UNDERSTOOD,
        _ => Problem::INTERNAL,
    };
    Refusal::new(problem).into_response()
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What every answer says to browsers and caches, unless it says otherwise itself.
const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
];

async fn with_security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Answers in a span of its own, below the caller's if there is one, and tells the log how.
async fn in_its_trace(request: Request, next: Next) -> Response {
    let method = method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        error.type = Empty,
        traceparent = traceparent(request.headers()),
    );
    let begun = Instant::now();
    let answer = async {
        let response = next.run(below_this_span(request)).await;
        let status = response.status().as_u16();
        Span::current().record("http.response.status_code", status);
        if status >= 500 {
            Span::current().record("error.type", status);
        }
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        // What can have changed something is worth a line, and whatever went wrong has one
        // already. A function that is not HTTP says itself what it did.
        if is_change(method, route) {
            tracing::info!(method, route, status, ms, "answered");
        } else {
            tracing::debug!(method, route, status, ms, "answered");
        }
        response
    };
    answer.instrument(span).await
}

/// A request whose `traceparent` names the current span: what a route passes on, or writes into
/// the ledger, is below it.
fn below_this_span(mut request: Request) -> Request {
    if let Some(traceparent) = current_traceparent()
        && let Ok(value) = HeaderValue::try_from(traceparent)
    {
        request.headers_mut().insert(TRACEPARENT, value);
    }
    request
}

/// The method, of those that exist: a stranger's may be any word.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "_OTHER",
    }
}

/// Whether an answer was one to a caller who can have changed something. A function that is not
/// HTTP has its name for a path, of one segment.
fn is_change(method: &str, route: Option<&str>) -> bool {
    let invoked = route.is_some_and(|route| route.matches('/').count() == 1);
    !matches!(method, "GET" | "HEAD" | "OPTIONS") && !invoked
}

/// The W3C trace context that a request names, if it is one: to a route, our own span of it.
#[must_use]
pub fn traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get(TRACEPARENT)?.to_str().ok().filter(|text| is_traceparent(text))
}

#[cfg(test)]
mod tests {
    use airlock_core::identity::App;
    use axum::{
        body::{Body, to_bytes},
        extract::Query,
        routing::post,
    };
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;
    use crate::hosting::Json;

    async fn asked(method: Method, path: &str, body: &str) -> (StatusCode, HeaderMap, Value) {
        let routes = Router::new()
            .route("/echo", post(async |Json(body): Json<Value>| Json(body)))
            .route("/pot", get(async |Query((pot,)): Query<(u32,)>| pot.to_string()))
            .route("/broken", get(broken))
            .merge(health::route(App::Drift, Arc::default(), Running::nowhere()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();

        let response = router(routes).oneshot(request).await.unwrap();

        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    #[tokio::test]
    async fn the_hosts_probe_is_answered() {
        assert_eq!(asked(Method::GET, "/", "").await.0, StatusCode::OK);
    }

    async fn broken() -> StatusCode {
        panic!("nina@contoso.example stands in {}", "hunter2")
    }

    #[tokio::test]
    async fn health_is_what_is_known_already_and_the_process_is_up_whatever_it_is() {
        let (status, _, body) = asked(Method::GET, "/health", "").await;

        assert_eq!(status, StatusCode::OK);
        insta::assert_json_snapshot!(body, @r#"
        {
          "app": "drift",
          "status": "up",
          "vault": "unknown",
          "store": "unknown",
          "bus": "unknown"
        }
        "#);
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_and_quotes_nothing() {
        let (status, headers, body) = asked(Method::GET, "/broken", "").await;

        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body["type"], "https://airlock.invalid/problems/internal");
        assert!(!body.to_string().contains("hunter2"));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn only_what_can_have_changed_something_is_worth_a_line() {
        assert!(is_change("POST", Some("/api/requests")));
        assert!(is_change("_OTHER", None));
        assert!(!is_change("GET", Some("/api/requests")));
        assert!(!is_change("POST", Some("/execute")));
    }

    #[tokio::test]
    async fn what_is_not_there_is_a_problem() {
        let (status, _, body) = asked(Method::GET, "/tea", "").await;

        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(body["type"], "https://airlock.invalid/problems/not-found");
    }

    #[tokio::test]
    async fn another_method_is_a_problem_that_names_the_right_one() {
        let (status, headers, body) = asked(Method::DELETE, "/echo", "").await;

        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(headers[header::ALLOW], "POST");
        assert_eq!(body["type"], "https://airlock.invalid/problems/method-not-allowed");
    }

    #[tokio::test]
    async fn what_an_extractor_of_axum_refuses_is_a_problem_and_quotes_nothing() {
        let (status, headers, body) = asked(Method::GET, "/pot?pot=hunter2", "").await;

        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        assert!(!body.to_string().contains("hunter2"));
    }

    #[tokio::test]
    async fn a_megabyte_is_too_large() {
        let body = format!("\"{}\"", "a".repeat(1 << 20));

        assert_eq!(asked(Method::POST, "/echo", &body).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn every_answer_forbids_caching_sniffing_and_framing() {
        for (method, path) in [(Method::POST, "/echo"), (Method::GET, "/tea"), (Method::GET, "/")] {
            let (_, headers, _) = asked(method, path, "1").await;

            for (name, value) in SECURITY_HEADERS {
                assert_eq!(headers[name], value);
            }
        }
    }

    #[test]
    fn only_a_well_formed_trace_is_taken_over() {
        assert!(is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
