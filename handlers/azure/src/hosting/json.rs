//! JSON in and out. axum's own refuses in plain text; this one in problems.

use airlock_core::problem::Problem;
use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde::{Serialize, de::DeserializeOwned};

use super::Refusal;

/// The largest body of an HTTP function, in bytes.
///
/// The largest that we take is a decision with its evidence, about 6 KiB.
pub(super) const MOST_BYTES: usize = 256 * 1024;

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            return Err(Refusal::new(Problem::MEDIA_TYPE));
        }
        let body = body(request, MOST_BYTES).await?;
        // A derived reader takes a list for a struct as well: its members would be guessed by
        // their order.
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(Refusal::new(Problem::NOT_UNDERSTOOD));
        }
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|error| Refusal::because(Problem::NOT_UNDERSTOOD, Category::of(&error)))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], body).into_response()
            }
            Err(error) => Refusal::because(Problem::INTERNAL, error).into_response(),
        }
    }
}

/// Where and how a body is not what it should be. serde's own message quotes the body, which
/// may hold what must not be logged.
#[derive(Debug, thiserror::Error)]
#[error("body not understood: {what} at line {line}, column {column}")]
pub(super) struct Category {
    what: &'static str,
    line: usize,
    column: usize,
}

impl Category {
    pub(super) fn of(error: &serde_json::Error) -> Self {
        use serde_json::error::Category::{Data, Eof, Io, Syntax};
        let what = match error.classify() {
            Io => "not read",
            Syntax => "not JSON",
            Data => "not of this form",
            Eof => "ends too early",
        };
        Self { what, line: error.line(), column: error.column() }
    }
}

/// Reads a body whole.
pub(super) async fn body(request: Request, most_bytes: usize) -> Result<Bytes, Refusal> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most_bytes) {
        drain(request).await;
        return Err(Refusal::new(Problem::TOO_LARGE));
    }
    to_bytes(request.into_body(), most_bytes).await.map_err(|error| {
        let too_large =
            std::iter::successors(Some(&error as &(dyn std::error::Error + 'static)), |&error| {
                error.source()
            })
            .any(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        let problem = if too_large { Problem::TOO_LARGE } else { Problem::NOT_UNDERSTOOD };
        Refusal::because(problem, error)
    })
}

/// Most that is read of a body that nobody wants, in bytes.
const DRAINED_BYTES: usize = 8 * 1024 * 1024;

/// Reads on and forgets: closing a connection while the caller still sends would take the
/// answer away with it.
async fn drain(request: Request) {
    let mut body = request.into_body();
    let mut read = 0;
    while read < DRAINED_BYTES
        && let Some(Ok(frame)) = body.frame().await
    {
        read += frame.data_ref().map_or(0, Bytes::len);
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    only.to_str().is_ok_and(|text| {
        let essence = text.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Tea {
        pot: u32,
    }

    async fn parsed(content_type: Option<&str>, body: impl Into<Body>) -> Result<u32, Problem> {
        let mut request = Request::new(body.into());
        if let Some(content_type) = content_type {
            request.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        match Json::<Tea>::from_request(request, &()).await {
            Ok(Json(tea)) => Ok(tea.pot),
            Err(refusal) => Err(refusal.problem()),
        }
    }

    #[tokio::test]
    async fn a_body_of_the_right_form_is_taken() {
        assert_eq!(parsed(Some("application/json; charset=utf-8"), r#"{"pot":7}"#).await, Ok(7));
    }

    #[tokio::test]
    async fn what_is_not_declared_as_json_is_415() {
        for content_type in [None, Some("text/plain"), Some("application/jsonp")] {
            let answer = parsed(content_type, r#"{"pot":7}"#).await;

            assert_eq!(answer, Err(Problem::MEDIA_TYPE));
        }
    }

    #[tokio::test]
    async fn unknown_doubled_missing_and_malformed_is_400() {
        let bad: [&[u8]; 7] = [
            br#"{"pot":7,"lid":1}"#,
            br#"{"pot":7,"pot":8}"#,
            b"{}",
            b"",
            br#"{"pot":7"#,
            br#"{"pot":7} x"#,
            b"{\"pot\":7,\"\xff\":1}",
        ];
        for body in bad {
            assert_eq!(parsed(Some("application/json"), body).await, Err(Problem::NOT_UNDERSTOOD));
        }
    }

    #[tokio::test]
    async fn too_much_is_413_whether_announced_or_not() {
        let much = vec![b' '; MOST_BYTES + 1];
        let stream = futures::stream::iter(
            much.chunks(1000)
                .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
                .collect::<Vec<_>>(),
        );

        assert_eq!(parsed(Some("application/json"), much).await, Err(Problem::TOO_LARGE));
        assert_eq!(
            parsed(Some("application/json"), Body::from_stream(stream)).await,
            Err(Problem::TOO_LARGE)
        );
    }

    #[test]
    fn the_log_is_not_told_what_stood_in_a_body() {
        let error = serde_json::from_str::<Tea>(r#"{"pot":"hunter2"}"#).unwrap_err();

        assert!(error.to_string().contains("hunter2"));
        insta::assert_snapshot!(
            Category::of(&error),
            @"body not understood: not of this form at line 1, column 16"
        );
    }
}
