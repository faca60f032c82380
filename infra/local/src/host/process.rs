//! The life of a handler process: environment, probe, exit, restart.
//!
//! No process outlives the host: see [`super::leash`].

use std::{
    io::{self, Write as _},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::{net::TcpListener, process::Child, sync::mpsc};
use uuid::Uuid;

use super::{
    app::{Address, App, Command, State},
    clock, connection,
    leash::Leash,
    log,
    log::Level,
    restarts::{Restarts, Then},
};

/// Between two probes.
const PROBE_EVERY: Duration = Duration::from_millis(25);
/// A handler needs no program, but Azure's machine has these folders too.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How a process ended.
enum Ended {
    /// By itself, or killed by someone.
    Exited(ExitStatus),
    /// By us: it answered no probe.
    NotReady,
    /// By us: a call took too long.
    TimedOut,
    /// By us: somebody stopped the app.
    Stopped,
    /// By us: the host ends.
    ShutDown,
    /// It never began.
    NotStarted(anyhow::Error),
}

/// Keeps a process running, by the rules of the Functions host, until the host ends.
pub(super) async fn watch_over(app: Arc<App>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut restarts = Restarts::default();
    loop {
        let ended = run(&app, &mut commands).await;
        // Before anything else, so that new calls wait instead of finding nobody.
        app.state.send_replace(State::Starting);
        app.update(|process| process.pid = None);
        let then = match ended {
            Ended::ShutDown => return,
            Ended::Stopped => {
                app.log.write(Level::Host, "the app is stopped");
                app.state.send_replace(State::Stopped);
                None
            }
            Ended::NotStarted(error) => {
                // The real host would let calls wait for it until they time out.
                complain(&app, &format!("was not started: {error:#}"));
                app.state.send_replace(State::Failed);
                None
            }
            Ended::TimedOut => Some(Then::Restart),
            Ended::NotReady => Some(restarts.error(Instant::now())),
            Ended::Exited(status) => {
                app.log.write(Level::Host, &format!("the process ended: {status}"));
                Some(restarts.exited(status.code(), Instant::now()))
            }
        };
        match then {
            Some(Then::Restart) => {
                app.update(|process| process.restarts += 1);
                continue;
            }
            Some(Then::Leave) => {
                complain(&app, "exited with 0, so Azure would not start it again: nor do we");
                app.state.send_replace(State::Exited);
            }
            Some(Then::GiveUp) => {
                complain(&app, "failed three times, each within 30 minutes: its host is stopped");
                app.state.send_replace(State::Failed);
            }
            None => {}
        }
        loop {
            match commands.recv().await {
                Some(Command::Start) => break,
                Some(Command::Stop) => {
                    app.state.send_replace(State::Stopped);
                }
                Some(Command::Kill | Command::TimedOut(_)) => {}
                Some(Command::ShutDown) | None => return,
            }
        }
        restarts = Restarts::default();
        app.update(|process| process.restarts += 1);
        app.state.send_replace(State::Starting);
    }
}

/// One clear line, in the app's log and before the eyes of whoever started the cloud.
fn complain(app: &App, what: &str) {
    let log = format!("the process of {} {what}", app.name);
    app.log.write(Level::Host, &log);
    // A terminal that was closed is no reason to end in the middle of ending.
    drop(writeln!(io::stderr().lock(), "airlock: {log}"));
}

/// One process, from spawn to end.
async fn run(app: &Arc<App>, commands: &mut mpsc::UnboundedReceiver<Command>) -> Ended {
    let (mut child, _leash, port, spawned) = match start(app).await {
        Ok(started) => started,
        Err(error) => return Ended::NotStarted(error),
    };
    let probe = connection::probe(port, PROBE_EVERY);
    let probe = tokio::time::timeout(app.contract.initialization, probe);
    tokio::pin!(probe);
    let this = app.process().restarts;
    let mut ready = false;
    loop {
        tokio::select! {
            ended = child.wait() => {
                return ended.map_or_else(|error| Ended::NotStarted(error.into()), Ended::Exited);
            }
            answered = &mut probe, if !ready => {
                if answered.is_err() {
                    let limit = app.contract.initialization;
                    app.log.write(Level::Host, &format!("no answer to the probe in {limit:?}"));
                    return kill(app, &mut child, Ended::NotReady).await;
                }
                ready = true;
                let ready_ms = (spawned.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
                app.update(|process| process.ready_ms = Some(ready_ms));
                app.log.write(Level::Host, &format!("ready on port {port} after {ready_ms:.1} ms"));
                app.state.send_replace(State::Running(Address { port, process: this }));
            }
            command = commands.recv() => match command {
                Some(Command::Kill) => {
                    app.log.write(Level::Host, "the process is killed on request");
                    if let Err(error) = child.start_kill() {
                        app.log.write(Level::Host, &format!("it was not killed: {error}"));
                    }
                }
                Some(Command::TimedOut(late)) if late == this => {
                    app.log.write(Level::Host, "a call took longer than functionTimeout: the process is killed, with every call in flight");
                    return kill(app, &mut child, Ended::TimedOut).await;
                }
                Some(Command::Stop) => return kill(app, &mut child, Ended::Stopped).await,
                Some(Command::ShutDown) | None => {
                    return kill(app, &mut child, Ended::ShutDown).await;
                }
                Some(Command::TimedOut(_) | Command::Start) => {}
            },
        }
    }
}

/// SIGKILL, as Azure does it: no warning, no grace.
async fn kill(app: &App, child: &mut Child, why: Ended) -> Ended {
    if let Err(error) = child.kill().await {
        app.log.write(Level::Host, &format!("the process was not killed: {error}"));
    }
    why
}

async fn start(app: &Arc<App>) -> anyhow::Result<(Child, Leash, u16, Instant)> {
    let port = port(app.process().port).await?;
    let executable = app.package.join(&app.contract.executable);
    let spawned = Instant::now();
    let mut child = tokio::process::Command::new(&executable)
        .env_clear()
        .envs(environment(app, port))
        .current_dir(&app.package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: Ctrl-C in the terminal is for us, and we decide how they end.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| executable.display().to_string())?;
    let process = child.id().context("it has no process id")?;
    let leash = Leash::on(process).context("/bin/sh, which would end it with this program")?;
    if let Some(output) = child.stdout.take() {
        tokio::spawn(Arc::clone(&app.log).follow(output, log::of_output));
    }
    if let Some(errors) = child.stderr.take() {
        tokio::spawn(Arc::clone(&app.log).follow(errors, log::of_errors));
    }
    app.update(|process| {
        process.pid = child.id();
        process.port = port;
        process.started_ms = clock::now_ms();
        process.ready_ms = None;
    });
    Ok((child, leash, port, spawned))
}

/// A port that was free a moment ago, the one from before if possible: whoever calls while a
/// process is replaced tries again under the same address. The real host leaves the same gap
/// between choosing a port and its use.
async fn port(before: u16) -> anyhow::Result<u16> {
    let listener = match TcpListener::bind(("127.0.0.1", before)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await.context("no port is free")?,
    };
    Ok(listener.local_addr()?.port())
}

/// Everything a process learns from its environment.
fn environment(app: &App, port: u16) -> Vec<(String, String)> {
    let worker = Uuid::new_v4().to_string();
    let port = port.to_string();
    let root = app.package.display().to_string();
    let added = [
        ("PATH", PATH),
        ("FUNCTIONS_WORKER_RUNTIME", "custom"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", &port),
        ("FUNCTIONS_HTTPWORKER_PORT", &port),
        ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", &worker),
        ("FUNCTIONS_HTTPWORKER_ID", &worker),
        ("FUNCTIONS_APP_ROOT_PATH", &root),
    ];
    let settings = app.settings.iter().map(|(name, value)| (name.clone(), value.clone()));
    // Last wins: no setting can take the place of what the host says.
    settings.chain(added.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}
