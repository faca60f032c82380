//! What a caller is told when something did not happen, and what the log is told.

use std::error::Error;

use airlock_core::{ports::PortError, problem::Problem};
use axum::{
    Extension,
    http::{HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use uuid::Uuid;

use super::log::chain;

/// A problem, on its way to the caller; its cause, on its way to the log.
#[derive(Debug)]
pub struct Refusal {
    problem: Problem,
    detail: Option<&'static str>,
    retry_after_s: Option<u64>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Refusal {
    /// A problem that needs no explanation.
    #[must_use]
    pub const fn new(problem: Problem) -> Self {
        Self { problem, detail: None, retry_after_s: None, cause: None }
    }

    /// A problem with its cause, which only the log is told.
    pub fn because(problem: Problem, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { problem, detail: None, retry_after_s: None, cause: Some(source.into()) }
    }

    /// Tells the caller more, in constant words of ours.
    #[must_use]
    pub const fn detail(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// Tells the caller when to come again, in seconds.
    #[must_use]
    pub const fn retry_after_s(mut self, retry_after_s: u64) -> Self {
        self.retry_after_s = Some(retry_after_s);
        self
    }

    /// The kind of problem.
    #[must_use]
    pub const fn problem(&self) -> Problem {
        self.problem
    }
}

/// A port did not answer, or something is broken: the caller can tell only whether to try
/// again.
impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        let problem = if error.is_transient() { Problem::UNAVAILABLE } else { Problem::INTERNAL };
        Self::because(problem, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { problem, detail, retry_after_s, cause } = self;
        let instance = Uuid::new_v4().urn().to_string();
        let cause = cause.as_deref().map(|cause| chain(cause)).unwrap_or_default();
        let told = detail.unwrap_or_default();
        match problem.status {
            // Ours, and it does not pass.
            500 => tracing::error!(problem = problem.name, told, %instance, cause, "refused"),
            // Trouble elsewhere.
            501.. => tracing::warn!(problem = problem.name, told, %instance, cause, "refused"),
            _ => tracing::info!(problem = problem.name, told, %instance, cause, "refused"),
        }
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type =
            (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let retry_after = retry_after_s
            .map(|seconds| AppendHeaders([(header::RETRY_AFTER, HeaderValue::from(seconds))]));
        let body = axum::Json(problem.body(instance, detail));
        // Beside the answer, for what stands before the routes: a status alone says too little.
        (status, Extension(problem), [content_type], retry_after, body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn a_problem_is_written_as_rfc_9457_and_hides_its_cause() {
        let cause = PortError::Denied("the vault said hunter2".into());
        let refusal = Refusal::because(Problem::TOO_LARGE, cause).detail("at most 256 KiB");

        let response = refusal.into_response();

        assert_eq!(response.status(), 413);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        let mut body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let instance = body["instance"].as_str().unwrap().to_owned();
        assert!(Uuid::try_parse(instance.strip_prefix("urn:uuid:").unwrap()).is_ok());
        body["instance"] = "urn:uuid:…".into();
        insta::assert_json_snapshot!(body, @r#"
        {
          "type": "https://airlock.invalid/problems/too-large",
          "title": "The request is too large",
          "status": 413,
          "instance": "urn:uuid:…",
          "detail": "at most 256 KiB"
        }
        "#);
    }

    #[test]
    fn only_what_may_pass_is_unavailable() {
        let of = |error: PortError| Refusal::from(error).problem();

        assert_eq!(of(PortError::Unavailable("".into())), Problem::UNAVAILABLE);
        assert_eq!(of(PortError::Throttled { after_s: None }), Problem::UNAVAILABLE);
        assert_eq!(of(PortError::Denied("".into())), Problem::INTERNAL);
        assert_eq!(of(PortError::Broken("".into())), Problem::INTERNAL);
    }
}
