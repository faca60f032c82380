//! The one HTTP client of the process, and how Azure's clients use it.

use std::{sync::Arc, time::Duration};

use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    error::ErrorKind,
    http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport},
    time::Duration as Span,
};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);

/// How long a whole call may take, with its retries and the token that it needs.
///
/// A lease lasts 20 s (`airlock_core::record::LEASE_S`): a call that outlived its lease would
/// be made twice at once.
pub(crate) const CALL: Duration = Duration::from_secs(10);

/// The one HTTP client. Each of its own would cost milliseconds at start and its own
/// connections.
///
/// It follows no redirects: tokens and permitted effects go to the host that the manifest
/// names, or nowhere. A proxy in the environment is used; the process does not start with one
/// that the manifest does not allow.
pub(crate) fn client() -> azure_core::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(CALL)
        .tcp_nodelay(true)
        .build()
        .map_err(|error| {
            azure_core::Error::with_error(ErrorKind::Other, error, "HTTP client not made")
        })
}

/// What every client of Azure's is made with.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    transport: Transport,
    cloud: Arc<CloudConfiguration>,
}

impl Wire {
    pub(crate) fn new(client: reqwest::Client, authority: &str) -> Self {
        let mut cloud = CustomConfiguration::default();
        authority.clone_into(&mut cloud.authority_host);
        Self { transport: Transport::new(Arc::new(client)), cloud: Arc::new(cloud.into()) }
    }

    /// For calls that may be repeated: three tries within [`CALL`].
    pub(crate) fn repeating(&self) -> ClientOptions {
        let retry = RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: Span::milliseconds(200),
            max_retries: 2,
            max_total_elapsed: Span::seconds(6),
            max_delay: Span::seconds(2),
        });
        self.options(retry)
    }

    /// For calls that are repeated, if at all, by whoever knows what they do.
    pub(crate) fn once(&self) -> ClientOptions {
        self.options(RetryOptions::none())
    }

    fn options(&self, retry: RetryOptions) -> ClientOptions {
        ClientOptions {
            retry,
            transport: Some(self.transport.clone()),
            cloud: Some(Arc::clone(&self.cloud)),
            ..ClientOptions::default()
        }
    }
}
