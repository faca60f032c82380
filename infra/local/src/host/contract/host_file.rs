//! `host.json`.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct HostFile {
    pub(super) version: String,
    // Every plan but the oldest gives half an hour.
    #[serde(default = "half_an_hour")]
    pub(super) function_timeout: String,
    pub(super) custom_handler: CustomHandler,
    #[serde(default)]
    pub(super) extensions: Extensions,
    pub(super) extension_bundle: Option<ExtensionBundle>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CustomHandler {
    pub(super) description: Description,
    #[serde(default)]
    pub(super) enable_proxying_http_request: bool,
    #[serde(default = "half_a_minute")]
    pub(super) initialization_timeout: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Description {
    pub(super) default_executable_path: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Extensions {
    pub(super) http: HttpExtension,
    pub(super) service_bus: ServiceBusExtension,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct HttpExtension {
    pub(super) route_prefix: String,
}

impl Default for HttpExtension {
    fn default() -> Self {
        Self { route_prefix: "api".to_owned() }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ServiceBusExtension {
    pub(super) max_concurrent_calls: Option<usize>,
    pub(super) prefetch_count: u32,
    pub(super) auto_complete_messages: bool,
    pub(super) max_auto_lock_renewal_duration: String,
}

impl Default for ServiceBusExtension {
    fn default() -> Self {
        Self {
            max_concurrent_calls: None,
            prefetch_count: 0,
            auto_complete_messages: true,
            max_auto_lock_renewal_duration: "00:05:00".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtensionBundle {
    pub(super) id: String,
    #[serde(rename = "version")]
    _version: String,
}

fn half_an_hour() -> String {
    "00:30:00".to_owned()
}

fn half_a_minute() -> String {
    "00:00:30".to_owned()
}

/// `[d.]hh:mm:ss`, as .NET writes a span of time.
pub(super) fn time_span(text: &str) -> anyhow::Result<Duration> {
    let not_one = || format!("{text:?} is no span of time (hh:mm:ss)");
    let (days, clock) = text.split_once('.').unwrap_or(("0", text));
    let mut seconds = days.parse::<u64>().with_context(not_one)?;
    let parts: Vec<&str> = clock.split(':').collect();
    ensure!(parts.len() == 3, not_one());
    for (part, range) in parts.into_iter().zip([24, 60, 60]) {
        let value = part.parse::<u64>().with_context(not_one)?;
        ensure!(value < range, not_one());
        seconds = seconds
            .checked_mul(range)
            .and_then(|whole| whole.checked_add(value))
            .with_context(not_one)?;
    }
    ensure!(seconds > 0, not_one());
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_those_of_dotnet() {
        assert_eq!(time_span("00:05:00").unwrap(), Duration::from_mins(5));
        assert_eq!(time_span("1.01:00:01").unwrap(), Duration::from_secs(90_001));
        for wrong in ["", "5", "00:60:00", "24:00:00", "00:00:00", "-1"] {
            assert!(time_span(wrong).is_err(), "{wrong}");
        }
    }
}
