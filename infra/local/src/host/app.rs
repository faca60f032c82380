//! One app: its package, its process, and what state that is in.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::{contract::Contract, log::Log};

/// What is handed to the host to run.
#[derive(Debug)]
pub struct Deployed {
    /// Name of the app and of its identity.
    pub name: String,
    /// Folder of its package.
    pub package: PathBuf,
    /// Its whole environment, but for what the host adds.
    pub settings: BTreeMap<String, String>,
}

/// One app of the host.
pub struct App {
    /// Its name.
    pub name: String,
    /// Folder of its package.
    pub package: PathBuf,
    /// What its package says.
    pub contract: Contract,
    /// Its settings.
    pub settings: BTreeMap<String, String>,
    /// What it wrote.
    pub log: Arc<Log>,
    pub(super) state: watch::Sender<State>,
    pub(super) process: Mutex<Process>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
}

/// What can be asked of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A process is being started. Calls wait.
    Starting,
    /// A process answered its probe.
    Running(Address),
    /// A process exited with 0, and no other will follow: calls find nobody.
    Exited,
    /// Somebody stopped the app.
    Stopped,
    /// Its process failed too often.
    Failed,
}

/// Where calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    /// Port on 127.0.0.1. It stays the same when a process replaces another.
    pub port: u16,
    /// Which process it was when the call began: how many were there before it.
    pub process: u32,
}

/// The newest process of an app.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Process {
    /// Its id, while there is one.
    pub pid: Option<u32>,
    /// Where it listens.
    pub port: u16,
    /// When it was spawned, in milliseconds since 1970.
    pub started_ms: u64,
    /// Milliseconds from there to the first answered probe.
    pub ready_ms: Option<f64>,
    /// Processes of this app before it.
    pub restarts: u32,
}

/// What can be told to the task that watches over the process.
#[derive(Debug)]
pub(super) enum Command {
    /// Kill the process; what follows is decided as if anyone had.
    Kill,
    /// A call to this process took too long: kill it and start another.
    TimedOut(u32),
    /// Kill the process and start no other.
    Stop,
    /// Start a process if there is none.
    Start,
    /// Kill the process and end.
    ShutDown,
}

/// Why a call cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRunning(pub &'static str);

impl App {
    /// Takes over a package.
    ///
    /// # Errors
    ///
    /// If the package is not understood or the log cannot be written.
    pub(super) fn new(
        deployed: Deployed,
        logs: &Path,
    ) -> anyhow::Result<(Arc<Self>, mpsc::UnboundedReceiver<Command>)> {
        let Deployed { name, package, settings } = deployed;
        let contract = Contract::read(&package).with_context(|| format!("package of {name}"))?;
        let log = Arc::new(Log::begin(&logs.join(format!("{name}.log")))?);
        let (commands, inbox) = mpsc::unbounded_channel();
        let app = Self {
            name,
            package,
            contract,
            settings,
            log,
            state: watch::Sender::new(State::Starting),
            process: Mutex::default(),
            commands,
        };
        Ok((Arc::new(app), inbox))
    }

    /// Where to call, as soon as a process listens there.
    ///
    /// # Errors
    ///
    /// If none will, or none did for as long as the host waits.
    pub async fn address(&self) -> Result<Address, NotRunning> {
        let mut state = self.state.subscribe();
        // One first start and three more: then the real host gives itself up.
        let patience = self.contract.initialization * 4;
        let settled = state.wait_for(|state| *state != State::Starting);
        match tokio::time::timeout(patience, settled).await {
            Ok(Ok(state)) => match *state {
                State::Running(address) => Ok(address),
                State::Exited => Err(NotRunning("its process exited with 0 and is not restarted")),
                State::Stopped => Err(NotRunning("the app is stopped")),
                State::Failed => Err(NotRunning("its process failed too often")),
                State::Starting => Err(NotRunning("the app is starting")),
            },
            _ => Err(NotRunning("its process was not ready in time")),
        }
    }

    /// Waits until triggers listen: from the first answered probe, unless the app is down.
    pub(super) async fn listening(&self) {
        self.wait(|state| matches!(state, State::Running(_) | State::Exited)).await;
    }

    /// Whether triggers listen.
    pub(super) fn is_listening(&self) -> bool {
        !matches!(*self.state.borrow(), State::Stopped | State::Failed)
    }

    /// Waits until triggers stop listening.
    pub(super) async fn not_listening(&self) {
        self.wait(|state| matches!(state, State::Stopped | State::Failed)).await;
    }

    /// How long a call may take.
    pub(super) fn call_limit(&self) -> Duration {
        self.contract.function_timeout.unwrap_or(Duration::MAX)
    }

    /// A call to this process took too long.
    pub(super) fn timed_out(&self, address: Address) {
        self.command(Command::TimedOut(address.process));
    }

    pub(super) fn command(&self, command: Command) {
        // The one receiver ends with the host, and then there is nothing left to command.
        drop(self.commands.send(command));
    }

    pub(super) fn process(&self) -> Process {
        *self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Process)) {
        change(&mut self.process.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn wait(&self, until: fn(&State) -> bool) {
        let mut state = self.state.subscribe();
        if state.wait_for(until).await.is_err() {
            // Nobody can change the state any more, and `self` holds the sender: not reached.
            std::future::pending::<()>().await;
        }
    }
}
