//! Service Bus, judged by the published Rust client: what it sends is taken, and what is handed
//! out it understands. Its shared access keys are replaced by tokens ([`bearer`]).
//!
//! `rotate` may both send to and receive from `permits-rotate`; its process is stopped meanwhile,
//! so that nobody else takes the messages.

mod bearer;
mod checks;
mod cloud;

use std::{
    collections::HashMap,
    future::Future,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use azure_core::{HttpClient, StatusCode, error::ErrorKind, headers::Headers};
use azure_messaging_servicebus::service_bus::{
    PeekLockResponse, QueueClient, SendMessageOptions, SettableBrokerProperties,
};
use reqwest::Method;
use time::OffsetDateTime;

use crate::{bearer::Bearer, checks::Checks, cloud::Cloud};

const RESOURCE: &str = "https://servicebus.azure.net";
const QUEUE: &str = "permits-rotate";
const WAIT: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    #[expect(clippy::disallowed_methods, reason = "main is where the environment is read")]
    let stack = std::env::var("AIRLOCK_STACK");
    let cloud = Cloud::running(stack.as_deref().unwrap_or(".local/stack.json"))?;
    cloud.control(Method::POST, "/processes/rotate/stop").await?;
    let judged = judge(&cloud).await;
    cloud.control(Method::POST, "/processes/rotate/start").await?;
    Ok(judged?.end())
}

async fn judge(cloud: &Cloud) -> anyhow::Result<Checks> {
    let judge = Judge::new(cloud).await?;
    let mut checks = Checks::default();
    checks.that("a message that is sent is received, once", judge.once().await);
    checks.that(
        "a locked message comes with what the sender said of it, and is gone when completed",
        judge.properties().await,
    );
    checks.that(
        "while a message is locked nobody else gets it; abandoned, it comes again and counts up",
        judge.lock().await,
    );
    checks.that("a lock can be renewed, and is worth nothing when settled", judge.renew().await);
    checks.that("of two messages with one MessageId the second is swallowed", judge.twin().await);
    checks.that("a scheduled message comes when its time has come", judge.scheduled().await);
    checks.that("an empty queue is no content, after the wait that was asked", judge.empty().await);
    checks.that("an identity without the right neither sends nor receives", judge.stranger().await);
    checks.that("a token for another resource is refused", judge.other_resource().await);
    checks.that("a shared access key is refused", judge.shared_key().await);
    Ok(checks)
}

struct Judge<'a> {
    cloud: &'a Cloud,
    http: reqwest::Client,
    namespace: String,
    queue: QueueClient,
}

impl<'a> Judge<'a> {
    async fn new(cloud: &'a Cloud) -> anyhow::Result<Self> {
        let names = cloud.control(Method::GET, "/names").await?;
        let host = names["bus"].as_str().context("the cloud has no bus")?;
        let namespace = host
            .strip_suffix(".servicebus.windows.net")
            .context("the bus is not under Azure's name")?
            .to_owned();
        let http = cloud.client()?;
        let token = cloud.token("rotate", RESOURCE).await?;
        let queue = client(&namespace, Bearer::new(http.clone(), token))?;
        Ok(Self { cloud, http, namespace, queue })
    }

    async fn as_identity(&self, identity: &str, resource: &str) -> anyhow::Result<QueueClient> {
        let token = self.cloud.token(identity, resource).await?;
        client(&self.namespace, Bearer::new(self.http.clone(), token))
    }

    async fn locked(&self) -> anyhow::Result<PeekLockResponse> {
        let locked = self.queue.peek_lock_message2(Some(5 * WAIT)).await?;
        ensure!(*locked.status() == StatusCode::Created, "{}", locked.status());
        Ok(locked)
    }

    async fn is_empty(&self) -> anyhow::Result<()> {
        let answer = self.queue.peek_lock_message2(Some(WAIT)).await?;
        ensure!(*answer.status() == StatusCode::NoContent, "{} is left", answer.body());
        Ok(())
    }

    async fn once(&self) -> anyhow::Result<()> {
        let text = r#"{"text":"Grüße, \u0000 und so weiter"}"#;
        self.queue.send_message(text, None).await?;
        let received = self.queue.receive_and_delete_message().await?;
        ensure!(received == text, "received {received}");
        self.is_empty().await
    }

