//! An invocation by the Functions host: a queue message or a timer.

use airlock_core::{functions::Invocation, problem::Problem};
use axum::extract::{FromRequest, Request};
use tracing::Span;

use super::{
    Refusal,
    json::{Category, body},
};

/// The largest invocation, in bytes: a message of 1 MiB in base64, with room for what its
/// sender put beside it.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What the Functions host sends for a function that is not HTTP. The trace of whoever sent
/// the message becomes the trace of this request.
#[derive(Clone, Debug)]
pub struct Invoked(pub Invocation);

impl<S: Send + Sync> FromRequest<S> for Invoked {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = body(request, MOST_BYTES).await?;
        let invocation: Invocation = serde_json::from_slice(&body)
            .map_err(|error| Refusal::because(Problem::NOT_UNDERSTOOD, Category::of(&error)))?;
        if let Some(traceparent) = invocation.traceparent() {
            Span::current().record("traceparent", traceparent);
        }
        Ok(Self(invocation))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn a_message_larger_than_any_http_body_is_taken() {
        let text = "A".repeat(1_400_000);
        let body = format!(r#"{{"Data":{{"message":"{text}"}},"Metadata":{{}}}}"#);

        let Invoked(invocation) =
            Invoked::from_request(Request::new(Body::from(body)), &()).await.unwrap();

        assert_eq!(invocation.message().unwrap().len(), 1_050_000);
    }

    #[tokio::test]
    async fn what_the_host_never_sends_is_a_problem() {
        for body in ["", "[]", r#"{"Metadata":{}}"#] {
            let refusal = Invoked::from_request(Request::new(Body::from(body)), &()).await;

            assert_eq!(refusal.unwrap_err().problem(), Problem::NOT_UNDERSTOOD);
        }
    }
}
