//! A call in JSON mode: what the host sends, and what it takes for success.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{app::App, clock, connection, log::Level};

/// The host whose contract this is.
pub const HOST_VERSION: &str = "4.1052.200.25000";
/// Longest answer that is read.
const ANSWER_BYTES: usize = 100 * 1024 * 1024;
/// How many bytes of a call travel in one chunk.
const CHUNK_BYTES: usize = 16 * 1024;

/// What every call's metadata has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Sys {
    method_name: String,
    utc_now: String,
    rand_guid: String,
}

impl Sys {
    /// For a call of this function, now.
    #[must_use]
    pub fn now(function: &str) -> Self {
        Self::at(function, OffsetDateTime::now_utc(), Uuid::new_v4())
    }

    /// For a call of this function at this time.
    #[must_use]
    pub fn at(function: &str, now: OffsetDateTime, random: Uuid) -> Self {
        Self {
            method_name: function.to_owned(),
            utc_now: clock::ticks(now),
            rand_guid: random.to_string(),
        }
    }
}

/// Why a call did not succeed.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(pub String);

/// Calls a function of an app and judges its answer. Everything is in the app's log.
///
/// # Errors
///
/// If it did not succeed, by the host's rules.
pub async fn call(
    app: &Arc<App>,
    function: &str,
    body: Vec<u8>,
    trace: Option<&str>,
) -> Result<(), Failure> {
    let id = Uuid::new_v4();
    let outcome = attempt(app, function, id, body, trace).await;
    match &outcome {
        Ok(lines) => {
            for line in lines {
                app.log.write(Level::Information, line);
            }
        }
        Err(Failure(why)) => {
            app.log.write(Level::Host, &format!("call {id} of {function} failed: {why}"));
        }
    }
    outcome.map(drop)
}

async fn attempt(
    app: &Arc<App>,
    function: &str,
    id: Uuid,
    body: Vec<u8>,
    trace: Option<&str>,
) -> Result<Vec<String>, Failure> {
    let address = app.address().await.map_err(|down| Failure(down.0.to_owned()))?;
    let exchange = async {
        let request = request(address.port, function, id, body, trace)
            .map_err(|error| Failure(format!("no request could be made of it: {error}")))?;
        let broken = |error: &dyn std::fmt::Display| Failure(format!("no answer: {error}"));
        let mut connection =
            connection::open(address.port).await.map_err(|error| broken(&error))?;
        let answer = connection.send_request(request).await.map_err(|error| broken(&error))?;
        read(answer).await
    };
    tokio::time::timeout(app.call_limit(), exchange).await.unwrap_or_else(|_| {
        app.timed_out(address);
        Err(Failure("no answer within functionTimeout".to_owned()))
    })
}

type Chunks =
    StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, std::convert::Infallible>>>>;

fn request(
    port: u16,
    function: &str,
    id: Uuid,
    body: Vec<u8>,
    trace: Option<&str>,
) -> Result<Request<Chunks>, http::Error> {
    let body = Bytes::from(body);
    // Chunks, because the real host sends no Content-Length.
    let chunks: Vec<_> = (0..body.len())
        .step_by(CHUNK_BYTES)
        .map(|start| Ok(Frame::data(body.slice(start..body.len().min(start + CHUNK_BYTES)))))
        .collect();
    let mut request = Request::post(format!("/{function}"))
        .header(header::HOST, format!("127.0.0.1:{port}"))
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::USER_AGENT, format!("Azure-Functions-Host/{HOST_VERSION}"))
        .header("X-Azure-Functions-HostVersion", HOST_VERSION)
        .header("X-Azure-Functions-InvocationId", id.to_string());
    if let Some(trace) = trace {
        request = request.header("traceparent", trace);
    }
    request.body(StreamBody::new(stream::iter(chunks)))
}

async fn read(answer: Response<Incoming>) -> Result<Vec<String>, Failure> {
    let status = answer.status();
    let content_type = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let body = Limited::new(answer.into_body(), ANSWER_BYTES)
        .collect()
        .await
        .map_err(|error| Failure(format!("the answer broke off: {error}")))?
        .to_bytes();
    judge(status, content_type.as_deref(), &body)
}

