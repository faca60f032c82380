//! What the Functions host sends to a custom handler, and what it takes for an answer.
//!
//! Every Service Bus trigger of ours is `"dataType": "binary"`: then the message's body arrives
//! once encoded, and none of its properties can overwrite the broker's in `Metadata`.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// An invocation of a function that is not HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Invocation {
    /// Input bindings by name.
    pub data: BTreeMap<String, Value>,
    /// What the trigger says about the input.
    #[serde(default)]
    pub metadata: Metadata,
}

/// What the broker says about a message. The host writes strings as JSON inside of JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metadata {
    /// Deliveries so far, this one included. 1 on the first.
    #[serde(default, deserialize_with = "encoded")]
    pub delivery_count: Option<u32>,
    /// `MessageId`.
    #[serde(default, deserialize_with = "encoded")]
    pub message_id: Option<String>,
    /// What the sender put beside the body.
    #[serde(default)]
    pub application_properties: BTreeMap<String, Value>,
}

/// An answer that the host takes for success. An empty one would hang the invocation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Done {
    outputs: BTreeMap<String, Value>,
    logs: Vec<String>,
    return_value: Option<Value>,
}

/// An invocation is not of the form that the host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invocation has no binary message")]
pub struct NoMessage;

impl Invocation {
    /// The body of the message that triggered it.
    ///
    /// # Errors
    ///
    /// [`NoMessage`] unless there is exactly one input, in base64.
    pub fn message(&self) -> Result<Vec<u8>, NoMessage> {
        let mut inputs = self.data.values();
        let (Some(Value::String(text)), None) = (inputs.next(), inputs.next()) else {
            return Err(NoMessage);
        };
        STANDARD.decode(text).map_err(|_| NoMessage)
    }

    /// The sender's W3C trace context.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        // Sent over REST, its name arrives in lower case.
        let (_, value) = self
            .metadata
            .application_properties
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("Diagnostic-Id"))?;
        value.as_str().filter(|text| is_traceparent(text)).map(str::to_owned)
    }
}

impl Done {
    /// The plain success.
    #[must_use]
    pub const fn new() -> Self {
        Self { outputs: BTreeMap::new(), logs: Vec::new(), return_value: None }
    }
}

/// Whether a text is a W3C trace context (version 00). It comes from strangers, is logged, and
/// enters the ledger.
#[must_use]
pub fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else { return false };
    let hex = |part: &str, length| {
        part.len() == length
            && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let not_zero = |part: &str| part.bytes().any(|byte| byte != b'0');
    *version == "00"
        && hex(trace, 32)
        && hex(span, 16)
        && hex(flags, 2)
        && not_zero(trace)
        && not_zero(span)
}

impl Default for Done {
    fn default() -> Self {
        Self::new()
    }
}

/// A value that the host wrote as JSON into a JSON string; plain values are taken too.
fn encoded<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value = Option::<Value>::deserialize(deserializer)?;
    let parsed = match value {
        None => return Ok(None),
        Some(Value::String(text)) => serde_json::from_str(&text)
            .or_else(|_| serde_json::from_value(Value::String(text.clone()))),
        Some(other) => serde_json::from_value(other),
    };
    parsed.map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_the_host_writes_it_in_binary_mode() {
        let text = r#"{"Data":{"msg":"eyJtZXNzYWdlSWQiOiJGUk9NLUJPRFkifQ=="},"Metadata":{
            "MessageReceiver":{},"DeliveryCount":"3","LockToken":"\"a4d2f2b0\"",
            "MessageId":"\"m-1\"","ApplicationProperties":{"Diagnostic-Id":
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","n":3},
            "sys":{"MethodName":"execute"}}}"#;

        let invocation: Invocation = serde_json::from_str(text).unwrap();

        assert_eq!(invocation.message().unwrap(), br#"{"messageId":"FROM-BODY"}"#);
        assert_eq!(invocation.metadata.delivery_count, Some(3));
        assert_eq!(invocation.metadata.message_id.as_deref(), Some("m-1"));
        assert_eq!(
            invocation.traceparent().as_deref(),
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        );
    }

    #[test]
    fn an_invocation_with_text_instead_of_bytes_has_no_message() {
        let text = r#"{"Data":{"msg":"\"not base64\""},"Metadata":{}}"#;

        let invocation: Invocation = serde_json::from_str(text).unwrap();

        assert_eq!(invocation.message(), Err(NoMessage));
    }

    #[test]
    fn a_trace_context_that_is_none_is_not_passed_on() {
        for text in ["nina@contoso.example", "00-0-0-00", &"0".repeat(60_000), ""] {
            let text = serde_json::json!({
                "Data": { "msg": "" },
                "Metadata": { "ApplicationProperties": { "diagnostic-id": text } },
            });
            let invocation: Invocation = serde_json::from_value(text).unwrap();

            assert_eq!(invocation.traceparent(), None);
        }
    }

    #[test]
    fn success_is_never_an_empty_body() {
        assert_eq!(
            serde_json::to_string(&Done::new()).unwrap(),
            r#"{"Outputs":{},"Logs":[],"ReturnValue":null}"#
        );
    }
}
