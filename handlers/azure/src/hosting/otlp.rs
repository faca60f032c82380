//! Spans for an OpenTelemetry collector, over OTLP/HTTP.
//!
//! Off unless a setting names a collector and the manifest allows the setting. At most
//! [`MOST_WAITING`] spans wait; more are dropped, and nobody waits for a collector. The Functions
//! host ends a process with SIGKILL, so spans of its last second are lost: the log, which is
//! written at once, has them all.

use std::time::Duration;

use airlock_core::identity::App;
use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SpanProcessor},
};
use reqwest::Url;
use tokio::runtime::{Handle, TryCurrentError};

use crate::transport;

/// The most spans that wait to be sent.
const MOST_WAITING: usize = 2048;

/// The most spans that are sent at once.
const MOST_AT_ONCE: usize = 512;

/// How long a span waits for others.
const WAIT: Duration = Duration::from_secs(1);

/// How long the collector may take, tries included.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest answer of a collector that is read, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// The collector cannot be told of anything.
#[derive(Debug, thiserror::Error)]
pub enum NotExported {
    /// There is no HTTP client.
    #[error("HTTP client not made")]
    Client(#[source] azure_core::Error),
    /// There is no runtime to send in.
    #[error("no runtime")]
    Runtime(#[source] TryCurrentError),
    /// The exporter could not be made.
    #[error("exporter not made")]
    Exporter(#[source] ExporterBuildError),
}

/// Tells a collector of spans.
pub(super) fn collector(app: App, traces: &Url) -> Result<Box<dyn SpanProcessor>, NotExported> {
    let client = Client {
        http: transport::client().map_err(NotExported::Client)?,
        runtime: Handle::try_current().map_err(NotExported::Runtime)?,
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(traces.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(PATIENCE)
        .build()
        .map_err(NotExported::Exporter)?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(MOST_WAITING)
        .with_max_export_batch_size(MOST_AT_ONCE)
        .with_scheduled_delay(WAIT)
        .build();
    let mut processor = BatchSpanProcessor::new(exporter, batches);
    processor.set_resource(
        // Empty: a builder with defaults would read further settings.
        &Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", format!("airlock-{app}")),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build(),
    );
    Ok(Box::new(processor))
}

/// Our own HTTP client, for a thread that is outside of the runtime.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let http = self.http.clone();
        // In no span: telling of a span must not make another.
        self.runtime.spawn(exchange(http, request)).await?
    }
}

async fn exchange(
    http: reqwest::Client,
    request: reqwest::Request,
) -> Result<Response<Bytes>, HttpError> {
    let mut answer = http.execute(request).await.map_err(reqwest::Error::without_url)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err("answer of the collector too large".into());
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}
