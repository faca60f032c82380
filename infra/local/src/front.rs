//! What people's browsers and clients reach: the API's origin and the portal's, two of one site.
//!
//! The API's is what Azure Front Door is before `signin` and `intake`: it answers under one host
//! name, passes on what is publicly routed and nothing else, and says who called.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::{
    cloud::Shared,
    door::Lost,
    host::{
        Host,
        proxy::{self, Body},
    },
};

mod between;
mod page;

/// A caller that does not finish its headers in this time has none.
const HEADERS: Duration = Duration::from_secs(30);
/// Where Azure's front end says which client certificate it saw. This one speaks no TLS and sees
/// none.
const CLIENT_CERTIFICATE: &str = "x-arr-clientcert";
/// Before accepting again when the machine is out of sockets.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);

/// Where the portal, the API and intake's confirmations are served. Bound before anything else, so
/// that a taken port is found at once.
pub struct Listeners {
    /// The portal's origin.
    pub portal: Vec<TcpListener>,
    /// The API's origin.
    pub api: Vec<TcpListener>,
    /// Called by `signin` alone, and not publicly routed.
    pub confirmations: TcpListener,
}

/// Binds a port on both loopback addresses, because browsers take `localhost` for either.
///
/// # Errors
///
/// If it is taken on one of them. A machine without IPv6 has only the other.
pub fn bind(port: u16) -> io::Result<Vec<TcpListener>> {
    let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = four.local_addr()?.port();
    let mut both = vec![four];
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(six) => both.push(six),
        Err(taken) if taken.kind() == io::ErrorKind::AddrInUse => return Err(taken),
        Err(_) => {}
    }
    Ok(both)
}

/// Serves all three from now on.
///
/// # Errors
///
/// If a listener cannot be used.
pub fn open(cloud: &Shared, host: &Arc<Host>, listeners: Listeners) -> io::Result<()> {
    for listener in listeners.portal {
        let (cloud, host) = (Arc::clone(cloud), Arc::clone(host));
        accept(listener, move |request, _| {
            let answer = portal(&cloud, &host, &request);
            async { Ok(answer) }
        })?;
    }
    for listener in listeners.api {
        let (cloud, host) = (Arc::clone(cloud), Arc::clone(host));
        accept(listener, move |request, caller| {
            let (cloud, host) = (Arc::clone(&cloud), Arc::clone(&host));
            async move { api(&cloud, &host, request, caller).await }
        })?;
    }
    let (cloud, host) = (Arc::clone(cloud), Arc::clone(host));
    accept(listeners.confirmations, move |request, _| {
        let (cloud, host) = (Arc::clone(&cloud), Arc::clone(&host));
        async move { between::pass_on(&cloud, &host, "confirmations", request).await }
    })
}

/// Passes a public request on.
///
/// # Errors
///
/// [`Lost`] if it shall not be answered.
async fn api(
    cloud: &Shared,
    host: &Host,
    mut request: Request<Incoming>,
    caller: SocketAddr,
) -> Result<Response<Body>, Lost> {
    let Some(name) = served_as(&cloud.names.api, &request) else {
        return Ok(proxy::bare(StatusCode::MISDIRECTED_REQUEST));
    };
    let path = request.uri().path();
    if !is_plain(path) {
        return Ok(proxy::bare(StatusCode::NOT_FOUND));
    }
    let mut segments = path.split('/').skip(1);
    let (app, open) = match (segments.next(), segments.next(), segments.next()) {
        (Some("auth"), ..) => ("signin".to_owned(), "auth"),
        (Some("api"), ..) => ("intake".to_owned(), "api"),
        // Each app has its own; behind one host name they need names of their own.
        (Some("health"), Some(app), None) => {
            let app = app.to_owned();
            *request.uri_mut() = Uri::from_static("/health");
            (app, "health")
        }
        _ => return Ok(proxy::bare(StatusCode::NOT_FOUND)),
    };
    vouch(&mut request, &name, caller);
    if request.uri().path() == between::IN_A_PERSONS_NAME {
        return between::pass_on(cloud, host, open, request).await;
    }
    Ok(host.serve(&app, &[open], request).await)
}

/// The name that this origin answers to, if the request asks for it.
fn served_as<B>(origin: &str, request: &Request<B>) -> Option<HeaderValue> {
    let (_, name) = origin.split_once("://")?;
    let asked = request.headers().get(header::HOST)?;
    asked.as_bytes().eq_ignore_ascii_case(name.as_bytes()).then(|| asked.clone())
}

