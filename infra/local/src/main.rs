//! The local cloud: everything that Airlock's handlers meet in Azure, on this machine.
//!
//! `cargo run` builds the five handler processes, stands up the cloud around them, lets the admin
//! plane sign what must be signed, and says what to do next. The handlers have no local mode: what
//! they are told is what Azure tells them, and what they get away with here they would get away
//! with there.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    sync::{Arc, OnceLock},
    time::Instant,
};

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::json;

use crate::{
    cloud::{Cloud, Names, Shared},
    compile::Programs,
    host::{Deployed, Host},
    identities::{Identities, stable_id},
    platform::Platform,
    ports::{Bound, Ports},
    stack::Stack,
};

mod arm;
mod authority;
mod banner;
mod blob;
mod bus;
mod cloud;
mod compile;
mod control;
mod cosmos;
mod deployment;
mod directory;
mod door;
mod ending;
mod entra;
mod faults;
mod front;
mod graph;
mod host;
mod identities;
mod identity_endpoint;
mod issuer;
mod package;
mod platform;
mod ports;
mod producers;
mod record;
mod stack;
mod tenants;
mod vault;

/// Everything that is granted to anyone.
const IDENTITIES: &str = include_str!("../../identities.json");
/// The workspace.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Runs Airlock on this machine: five handler processes, and the cloud around them.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {
    /// Folder for everything that is written: packages, logs, addresses
    #[arg(long, value_name = "DIR", default_value = ".local")]
    state: PathBuf,
    /// First of four ports (portal, API, Entra's pages, control), or `any`
    #[arg(long, value_name = "PORT", default_value = "7070")]
    ports: Ports,
    /// Build and run the handlers in release mode
    #[arg(long)]
    release: bool,
    /// Run the handlers as they were built last
    #[arg(long)]
    no_build: bool,
    /// A function whose timer waits for calls by hand
    #[arg(long, value_name = "APP/FUNCTION")]
    disable: Vec<String>,
}

