//! How Service Bus REST carries a message: a body, one header of broker properties, and one
//! header for each property of the application.

use std::{collections::BTreeMap, fmt::Display};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc2822, macros::format_description};

use super::{
    Delivery,
    message::{Message, Routing, short},
};

/// Where broker properties travel.
const BROKER_PROPERTIES: HeaderName = HeaderName::from_static("brokerproperties");

/// Content type of a request that carries several messages.
const BATCH: &str = "application/vnd.microsoft.servicebus.json";

/// Headers that belong to HTTP, to a proxy or to the SDK's pipeline and not to the message.
const NOT_PROPERTIES: [&str; 32] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "brokerproperties",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "if-match",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "referer",
    "servicebusauthorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "warning",
    "x-ms-retrypolicy",
];

/// What a sender may set in `BrokerProperties`. As in Azure, what is not known is ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sendable {
    message_id: Option<String>,
    label: Option<String>,
    correlation_id: Option<String>,
    session_id: Option<String>,
    partition_key: Option<String>,
    to: Option<String>,
    reply_to: Option<String>,
    reply_to_session_id: Option<String>,
    /// In the format of RFC 1123.
    scheduled_enqueue_time_utc: Option<String>,
    /// Seconds.
    time_to_live: Option<f64>,
    /// `[d.]hh:mm:ss`, as batches write it.
    time_to_live_time_span: Option<String>,
}

/// One message of a batch. A member that is not known might say how to read the body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Batched {
    body: String,
    #[serde(default)]
    broker_properties: Sendable,
    #[serde(default)]
    user_properties: BTreeMap<String, Value>,
}

/// The messages of one send request.
///
/// # Errors
///
/// What is wrong with the request, for its sender to read.
pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Vec<(Message, Routing)>, String> {
    let content_type = text(headers, &header::CONTENT_TYPE)?;
    if content_type.as_deref() == Some(BATCH) {
        let batch: Vec<Batched> = serde_json::from_slice(body)
            .map_err(|error| format!("the batch was not understood: {error}"))?;
        return batch
            .into_iter()
            .map(|one| {
                let body = Bytes::from(one.body);
                assemble(one.broker_properties, None, one.user_properties, body)
            })
            .collect();
    }
    let sendable = match text(headers, &BROKER_PROPERTIES)? {
        Some(json) => serde_json::from_str(&json)
            .map_err(|error| format!("BrokerProperties was not understood: {error}"))?,
        None => Sendable::default(),
    };
    let message = assemble(sendable, content_type, properties(headers)?, body.clone())?;
    Ok(vec![message])
}

impl Delivery {
    /// The headers with which REST hands out this message.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let broker = json_header(&self.broker_properties());
        headers.insert(BROKER_PROPERTIES, broker);
        // INVARIANT: `Message::check` let in nothing here that cannot be a header.
        if let Some(content_type) =
            self.message.content_type.as_deref().and_then(|it| HeaderValue::from_str(it).ok())
        {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        for (name, value) in &self.message.properties {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                headers.insert(name, json_header(value));
            }
        }
        if let Some(death) = &self.death {
            headers.insert("deadletterreason", json_header(&json!(death.reason)));
            headers.insert("deadlettererrordescription", json_header(&json!(death.description)));
        }
        headers
    }

    fn broker_properties(&self) -> Value {
        /// Seconds in .NET's longest time span: how the broker writes "for ever".
        const FOREVER_S: f64 = 922_337_203_685.477_5;

        let Self { message, routing, .. } = self;
        let time_to_live =
            message.time_to_live_s.map_or(json!(FOREVER_S), |seconds| json!(seconds));
        let mut properties = json!({
            "DeliveryCount": self.delivery_count,
            "EnqueuedTimeUtc": rfc1123(self.enqueued_at_ms),
            "MessageId": message.message_id,
            "SequenceNumber": self.sequence_number,
            "State": "Active",
            "TimeToLive": time_to_live,
        });
        if !self.lock_token.is_nil() {
            properties["LockToken"] = json!(self.lock_token.to_string());
            properties["LockedUntilUtc"] = json!(rfc1123(self.locked_until_ms));
        }
        let optional = [
            ("Label", &message.subject),
            ("CorrelationId", &message.correlation_id),
            ("SessionId", &message.session_id),
            ("PartitionKey", &routing.partition_key),
            ("To", &routing.to),
            ("ReplyTo", &routing.reply_to),
            ("ReplyToSessionId", &routing.reply_to_session_id),
            ("ScheduledEnqueueTimeUtc", &message.scheduled_ms.map(rfc1123)),
            ("DeadLetterSource", &self.death.as_ref().map(|_| self.queue.clone())),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                properties[name] = json!(value);
            }
        }
        properties
    }
}

