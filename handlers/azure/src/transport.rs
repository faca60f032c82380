//! The one HTTP client of the process, and how Azure's clients use it.
//!
//! Every call that is made with it is a span of its own, and tells whoever is called the trace.
//! Each try of a call that is repeated is a call.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::{
    cloud::{CloudConfiguration, CustomConfiguration},
    error::ErrorKind,
    http::{
        AsyncRawResponse, ClientOptions, ExponentialRetryOptions, HttpClient, Request,
        RetryOptions, Transport, headers::HeaderName,
    },
    time::Duration as Span,
};
use reqwest::header::HeaderValue;
use tracing::{Instrument as _, field::Empty};

use crate::hosting::traceparent_of;

/// W3C Trace Context, section 3.2.
const TRACEPARENT: &str = "traceparent";

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
        Self { transport: Transport::new(Arc::new(Traced(client))), cloud: Arc::new(cloud.into()) }
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

/// The client, as Azure's pipelines use it: behind their own retries.
#[derive(Debug)]
struct Traced(reqwest::Client);

#[async_trait]
impl HttpClient for Traced {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let span = call(request.method(), request.url().host_str());
        let mut request = request.clone();
        if let Some(traceparent) = traceparent_of(&span)
            && !is_message(&request)
        {
            request.insert_header(TRACEPARENT, traceparent);
        }
        let answer = self.0.execute_request(&request).instrument(span.clone()).await;
        match &answer {
            Ok(answer) => answered(&span, answer.status().into()),
            Err(error) => unanswered(&span, error.kind()),
        }
        answer
    }
}

/// Whether a request is a message for Service Bus. Every header that the broker does not know
/// becomes a property of the message, and the message names its trace already.
fn is_message(request: &Request) -> bool {
    request.headers().get_optional_str(&HeaderName::from_static("brokerproperties")).is_some()
}

/// Sends a request that is not one of Azure's clients'.
///
/// # Errors
///
/// As [`reqwest::Client::execute`].
pub async fn send(
    client: &reqwest::Client,
    mut request: reqwest::Request,
) -> reqwest::Result<reqwest::Response> {
    let span = call(request.method(), request.url().host_str());
    if let Some(traceparent) = traceparent_of(&span)
        && let Ok(value) = HeaderValue::try_from(traceparent)
    {
        request.headers_mut().insert(TRACEPARENT, value);
    }
    let answer = client.execute(request).instrument(span.clone()).await;
    match &answer {
        Ok(answer) => answered(&span, answer.status().as_u16()),
        Err(error) if error.is_timeout() => unanswered(&span, "timeout"),
        Err(error) if error.is_connect() => unanswered(&span, "connection"),
        Err(_) => unanswered(&span, "other"),
    }
    answer
}

/// The span of a call. Neither path nor query: both can name people.
fn call(method: impl fmt::Display, host: Option<&str>) -> tracing::Span {
    tracing::info_span!(
        "call",
        otel.kind = "client",
        http.request.method = %method,
        server.address = host,
        http.response.status_code = Empty,
        error.type = Empty,
    )
}

fn answered(span: &tracing::Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 400 {
        span.record("error.type", status);
    }
}

fn unanswered(span: &tracing::Span, why: impl fmt::Display) {
    span.record("error.type", tracing::field::display(why));
}
