//! Bodies that the control API reads.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{bus::Message, entra::Minting, issuer::With};

/// A token to be minted, right or wrong.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mint {
    /// The claims, exactly.
    pub claims: Value,
    /// Members of the header that differ from the usual ones; `null` removes one.
    #[serde(default)]
    pub header: Map<String, Value>,
    /// With which key.
    pub key: Minting,
}

/// A token of the customer's own issuer to be minted, right or wrong.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintForService {
    /// The claims, exactly.
    pub claims: Value,
    /// Members of the header that differ from the usual ones; `null` removes one.
    #[serde(default)]
    pub header: Map<String, Value>,
    /// With which key.
    pub key: With,
}

/// A text to be signed as if it were the input of a token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToSign {
    /// The text, exactly: of a token it is all before the second point.
    pub input: String,
    /// With which key.
    pub key: Minting,
}

/// A redirect URI to be registered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Display name of the application.
    pub application: String,
    /// The URI, exactly.
    pub uri: String,
}

/// A message to be put into a queue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    message_id: String,
    body_base64: String,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    correlation_id: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    scheduled_ms: Option<u64>,
    #[serde(default)]
    time_to_live_s: Option<u64>,
    #[serde(default)]
    properties: BTreeMap<String, Value>,
}

impl Injection {
    /// The message.
    ///
    /// # Errors
    ///
    /// If the body is not base64.
    pub fn message(self) -> Result<Message, String> {
        let body = BASE64_STANDARD
            .decode(&self.body_base64)
            .map_err(|error| format!("body_base64: {error}"))?;
        Ok(Message {
            message_id: self.message_id,
            body: body.into(),
            content_type: self.content_type,
            correlation_id: self.correlation_id,
            subject: self.subject,
            session_id: self.session_id,
            scheduled_ms: self.scheduled_ms,
            time_to_live_s: self.time_to_live_s,
            properties: self.properties,
        })
    }
}
