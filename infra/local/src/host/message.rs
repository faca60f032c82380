//! A message as a handler receives it: `serviceBusTrigger`, one at a time, `dataType` binary.
//!
//! Metadata is encoded twice (a JSON string that holds JSON) unless it is an object, and times
//! lose their fractions. The body is base64, once, and cannot touch the metadata.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::Value;

use super::{clock, invocation::Sys};
use crate::bus::Delivery;

/// How long a message lives unless it says so itself, in seconds: the default of a queue.
const TIME_TO_LIVE_S: u64 = 14 * 24 * 60 * 60;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Call<'a> {
    data: BTreeMap<&'a str, String>,
    metadata: Metadata<'a>,
}

// In the order of the host. DeadLetterSource and TransactionPartitionKey, which it leaves out when
// they are null, are always null here: no queue forwards its dead letters, nothing is transacted.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    message_receiver: Hidden,
    message_session: Hidden,
    message_actions: Hidden,
    session_actions: Hidden,
    receive_actions: Hidden,
    client: Client<'a>,
    delivery_count: String,
    lock_token: String,
    expires_at_utc: String,
    expires_at: String,
    enqueued_time_utc: String,
    enqueued_time: String,
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    sequence_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    application_properties: &'a BTreeMap<String, Value>,
    user_properties: &'a BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<String>,
    #[serde(rename = "sys")]
    sys: Sys,
}

/// A .NET object of which nothing is left in JSON.
#[derive(Serialize)]
struct Hidden {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Client<'a> {
    fully_qualified_namespace: &'a str,
    is_closed: bool,
    transport_type: u8,
    identifier: String,
}

/// The body of the call for this delivery.
///
/// # Errors
///
/// None that a message can cause: every part has a JSON form.
pub fn body(
    delivery: &Delivery,
    binding: &str,
    namespace: &str,
    sys: Sys,
) -> serde_json::Result<Vec<u8>> {
    let message = &delivery.message;
    let routing = &delivery.routing;
    // A message of a session is partitioned by it.
    let partition_key = routing.partition_key.as_ref().or(message.session_id.as_ref());
    let optional = |text: &Option<String>| text.as_deref().map(twice);
    let lives_ms = message.time_to_live_s.unwrap_or(TIME_TO_LIVE_S).saturating_mul(1_000);
    let expires_ms = delivery.enqueued_at_ms.saturating_add(lives_ms);
    serde_json::to_vec(&Call {
        data: BTreeMap::from([(binding, BASE64_STANDARD.encode(&message.body))]),
        metadata: Metadata {
            message_receiver: Hidden {},
            message_session: Hidden {},
            message_actions: Hidden {},
            session_actions: Hidden {},
            receive_actions: Hidden {},
            client: Client {
                fully_qualified_namespace: namespace,
                is_closed: false,
                transport_type: 0,
                identifier: format!("{namespace}-1"),
            },
            delivery_count: delivery.delivery_count.to_string(),
            lock_token: twice(&delivery.lock_token.to_string()),
            expires_at_utc: clock::date_time(expires_ms),
            expires_at: clock::date_time_offset(expires_ms),
            enqueued_time_utc: clock::date_time(delivery.enqueued_at_ms),
            enqueued_time: clock::date_time_offset(delivery.enqueued_at_ms),
            message_id: twice(&message.message_id),
            content_type: optional(&message.content_type),
            reply_to: optional(&routing.reply_to),
            sequence_number: delivery.sequence_number.to_string(),
            to: optional(&routing.to),
            subject: optional(&message.subject),
            label: optional(&message.subject),
            correlation_id: optional(&message.correlation_id),
            application_properties: &message.properties,
            user_properties: &message.properties,
            session_id: optional(&message.session_id),
            reply_to_session_id: optional(&routing.reply_to_session_id),
            partition_key: partition_key.map(|key| twice(key)),
            sys,
        },
    })
}

/// The sender's trace context, which travels as an application property.
#[must_use]
pub fn trace(delivery: &Delivery) -> Option<&str> {
    delivery.message.properties.get("Diagnostic-Id")?.as_str()
}

/// A text as JSON; the outer serializer makes that a text once more.
fn twice(text: &str) -> String {
    Value::from(text).to_string()
}