/// The host, once there is one. The control API is there before it.
type Slot = Arc<OnceLock<Arc<Host>>>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let host = Slot::default();
    let stack = OnceLock::new();
    let outcome = tokio::select! {
        outcome = run(&options, &host, &stack) => outcome.map(|never| match never {}),
        outcome = ending::asked() => outcome.context("signals"),
    };
    if let Some(host) = host.get() {
        host.shut_down().await;
    }
    let removed = stack.get().map_or(Ok(()), Stack::remove);
    match outcome.and(removed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if the terminal is gone.
            drop(writeln!(io::stderr().lock(), "airlock: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Starts everything, and then runs until it is dropped.
async fn run(
    options: &Options,
    host_slot: &Slot,
    stack_slot: &OnceLock<Stack>,
) -> anyhow::Result<Infallible> {
    let steps = Steps(Instant::now());
    let state = state_folder(&options.state)?;
    let stack = Stack::take(&state)?;
    let stack = stack_slot.get_or_init(|| stack);
    let bound = options.ports.bind()?;
    let confirmations = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    let confirmations_url =
        format!("http://127.0.0.1:{}/internal/confirmations", Bound::port(&confirmations)?);
    let addresses = Addresses::of(&bound)?;
    steps.done("ports are free");

    let programs = Programs::find(options.release || !cfg!(debug_assertions))?;
    if !options.no_build {
        programs.build(Path::new(SOURCES)).await?;
        steps.done("handlers are built");
    }

    let cloud: Shared = Arc::new(assemble(names(&addresses))?);
    let listeners = door::Listeners { pages: bound.pages, control: bound.control };
    let opened = door::open(Arc::clone(&cloud), listeners, Arc::clone(host_slot)).await?;
    let platform = Platform::of(&opened, &state)?;
    steps.done("the cloud is open");

    let apps = state.join("apps");
    for app in package::APPS {
        package::lay(Path::new(SOURCES), app, &apps.join(app), &programs.of(app))?;
    }
    steps.done("packages are laid out");

    let mut bindings = deployment::bindings()?;
    let producers = producers::register(&mut bindings, &state)?;
    let bindings_file = state.join("bindings.json");
    stack::write_private(&bindings_file, &bindings)?;
    let (identities, names) = (&cloud.identities, &cloud.names);
    let deployment =
        deployment::describe(identities, names, &confirmations_url, &apps, &bindings_file);
    let deployment_file = state.join("deployment.json");
    stack::write_private(&deployment_file, &deployment)?;
    bootstrap(&programs, &deployment_file, platform.environment("admin")?).await?;
    steps.done("keyset, bindings and manifests are signed");

    let mut deployed = Vec::new();
    for app in package::APPS {
        let mut settings = package::settings(&cloud.identities, &cloud.names, app)?;
        settings.extend(platform.environment(app)?);
        deployed.push(Deployed { name: app.to_owned(), package: apps.join(app), settings });
    }
    let host = Arc::new(Host::open(&cloud, &state, deployed, &options.disable)?);
    drop(host_slot.set(Arc::clone(&host)));
    host.ready().await?;
    steps.done("five handlers answer");

    let fronts = front::Listeners { portal: bound.portal, api: bound.api, confirmations };
    front::open(&cloud, &host, fronts)?;
    stack.write(&json!({
        "pid": std::process::id(),
        "state": state,
        "programs": programs.folder(),
        "portal": cloud.names.portal,
        "api": cloud.names.api,
        "pages": cloud.names.pages,
        "confirmations": confirmations_url,
        "control": format!("http://{}", opened.control),
        "control_key": opened.control_key,
        "identity_endpoint": platform.identity_endpoint,
        "proxy": platform.proxy,
        "tls": opened.tls.to_string(),
        "ca": platform.ca,
        "deployment": deployment_file,
        "issuer": cloud.issuer.name(),
        "producers": producers,
        "admin": platform.environment("admin")?,
        "tenant": cloud.names.tenant,
        "processes": host.processes(),
    }))?;
    println!("{}", banner::text(&cloud, &opened.control, steps.0.elapsed()));
    println!("AIRLOCK READY {}", stack.file().display());
    std::future::pending().await
}

/// Creates the folder, for its owner alone.
fn state_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .and_then(|()| folder.canonicalize())
        .with_context(|| folder.display().to_string())
}

/// Lets the admin plane sign what the handlers will ask for.
async fn bootstrap(
    programs: &Programs,
    deployment: &Path,
    environment: BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let program = programs.airlockctl();
    let outcome = tokio::process::Command::new(&program)
        .args(["admin", "bootstrap", "--deployment"])
        .arg(deployment)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{} was not started", program.display()))?;
    if !outcome.status.success() {
        bail!(
            "airlockctl admin bootstrap: {}\n{}{}",
            outcome.status,
            String::from_utf8_lossy(&outcome.stdout),
            String::from_utf8_lossy(&outcome.stderr)
        );
    }
    Ok(())
}

/// Origins that browsers see.
#[derive(Debug, Default)]
struct Addresses {
    portal: String,
    api: String,
    pages: String,
}

impl Addresses {
    fn of(bound: &Bound) -> anyhow::Result<Self> {
        let port = |listeners: &[std::net::TcpListener]| {
            listeners.first().context("nothing is bound").and_then(|one| Ok(Bound::port(one)?))
        };
        Ok(Self {
            portal: format!("http://localhost:{}", port(&bound.portal)?),
            api: format!("http://localhost:{}", port(&bound.api)?),
            pages: format!("http://127.0.0.1:{}", Bound::port(&bound.pages)?),
        })
    }
}

/// The names under which handlers know the cloud: those of Azure, found through the proxy.
fn names(addresses: &Addresses) -> Names {
    Names {
        tenant: stable_id("tenant", "contoso.example"),
        entra: "login.microsoftonline.com".to_owned(),
        issuer: "id.hr.contoso.example".to_owned(),
        graph: "graph.microsoft.com".to_owned(),
        vault: "airlock-local.vault.azure.net".to_owned(),
        cosmos: "airlock-local.documents.azure.com".to_owned(),
        bus: "airlock-local.servicebus.windows.net".to_owned(),
        blobs: "airlocklocal.blob.core.windows.net".to_owned(),
        anchors: "airlockanchors.blob.core.windows.net".to_owned(),
        portal: addresses.portal.clone(),
        api: addresses.api.clone(),
        pages: addresses.pages.clone(),
    }
}

/// Every service, empty but for its seeds and for what its tenants have of their own.
fn assemble(names: Names) -> anyhow::Result<Cloud> {
    let identities = tenants::provide(Identities::parse(IDENTITIES)?, &deployment::bindings()?)?;
    let vault = vault::Vault::new(&identities)?;
    vault.begin()?;
    let directory = directory::Directory::new(&names);
    directory.take_issued().into_iter().try_for_each(|issued| vault.keep(issued))?;
    Ok(Cloud {
        directory,
        entra: entra::Entra::new(&names)?,
        issuer: issuer::Issuer::new(&names)?,
        vault,
        bus: bus::Bus::new(&identities),
        cosmos: cosmos::Cosmos::new(&names, &identities)?,
        blobs: blob::Blobs::new(&identities),
        resources: arm::Resources::new(&identities, &names)?,
        faults: faults::Faults::new(),
        record: record::Record::new(),
        identities,
        names,
    })
}

/// Tells how far the start is.
struct Steps(Instant);

impl Steps {
    fn done(&self, what: &str) {
        println!("{:>6.1} s  {what}", self.0.elapsed().as_secs_f64());
    }
}
