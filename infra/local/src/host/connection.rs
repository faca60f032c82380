//! Connections to a handler process.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Empty;
use hyper::{body::Body, client::conn::http1, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Tries to reach a process that is just being replaced, in proxy mode.
const TRIES: u32 = 10;
/// Before the second try. Each later pause is longer by this, up to five times it.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection to the process on this port.
///
/// # Errors
///
/// If nobody listens there.
pub async fn open<B>(port: u16) -> io::Result<SendRequest<B>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    // The kernel may choose the very port we call as ours: then we would talk to ourselves.
    if stream.local_addr()?.port() == port {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // What goes wrong on the connection is reported by the call that is made on it.
    tokio::spawn(connection);
    Ok(sender)
}

/// The same, with the patience of the host's proxy.
///
/// # Errors
///
/// If nobody listens there after ten tries.
pub async fn open_patiently<B>(port: u16) -> io::Result<SendRequest<B>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut tries = 1;
    loop {
        match open(port).await {
            Err(_) if tries < TRIES => tokio::time::sleep(PAUSE * tries.min(5)).await,
            outcome => return outcome,
        }
        tries += 1;
    }
}

/// Asks `GET /` until anything but a refused connection comes back.
pub async fn probe(port: u16, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        let connection = match open::<Empty<Bytes>>(port).await {
            Ok(connection) => connection,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(_) => return,
        };
        let mut connection = connection;
        let mut request = Request::new(Empty::new());
        let host = format!("127.0.0.1:{port}");
        if let Ok(host) = host.parse() {
            request.headers_mut().insert(header::HOST, host);
        }
        // Any answer counts, and so does a connection that is accepted and then breaks.
        drop(connection.send_request(request).await);
        return;
    }
}
