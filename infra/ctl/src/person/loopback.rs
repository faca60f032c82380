//! Where a browser comes back to after sign-in: one path on a loopback port, once.

use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::header,
    response::IntoResponse,
    routing::get,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, oneshot},
    time::timeout,
};
use url::form_urlencoded;

/// How long a person may take to sign in.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long the last page may take to reach the browser.
const LAST_PAGE: Duration = Duration::from_secs(2);

/// A loopback port that waits for a browser.
pub struct Loopback {
    listener: TcpListener,
    path: String,
    port: u16,
}

/// No code came back.
#[derive(Debug, thiserror::Error)]
pub enum NoCode {
    /// The port could not be used.
    #[error("no loopback port to come back to")]
    Port(#[from] io::Error),
    /// The browser came back without one.
    #[error("the sign-in was not completed")]
    Refused,
    /// The browser never came back.
    #[error("nobody signed in within ten minutes")]
    Late,
}

type Waiting = Arc<Mutex<Option<oneshot::Sender<Result<String, NoCode>>>>>;

impl Loopback {
    /// Listens on a free port.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn listen(path: String) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, path, port })
    }

    /// Where the browser must come back to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path)
    }

    /// Waits for the browser and takes the code from it.
    ///
    /// # Errors
    ///
    /// [`NoCode`].
    pub async fn code(self) -> Result<String, NoCode> {
        let (sender, receiver) = oneshot::channel();
        let waiting: Waiting = Arc::new(Mutex::new(Some(sender)));
        let routes = Router::new().route(&self.path, get(come_back)).with_state(waiting);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(self.listener, routes).with_graceful_shutdown(async move {
            // Dropped or sent: either way it is time.
            drop(stopped.await);
        });
        let serving = tokio::spawn(serving.into_future());
        let code = timeout(PATIENCE, receiver).await;
        drop(stop);
        // The browser gets its page; connections that it opened in advance end with us.
        drop(timeout(LAST_PAGE, serving).await);
        code.map_err(|_| NoCode::Late)?.unwrap_or(Err(NoCode::Refused))
    }
}

/// What a query brought: a code, or the news that there is none.
///
/// # Errors
///
/// [`NoCode::Refused`].
pub fn code_in(query: &str) -> Result<String, NoCode> {
    let mut codes = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "code");
    match (codes.next(), codes.next()) {
        (Some((_, code)), None) if !code.is_empty() => Ok(code.into_owned()),
        _ => Err(NoCode::Refused),
    }
}

async fn come_back(State(waiting): State<Waiting>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let code = code_in(&query.unwrap_or_default());
    let text = if code.is_ok() {
        "You are signed in. You can close this page and go back to the terminal."
    } else {
        "You are not signed in. The terminal tells more."
    };
    if let Some(sender) = waiting.lock().await.take() {
        // Whoever waited may have given up.
        drop(sender.send(code));
    }
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        // Or the browser's open connection would keep us waiting.
        (header::CONNECTION, "close"),
    ];
    (headers, format!("<!doctype html><title>Airlock</title><p>{text}</p>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn visit(url: &str) -> u16 {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        http.get(url).send().await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn only_the_secret_path_brings_the_code() {
        let loopback = Loopback::listen("/secret".to_owned()).await.unwrap();
        let url = loopback.url();
        let waiting = tokio::spawn(loopback.code());

        assert_eq!(visit(&url.replace("secret", "guess")).await, 404);
        assert!(!waiting.is_finished());
        assert_eq!(visit(&format!("{url}?code=a%2Bb&session_state=1")).await, 200);

        assert_eq!(waiting.await.unwrap().unwrap(), "a+b");
    }

    #[tokio::test]
    async fn an_error_is_no_code() {
        let loopback = Loopback::listen("/secret".to_owned()).await.unwrap();
        let url = loopback.url();
        let waiting = tokio::spawn(loopback.code());

        visit(&format!("{url}?error=sign-in-failed")).await;

        assert!(matches!(waiting.await.unwrap(), Err(NoCode::Refused)));
    }

    #[test]
    fn a_doubled_code_is_none() {
        assert!(code_in("code=a&code=b").is_err());
        assert!(code_in("code=").is_err());
        assert_eq!(code_in("x=1&code=a").unwrap(), "a");
    }
}