fn assemble(
    sendable: Sendable,
    content_type: Option<String>,
    properties: BTreeMap<String, Value>,
    body: Bytes,
) -> Result<(Message, Routing), String> {
    let scheduled_ms = sendable.scheduled_enqueue_time_utc.as_deref().map(moment).transpose()?;
    let time_to_live_s = match (sendable.time_to_live, &sendable.time_to_live_time_span) {
        (Some(seconds), _) => Some(whole_seconds(seconds)?),
        (None, Some(span)) => Some(time_span(span)?),
        (None, None) => None,
    };
    if let (Some(session), Some(partition)) = (&sendable.session_id, &sendable.partition_key)
        && session != partition
    {
        return Err("SessionId and PartitionKey must be equal where both are set".to_owned());
    }
    short("PartitionKey", sendable.partition_key.as_deref())?;
    let message = Message {
        message_id: sendable.message_id.unwrap_or_default(),
        body,
        content_type,
        correlation_id: sendable.correlation_id,
        subject: sendable.label,
        session_id: sendable.session_id,
        scheduled_ms,
        time_to_live_s,
        properties,
    };
    message.check()?;
    let routing = Routing {
        to: sendable.to,
        reply_to: sendable.reply_to,
        reply_to_session_id: sendable.reply_to_session_id,
        partition_key: sendable.partition_key,
    };
    Ok((message, routing))
}

