//! An invocation by the Functions host: a queue message or a timer.

use airlock_core::{functions::Invocation, problem::Problem};
use axum::extract::{FromRequest, Request};
use tracing::Span;

use super::{
    Refusal,
    json::{Category, body},
    trace::current_traceparent,
};

/// The largest invocation, in bytes: a message of 1 MiB in base64, with room for what its
/// sender put beside it.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The property of a message that names its trace.
const TRACE: &str = "Diagnostic-Id";

/// What the Functions host sends for a function that is not HTTP. The trace of whoever sent
/// the message becomes the trace of this request, and the message names our own span of it: what
/// is done with it, and written into the ledger, is below that.
#[derive(Clone, Debug)]
pub struct Invoked(pub Invocation);

impl<S: Send + Sync> FromRequest<S> for Invoked {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = body(request, MOST_BYTES).await?;
        let mut invocation: Invocation = serde_json::from_slice(&body)
            .map_err(|error| Refusal::because(Problem::NOT_UNDERSTOOD, Category::of(&error)))?;
        if let Some(traceparent) = invocation.traceparent() {
            Span::current().record("traceparent", traceparent);
        }
        if let Some(traceparent) = current_traceparent() {
            let properties = &mut invocation.metadata.application_properties;
            properties.retain(|name, _| !name.eq_ignore_ascii_case(TRACE));
            properties.insert(TRACE.to_owned(), traceparent.into());
        }
        Ok(Self(invocation))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tracing::Instrument as _;
    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::*;
    use crate::hosting::spans::{Listener, Spans};

    #[tokio::test]
    async fn a_message_larger_than_any_http_body_is_taken() {
        let text = "A".repeat(1_400_000);
        let body = format!(r#"{{"Data":{{"message":"{text}"}},"Metadata":{{}}}}"#);

        let Invoked(invocation) =
            Invoked::from_request(Request::new(Body::from(body)), &()).await.unwrap();

        assert_eq!(invocation.message().unwrap().len(), 1_050_000);
    }

    #[tokio::test]
    async fn a_message_goes_on_in_its_senders_trace_below_a_span_of_ours() {
        let log = Registry::default().with(Spans::new(Listener::default()));
        let body = r#"{"Data":{"message":""},"Metadata":{"ApplicationProperties":{"diagnostic-id":
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}}"#;

        let _log = tracing::subscriber::set_default(log);
        let span = tracing::info_span!("request", traceparent = tracing::field::Empty);
        let invoked = Invoked::from_request(Request::new(Body::from(body)), &());
        let Invoked(sent) = invoked.instrument(span).await.unwrap();

        let traceparent = sent.traceparent().unwrap();
        assert_eq!(traceparent[3..35], *"0af7651916cd43dd8448eb211c80319c");
        assert_ne!(traceparent[36..52], *"b7ad6b7169203331");
    }

    #[tokio::test]
    async fn what_the_host_never_sends_is_a_problem() {
        for body in ["", "[]", r#"{"Metadata":{}}"#] {
            let refusal = Invoked::from_request(Request::new(Body::from(body)), &()).await;

            assert_eq!(refusal.unwrap_err().problem(), Problem::NOT_UNDERSTOOD);
        }
    }
}
