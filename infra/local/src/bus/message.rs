//! What a message is, whichever way it travels.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::wire::is_property;

/// Bytes that a message may have, body and properties together: the limit of the Standard tier.
pub const MESSAGE_LIMIT_BYTES: usize = 256 * 1024;

/// Characters that `MessageId`, `SessionId` and `PartitionKey` may have.
const ID_LIMIT_CHARS: usize = 128;

/// A message as its sender wrote it.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "`message_id` is what Service Bus calls it")]
pub struct Message {
    /// By which duplicates are known. The broker makes one up for a message without.
    pub message_id: String,
    /// Payload; the broker does not look into it.
    pub body: Bytes,
    /// Media type of the payload.
    pub content_type: Option<String>,
    /// What the message belongs to.
    pub correlation_id: Option<String>,
    /// Subject; `Label` in REST.
    pub subject: Option<String>,
    /// Session. Our queues have none, so it is only carried.
    pub session_id: Option<String>,
    /// Not before this time is the message delivered, in Unix milliseconds.
    pub scheduled_ms: Option<u64>,
    /// Seconds from arrival after which the message is dropped instead of delivered.
    pub time_to_live_s: Option<u64>,
    /// Properties of the application: strings, numbers and booleans.
    pub properties: BTreeMap<String, Value>,
}

/// Addresses that the broker carries and nobody here acts upon.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// Address of the receiver.
    pub to: Option<String>,
    /// Address for an answer.
    pub reply_to: Option<String>,
    /// Session of that answer.
    pub reply_to_session_id: Option<String>,
    /// Partition; must equal the session where both are given.
    pub partition_key: Option<String>,
}

impl Message {
    /// Bytes that count against [`MESSAGE_LIMIT_BYTES`].
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let properties: usize =
            self.properties.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
        self.body.len() + properties
    }

    /// That the broker can carry it and, later, REST can.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        short("MessageId", Some(&self.message_id))?;
        short("SessionId", self.session_id.as_deref())?;
        if let Some(content_type) = &self.content_type {
            HeaderValue::from_str(content_type)
                .map_err(|_| format!("ContentType '{content_type}' cannot be a header's value"))?;
        }
        for (name, value) in &self.properties {
            HeaderName::from_bytes(name.as_bytes())
                .ok()
                .filter(|header| is_property(header.as_str()))
                .ok_or_else(|| format!("property name '{name}' cannot be a header's name"))?;
            if !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)) {
                return Err(format!("property '{name}' is neither text, number nor boolean"));
            }
        }
        if self.time_to_live_s == Some(0) {
            return Err("TimeToLive must be positive".to_owned());
        }
        Ok(())
    }
}

/// A message as the control API shows it.
pub(super) fn shown(message: &Message) -> Value {
    json!({
        "message_id": message.message_id,
        "body": STANDARD.encode(&message.body),
        "content_type": message.content_type,
        "correlation_id": message.correlation_id,
        "subject": message.subject,
        "session_id": message.session_id,
        "scheduled_ms": message.scheduled_ms,
        "time_to_live_s": message.time_to_live_s,
        "properties": message.properties,
    })
}

/// That an id is not too long.
pub(super) fn short(what: &str, value: Option<&str>) -> Result<(), String> {
    match value {
        Some(value) if value.chars().count() > ID_LIMIT_CHARS => {
            Err(format!("{what} is longer than {ID_LIMIT_CHARS} characters"))
        }
        Some(_) | None => Ok(()),
    }
}