/// Whether no segment of a path leads up, however it is written. Whoever normalizes later would
/// see another path than the one that was let through here.
fn is_plain(path: &str) -> bool {
    let path =
        path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    !path.split(['/', '\\']).any(|segment| segment == "." || segment == "..")
}

/// Says who called and how, in the place of what the caller says about itself.
fn vouch<B>(request: &mut Request<B>, name: &HeaderValue, caller: SocketAddr) {
    let headers = request.headers_mut();
    let claimed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            name.as_str().starts_with("x-forwarded-")
                || *name == header::FORWARDED
                || *name == CLIENT_CERTIFICATE
        })
        .cloned()
        .collect();
    for name in claimed {
        headers.remove(name);
    }
    if let Ok(caller) = HeaderValue::from_str(&caller.to_string()) {
        headers.insert("x-forwarded-for", caller);
    }
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    headers.insert("x-forwarded-host", name.clone());
}

/// The portal's origin: static files, no handler behind it.
fn portal<B>(cloud: &Shared, host: &Host, request: &Request<B>) -> Response<Body> {
    if served_as(&cloud.names.portal, request).is_none() {
        return proxy::bare(StatusCode::MISDIRECTED_REQUEST);
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return proxy::bare(StatusCode::METHOD_NOT_ALLOWED);
    }
    match request.uri().path() {
        "/" => file("text/html; charset=utf-8", page::render(cloud, &host.processes())),
        "/style.css" => file("text/css; charset=utf-8", page::STYLE.to_owned()),
        _ => proxy::bare(StatusCode::NOT_FOUND),
    }
}

fn file(media: &'static str, text: String) -> Response<Body> {
    let body = Full::from(text).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    for (name, value) in [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "no-store"),
        // No script runs on this page, and none can be put there.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Answers every connection of a listener, each in a task of its own.
fn accept<H, A>(listener: TcpListener, answer: H) -> io::Result<()>
where
    H: Fn(Request<Incoming>, SocketAddr) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response<Body>, Lost>> + Send + 'static,
{
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, caller)) = listener.accept().await else {
                tokio::time::sleep(OUT_OF_SOCKETS).await;
                continue;
            };
            // Without it small answers wait for an acknowledgement, but they do arrive.
            drop(stream.set_nodelay(true));
            let answer = answer.clone();
            // To hyper an error means: close the connection, unanswered.
            let service = service_fn(move |request| answer(request, caller));
            tokio::spawn(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADERS)
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request = Request::new(());
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    }

    #[test]
    fn a_caller_cannot_say_where_it_calls_from() {
        let mut forged = request(&[
            ("host", "localhost:7071"),
            ("x-forwarded-for", "203.0.113.1"),
            ("x-forwarded-for", "203.0.113.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "443"),
            ("forwarded", "for=203.0.113.1"),
            ("x-arr-clientcert", "MAMCAQc="),
        ]);
        let caller = SocketAddr::from(([127, 0, 0, 1], 4711));

        vouch(&mut forged, &HeaderValue::from_static("localhost:7071"), caller);

        let all = |name: &str| -> Vec<&str> {
            forged.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
        };
        assert_eq!(all("x-forwarded-for"), ["127.0.0.1:4711"]);
        assert_eq!(all("x-forwarded-proto"), ["http"]);
        assert_eq!(all("x-forwarded-host"), ["localhost:7071"]);
        assert!(all("x-forwarded-port").is_empty());
        assert!(all("forwarded").is_empty());
        assert!(all("x-arr-clientcert").is_empty());
    }

    #[test]
    fn an_origin_answers_to_its_own_name_alone() {
        let origin = "http://localhost:7071";

        assert!(served_as(origin, &request(&[("host", "localhost:7071")])).is_some());
        assert!(served_as(origin, &request(&[("host", "LOCALHOST:7071")])).is_some());
        for other in ["localhost:7070", "localhost", "attacker.example:7071", "127.0.0.1:7071"] {
            assert!(served_as(origin, &request(&[("host", other)])).is_none(), "{other}");
        }
        assert!(served_as(origin, &request(&[])).is_none());
    }

    #[test]
    fn a_path_that_leads_elsewhere_for_someone_else_is_not_passed_on() {
        for plain in ["/api/requests", "/api/", "/api/a..b", "/auth/callback", "/api/a%2Fb"] {
            assert!(is_plain(plain), "{plain}");
        }
        for elsewhere in [
            "/api/../internal/confirmations",
            "/api/%2e%2E/internal/confirmations",
            "/api/.%2e/x",
            "/api/./x",
            "/api/..%2finternal",
            "/api\\..\\internal",
            "/api/..%5cinternal",
        ] {
            assert!(!is_plain(elsewhere), "{elsewhere}");
        }
    }
}
