//! How the process's dependencies do, as far as it knows, and what package it runs.
//!
//! Asking is the process's own business, at its own pace ([`EVERY`]): whoever looks is told what
//! was found last, so that strangers cannot make us call anything. What changes is told to the
//! log, once. And whatever is wrong with a dependency, the process says that it is up: a
//! platform that takes it away for that would take away all of them, and mend nothing.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airlock_core::{
    digest::Digest,
    identity::App,
    package::{self, NoDigest},
    ports::{Bus, Message, PortError},
};
use async_trait::async_trait;
use axum::{Router, routing::get};
use serde::Serialize;
use tokio::{sync::OnceCell, task::spawn_blocking};

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
    /// Absent if it could not be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<Digest>,
}

/// What every package has at its root.
const HOST_FILE: &str = "host.json";

/// The package that the process runs from: the folder of its program.
///
/// Drift holds its digest against the one that the admin plane signed. Measured when it is first
/// asked for: at start it would cost more than everything else together.
pub(super) struct Running {
    folder: Box<dyn Fn() -> io::Result<PathBuf> + Send + Sync>,
    measured: OnceCell<Digest>,
}

/// The package has no digest that could be told.
#[derive(Debug, thiserror::Error)]
enum NotMeasured {
    /// Where the program is cannot be told.
    #[error("folder of the program not known")]
    Nowhere(#[source] io::Error),
    /// The program lies in no package: there is no `host.json` beside it.
    #[error("program is not in a package")]
    NoPackage,
    /// Its files were not read.
    #[error("package not read")]
    NoDigest(#[source] NoDigest),
    /// The process is about to end.
    #[error("measuring was broken off")]
    BrokenOff(#[source] tokio::task::JoinError),
}

impl Running {
    /// Whatever stands beside the running program: not what a setting says.
    pub(super) fn beside_the_program() -> Arc<Self> {
        Self::of(|| {
            let program = std::env::current_exe()?;
            let folder = program.parent().ok_or(io::ErrorKind::NotFound)?;
            Ok(folder.to_owned())
        })
    }

    fn of(folder: impl Fn() -> io::Result<PathBuf> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { folder: Box::new(folder), measured: OnceCell::new() })
    }

    /// What has no package: tests.
    #[cfg(test)]
    pub(super) fn nowhere() -> Arc<Self> {
        Self::of(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// Its digest. Measured once; what failed is tried again by who asks next.
    async fn digest(&self) -> Option<Digest> {
        let measure = async || {
            let folder = (self.folder)().map_err(NotMeasured::Nowhere)?;
            // Whatever else the program lies in may be of any size.
            if !folder.join(HOST_FILE).is_file() {
                return Err(NotMeasured::NoPackage);
            }
            let measured = spawn_blocking(move || package::digest(&folder)).await;
            measured.map_err(NotMeasured::BrokenOff)?.map_err(NotMeasured::NoDigest)
        };
        match self.measured.get_or_try_init(measure).await {
            Ok(digest) => Some(*digest),
            Err(error) => {
                tracing::error!(cause = chain(&error), "package not measured");
                None
            }
        }
    }
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
    fn report(&self, app: App, package: Option<Digest>) -> Report {
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
            package,
        }
    }
}

/// The route that tells what is known. No front door leads to it.
pub(super) fn route(app: App, health: Arc<Health>, running: Arc<Running>) -> Router {
    let report = async move || Json(health.report(app, running.digest().await));
    Router::new().route("/health", get(report))
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
        assert_eq!(health.report(App::Intake, None).bus, "unknown");
        let message = Message {
            id: "permit-1".to_owned(),
            body: Vec::new(),
            not_before: None,
            traceparent: None,
        };

        let bus = Watched::new(Broken, Arc::clone(&health));
        assert!(bus.send("permits-execute", &message).await.is_err());

        let report = health.report(App::Intake, None);
        assert_eq!((report.status, report.bus, report.vault), ("up", "failing", "unknown"));
        assert!(!serde_json::to_string(&report).unwrap().contains("hunter2"));
        health.saw(Dependency::Bus, None);
        assert_eq!(health.report(App::Intake, None).bus, "ok");
    }

    /// A package of one file, removed by whoever made it.
    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("airlock-health-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("host.json"), "{}").unwrap();
        folder
    }

    #[tokio::test]
    async fn a_package_is_measured_once_and_as_the_admin_plane_does() {
        let folder = folder();
        let place = folder.clone();
        let running = Running::of(move || Ok(place.clone()));

        let measured = running.digest().await;
        std::fs::write(folder.join("host.json"), "{ }").unwrap();

        assert_eq!(running.digest().await, measured);
        assert_ne!(package::digest(&folder).ok(), measured);
        std::fs::write(folder.join("host.json"), "{}").unwrap();
        assert_eq!(package::digest(&folder).ok(), measured);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn what_cannot_be_measured_is_not_told_and_tried_again() {
        let folder = folder();
        std::fs::remove_dir_all(&folder).unwrap();
        let place = folder.clone();
        let running = Running::of(move || Ok(place.clone()));
        assert_eq!(running.digest().await, None);
        let report = Health::default().report(App::Drift, None);
        assert!(serde_json::to_value(&report).unwrap().get("package").is_none());

        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("host.json"), "{}").unwrap();

        assert!(running.digest().await.is_some());
        std::fs::remove_dir_all(folder).unwrap();
        assert_eq!(Running::nowhere().digest().await, None);
    }

    #[test]
    fn what_is_measured_is_beside_the_program() {
        let folder = (Running::beside_the_program().folder)().unwrap();

        assert_eq!(std::env::current_exe().unwrap().parent().unwrap(), folder);
    }
}
