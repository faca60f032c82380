//! The Service Bus trigger: receives, calls, settles.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::sync::Semaphore;

use super::{app::App, clock, invocation, invocation::Sys, log::Level, message};
use crate::{bus::Delivery, cloud::Shared, identities};

/// One function that waits for messages.
pub(super) struct Listener {
    cloud: Shared,
    app: Arc<App>,
    function: String,
    binding: String,
    queue: String,
    namespace: String,
}

impl Listener {
    /// Opens a listener with the connection that the app's settings describe.
    ///
    /// # Errors
    ///
    /// If the settings do not describe one by identity.
    pub(super) fn open(
        cloud: &Shared,
        app: &Arc<App>,
        function: &str,
        (binding, queue, connection): (&str, &str, &str),
    ) -> anyhow::Result<Self> {
        let setting = |name: &str| app.settings.get(name).map(String::as_str);
        ensure!(
            setting(connection).is_none(),
            "setting {connection} must not exist: the host would take it for a connection string"
        );
        let part = |name: &str| setting(&format!("{connection}__{name}"));
        let namespace = part("fullyQualifiedNamespace")
            .with_context(|| format!("Service Bus connection '{connection}' does not exist"))?;
        ensure!(
            part("credential") == Some("managedidentity")
                && part("clientId") == Some(&identities::client_id(&app.name).to_string()),
            "connection {connection} is not by the managed identity of {}",
            app.name
        );
        ensure!(namespace == cloud.names.bus, "no Service Bus is called {namespace}");
        Ok(Self {
            cloud: Arc::clone(cloud),
            app: Arc::clone(app),
            function: function.to_owned(),
            binding: binding.to_owned(),
            queue: queue.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    /// Receives for as long as the host lives.
    pub(super) async fn listen(self: Arc<Self>) {
        let calls = Arc::new(Semaphore::new(self.app.contract.concurrent_calls));
        loop {
            self.app.listening().await;
            let Ok(call) = Arc::clone(&calls).acquire_owned().await else {
                return;
            };
            // Nothing is lost with a dropped `receive_as`: it takes a message when it returns it.
            let received = tokio::select! {
                received = self.cloud.bus.receive_as(&self.cloud, &self.app.name, &self.queue) => received,
                () = self.app.not_listening() => continue,
            };
            let delivery = match received {
                Ok(delivery) => delivery,
                Err(why) => {
                    let what = format!("{} cannot listen to {}: {why}", self.function, self.queue);
                    self.app.log.write(Level::Host, &what);
                    eprintln!("airlock: {}: {what}", self.app.name);
                    return;
                }
            };
            let listener = Arc::clone(&self);
            tokio::spawn(async move {
                listener.handle(delivery).await;
                drop(call);
            });
        }
    }

    /// Success completes a message; anything else abandons it at once.
    async fn handle(&self, delivery: Delivery) {
        let outcome = tokio::select! {
            outcome = self.call(&delivery) => outcome,
            never = self.keep_locked(&delivery) => match never {},
        };
        let bus = &self.cloud.bus;
        let (settled, how) = match outcome {
            Ok(()) => (bus.complete(&delivery), "completed"),
            Err(invocation::Failure(_)) => (bus.abandon(&delivery), "abandoned"),
        };
        if settled.is_err() {
            self.note(&delivery, &format!("could not be {how}: its lock was lost"));
        }
    }

    async fn call(&self, delivery: &Delivery) -> Result<(), invocation::Failure> {
        let sys = Sys::now(&self.function);
        let body = message::body(delivery, &self.binding, &self.namespace, sys)
            .map_err(|error| invocation::Failure(error.to_string()))?;
        invocation::call(&self.app, &self.function, body, message::trace(delivery)).await
    }

    /// Renews the lock halfway through, for as long as host.json says; then lets it run out.
    async fn keep_locked(&self, delivery: &Delivery) -> std::convert::Infallible {
        let left_ms = delivery.locked_until_ms.saturating_sub(clock::now_ms());
        let pause = Duration::from_millis(left_ms / 2).max(Duration::from_millis(10));
        let renewals = async {
            loop {
                tokio::time::sleep(pause).await;
                if self.cloud.bus.renew(delivery).is_err() {
                    self.note(delivery, "lost its lock while it was handled");
                    return;
                }
            }
        };
        if tokio::time::timeout(self.app.contract.lock_renewal, renewals).await.is_err() {
            self.note(delivery, "is handled for so long that its lock is no more renewed");
        }
        std::future::pending().await
    }

    fn note(&self, delivery: &Delivery, what: &str) {
        let id = &delivery.message.message_id;
        self.app.log.write(Level::Host, &format!("message {id:?} of {} {what}", self.queue));
    }
}
