//! The Functions host: one for all five apps, each with its process, port and triggers.
//!
//! Where the real host has a rule, so has this: what a handler gets to see and what becomes of
//! its answer is the same in Azure. Each module names the rule it keeps.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

pub use self::app::Deployed;
use self::{
    app::{App, Command, State},
    contract::Trigger,
    proxy::{Body, Broken},
    queue::Listener,
    timer::{ByHand, Timer},
};
use crate::cloud::Shared;

pub mod app;
pub mod clock;
pub mod connection;
pub mod contract;
pub mod cron;
pub mod invocation;
mod leash;
pub mod log;
pub mod message;
mod process;
pub mod proxy;
mod queue;
pub mod restarts;
pub mod route;
mod timer;

#[cfg(test)]
mod tests;

/// How long the end of a process is awaited after its SIGKILL.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// The host.
pub struct Host {
    apps: BTreeMap<String, Running>,
}

/// An app and the tasks that serve it.
struct Running {
    app: Arc<App>,
    watch: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    triggers: Vec<JoinHandle<()>>,
    /// By the names of their functions.
    timers: BTreeMap<String, mpsc::UnboundedSender<ByHand>>,
}

impl Host {
    /// Starts every app: process first, triggers as soon as it answers. Timers of functions that
    /// are disabled, as `<app>/<function>`, wait for calls by hand.
    ///
    /// # Errors
    ///
    /// If a package is not understood, a trigger has no connection, or there is no timer of a
    /// disabled function. Nothing was started then.
    pub fn open(
        cloud: &Shared,
        state: &Path,
        apps: Vec<Deployed>,
        disabled: &[String],
    ) -> anyhow::Result<Self> {
        let logs = state.join("logs");
        let timers = state.join("timers");
        for folder in [&logs, &timers] {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let mut prepared = Vec::new();
        for deployed in apps {
            let (app, commands) = App::new(deployed, &logs)?;
            let mut heard = triggers(cloud, &app, &timers)?;
            for clock in &mut heard.clocks {
                clock.is_disabled = disabled.contains(&format!("{}/{}", app.name, clock.function));
            }
            prepared.push((app, commands, heard));
        }
        let clocks = prepared.iter().flat_map(|(_, _, heard)| &heard.clocks);
        let found = clocks.filter(|clock| clock.is_disabled).count();
        anyhow::ensure!(found == disabled.len(), "not every disabled function has a timer");
        let mut running = BTreeMap::new();
        for (app, commands, Heard { listeners, clocks, timers }) in prepared {
            let mut triggers = Vec::new();
            triggers.extend(listeners.into_iter().map(|one| tokio::spawn(Arc::new(one).listen())));
            triggers.extend(clocks.into_iter().map(|one| tokio::spawn(one.run())));
            let watch = tokio::spawn(process::watch_over(Arc::clone(&app), commands));
            let watch = tokio::sync::Mutex::new(Some(watch));
            running.insert(app.name.clone(), Running { app, watch, triggers, timers });
        }
        Ok(Self { apps: running })
    }

    /// Waits until every process answered its probe.
    ///
    /// # Errors
    ///
    /// If one of them will not.
    pub async fn ready(&self) -> anyhow::Result<()> {
        for (name, running) in &self.apps {
            if let Err(down) = running.app.address().await {
                bail!("{name} did not start: {}\n{}", down.0, running.app.log.text());
            }
        }
        Ok(())
    }

    /// Answers a request that an app's HTTP function takes, if that function is `open` here.
    ///
    /// Unknown route, wrong method, or another function: 404.
    pub async fn serve<B>(&self, app: &str, open: &[&str], request: Request<B>) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Broken>,
    {
        let Some(running) = self.apps.get(app) else {
            return proxy::bare(StatusCode::NOT_FOUND);
        };
        let app = &running.app;
        match app.contract.http_function(request.method(), request.uri().path()) {
            Some(function) if open.contains(&function) => {
                proxy::forward(app, function, request).await
            }
            _ => proxy::bare(StatusCode::NOT_FOUND),
        }
    }

    /// Every app's process: `{app: {pid, port, started_ms, ready_ms, restarts, state,
    /// resident_bytes}}`.
    #[must_use]
    pub fn processes(&self) -> Value {
        self.apps
            .iter()
            .map(|(name, running)| {
                let process = running.app.process();
                let state = match *running.app.state.borrow() {
                    State::Starting => "starting",
                    State::Running(_) => "running",
                    State::Exited => "exited",
                    State::Stopped => "stopped",
                    State::Failed => "failed",
                };
                let facts = json!({
                    "pid": process.pid,
                    "port": process.port,
                    "started_ms": process.started_ms,
                    "ready_ms": process.ready_ms,
                    "restarts": process.restarts,
                    "state": state,
                    "resident_bytes": process.pid.and_then(resident_bytes),
                });
                (name.clone(), facts)
            })
            .collect()
    }

    /// Kills an app's process (SIGKILL). What follows is decided as if anyone had killed it.
    ///
    /// # Errors
    ///
    /// If there is no such app, or no process.
    pub fn kill(&self, app: &str) -> Result<(), String> {
        let app = self.app(app)?;
        if app.process().pid.is_none() {
            return Err(format!("{} has no process", app.name));
        }
        app.command(Command::Kill);
        Ok(())
    }

    /// Stops an app: its process is killed and its triggers no longer listen.
    ///
    /// # Errors
    ///
    /// If there is no such app.
    pub fn stop(&self, app: &str) -> Result<(), String> {
        self.app(app)?.command(Command::Stop);
        Ok(())
    }

    /// Starts an app that has no process, however it lost it. Earlier errors are forgotten.
    ///
    /// # Errors
    ///
    /// If there is no such app.
    pub fn start(&self, app: &str) -> Result<(), String> {
        self.app(app)?.command(Command::Start);
        Ok(())
    }

    /// Calls the function of a timer now, and returns when the call is over. What came of it is in
    /// the app's log.
    ///
    /// # Errors
    ///
    /// If there is no such timer, or its app is down.
    pub async fn fire(&self, app: &str, function: &str) -> Result<(), String> {
        let timers = self.apps.get(app).map(|running| &running.timers);
        let timer = timers.and_then(|timers| timers.get(function));
        let timer = timer.ok_or_else(|| format!("{app} has no timer {function:?}"))?;
        let (asked, over) = oneshot::channel();
        let down = || format!("{function} of {app} is not called: the app is down");
        timer.send(asked).map_err(|_| down())?;
        over.await.map_err(|_| down())
    }

    /// The newest lines of an app's log.
    #[must_use]
    pub fn log(&self, app: &str) -> Option<String> {
        self.apps.get(app).map(|running| running.app.log.text())
    }

    /// Kills every process, as Azure does: SIGKILL, no grace.
    pub async fn shut_down(&self) {
        for running in self.apps.values() {
            for trigger in &running.triggers {
                trigger.abort();
            }
            running.app.command(Command::ShutDown);
        }
        for (name, running) in &self.apps {
            let Some(watch) = running.watch.lock().await.take() else {
                continue;
            };
            if tokio::time::timeout(LAST_BREATH, watch).await.is_err() {
                let line = format!("airlock: the process of {name} was killed and is still there");
                // Perhaps the terminal is gone: the others must be ended all the same.
                drop(writeln!(io::stderr().lock(), "{line}"));
            }
        }
    }

    fn app(&self, name: &str) -> Result<&App, String> {
        self.apps
            .get(name)
            .map(|running| running.app.as_ref())
            .ok_or_else(|| format!("there is no app {name:?}"))
    }
}

/// What an app listens to besides HTTP.
#[derive(Default)]
struct Heard {
    listeners: Vec<Listener>,
    clocks: Vec<Timer>,
    timers: BTreeMap<String, mpsc::UnboundedSender<ByHand>>,
}

fn triggers(cloud: &Shared, app: &Arc<App>, monitors: &Path) -> anyhow::Result<Heard> {
    let mut heard = Heard::default();
    for (function, trigger) in &app.contract.functions {
        match trigger {
            Trigger::Http { .. } => {}
            Trigger::ServiceBus { binding, queue, connection } => heard.listeners.push(
                Listener::open(cloud, app, function, (binding, queue, connection))
                    .with_context(|| format!("function {function} of {}", app.name))?,
            ),
            Trigger::Timer { binding, schedule, monitored, at_start } => {
                let (asks, by_hand) = mpsc::unbounded_channel();
                heard.timers.insert(function.clone(), asks);
                heard.clocks.push(Timer {
                    app: Arc::clone(app),
                    function: function.clone(),
                    binding: binding.clone(),
                    schedule: schedule.clone(),
                    at_start: *at_start,
                    monitor: monitored
                        .then(|| monitors.join(format!("{}.{function}.json", app.name))),
                    by_hand,
                    is_disabled: false,
                });
            }
        }
    }
    Ok(heard)
}

/// What a process keeps in memory. Only Linux says.
fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    Some(kilobytes * 1024)
}
