//! `$batch`: several requests in one.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    CONTENT_TYPE,
    call::{Call, Outcome, Reply},
    problem::Refusal,
};

/// Most requests in one batch.
const MAX_REQUESTS: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    requests: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Item {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<Value>,
    #[serde(default)]
    depends_on: Vec<String>,
}

/// `POST /$batch`
pub fn run(call: &Call<'_>) -> Outcome {
    call.only(&[])?;
    let body: Body = serde_json::from_value(Value::Object(call.json()?))
        .map_err(|error| Refusal::bad_query(format!("Invalid batch payload format: {error}.")))?;
    check(&body.requests)?;
    let mut succeeded = BTreeSet::new();
    let mut responses = Vec::new();
    let mut effects = Vec::new();
    for item in &body.requests {
        let outcome = if item.depends_on.iter().all(|id| succeeded.contains(id.as_str())) {
            serve(call, item)
        } else {
            Err(Refusal::failed_dependency())
        };
        let request_id = Uuid::new_v4();
        let mut reply =
            outcome.unwrap_or_else(|refusal| refusal.reply(request_id, &request_id.to_string()));
        if reply.status.is_success() {
            succeeded.insert(item.id.as_str());
        }
        effects.append(&mut reply.effects);
        responses.push(response(&item.id, reply));
    }
    // The real one answers in any order. This one never answers in the order of the requests,
    // so that nobody comes to rely on it.
    responses.reverse();
    let mut reply = Reply::ok(json!({ "responses": responses }));
    reply.effects = effects;
    Ok(reply)
}

/// Refuses too many requests, ids that are not unique, and dependencies on what does not come before.
fn check(requests: &[Item]) -> Result<(), Refusal> {
    if requests.len() > MAX_REQUESTS {
        return Err(Refusal::bad_query(format!(
            "Number of batch request steps exceeds the maximum value of {MAX_REQUESTS}."
        )));
    }
    let mut earlier = BTreeSet::new();
    for item in requests {
        if let Some(id) = item.depends_on.iter().find(|id| !earlier.contains(id.as_str())) {
            return Err(Refusal::bad_query(format!(
                "Request '{}' depends on '{id}', which does not come before it.",
                item.id
            )));
        }
        if item.id.is_empty() || !earlier.insert(item.id.as_str()) {
            return Err(Refusal::bad_query("Every request of a batch needs an id of its own."));
        }
    }
    Ok(())
}

fn serve(call: &Call<'_>, item: &Item) -> Outcome {
    if item.url.contains("://") || item.url.trim_start_matches('/').starts_with("$batch") {
        return Err(Refusal::bad_query(
            "The url of a request in a batch is relative, and not another batch.",
        ));
    }
    let method: Method = item.method.parse().map_err(|_| Refusal::method_not_allowed())?;
    let mut headers = HeaderMap::new();
    for (name, value) in &item.headers {
        let name: HeaderName =
            name.parse().map_err(|_| Refusal::bad_query("A header name is not one."))?;
        let value = value
            .as_str()
            .and_then(|value| HeaderValue::from_str(value).ok())
            .ok_or_else(|| Refusal::bad_query("A header value is not text."))?;
        headers.insert(name, value);
    }
    let body = item.body.as_ref().map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    super::route(&call.inner(method, &item.url, headers, body)?)
}

fn response(id: &str, reply: Reply) -> Value {
    let mut response = json!({ "id": id, "status": reply.status.as_u16() });
    if let Some(body) = reply.body {
        response["headers"] = json!({ "Content-Type": CONTENT_TYPE });
        response["body"] = body;
    }
    response
}
