//! The door of the cloud: every way in, and what stands before every service.
//!
//! Four listeners on loopback: TLS for Azure's host names, the proxy that leads to it, and plain
//! HTTP for what is plain in Azure too or has no counterpart there (identity endpoint, pages,
//! control).

mod caller;
mod gate;
mod proxy;
mod serve;
mod site;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use tokio::net::TcpListener;

use self::gate::Gate;
pub use self::{
    caller::trace_id,
    gate::{failed, is_at, late_answer, throttled},
    serve::{Lost, serve},
};
use crate::{
    authority::Authority,
    cloud::Shared,
    control::{Control, Processes},
    host::Host,
    identity_endpoint::{self, IdentityEndpoint},
};

/// Listeners whose ports are part of the cloud's names. The others are free to change.
#[derive(Debug)]
pub struct Listeners {
    /// Entra's pages.
    pub pages: std::net::TcpListener,
    /// The control API.
    pub control: std::net::TcpListener,
}

/// Where everything is, and what opens it.
#[derive(Clone)]
pub struct Opened {
    /// HTTP proxy: `HTTPS_PROXY=http://{proxy}`.
    pub proxy: SocketAddr,
    /// TLS, for all host names of the cloud.
    pub tls: SocketAddr,
    /// The managed identity endpoint.
    pub identity_endpoint: SocketAddr,
    /// The control API.
    pub control: SocketAddr,
    /// Entra's pages.
    pub pages: SocketAddr,
    /// `IDENTITY_ENDPOINT`.
    pub identity_url: String,
    /// `IDENTITY_HEADER` of each identity, the admin's included.
    pub identity_headers: BTreeMap<String, String>,
    /// The certificate authority, for `SSL_CERT_FILE`.
    pub ca_pem: String,
    /// What `x-airlock-control` must say.
    pub control_key: String,
}

/// Opens every way in. They stay open for as long as the runtime lives.
///
/// # Errors
///
/// If a listener cannot be used, or the system gives no randomness.
pub async fn open(
    cloud: Shared,
    listeners: Listeners,
    host: Arc<OnceLock<Arc<Host>>>,
) -> anyhow::Result<Opened> {
    let authority = Authority::new(&cloud.names)?;
    let identity = Arc::new(IdentityEndpoint::new(&cloud.identities)?);
    let processes = Processes::new(Arc::clone(&host));

    let tls = free().await?;
    let proxy = free().await?;
    let identity_listener = free().await?;
    let pages = given(listeners.pages)?;
    let control_listener = given(listeners.control)?;
    let identity_address = identity_listener.local_addr()?;
    let opened = Opened {
        proxy: proxy.local_addr()?,
        tls: tls.local_addr()?,
        identity_endpoint: identity_address,
        control: control_listener.local_addr()?,
        pages: pages.local_addr()?,
        identity_url: format!("http://{identity_address}{}", identity_endpoint::PATH),
        identity_headers: identity.headers().clone(),
        ca_pem: authority.ca_pem,
        control_key: key()?,
    };

    let gate = Gate { cloud: Arc::clone(&cloud), identity, processes: processes.clone(), host };
    let gate = Arc::new(gate);
    let through = Arc::clone(&gate);
    tokio::spawn(serve(tls, Some(authority.server), move |asked| Arc::clone(&through).host(asked)));
    let through = Arc::clone(&gate);
    tokio::spawn(serve(pages, None, move |asked| Arc::clone(&through).pages(asked)));
    let through = gate;
    tokio::spawn(serve(identity_listener, None, move |asked| Arc::clone(&through).identity(asked)));
    tokio::spawn(proxy::serve(proxy, Arc::clone(&cloud), opened.tls));

    let control = Arc::new(Control::new(cloud, processes, opened.clone()));
    tokio::spawn(serve(control_listener, None, move |asked| {
        let control = Arc::clone(&control);
        async move { Ok(control.answer(asked).await) }
    }));
    Ok(opened)
}

async fn free() -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port on 127.0.0.1")
}

fn given(listener: std::net::TcpListener) -> anyhow::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}

fn key() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("no randomness")?;
    Ok(BASE64URL.encode(bytes))
}
