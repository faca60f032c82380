//! What every handler process does alike: settings, manifest, log, server, answers.
//!
//! ```text
//! let handler = hosting::start(App::Signin, |name| std::env::var(name).ok())?;
//! let routes = axum::Router::new().route("/auth/session", get(session)).with_state(..);
//! hosting::serve(&handler, routes).await
//! ```

mod health;
mod invoked;
mod json;
mod log;
mod otlp;
mod pace;
mod panics;
mod refusal;
mod serve;
mod settings;
mod spans;
mod trace;
mod working;

use std::{io, sync::Arc};

use airlock_core::{
    identity::App,
    jws::Verified,
    manifest::{Manifest, NotDeployed},
    ports::Clock as _,
};

pub(crate) use self::{
    health::{Dependency, Health, Watched},
    trace::of as traceparent_of,
};
pub use self::{
    invoked::Invoked,
    json::Json,
    log::chain,
    pace::{Cost, Leave, Pace},
    refusal::Refusal,
    serve::{router, serve, traceparent},
    settings::{Fault, Settings},
    trace::current_traceparent,
    working::{carry_out, reclaim},
};
use self::{settings::COLLECTOR, spans::Listener};
use crate::{Azure, clock::SystemClock};

/// Everything that a handler needs. Nothing of it was called yet: the first use connects.
pub struct Handler {
    /// Which app this process is.
    pub app: App,
    /// What its settings name.
    pub settings: Settings,
    /// What its package trusts.
    pub manifest: Verified<Manifest>,
    /// Its way to Azure.
    pub azure: Arc<Azure>,
}

/// Why a process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings are missing or wrong: all of them, by name.
    #[error("settings: {}", settings::list(.0))]
    Settings(Vec<Fault>),
    /// The package has no manifest that can be read.
    #[error("manifest.json not read")]
    Manifest(#[source] io::Error),
    /// The package is not one that the admin root signed for this app and this environment.
    #[error("package not accepted")]
    NotDeployed(#[source] NotDeployed),
    /// The log is already someone else's.
    #[error("log not started")]
    Log(#[source] log::NotStarted),
    /// The collector that the settings name cannot be told of anything.
    #[error("telemetry not exported")]
    Telemetry(#[source] otlp::NotExported),
    /// The clients could not be made.
    #[error("Azure clients not made")]
    Azure(#[source] azure_core::Error),
}

/// Reads settings and manifest, and starts the log on stdout. Called once, by `main`.
///
/// # Errors
///
/// [`StartError`]. The process must then end with another code than 0: the Functions host
/// does not restart one that ends with 0.
pub fn start(app: App, read: impl Fn(&str) -> Option<String>) -> Result<Handler, StartError> {
    let settings = Settings::parse(&read).map_err(StartError::Settings)?;
    let listener = Listener::default();
    log::start(app, &settings.log, Arc::clone(&listener)).map_err(StartError::Log)?;
    let file = std::fs::read_to_string(settings.app_root.join("manifest.json"))
        .map_err(StartError::Manifest)?;
    let manifest = Manifest::open(&file, app, |name| read(name).is_some(), SystemClock.now())
        .map_err(StartError::NotDeployed)?;
    if let Some(traces) = &settings.collector {
        let collector = allowed(&manifest)
            .and_then(|()| otlp::collector(app, traces).map_err(StartError::Telemetry))?;
        // The only time that it is set.
        listener.get_or_init(|| collector);
    }
    let azure = Azure::new(&settings, &manifest).map_err(StartError::Azure)?;
    Ok(Handler { app, settings, manifest, azure: Arc::new(azure) })
}

/// Which hosts are called stands in the manifest, and a collector is one: it learns who asks for
/// what, and when. So the setting that names it must be allowed there.
fn allowed(manifest: &Manifest) -> Result<(), StartError> {
    if manifest.may_override.iter().any(|may| may == COLLECTOR) {
        return Ok(());
    }
    Err(StartError::NotDeployed(NotDeployed::Moved(vec![COLLECTOR])))
}