/// The application's properties among the headers, with lower-case names, as HTTP clients send them.
fn properties(headers: &HeaderMap) -> Result<BTreeMap<String, Value>, String> {
    let mut properties = BTreeMap::new();
    for name in headers.keys() {
        let name = name.as_str();
        if !is_property(name) {
            continue;
        }
        let Some(value) = text(headers, name)? else {
            continue;
        };
        // Text is quoted, numbers and booleans are not; what is none of these is taken as text.
        let value = match serde_json::from_str(&value) {
            Ok(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => value,
            Ok(_) | Err(_) => Value::String(value),
        };
        properties.insert(name.to_owned(), value);
    }
    Ok(properties)
}

/// Whether a header of this name carries a property of the application.
pub(super) fn is_property(name: &str) -> bool {
    let prefixes = ["proxy-", "sec-", "x-forwarded-", "x-ms-client-"];
    !NOT_PROPERTIES.contains(&name) && !prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn text<N: header::AsHeaderName + Display>(
    headers: &HeaderMap,
    name: N,
) -> Result<Option<String>, String> {
    let shown = name.to_string();
    headers
        .get(name)
        .map(|value| String::from_utf8(value.as_bytes().to_vec()))
        .transpose()
        .map_err(|_| format!("header {shown} is not UTF-8"))
}

/// A header that holds JSON. JSON escapes every control character but DEL, and a header
/// takes every byte but control characters.
fn json_header(value: &Value) -> HeaderValue {
    let json = value.to_string().replace('\u{7f}', "\\u007f");
    HeaderValue::from_bytes(json.as_bytes()).unwrap_or_else(|_| HeaderValue::from_static("null"))
}

fn moment(text: &str) -> Result<u64, String> {
    // RFC 2822 with its obsolete zones contains RFC 1123.
    let time = OffsetDateTime::parse(text.trim(), &Rfc2822).map_err(|error| {
        format!("ScheduledEnqueueTimeUtc '{text}' is not in RFC 1123 format: {error}")
    })?;
    u64::try_from(time.unix_timestamp())
        .map(|seconds| seconds * 1000)
        .map_err(|_| format!("ScheduledEnqueueTimeUtc '{text}' lies before 1970"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range was checked just before"
)]
fn whole_seconds(seconds: f64) -> Result<u64, String> {
    // Longer than .NET's longest time span is no time to live.
    if seconds > 0.0 && seconds < 922_337_203_686.0 {
        Ok(seconds.ceil() as u64)
    } else {
        Err(format!("TimeToLive {seconds} is out of range"))
    }
}

fn time_span(span: &str) -> Result<u64, String> {
    let wrong = || format!("TimeToLiveTimeSpan '{span}' is not [d.]hh:mm:ss");
    let (days, rest) = span.split_once('.').unwrap_or(("0", span));
    let mut seconds: u64 = days.parse::<u32>().map_err(|_| wrong())?.into();
    let parts: Vec<&str> = rest.split(':').collect();
    let [hours, minutes, last] = parts[..] else {
        return Err(wrong());
    };
    for (part, factor) in [(hours, 24), (minutes, 60), (last, 60)] {
        let part: u64 = part.parse::<u32>().map_err(|_| wrong())?.into();
        seconds = seconds * factor + part;
    }
    Ok(seconds)
}

/// A moment in the format of RFC 1123, as `BrokerProperties` wants it.
fn rfc1123(ms: u64) -> String {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    i64::try_from(ms / 1000)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(format).ok())
        // Only past the year 9999, which is .NET's last moment too.
        .unwrap_or_else(|| "Fri, 31 Dec 9999 23:59:59 GMT".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> Result<Vec<(Message, Routing)>, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        read(&map, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn broker_properties_become_the_message_and_what_is_unknown_is_ignored() {
        let sent = sent(
            &[
                ("content-type", "application/jose"),
                (
                    "brokerproperties",
                    r#"{"MessageId":"m-1","Label":"l","CorrelationId":"c","SessionId":"s","PartitionKey":"s",
                        "To":"t","ReplyTo":"r","TimeToLive":4.444,"Unknown":1,
                        "ScheduledEnqueueTimeUtc":"Sun, 06 Nov 1994 08:49:37 GMT"}"#
                        .replace('\n', " ")
                        .as_str(),
                ),
                ("attempt", "2"),
                ("diagnostic-id", "\"00-ab\""),
                ("plain", "words here"),
                ("x-ms-client-request-id", "not a property"),
            ],
            "body",
        )
        .unwrap();
        let (message, routing) = &sent[0];

        assert_eq!(message.message_id, "m-1");
        assert_eq!(message.subject.as_deref(), Some("l"));
        assert_eq!(message.scheduled_ms, Some(784_111_777_000));
        assert_eq!(message.time_to_live_s, Some(5));
        assert_eq!(routing.to.as_deref(), Some("t"));
        assert_eq!(
            json!(message.properties),
            json!({"attempt": 2, "diagnostic-id": "00-ab", "plain": "words here"})
        );
    }

    #[test]
    fn a_scheduled_time_is_read_with_a_numeric_zone_too() {
        assert_eq!(moment("Sun, 06 Nov 1994 08:49:37 +0000").unwrap(), 784_111_777_000);
        assert_eq!(rfc1123(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(moment("1994-11-06T08:49:37Z").is_err());
    }

    #[test]
    fn a_batch_is_as_many_messages_as_it_holds() {
        let sent = sent(
            &[("content-type", BATCH)],
            r#"[{"Body":"one","BrokerProperties":{"MessageId":"1","TimeToLiveTimeSpan":"00:00:40"}},
                {"Body":"two","UserProperties":{"Priority":"Low"}}]"#,
        )
        .unwrap();

        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].0.time_to_live_s, Some(40));
        assert_eq!(sent[1].0.properties["Priority"], "Low");
    }

    #[test]
    fn what_the_broker_cannot_carry_is_refused() {
        assert!(sent(&[("brokerproperties", "{")], "").is_err());
        let body = r#"[{"Body":"eA==","BodyIs":"base64"}]"#;
        assert!(sent(&[("content-type", BATCH)], body).is_err());
        assert!(sent(&[("brokerproperties", r#"{"TimeToLive":0}"#)], "").is_err());
        assert!(
            sent(&[("brokerproperties", r#"{"SessionId":"a","PartitionKey":"b"}"#)], "").is_err()
        );
        let long = format!(r#"{{"MessageId":"{}"}}"#, "m".repeat(129));
        assert!(sent(&[("brokerproperties", &long)], "").is_err());
    }
}
