//! How Graph is called: as one application in one tenant, at one host, for so many bytes.

use std::sync::{Arc, PoisonError};

use airlock_core::{identity::TenantId, ports::PortError};
use azure_core::http::{
    Context, Method, Pipeline, PipelineStreamOptions, RawResponse, Request, Url,
    policies::auth::BearerTokenAuthorizationPolicy,
};
use serde_json::Value;
use uuid::Uuid;

use super::{Graph, LOOK_UP, OBSERVER, answer, pages::Pages};
use crate::{
    failure::port_error,
    identity,
    pipeline::{patient, whole},
};

/// Header that says which calls Graph shall refuse last when it has too many.
const PRIORITY: &str = "x-ms-throttle-priority";

/// For what a person waits for.
const HIGH: &str = "high";

/// The most bytes of one answer. A page of 999 entries of an audit log has three million.
const MOST_BYTES: usize = 16 << 20;

impl Graph {
    /// The way to Graph as one application in one tenant. It keeps its token.
    pub(super) fn pipeline(
        &self,
        application: &str,
        tenant: TenantId,
    ) -> Result<Pipeline, PortError> {
        let key = (application.to_owned(), tenant);
        // Nothing panics while it is held.
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(&key) {
            return Ok(pipeline.clone());
        }
        let client_id = *self
            .workers
            .get(application)
            .ok_or_else(|| PortError::Broken("manifest names no such application".into()))?;
        let identity = Arc::clone(&self.identity);
        let credential =
            identity::application(client_id, tenant, identity, &self.wire).map_err(port_error)?;
        let scope = format!("{}/.default", self.origin.as_str().trim_end_matches('/'));
        let authorization = BearerTokenAuthorizationPolicy::new(credential, [scope]);
        let only_reads = [LOOK_UP, OBSERVER].contains(&application);
        let options = if only_reads { self.wire.repeating() } else { self.wire.once() };
        let pipeline = Pipeline::new(
            option_env!("CARGO_PKG_NAME"),
            option_env!("CARGO_PKG_VERSION"),
            options,
            Vec::new(),
            vec![Arc::new(authorization)],
            (application == OBSERVER).then(patient),
        );
        pipelines.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// A request below `/v1.0`.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        id: Uuid,
    ) -> Result<Request, PortError> {
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PATCH" => Method::Patch,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            _ => return Err(PortError::Broken("not a method".into())),
        };
        let url = self.below(&format!("{}{path}", self.root))?;
        let mut request = Request::new(url, method);
        // Entra's audit log keeps it: a change can be traced back to its request, and one of a
        // worker application without a request is drift.
        request.insert_header("client-request-id", id.to_string());
        if let Some(body) = body {
            let body = serde_json::to_vec(body).map_err(|error| PortError::Broken(error.into()))?;
            request.insert_header("content-type", "application/json");
            request.set_body(body);
        }
        Ok(request)
    }

    /// An address that is Graph's, and below `/v1.0`: our token is sent nowhere else.
    pub(super) fn below(&self, address: &str) -> Result<Url, PortError> {
        let url = Url::parse(address).map_err(|error| PortError::Broken(error.into()))?;
        let ours = url.origin() == self.origin.origin()
            && url.path().starts_with("/v1.0/")
            && url.username().is_empty()
            && url.password().is_none();
        if ours { Ok(url) } else { Err(PortError::Broken("address is not Graph's".into())) }
    }

    pub(super) async fn send(
        &self,
        application: &str,
        tenant: TenantId,
        mut request: Request,
    ) -> Result<RawResponse, PortError> {
        request.insert_header(PRIORITY, priority(application));
        let pipeline = self.pipeline(application, tenant)?;
        let options =
            PipelineStreamOptions { skip_checks: true, ..PipelineStreamOptions::default() };
        let response = pipeline.stream(&Context::default(), &mut request, Some(options)).await;
        whole(response.map_err(port_error)?, MOST_BYTES).await
    }

    /// Reads the pages that are left of a collection.
    pub(super) async fn turn_pages(
        &self,
        application: &str,
        tenant: TenantId,
        pages: &mut Pages,
        id: Uuid,
    ) -> Result<(), PortError> {
        while let Some(next) = pages.turn()? {
            self.turn_page(application, tenant, (pages, next), id).await?;
        }
        Ok(())
    }

    /// Reads the page of a collection at this address.
    pub(super) async fn turn_page(
        &self,
        application: &str,
        tenant: TenantId,
        (pages, next): (&mut Pages, String),
        id: Uuid,
    ) -> Result<(), PortError> {
        let mut request = Request::new(self.below(&next)?, Method::Get);
        request.insert_header("client-request-id", id.to_string());
        let response = self.send(application, tenant, request).await?;
        pages.add(&answer::read(&response)?)?;
        Ok(())
    }
}

/// Nobody waits for what is observed.
fn priority(application: &str) -> &'static str {
    if application == OBSERVER { "low" } else { HIGH }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use async_trait::async_trait;
    use azure_core::http::{
        AsyncRawResponse, ClientOptions, ExponentialRetryOptions, HttpClient, RetryOptions,
        StatusCode, Transport, headers::Headers,
    };

    use super::*;

    /// Always the same answer, with a time to come back.
    #[derive(Debug)]
    struct Insisting {
        status: StatusCode,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl HttpClient for Insisting {
        async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
            self.asked.fetch_add(1, SeqCst);
            let mut headers = Headers::new();
            headers.insert("retry-after", "3600");
            Ok(AsyncRawResponse::from_bytes(self.status, headers, "{}"))
        }
    }

    async fn asked(status: StatusCode) -> usize {
        let insisting = Arc::new(Insisting { status, asked: AtomicUsize::new(0) });
        let at_once = azure_core::time::Duration::milliseconds(1);
        let retry = RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: at_once,
            max_retries: 2,
            max_delay: at_once,
            ..ExponentialRetryOptions::default()
        });
        let transport = Some(Transport::new(insisting.clone()));
        let options = ClientOptions { retry, transport, ..ClientOptions::default() };
        let pipeline = Pipeline::new(None, None, options, vec![], vec![], Some(patient()));
        let url = Url::parse("https://graph.microsoft.com/v1.0/users").unwrap();
        let options =
            PipelineStreamOptions { skip_checks: true, ..PipelineStreamOptions::default() };
        let mut request = Request::new(url, Method::Get);
        pipeline.stream(&Context::default(), &mut request, Some(options)).await.unwrap();
        insisting.asked.load(SeqCst)
    }

    #[tokio::test]
    async fn the_observer_who_is_asked_to_come_back_later_does_not_insist() {
        assert_eq!(asked(StatusCode::TooManyRequests).await, 1);
        assert_eq!(asked(StatusCode::ServiceUnavailable).await, 1);
        assert_eq!(asked(StatusCode::Forbidden).await, 1);
        assert_eq!(asked(StatusCode::BadGateway).await, 3);
    }

    #[test]
    fn what_a_person_waits_for_goes_before_what_is_observed() {
        assert_eq!(priority(LOOK_UP), "high");
        assert_eq!(priority(OBSERVER), "low");
    }
}
