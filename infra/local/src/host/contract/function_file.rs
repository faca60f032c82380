//! `function.json`.

use anyhow::{bail, ensure};
use http::Method;
use serde::Deserialize;

use super::{Trigger, host_file::HostFile};
use crate::host::{cron::Cron, route::Route};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FunctionFile {
    bindings: Vec<Binding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "type")]
enum Binding {
    #[serde(rename = "httpTrigger", rename_all = "camelCase")]
    HttpTrigger {
        direction: Direction,
        #[serde(rename = "name")]
        _name: String,
        auth_level: String,
        methods: Vec<String>,
        route: String,
    },
    #[serde(rename = "http")]
    Http {
        direction: Direction,
        #[serde(rename = "name")]
        _name: String,
    },
    #[serde(rename = "serviceBusTrigger", rename_all = "camelCase")]
    ServiceBusTrigger {
        direction: Direction,
        name: String,
        queue_name: String,
        connection: String,
        data_type: String,
    },
    #[serde(rename = "timerTrigger", rename_all = "camelCase")]
    TimerTrigger {
        direction: Direction,
        name: String,
        schedule: String,
        #[serde(default = "yes")]
        use_monitor: bool,
        #[serde(default)]
        run_on_startup: bool,
    },
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Direction {
    In,
    Out,
}

fn yes() -> bool {
    true
}

impl FunctionFile {
    pub(super) fn trigger(self, host: &HostFile) -> anyhow::Result<Trigger> {
        let mut bindings = self.bindings.into_iter();
        match (bindings.next(), bindings.next(), bindings.next()) {
            (
                Some(Binding::HttpTrigger {
                    direction: Direction::In,
                    auth_level,
                    methods,
                    route,
                    ..
                }),
                Some(Binding::Http { direction: Direction::Out, .. }),
                None,
            ) => {
                ensure!(
                    auth_level == "anonymous",
                    "this host keeps no function keys: authLevel must be anonymous"
                );
                let methods = methods
                    .iter()
                    .map(|method| Method::from_bytes(method.to_ascii_uppercase().as_bytes()))
                    .collect::<Result<_, _>>()?;
                let route = Route::parse(&host.extensions.http.route_prefix, &route)?;
                Ok(Trigger::Http { route, methods })
            }
            (
                Some(Binding::ServiceBusTrigger {
                    direction: Direction::In,
                    name,
                    queue_name,
                    connection,
                    data_type,
                }),
                None,
                None,
            ) => {
                let bundle = host.extension_bundle.as_ref().map(|bundle| bundle.id.as_str());
                ensure!(
                    bundle == Some("Microsoft.Azure.Functions.ExtensionBundle"),
                    "serviceBusTrigger needs the extension bundle in host.json"
                );
                // As a string, members of the body would overwrite the broker's metadata.
                ensure!(data_type == "binary", "dataType of a serviceBusTrigger must be binary");
                Ok(Trigger::ServiceBus { binding: name, queue: queue_name, connection })
            }
            (
                Some(Binding::TimerTrigger {
                    direction: Direction::In,
                    name,
                    schedule,
                    use_monitor,
                    run_on_startup,
                }),
                None,
                None,
            ) => {
                let schedule = Cron::parse(&schedule)?;
                Ok(Trigger::Timer {
                    binding: name,
                    // The timer extension switches it off by itself for such schedules.
                    monitored: use_monitor && !schedule.is_within_a_minute(),
                    schedule,
                    at_start: run_on_startup,
                })
            }
            _ => bail!("one trigger is wanted, and for HTTP one http output beside it"),
        }
    }
}
