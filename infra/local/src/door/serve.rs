//! The accept loop: HTTP/1.1 and HTTP/2 on one port, with and without TLS.
//!
//! Own, because `warp::serve` neither sets `TCP_NODELAY`, which costs 40 ms on every small
//! answer, nor speaks TLS.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::Authority};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tower::Service as _;
use warp::{Filter, filters::path::FullPath};

use crate::cloud::{Answer, Asked};

/// Largest body that is read, in bytes.
const BODY_BYTES: usize = 4 * 1024 * 1024;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The answer is not sent: the connection closes instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer is lost on purpose")
    }
}

impl std::error::Error for Lost {}

/// Serves connections for as long as the process lives.
pub async fn serve<F, A>(listener: TcpListener, tls: Option<Arc<ServerConfig>>, answer: F)
where
    F: Fn(Asked) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Answer, Lost>> + Send + 'static,
{
    let tls = tls.map(TlsAcceptor::from);
    loop {
        let stream = accepted(&listener).await;
        let (tls, answer) = (tls.clone(), answer.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, answer).await,
                Some(tls) => {
                    // Who does not finish the handshake is told nothing.
                    if let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await {
                        connection(stream, answer).await;
                    }
                }
            }
        });
    }
}

/// The next connection.
pub async fn accepted(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            // A connection that takes no options is gone already.
            Ok((stream, _)) if stream.set_nodelay(true).is_ok() => return stream,
            Ok(_) => {}
            // Out of file descriptors, most likely: they come back as calls end.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection<S, F, A>(stream: S, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Asked) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Answer, Lost>> + Send + 'static,
{
    let filtered = warp::service(anything(answer));
    let service = service_fn(move |request| {
        let mut filtered = filtered.clone();
        async move {
            let answer = match filtered.call(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            // To hyper an error means: close (HTTP/1.1) or reset the stream (HTTP/2), unanswered.
            if answer.extensions().get::<Unanswered>().is_some() { Err(Lost) } else { Ok(answer) }
        }
    });
    // The peer learns of its own errors by the connection's end, and nobody else needs to.
    let _ended =
        Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

/// Marks an answer that must not be sent: a warp filter cannot fail to answer.
#[derive(Clone, Copy)]
struct Unanswered;

/// One filter for every request.
fn anything<F, A>(
    answer: F,
) -> impl Filter<Extract = (Answer,), Error = warp::Rejection> + Clone + Send + Sync + 'static
where
    F: Fn(Asked) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Answer, Lost>> + Send + 'static,
{
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::host::optional())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(move |method, path: FullPath, query: String, host, headers, body| {
            let answer = answer.clone();
            async move {
                let body = match whole(body).await {
                    Ok(body) => body,
                    Err(status) => return bare(status),
                };
                let Some(asked) = asked(method, &path, &query, host, headers, body) else {
                    return bare(StatusCode::BAD_REQUEST);
                };
                answer(asked).await.unwrap_or_else(|Lost| {
                    let mut unsent = bare(StatusCode::INTERNAL_SERVER_ERROR);
                    unsent.extensions_mut().insert(Unanswered);
                    unsent
                })
            }
        })
}

/// The body in one piece.
async fn whole(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> Result<Bytes, StatusCode> {
    let mut body = std::pin::pin!(body);
    let mut read = BytesMut::new();
    while let Some(part) = body.next().await {
        let mut part = part.map_err(|_| StatusCode::BAD_REQUEST)?;
        if read.len() + part.remaining() > BODY_BYTES {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        while part.has_remaining() {
            let chunk = part.chunk();
            read.extend_from_slice(chunk);
            let length = chunk.len();
            part.advance(length);
        }
    }
    Ok(read.freeze())
}

/// The request, with its authority in the URI and in `Host`, however it came.
fn asked(
    method: Method,
    path: &FullPath,
    query: &str,
    host: Option<Authority>,
    headers: HeaderMap,
    body: Bytes,
) -> Option<Asked> {
    let authority = host?;
    let target = if query.is_empty() {
        path.as_str().to_owned()
    } else {
        format!("{}?{query}", path.as_str())
    };
    let named = HeaderValue::from_str(authority.as_str()).ok()?;
    let uri = Uri::builder().scheme("http").authority(authority).path_and_query(target);
    let mut asked = Asked::new(body);
    *asked.method_mut() = method;
    *asked.uri_mut() = uri.build().ok()?;
    *asked.headers_mut() = headers;
    asked.headers_mut().insert(header::HOST, named);
    Some(asked)
}

/// An answer of nothing but its status.
#[must_use]
pub fn bare(status: StatusCode) -> Answer {
    let mut answer = Answer::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}
