//! Handler processes, as the control API and the faults reach them.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::host::Host;

/// How long a killed process may take to die.
const DEATH: Duration = Duration::from_secs(5);

/// The processes of the Functions host, once there is one: the door opens before it.
#[derive(Clone)]
pub struct Processes(Arc<OnceLock<Arc<Host>>>);

impl Processes {
    /// Those of the host that will be put there.
    #[must_use]
    pub const fn new(host: Arc<OnceLock<Arc<Host>>>) -> Self {
        Self(host)
    }

    fn host(&self) -> Result<&Arc<Host>, String> {
        self.0.get().ok_or_else(|| "the Functions host has not started".to_owned())
    }

    /// Every app's process.
    ///
    /// # Errors
    ///
    /// If there is no host yet; so it is below.
    pub fn all(&self) -> Result<Value, String> {
        Ok(self.host()?.processes())
    }

    /// Kills the process of an app, and returns when it is dead.
    ///
    /// # Errors
    ///
    /// If the app has no process, or it does not die.
    pub async fn killed(&self, app: &str) -> Result<(), String> {
        let host = self.host()?;
        let pid = || host.processes()[app]["pid"].clone();
        let before = pid();
        host.kill(app)?;
        let dead = async {
            while pid() == before {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(DEATH, dead).await.map_err(|_| format!("{app} did not die"))
    }

    /// Stops an app.
    ///
    /// # Errors
    ///
    /// If there is no such app.
    pub fn stopped(&self, app: &str) -> Result<(), String> {
        self.host()?.stop(app)
    }

    /// Starts a stopped app.
    ///
    /// # Errors
    ///
    /// If there is no such app.
    pub fn started(&self, app: &str) -> Result<(), String> {
        self.host()?.start(app)
    }

    /// Calls the function of a timer, and returns when the call is over.
    ///
    /// # Errors
    ///
    /// If there is no such timer, or its app is down.
    pub async fn fired(&self, app: &str, function: &str) -> Result<(), String> {
        self.host()?.fire(app, function).await
    }

    /// What an app has logged.
    ///
    /// # Errors
    ///
    /// If there is no host yet.
    pub fn log(&self, app: &str) -> Result<Option<String>, String> {
        Ok(self.host()?.log(app))
    }
}
