//! What Graph's answers mean.

use airlock_core::ports::{Answer, NotApplied, PortError};
use azure_core::http::{RawResponse, headers::HeaderName};
use serde_json::Value;

use crate::failure::{Meaning, retry_after_s};

/// The most of an error code that is kept, in bytes: it goes into what we sign.
const CODE_BYTES: usize = 64;

/// Graph answered, and not with what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("Graph answered {status} {code}")]
pub(super) struct Answered {
    status: u16,
    code: String,
}

/// The answer to a question: its body, or why there is none.
pub(super) fn read(response: &RawResponse) -> Result<Value, PortError> {
    let status = u16::from(response.status());
    let body = body(response);
    if status == 200 {
        return body.map_err(|error| PortError::Broken(error.into()));
    }
    let code = code(&body.unwrap_or_default());
    Err(refusal(status, code, retry_after_s(response.headers())))
}

/// The answer to a question about something that may not be there; `None` if it is not.
pub(super) fn read_if_there(response: &RawResponse) -> Result<Option<Value>, PortError> {
    if u16::from(response.status()) == 404 {
        // Graph says so itself, or somebody else does on the way to it.
        let says_so = body(response).is_ok_and(|body| body["error"]["code"].is_string());
        return if says_so { Ok(None) } else { read(response).map(Some) };
    }
    read(response).map(Some)
}

/// The answer to one question of a batch.
pub(super) fn refusal(status: u16, code: String, after_s: Option<u64>) -> PortError {
    Meaning::of_status(status, after_s).because(Answered { status, code })
}

/// The answer to an effect.
pub(super) fn to_effect(response: &RawResponse) -> Result<Answer, NotApplied> {
    let status = u16::from(response.status());
    let call_id = response
        .headers()
        .get_optional_str(&HeaderName::from_static("request-id"))
        .filter(|id| id.len() <= CODE_BYTES && id.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(str::to_owned);
    let body = body(response);
    match status {
        // Done, even if what it says about it cannot be read: then only its secret is lost.
        200..=299 => Ok(Answer { body: body.unwrap_or_default(), call_id }),
        // Not about the target: our own token was not accepted, or it asks to come again.
        401 | 408 | 429 | 500..=599 => {
            let code = code(&body.unwrap_or_default());
            Err(refusal(status, code, retry_after_s(response.headers())).into())
        }
        400..=499 => Err(NotApplied::Refused { status, code: code(&body.unwrap_or_default()) }),
        // A redirect, above all: a permitted change goes where the manifest says.
        _ => Err(PortError::Broken(Answered { status, code: String::new() }.into()).into()),
    }
}

fn body(response: &RawResponse) -> Result<Value, serde_json::Error> {
    let bytes: &[u8] = response.body();
    if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(bytes) }
}

/// Graph's error code, of letters, digits, dots, underscores and hyphens.
pub(super) fn code(body: &Value) -> String {
    let allowed =
        |letter: &char| letter.is_ascii_alphanumeric() || ['.', '_', '-'].contains(letter);
    let code = body["error"]["code"].as_str().unwrap_or("unknown");
    code.chars().filter(allowed).take(CODE_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use azure_core::http::{StatusCode, headers::Headers};

    use super::*;

    fn response(status: u16, body: &str) -> RawResponse {
        let mut headers = Headers::new();
        headers.insert("request-id", "call-1");
        headers.insert("retry-after", "30");
        RawResponse::from_bytes(StatusCode::from(status), headers, body.to_owned())
    }

    #[test]
    fn what_was_done_is_answered_with_the_id_of_the_call() {
        let answer = to_effect(&response(204, "")).unwrap();
        assert_eq!(answer.body, Value::Null);
        assert_eq!(answer.call_id.as_deref(), Some("call-1"));

        let answer = to_effect(&response(201, r#"{"temporaryAccessPass":"Pass"}"#)).unwrap();
        assert_eq!(answer.body["temporaryAccessPass"], "Pass");
    }

    #[test]
    fn a_refusal_keeps_the_code_and_nothing_else_of_what_was_said() {
        let body = r#"{"error":{"code":"Authorization_RequestDenied","message":"nina@x said"}}"#;

        match to_effect(&response(403, body)) {
            Err(NotApplied::Refused { status: 403, code }) => {
                assert_eq!(code, "Authorization_RequestDenied");
            }
            other => panic!("{other:?}"),
        }
        let long = format!(r#"{{"error":{{"code":"\n<{}>"}}}}"#, "x".repeat(100));
        match to_effect(&response(400, &long)) {
            Err(NotApplied::Refused { code, .. }) => assert_eq!(code, "x".repeat(64)),
            other => panic!("{other:?}"),
        }
        for body in ["", "<html>", "[]"] {
            assert!(matches!(
                to_effect(&response(404, body)),
                Err(NotApplied::Refused { status: 404, code }) if code == "unknown"
            ));
        }
    }

    #[test]
    fn what_is_not_about_the_target_is_no_refusal() {
        let port = |status| match to_effect(&response(status, "")) {
            Err(NotApplied::Port(error)) => error,
            other => panic!("{other:?}"),
        };

        assert!(matches!(port(429), PortError::Throttled { after_s: Some(30) }));
        assert!(matches!(port(503), PortError::Unavailable(_)));
        assert!(matches!(port(408), PortError::Unavailable(_)));
        assert!(matches!(port(401), PortError::Denied(_)));
        assert!(matches!(port(302), PortError::Broken(_)));
    }

    #[test]
    fn what_is_not_there_is_none_only_if_graph_says_so() {
        let missing = r#"{"error":{"code":"Request_ResourceNotFound","message":"x"}}"#;

        assert_eq!(read_if_there(&response(404, missing)).unwrap(), None);
        assert!(read_if_there(&response(200, "{}")).unwrap().is_some());
        for page in ["", "<html>", "{}", "[]"] {
            assert!(matches!(read_if_there(&response(404, page)), Err(PortError::Broken(_))));
        }
        assert!(matches!(read_if_there(&response(403, missing)), Err(PortError::Denied(_))));
    }

    #[test]
    fn a_question_is_answered_by_200_alone() {
        assert_eq!(read(&response(200, r#"{"value":[]}"#)).unwrap()["value"], Value::Array(vec![]));
        assert!(matches!(read(&response(200, "<html>")), Err(PortError::Broken(_))));
        assert!(matches!(read(&response(403, "")), Err(PortError::Denied(_))));
        assert!(matches!(read(&response(404, "")), Err(PortError::Broken(_))));
        assert!(matches!(read(&response(503, "")), Err(PortError::Unavailable(_))));
    }
}
