//! The way to Azure's host names: an HTTP proxy that knows no others.
//!
//! Handlers reach `graph.microsoft.com` through `HTTPS_PROXY`, with every certificate check on.
//! A handler that asks for a host that is not of the cloud is refused and recorded: in Azure the
//! network would have let it out.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade};
use hyper_util::rt::TokioIo;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use super::serve::accepted;
use crate::{authority, cloud::Shared};

/// Serves the proxy for as long as the process lives. `tls` is where the tunnels end.
pub async fn serve(listener: TcpListener, cloud: Shared, tls: SocketAddr) {
    loop {
        let stream = accepted(&listener).await;
        let cloud = Arc::clone(&cloud);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answered(&cloud, tls, request);
                async move { Ok::<_, std::convert::Infallible>(answer) }
            });
            // A client that breaks off a tunnel is nobody's fault.
            let _ended = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

fn answered(cloud: &Shared, tls: SocketAddr, request: Request<Incoming>) -> Response<Empty<Bytes>> {
    let mut answer = Response::new(Empty::new());
    if request.method() != Method::CONNECT || !is_ours(cloud, &request) {
        let host = request.uri().host().unwrap_or("unknown");
        let status = StatusCode::FORBIDDEN;
        cloud.record.call("proxy", request.method().as_str(), host, None, status.as_u16());
        cloud.record.refusal("proxy", None, &format!("{host} is not a host of the cloud"));
        *answer.status_mut() = status;
        return answer;
    }
    tokio::spawn(async move {
        // Either side may close at any time; then the tunnel is over, and that is all.
        if let Ok(client) = upgrade::on(request).await
            && let Ok(mut server) = TcpStream::connect(tls).await
            && server.set_nodelay(true).is_ok()
        {
            let _ended = copy_bidirectional(&mut TokioIo::new(client), &mut server).await;
        }
    });
    answer
}

/// Exactly the cloud's names, and only where they speak TLS.
fn is_ours(cloud: &Shared, request: &Request<Incoming>) -> bool {
    let uri = request.uri();
    let host = uri.host().unwrap_or_default();
    let known = authority::hosts(&cloud.names).iter().any(|name| name.eq_ignore_ascii_case(host));
    known && uri.port_u16() == Some(443)
}
