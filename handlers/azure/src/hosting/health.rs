//! How the process's dependencies do, as far as it knows.
//!
//! Asking is the process's own business, at its own pace ([`EVERY`]): whoever looks is told what
//! was found last, so that strangers cannot make us call anything. What changes is told to the
//! log, once. And whatever is wrong with a dependency, the process says that it is up: a
//! platform that takes it away for that would take away all of them, and mend nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airlock_core::{
    identity::App,
    ports::{Bus, Message, PortError},
};
use async_trait::async_trait;
use axum::{Router, routing::get};
use serde::Serialize;

use super::{Json, log::chain};
use crate::Azure;

/// Between two looks.
const EVERY: Duration = Duration::from_mins(2);

/// What a process depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dependency {
    /// Key Vault: asked for the public half of the app's signing key.
    Vault,
    /// Cosmos DB: asked for the keyset, which every app may read.
    Store,
    /// Service Bus: judged by the last message that was sent. There is nothing that an app may
    /// ask it for.
    Bus,
}

/// What is known of each dependency: whether the last call worked. Nothing before the first.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<BTreeMap<Dependency, bool>>);

/// What `GET /health` answers.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Report {
    app: App,
    status: &'static str,
    vault: &'static str,
    store: &'static str,
    bus: &'static str,
}

impl Health {
    /// Takes note of how a call went.
    pub(crate) fn saw(&self, dependency: Dependency, failure: Option<&PortError>) {
        let works = failure.is_none();
        // Nothing panics while it is held.
        let before =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(dependency, works);
        match failure {
            Some(error) if before != Some(false) => {
                tracing::warn!(?dependency, cause = chain(error), "dependency fails");
            }
            None if before == Some(false) => tracing::info!(?dependency, "dependency works again"),
            _ => {}
        }
    }

    /// What is known, in words of ours.
    fn report(&self, app: App) -> Report {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let word = |dependency| match known.get(&dependency) {
            Some(true) => "ok",
            Some(false) => "failing",
            None => "unknown",
        };
        Report {
            app,
            status: "up",
            vault: word(Dependency::Vault),
            store: word(Dependency::Store),
            bus: word(Dependency::Bus),
        }
    }
}

/// The route that tells what is known. No front door leads to it.
pub(super) fn route(app: App, health: Arc<Health>) -> Router {
    Router::new().route("/health", get(async move || Json(health.report(app))))
}

/// Looks after the dependencies for as long as the process lives. The first look connects, so
/// that nobody has to wait for it; what fails is tried again by whoever needs it.
pub(super) async fn watch(azure: Arc<Azure>) {
    let mut looks = tokio::time::interval(EVERY);
    // An instance that was frozen has nothing to catch up on.
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        azure.look().await;
    }
}

/// A bus that takes note of how its sends go.
pub(crate) struct Watched<B> {
    bus: B,
    health: Arc<Health>,
}

impl<B> Watched<B> {
    pub(crate) const fn new(bus: B, health: Arc<Health>) -> Self {
        Self { bus, health }
    }
}

#[async_trait]
impl<B: Bus> Bus for Watched<B> {
    async fn send(&self, queue: &str, message: &Message) -> Result<(), PortError> {
        let sent = self.bus.send(queue, message).await;
        self.health.saw(Dependency::Bus, sent.as_ref().err());
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    #[async_trait]
    impl Bus for Broken {
        async fn send(&self, _: &str, _: &Message) -> Result<(), PortError> {
            Err(PortError::Unavailable("the bus said hunter2".into()))
        }
    }

    #[tokio::test]
    async fn a_failure_is_known_until_a_call_works_and_its_reason_is_not_told() {
        let health = Arc::new(Health::default());
        assert_eq!(health.report(App::Intake).bus, "unknown");
        let message = Message {
            id: "permit-1".to_owned(),
            body: Vec::new(),
            not_before: None,
            traceparent: None,
        };

        let bus = Watched::new(Broken, Arc::clone(&health));
        assert!(bus.send("permits-execute", &message).await.is_err());

        let report = health.report(App::Intake);
        assert_eq!((report.status, report.bus, report.vault), ("up", "failing", "unknown"));
        assert!(!serde_json::to_string(&report).unwrap().contains("hunter2"));
        health.saw(Dependency::Bus, None);
        assert_eq!(health.report(App::Intake).bus, "ok");
    }
}
