//! Between HTTP as the door speaks it and HTTP as the emulator does.

use azure_core::http::{Method, RawResponse, Request, Url, headers::HeaderName};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cloud::{Answer, Asked};

/// Names the request in logs.
pub const ACTIVITY_ID: HeaderName = HeaderName::from_static("x-ms-activity-id");
/// Whether a written document is sent back.
pub const CONTENT_ON_WRITE: HeaderName =
    HeaderName::from_static("x-ms-cosmos-populate-content-response-on-write");
/// Version of a document.
pub const ETAG: HeaderName = HeaderName::from_static("etag");
/// Which container the caller means, if its name was given to another one since.
pub const INTENDED_CONTAINER: HeaderName =
    HeaderName::from_static("x-ms-cosmos-intended-collection-rid");
/// The body is a transactional batch.
pub const IS_BATCH: HeaderName = HeaderName::from_static("x-ms-cosmos-is-batch-request");
/// The body is a query.
pub const IS_QUERY: HeaderName = HeaderName::from_static("x-ms-documentdb-isquery");
/// The body is a query, as older SDKs say it.
pub const IS_QUERY_LEGACY: HeaderName = HeaderName::from_static("x-ms-documentdb-query");
/// Asks how the query would run.
pub const IS_QUERY_PLAN: HeaderName = HeaderName::from_static("x-ms-cosmos-is-query-plan-request");
/// Replaces the document if it exists.
pub const IS_UPSERT: HeaderName = HeaderName::from_static("x-ms-documentdb-is-upsert");
/// JSON array of the partition key's components.
pub const PARTITION_KEY: HeaderName = HeaderName::from_static("x-ms-documentdb-partitionkey");
/// `return=minimal` if a written document need not be sent back.
pub const PREFER: HeaderName = HeaderName::from_static("prefer");
/// What the request cost, in request units.
pub const REQUEST_CHARGE: HeaderName = HeaderName::from_static("x-ms-request-charge");
/// Finer reason of a refusal.
pub const SUBSTATUS: HeaderName = HeaderName::from_static("x-ms-substatus");

/// What a request to a container's documents is besides its method, if it is one of these.
pub fn kind(headers: &HeaderMap) -> Option<&'static str> {
    let kinds = [
        (IS_QUERY_PLAN, "query_plan"),
        (IS_QUERY, "query"),
        (IS_QUERY_LEGACY, "query"),
        (IS_BATCH, "batch"),
        (IS_UPSERT, "upsert"),
    ];
    let is_set = |name: &HeaderName| {
        headers
            .get(name.as_str())
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
    };
    kinds.into_iter().find(|(name, _)| is_set(name)).map(|(_, kind)| kind)
}

/// An answer that is not the emulator's.
#[derive(Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// Finer reason, for Cosmos DB's SDKs.
    pub substatus: Option<u32>,
    /// Reason in one word.
    pub code: &'static str,
    /// Reason in a sentence.
    pub message: String,
}

impl Refusal {
    /// A refusal without substatus.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, substatus: None, code, message: message.into() }
    }

    /// 400
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 401
    pub fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    /// 403
    pub fn forbidden(substatus: u32, message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).with_substatus(substatus)
    }

    /// 500
    pub fn internal(message: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
    }

    /// The same with a finer reason.
    pub fn with_substatus(self, substatus: u32) -> Self {
        Self { substatus: Some(substatus), ..self }
    }

    /// The answer to a request with these headers.
    pub fn answer(self, asked: &HeaderMap) -> Answer {
        let body = json!({ "code": self.code, "message": self.message }).to_string();
        let mut answer = Answer::new(Bytes::from(body));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-ms-version", HeaderValue::from_static("2020-07-15"));
        headers.insert("x-ms-request-charge", HeaderValue::from_static("0"));
        let activity = asked
            .get(ACTIVITY_ID.as_str())
            .cloned()
            .or_else(|| HeaderValue::try_from(Uuid::new_v4().to_string()).ok());
        if let Some(activity) = activity {
            headers.insert("x-ms-activity-id", activity);
        }
        if let Some(substatus) = self.substatus {
            headers.insert("x-ms-substatus", HeaderValue::from(substatus));
        }
        answer
    }
}

/// A request as the emulator takes it. Host and scheme are the account's, whoever was dialled.
pub fn request(origin: &Url, asked: &Asked) -> Result<Request, Refusal> {
    let method: Method = asked.method().as_str().parse().map_err(|_| {
        Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "This method is not supported.",
        )
    })?;
    let mut url = origin.clone();
    url.set_path(asked.uri().path());
    url.set_query(asked.uri().query());
    let mut request = Request::new(url, method);
    for name in asked.headers().keys() {
        let value = asked.headers().get(name).and_then(|value| value.to_str().ok());
        let Some(value) = value else {
            return Err(Refusal::bad_request(format!("The header {name} is not text.")));
        };
        request.insert_header(HeaderName::from(name.as_str().to_owned()), value.to_owned());
    }
    request.set_body(asked.body().clone());
    Ok(request)
}

/// The emulator's answer as the door takes it.
pub fn answer(response: &RawResponse) -> Result<Answer, Refusal> {
    let mut answer = Answer::new(Bytes::copy_from_slice(response.body()));
    *answer.status_mut() = status(response)?;
    for (name, value) in response.headers().iter() {
        let name = http::HeaderName::try_from(name.as_str());
        let value = HeaderValue::try_from(value.as_str());
        if let (Ok(name), Ok(value)) = (name, value) {
            answer.headers_mut().insert(name, value);
        } else {
            return Err(Refusal::internal("The emulator answered with a header that is none."));
        }
    }
    Ok(answer)
}

fn status(response: &RawResponse) -> Result<StatusCode, Refusal> {
    StatusCode::from_u16(u16::from(response.status()))
        .map_err(|_| Refusal::internal("The emulator answered with a status that is none."))
}

/// What the emulator says about a request that it refused.
pub fn message(response: &RawResponse) -> String {
    serde_json::from_slice::<Value>(response.body())
        .ok()
        .and_then(|body| body.get("message").and_then(Value::as_str).map(str::to_owned))
        .unwrap_or_else(|| format!("answered with status {}", u16::from(response.status())))
}

/// The header that names the partition of this key.
pub fn partition_key(value: &str) -> String {
    json!([value]).to_string()
}

/// A partition key header in one spelling, if it names exactly one logical partition.
pub fn one_partition(header: &str) -> Option<String> {
    let Value::Array(components) = serde_json::from_str(header).ok()? else {
        return None;
    };
    let [component] = <[Value; 1]>::try_from(components).ok()?;
    // Numbers are doubles to Cosmos DB: 1 and 1.0 are one partition.
    let component = component.as_f64().map_or(component, Value::from);
    Some(json!([component]).to_string())
}