/// Whether an answer is a success, and the lines it asks to be logged.
///
/// Stricter than the real host in one point each way that no handler of ours relies on: a redirect
/// is not followed, and an empty success, which would hang until `functionTimeout` and then cost
/// the process its life, fails at once and loudly.
fn judge(
    status: StatusCode,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Vec<String>, Failure> {
    let failed = |why: String| Err(Failure(why));
    if !status.is_success() {
        return failed(format!("answered {status}"));
    }
    let body = body.trim_ascii();
    if body.is_empty() || body == b"null" {
        return failed(format!(
            "EMPTY SUCCESS: answered {status} without an object. In Azure this call would hang \
             until functionTimeout, and then the process would be killed"
        ));
    }
    let media = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !media.is_some_and(|media| {
        ["application/json", "text/json"].iter().any(|json| media.eq_ignore_ascii_case(json))
    }) {
        return failed(format!("answered {status} as {content_type:?}, which is not JSON"));
    }
    let answer = match serde_json::from_slice(body) {
        Ok(Value::Object(answer)) => answer,
        Ok(_) => return failed(format!("answered {status} with JSON that is no object")),
        Err(error) => return failed(format!("answered {status} with broken JSON: {error}")),
    };
    let mut lines = Vec::new();
    for (name, value) in answer {
        match (name.to_ascii_lowercase().as_str(), value) {
            ("outputs", Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
                return failed("Outputs is no object".to_owned());
            }
            ("logs", Value::Null) => {}
            ("logs", Value::Array(entries)) => {
                for entry in entries {
                    match entry {
                        Value::Array(_) | Value::Object(_) => {
                            return failed("an entry of Logs is no line".to_owned());
                        }
                        Value::String(line) => lines.push(line),
                        scalar => lines.push(scalar.to_string()),
                    }
                }
            }
            ("logs", _) => return failed("Logs is no array".to_owned()),
            _ => {}
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, content_type: Option<&str>, body: &str) -> Result<Vec<String>, Failure> {
        judge(StatusCode::from_u16(status).unwrap(), content_type, body.as_bytes())
    }

    const JSON: Option<&str> = Some("application/json");

    #[test]
    fn a_json_object_is_success_and_nothing_else_is() {
        assert_eq!(judged(200, JSON, "{}"), Ok(vec![]));
        assert_eq!(judged(201, Some("text/json; charset=utf-8"), " {\"x\":1} "), Ok(vec![]));
        assert_eq!(
            judged(200, JSON, r#"{"Outputs":{},"Logs":["one",2],"ReturnValue":null}"#),
            Ok(vec!["one".to_owned(), "2".to_owned()])
        );

        for (status, content_type, body) in [
            (200, Some("text/plain"), "Hello World"),
            (200, Some("application/problem+json"), "{}"),
            (200, None, "{}"),
            (200, JSON, "Hello World"),
            (200, JSON, "[]"),
            (200, JSON, "\"text\""),
            (200, JSON, r#"{"Logs":"one"}"#),
            (200, JSON, r#"{"logs":[{}]}"#),
            (200, JSON, r#"{"outputs":[]}"#),
            (302, JSON, "{}"),
            (400, JSON, "{}"),
            (500, JSON, "{}"),
        ] {
            assert!(judged(status, content_type, body).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn an_empty_success_fails_loudly_because_azure_would_hang() {
        for (status, body) in [(200, ""), (204, ""), (200, "null"), (200, " \n")] {
            let Failure(why) = judged(status, JSON, body).unwrap_err();
            assert!(why.starts_with("EMPTY SUCCESS"), "{why}");
        }
    }

    #[tokio::test]
    async fn a_call_is_posted_to_the_functions_name_with_the_hosts_headers() {
        let id = Uuid::nil();
        let body = vec![b'x'; CHUNK_BYTES + 1];

        let request = request(8090, "execute", id, body.clone(), Some("00-aa-bb-01")).unwrap();

        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "/execute");
        let header = |name: &str| request.headers()[name].to_str().unwrap();
        assert_eq!(header("host"), "127.0.0.1:8090");
        assert_eq!(header("content-type"), "application/json; charset=utf-8");
        assert_eq!(header("x-azure-functions-invocationid"), id.to_string());
        assert_eq!(header("x-azure-functions-hostversion"), HOST_VERSION);
        assert_eq!(header("traceparent"), "00-aa-bb-01");
        assert!(!request.headers().contains_key("content-length"));
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), body);
    }
}
