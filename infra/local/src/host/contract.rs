//! What a package says of itself: `host.json` and each function's `function.json`.
//!
//! Both are parsed strictly. A key that this host does not apply would be a promise that holds in
//! Azure and not here, or the other way round, so it is refused instead of ignored.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use http::Method;
use serde::de::DeserializeOwned;

use self::{
    function_file::FunctionFile,
    host_file::{HostFile, time_span},
};
use super::{cron::Cron, route::Route};

mod function_file;
mod host_file;

/// One app's package, understood.
#[derive(Debug)]
pub struct Contract {
    /// The program, relative to the package.
    pub executable: String,
    /// How long the process may take to answer its first probe.
    pub initialization: Duration,
    /// How long a call may take before the process is killed. `None`: as long as it likes.
    pub function_timeout: Option<Duration>,
    /// Service Bus calls in flight per function.
    pub concurrent_calls: usize,
    /// How long a message's lock is renewed.
    pub lock_renewal: Duration,
    /// Functions by name, which is also the path they are called under.
    pub functions: BTreeMap<String, Trigger>,
}

/// What makes a function run.
#[derive(Debug)]
pub enum Trigger {
    /// A request, proxied as it came.
    Http {
        /// Which paths.
        route: Route,
        /// Which methods.
        methods: Vec<Method>,
    },
    /// A message in a queue.
    ServiceBus {
        /// Name in the call's `Data`.
        binding: String,
        /// The queue.
        queue: String,
        /// Prefix of the settings that say where the bus is.
        connection: String,
    },
    /// The clock.
    Timer {
        /// Name in the call's `Data`.
        binding: String,
        /// When.
        schedule: Cron,
        /// Whether occurrences missed while the app was down are made up for, once.
        monitored: bool,
        /// Whether it also runs when the host starts.
        at_start: bool,
    },
}

impl Contract {
    /// Reads the package in this folder.
    ///
    /// # Errors
    ///
    /// If a file is missing or says something that this host does not apply.
    pub fn read(package: &Path) -> anyhow::Result<Self> {
        let host: HostFile = read_json(&package.join("host.json"))?;
        let mut functions = BTreeMap::new();
        for entry in fs::read_dir(package).with_context(|| package.display().to_string())? {
            let folder = entry?.path();
            let file = folder.join("function.json");
            if !file.is_file() {
                continue;
            }
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // On Linux a setting cannot disable a function whose name has anything else in it.
            ensure!(
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
                "{name:?} is no name for a function: letters, digits and _ only"
            );
            let function: FunctionFile = read_json(&file)?;
            let trigger = function
                .trigger(&host)
                .with_context(|| format!("{} was not understood", file.display()))?;
            functions.insert(name.to_owned(), trigger);
        }
        Self::new(host, functions)
    }

    fn new(host: HostFile, functions: BTreeMap<String, Trigger>) -> anyhow::Result<Self> {
        ensure!(host.version == "2.0", "host.json must be version 2.0");
        let http = host.custom_handler;
        ensure!(
            http.enable_proxying_http_request,
            "host.json must set enableProxyingHttpRequest: forwarding loses chunked bodies"
        );
        let bus = host.extensions.service_bus;
        // No settlement is open to a custom handler, so a message would only wait for its lock.
        ensure!(bus.auto_complete_messages, "a custom handler needs autoCompleteMessages");
        ensure!(
            bus.prefetch_count == 0,
            "prefetchCount must be 0: prefetched locks run out unseen"
        );
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            executable: http.description.default_executable_path,
            initialization: time_span(&http.initialization_timeout)?,
            function_timeout: match host.function_timeout.as_str() {
                "-1" => None,
                limit => Some(time_span(limit)?),
            },
            concurrent_calls: bus.max_concurrent_calls.unwrap_or(16 * cores),
            lock_renewal: time_span(&bus.max_auto_lock_renewal_duration)?,
            functions,
        })
    }

    /// The HTTP function that answers this path and method: the one with the most literal route.
    #[must_use]
    pub fn http_function(&self, method: &Method, path: &str) -> Option<&str> {
        self.functions
            .iter()
            .filter_map(|(name, trigger)| match trigger {
                Trigger::Http { route, methods }
                    if methods.contains(method) && route.matches(path) =>
                {
                    Some((route.literals(), name.as_str()))
                }
                _ => None,
            })
            .max_by_key(|(literals, _)| *literals)
            .map(|(_, name)| name)
    }
}

fn read_json<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text = fs::read(file).with_context(|| format!("{} was not read", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} was not understood", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    fn host() -> HostFile {
        read_json(&sources().join("host.json")).unwrap()
    }

    fn trigger(function: &str) -> anyhow::Result<Trigger> {
        serde_json::from_str::<FunctionFile>(function)?.trigger(&host())
    }

    #[test]
    fn every_function_of_the_repository_is_understood() {
        for app in fs::read_dir(sources().join("functions")).unwrap() {
            for function in fs::read_dir(app.unwrap().path()).unwrap() {
                let file = function.unwrap().path().join("function.json");
                let function: FunctionFile = read_json(&file).unwrap();
                function.trigger(&host()).unwrap();
            }
        }
    }

    #[test]
    fn host_json_gives_a_call_five_minutes_and_a_message_sixteen_calls_a_core() {
        let contract = Contract::new(host(), BTreeMap::new()).unwrap();
        let cores = std::thread::available_parallelism().unwrap().get();

        assert_eq!(contract.function_timeout, Some(Duration::from_mins(5)));
        assert_eq!(contract.initialization, Duration::from_secs(30));
        assert_eq!(contract.concurrent_calls, 16 * cores);
        assert_eq!(contract.executable, "handler");
    }

    #[test]
    fn a_message_as_text_is_refused_because_its_body_could_overwrite_metadata() {
        let function = r#"{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"m",
            "queueName":"q","connection":"AirlockBus","dataType":"string"}]}"#;

        assert!(trigger(function).unwrap_err().to_string().contains("binary"));
    }

    #[test]
    fn what_this_host_does_not_apply_is_refused_and_not_ignored() {
        let function = r#"{"bindings":[{"type":"timerTrigger","direction":"in","name":"t",
            "schedule":"0 * * * * *"}],"retry":{"strategy":"fixedDelay"}}"#;

        assert!(trigger(function).is_err());
    }
}