    async fn properties(&self) -> anyhow::Result<()> {
        let id = message_id("properties");
        let options = SendMessageOptions {
            content_type: Some("application/json".to_owned()),
            broker_properties: Some(SettableBrokerProperties {
                message_id: Some(id.clone()),
                correlation_id: Some("correlated".to_owned()),
                label: Some("permit".to_owned()),
                time_to_live: Some(Duration::from_secs(90)),
                ..Default::default()
            }),
            custom_properties: Some(HashMap::from([(
                "traceparent".to_owned(),
                "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"".to_owned(),
            )])),
        };
        self.queue.send_message("{}", Some(options)).await?;

        let locked = self.locked().await?;
        let broker = locked.broker_properties().context("no BrokerProperties")?;
        ensure!(broker.message_id == id, "MessageId {}", broker.message_id);
        ensure!(broker.delivery_count == 1, "DeliveryCount {}", broker.delivery_count);
        ensure!((broker.time_to_live - 90.0).abs() < 0.5, "TimeToLive {}", broker.time_to_live);
        ensure!(broker.state == "Active", "State {}", broker.state);
        ensure!(broker.sequence_number > 0, "SequenceNumber {}", broker.sequence_number);
        let until = broker.locked_until_utc - OffsetDateTime::now_utc();
        ensure!(until.is_positive() && until.whole_seconds() <= 60, "locked for {until}");
        let headers: Headers = locked.custom_properties().map_err(|never| match never {})?;
        let header = |name: &'static str| headers.get_optional_string(&name.into());
        ensure!(header("content-type").as_deref() == Some("application/json"), "content type");
        let trace = header("traceparent").context("the property is lost")?;
        ensure!(trace.starts_with("\"00-4bf92f"), "traceparent {trace}");
        let known = header("brokerproperties").context("no BrokerProperties")?;
        for text in ["\"CorrelationId\":\"correlated\"", "\"Label\":\"permit\""] {
            ensure!(known.contains(text), "{text} is not in {known}");
        }
        locked.delete_message().await?;
        self.is_empty().await
    }

    async fn lock(&self) -> anyhow::Result<()> {
        self.queue.send_message("again", None).await?;
        let first = self.locked().await?;
        self.is_empty().await?;
        first.unlock_message().await?;

        let second = self.locked().await?;
        let count = |it: &PeekLockResponse| it.broker_properties().map(|it| it.delivery_count);
        ensure!((count(&first), count(&second)) == (Some(1), Some(2)), "delivery counts");
        let token = |it: &PeekLockResponse| it.broker_properties().map(|it| it.lock_token);
        ensure!(token(&first) != token(&second), "both have one lock token");
        refused(StatusCode::Gone, first.delete_message()).await?;
        second.delete_message().await?;
        self.is_empty().await
    }

    async fn renew(&self) -> anyhow::Result<()> {
        self.queue.send_message("renewed", None).await?;
        let locked = self.locked().await?;
        locked.renew_message_lock().await?;
        locked.delete_message().await?;
        refused(StatusCode::Gone, locked.delete_message()).await?;
        refused(StatusCode::Gone, locked.renew_message_lock()).await?;
        refused(StatusCode::Gone, locked.unlock_message()).await
    }

    async fn twin(&self) -> anyhow::Result<()> {
        let id = message_id("twin");
        for text in ["first", "second"] {
            let properties =
                SettableBrokerProperties { message_id: Some(id.clone()), ..Default::default() };
            self.queue.send_message(text, Some(with(properties))).await?;
        }
        let received = self.queue.receive_and_delete_message().await?;
        ensure!(received == "first", "received {received}");
        self.is_empty().await
    }

    async fn scheduled(&self) -> anyhow::Result<()> {
        let properties = SettableBrokerProperties {
            scheduled_enqueue_time_utc: Some(
                OffsetDateTime::now_utc() + time::Duration::seconds(4),
            ),
            ..Default::default()
        };
        self.queue.send_message("later", Some(with(properties))).await?;
        self.is_empty().await?;
        let received = self.queue.receive_and_delete_message().await?;
        ensure!(received == "later", "received {received}");
        Ok(())
    }

    async fn empty(&self) -> anyhow::Result<()> {
        let asked = Instant::now();
        self.is_empty().await?;
        let waited = asked.elapsed();
        ensure!(waited >= WAIT && waited < 5 * WAIT, "waited {waited:?}");
        Ok(())
    }

    async fn stranger(&self) -> anyhow::Result<()> {
        let signin = self.as_identity("signin", RESOURCE).await?;
        refused(StatusCode::Unauthorized, signin.send_message("mine", None)).await?;
        refused(StatusCode::Unauthorized, signin.receive_and_delete_message()).await?;
        self.is_empty().await
    }

    async fn other_resource(&self) -> anyhow::Result<()> {
        let other = self.as_identity("rotate", "https://vault.azure.net").await?;
        refused(StatusCode::Unauthorized, other.send_message("mine", None)).await
    }

    async fn shared_key(&self) -> anyhow::Result<()> {
        let client = client(&self.namespace, Bearer::shared_key(self.http.clone()))?;
        refused(StatusCode::Unauthorized, client.send_message("mine", None)).await
    }
}

fn client(namespace: &str, transport: Bearer) -> anyhow::Result<QueueClient> {
    let transport: Arc<dyn HttpClient> = Arc::new(transport);
    Ok(QueueClient::new(transport, namespace, QUEUE, "RootManageSharedAccessKey", "a key")?)
}

fn with(properties: SettableBrokerProperties) -> SendMessageOptions {
    SendMessageOptions { broker_properties: Some(properties), ..Default::default() }
}

/// One that no earlier run has used: the broker remembers them for minutes.
fn message_id(what: &str) -> String {
    format!("{what}-{}", OffsetDateTime::now_utc().unix_timestamp_nanos())
}

/// The call ends in exactly this status.
async fn refused<T>(
    status: StatusCode,
    call: impl Future<Output = azure_core::Result<T>>,
) -> anyhow::Result<()> {
    match call.await {
        Ok(_) => bail!("it was not refused"),
        Err(error) => match error.kind() {
            ErrorKind::HttpResponse { status: got, .. } if *got == status => Ok(()),
            _ => Err(error.into()),
        },
    }
}
