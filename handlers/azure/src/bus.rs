//! Service Bus: sending, over REST with the identity's token.
//!
//! The published SDK knows only shared access keys and is unmaintained, and its official
//! successor is unpublished; the REST call is one request through `azure_core`'s pipeline.
//! Receiving is the Functions host's work. A repeated send is harmless: queues detect
//! duplicates by `MessageId`.

use std::sync::Arc;

use airlock_core::{
    ports::{Bus, Message, PortError},
    time::Timestamp,
};
use async_trait::async_trait;
use azure_core::{
    credentials::TokenCredential,
    error::CheckSuccessOptions,
    http::{
        Context, Method, Pipeline, PipelineSendOptions, Request, Url,
        policies::auth::BearerTokenAuthorizationPolicy,
    },
};
use serde::Serialize;
use time::{OffsetDateTime, macros::format_description};

use crate::{
    failure::{in_time, port_error},
    transport::Wire,
};

const SCOPE: &str = "https://servicebus.azure.net/.default";

/// One namespace.
pub(crate) struct ServiceBus {
    namespace: Url,
    pipeline: Pipeline,
}

/// What the broker is told about a message.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BrokerProperties<'a> {
    message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_enqueue_time_utc: Option<String>,
}

impl ServiceBus {
    /// `namespace` is its host name.
    pub(crate) fn new(
        namespace: &str,
        identity: Arc<dyn TokenCredential>,
        wire: &Wire,
    ) -> azure_core::Result<Self> {
        let namespace = Url::parse(&format!("https://{namespace}/"))?;
        let authorization = BearerTokenAuthorizationPolicy::new(identity, [SCOPE]);
        let pipeline = Pipeline::new(
            option_env!("CARGO_PKG_NAME"),
            option_env!("CARGO_PKG_VERSION"),
            wire.repeating(),
            Vec::new(),
            vec![Arc::new(authorization)],
            None,
        );
        Ok(Self { namespace, pipeline })
    }

    fn request(&self, queue: &str, message: &Message) -> Result<Request, PortError> {
        // Names of queues are constants of ours; one that leads elsewhere is a defect.
        if queue.is_empty()
            || !queue.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(PortError::Broken("not a queue's name".into()));
        }
        let url = self
            .namespace
            .join(&format!("{queue}/messages"))
            .map_err(|error| PortError::Broken(error.into()))?;
        let properties = serde_json::to_string(&BrokerProperties::of(message)?)
            .map_err(|error| PortError::Broken(error.into()))?;
        let mut request = Request::new(url, Method::Post);
        request.insert_header("content-type", "application/json");
        request.insert_header("brokerproperties", properties);
        if let Some(traceparent) = &message.traceparent {
            // A property of the application that is text stands in quotes. This is the name by
            // which Azure's SDKs know a message's trace.
            request.insert_header("diagnostic-id", format!("\"{traceparent}\""));
        }
        request.set_body(message.body.clone());
        Ok(request)
    }
}

impl<'a> BrokerProperties<'a> {
    fn of(message: &'a Message) -> Result<Self, PortError> {
        // Into a header: control characters and what is not ASCII would not survive.
        let visible = message.id.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(1..=128).contains(&message.id.len()) {
            return Err(PortError::Broken("not a message's id".into()));
        }
        let scheduled_enqueue_time_utc = message.not_before.map(rfc1123).transpose()?;
        Ok(Self { message_id: &message.id, scheduled_enqueue_time_utc })
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn rfc1123(at: Timestamp) -> Result<String, PortError> {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let broken = |error: Box<dyn std::error::Error + Send + Sync>| PortError::Broken(error);
    OffsetDateTime::from_unix_timestamp(at.as_unix_s())
        .map_err(|error| broken(error.into()))?
        .format(format)
        .map_err(|error| broken(error.into()))
}

#[async_trait]
impl Bus for ServiceBus {
    async fn send(&self, queue: &str, message: &Message) -> Result<(), PortError> {
        let mut request = self.request(queue, message)?;
        let options = PipelineSendOptions {
            check_success: CheckSuccessOptions { success_codes: &[201] },
            ..PipelineSendOptions::default()
        };
        in_time(async {
            let context = Context::default();
            self.pipeline.send(&context, &mut request, Some(options)).await.map_err(port_error)
        })
        .await
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::headers::HeaderName;

    use super::*;

    #[derive(Debug)]
    struct Nobody;

    #[async_trait]
    impl TokenCredential for Nobody {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<azure_core::credentials::TokenRequestOptions<'_>>,
        ) -> azure_core::Result<azure_core::credentials::AccessToken> {
            Err(azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, "nobody"))
        }
    }

    fn bus() -> ServiceBus {
        let wire = Wire::new(crate::transport::client().unwrap(), "https://login.example");
        ServiceBus::new("ns.servicebus.windows.net", Arc::new(Nobody), &wire).unwrap()
    }

    fn message() -> Message {
        Message {
            id: "permit-1".to_owned(),
            body: b"{}".to_vec(),
            not_before: None,
            traceparent: None,
        }
    }

    fn header(request: &Request, name: &'static str) -> Option<String> {
        request.headers().get_optional_string(&HeaderName::from_static(name))
    }

    #[test]
    fn a_message_says_its_id() {
        let request = bus().request("permits-execute", &message()).unwrap();

        assert_eq!(
            request.url().as_str(),
            "https://ns.servicebus.windows.net/permits-execute/messages"
        );
        assert_eq!(header(&request, "brokerproperties").unwrap(), r#"{"MessageId":"permit-1"}"#);
        assert_eq!(header(&request, "diagnostic-id"), None);
    }

    #[test]
    fn a_later_message_says_when_and_what_it_belongs_to() {
        let mut later = message();
        later.not_before = Some(Timestamp::from_unix_s(784_111_777));
        later.traceparent =
            Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());

        let request = bus().request("permits-execute", &later).unwrap();

        assert_eq!(
            header(&request, "brokerproperties").unwrap(),
            r#"{"MessageId":"permit-1","ScheduledEnqueueTimeUtc":"Sun, 06 Nov 1994 08:49:37 GMT"}"#
        );
        assert_eq!(
            header(&request, "diagnostic-id").unwrap(),
            r#""00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01""#
        );
    }

    #[test]
    fn what_would_break_out_of_a_header_or_a_path_is_not_sent() {
        for queue in ["", "a/b", "..", "a?b", "a b"] {
            assert!(bus().request(queue, &message()).is_err(), "{queue}");
        }
        for id in ["", "a\r\nb", "ä", &"m".repeat(129)] {
            let spoiled = Message { id: id.to_owned(), ..message() };
            assert!(bus().request("permits-execute", &spoiled).is_err(), "{id}");
        }
    }

    #[tokio::test]
    async fn without_a_token_nothing_is_sent() {
        assert!(bus().send("permits-execute", &message()).await.is_err());
    }
}
