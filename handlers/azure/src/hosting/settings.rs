//! What the Functions host and the deployment tell a process by its environment.

use std::path::PathBuf;

use airlock_core::identity::ObjectId;
use reqwest::Url;
use tracing_subscriber::EnvFilter;

/// Where spans are sent: the standard's name for the base of a collector's addresses.
pub(super) const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Settings that the exporter would read by itself, and that would hold a collector's key.
const KEYS_OF_A_COLLECTOR: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"];

/// The settings of one process. They name things; what is trusted stands in the manifest.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Loopback port on which the Functions host expects the process.
    pub port: u16,
    /// The package's folder.
    pub app_root: PathBuf,
    /// Client id of the app's user-assigned managed identity.
    pub client_id: ObjectId,
    /// Name of the app's signing key in Key Vault.
    pub signing_key: String,
    /// Name of the key that wraps data keys.
    pub data_key: String,
    /// Name of the Cosmos DB database.
    pub database: String,
    /// What is logged.
    pub log: String,
    /// Where spans are sent, if anywhere.
    pub collector: Option<Url>,
}

/// A setting that is missing or wrong. Never tells its value: it may be a secret put into the
/// wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Name of the setting.
    pub name: &'static str,
    /// What it takes.
    pub wants: &'static str,
}

/// All faults in one line.
pub(super) fn list(faults: &[Fault]) -> String {
    let faults: Vec<String> =
        faults.iter().map(|fault| format!("{} wants {}", fault.name, fault.wants)).collect();
    faults.join("; ")
}

impl Settings {
    /// Reads the settings, each once.
    ///
    /// # Errors
    ///
    /// Every fault there is, not only the first.
    pub fn parse(read: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader { read, faults: Vec::new() };
        let port = reader.parsed("FUNCTIONS_CUSTOMHANDLER_PORT", "a port, 1 to 65535", |text| {
            text.parse().ok().filter(|port| *port != 0)
        });
        let app_root =
            reader.parsed("FUNCTIONS_APP_ROOT_PATH", "the absolute path of the package", |text| {
                Some(PathBuf::from(text)).filter(|path| path.is_absolute())
            });
        let client_id = reader.parsed(
            "AIRLOCK_CLIENT_ID",
            "the client id (a GUID) of the app's managed identity",
            |text| text.parse().ok(),
        );
        let signing_key = reader.parsed("AIRLOCK_SIGNING_KEY", KEY_NAME, key_name);
        let data_key = reader.parsed("AIRLOCK_DATA_KEY", KEY_NAME, key_name);
        let database = reader.parsed(
            "AIRLOCK_DATABASE",
            "a Cosmos DB database name: 1 to 255 letters, digits, hyphens or underscores",
            |text| name(text, 255, |byte| is_key_byte(byte) || byte == b'_'),
        );
        let log = reader.parsed(
            "AIRLOCK_LOG",
            "a filter such as info or info,airlock_azure=debug",
            |text| EnvFilter::try_new(text).is_ok().then(|| text.to_owned()),
        );
        let collector = reader.optional(
            COLLECTOR,
            "an https address without user, query or fragment, or http on the loopback",
            traces,
        );
        if collector.is_some() {
            for name in KEYS_OF_A_COLLECTOR {
                reader.absent(name, "to be absent: a key would be a secret in a setting");
            }
        }
        // Read by the credential itself, at each call. Without them it would silently try a
        // virtual machine's metadata endpoint.
        for name in ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"] {
            reader.parsed(name, "what the platform sets where an identity is assigned", |text| {
                (!text.is_empty()).then_some(())
            });
        }
        match (port, app_root, client_id, signing_key, data_key, database, log) {
            (
                Some(port),
                Some(app_root),
                Some(client_id),
                Some(signing_key),
                Some(data_key),
                Some(database),
                Some(log),
            ) if reader.faults.is_empty() => Ok(Self {
                port,
                app_root,
                client_id,
                signing_key,
                data_key,
                database,
                log,
                collector,
            }),
            _ => Err(reader.faults),
        }
    }
}

/// Reads settings and gathers their faults.
struct Reader<R> {
    read: R,
    faults: Vec<Fault>,
}

impl<R: Fn(&str) -> Option<String>> Reader<R> {
    fn parsed<T>(
        &mut self,
        name: &'static str,
        wants: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = (self.read)(name).and_then(|text| parse(&text));
        if value.is_none() {
            self.faults.push(Fault { name, wants });
        }
        value
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        wants: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        (self.read)(name)?;
        self.parsed(name, wants, parse)
    }

    fn absent(&mut self, name: &'static str, wants: &'static str) {
        if (self.read)(name).is_some() {
            self.faults.push(Fault { name, wants });
        }
    }
}

/// Where a collector takes traces, by the address of the collector.
fn traces(base: &str) -> Option<Url> {
    let mut url = Url::parse(base).ok()?;
    let loopback = ["127.0.0.1", "[::1]", "localhost"];
    let protected = match url.scheme() {
        "https" => true,
        "http" => url.host_str().is_some_and(|host| loopback.contains(&host)),
        _ => false,
    };
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !protected || !plain {
        return None;
    }
    url.path_segments_mut().ok()?.pop_if_empty().extend(["v1", "traces"]);
    Some(url)
}

const KEY_NAME: &str = "a Key Vault key name: 1 to 127 letters, digits or hyphens";

/// Key Vault's rule for names. The SDK puts them into a path as they are.
fn key_name(text: &str) -> Option<String> {
    name(text, 127, is_key_byte)
}

const fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

fn name(text: &str, longest: usize, allowed: impl Fn(u8) -> bool) -> Option<String> {
    ((1..=longest).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 9] = [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071"),
        ("FUNCTIONS_APP_ROOT_PATH", "/home/site/wwwroot"),
        ("AIRLOCK_CLIENT_ID", "11111111-2222-4333-8444-555555555555"),
        ("AIRLOCK_SIGNING_KEY", "signin-signing"),
        ("AIRLOCK_DATA_KEY", "session-data"),
        ("AIRLOCK_DATABASE", "airlock"),
        ("AIRLOCK_LOG", "info,airlock_azure=debug"),
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:41000/msi/token"),
        ("IDENTITY_HEADER", "853b9a84"),
    ];

    fn with(spoiled: &[(&str, Option<&str>)]) -> Result<Settings, Vec<Fault>> {
        Settings::parse(|name| {
            let spoiled = spoiled.iter().find(|(other, _)| *other == name);
            let good = GOOD.iter().find(|(other, _)| *other == name);
            match (spoiled, good) {
                (Some((_, value)), _) => value.map(str::to_owned),
                (None, good) => good.map(|(_, value)| (*value).to_owned()),
            }
        })
    }

    #[test]
    fn what_the_host_and_the_deployment_set_is_read() {
        let settings = with(&[]).unwrap();

        assert_eq!(settings.port, 7071);
        assert_eq!(settings.signing_key, "signin-signing");
    }

    #[test]
    fn all_faults_are_told_together_by_name_and_never_by_value() {
        let faults = with(&[
            ("FUNCTIONS_CUSTOMHANDLER_PORT", Some("hunter2")),
            ("AIRLOCK_CLIENT_ID", None),
            ("AIRLOCK_DATA_KEY", Some("../keys/other?hunter2")),
            ("AIRLOCK_LOG", Some("a=b=hunter2")),
            ("IDENTITY_HEADER", None),
        ])
        .unwrap_err();

        let names: Vec<&str> = faults.iter().map(|fault| fault.name).collect();
        assert_eq!(
            names,
            [
                "FUNCTIONS_CUSTOMHANDLER_PORT",
                "AIRLOCK_CLIENT_ID",
                "AIRLOCK_DATA_KEY",
                "AIRLOCK_LOG",
                "IDENTITY_HEADER",
            ]
        );
        assert!(!list(&faults).contains("hunter2"));
    }

    #[test]
    fn a_name_that_would_leave_its_place_in_a_path_is_refused() {
        for bad in ["", "a/b", "..", "a b", "a%2f", "ä", &"a".repeat(128)] {
            assert_eq!(with(&[("AIRLOCK_SIGNING_KEY", Some(bad))]).unwrap_err().len(), 1, "{bad}");
        }
        for bad in ["", "a/b", "a?b", "a#b"] {
            assert_eq!(with(&[("AIRLOCK_DATABASE", Some(bad))]).unwrap_err().len(), 1, "{bad}");
        }
    }

    #[test]
    fn spans_go_where_nobody_else_reads_them_or_nowhere() {
        let collector = |base: &str| {
            with(&[(COLLECTOR, Some(base))]).map(|settings| settings.collector.unwrap().to_string())
        };

        assert_eq!(with(&[]).unwrap().collector, None);
        for (base, traces) in [
            ("https://otel.example", "https://otel.example/v1/traces"),
            ("https://otel.example:4318/", "https://otel.example:4318/v1/traces"),
            ("https://otel.example/airlock", "https://otel.example/airlock/v1/traces"),
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ] {
            assert_eq!(collector(base).unwrap(), traces);
        }
        for bad in [
            "",
            "otel.example:4318",
            "http://otel.example",
            "http://127.0.0.1.otel.example",
            "https://user@otel.example",
            "https://:hunter2@otel.example",
            "https://otel.example?api-key=hunter2",
            "https://otel.example#hunter2",
            "grpc://127.0.0.1:4317",
        ] {
            let faults = collector(bad).unwrap_err();
            assert_eq!(faults.len(), 1, "{bad}");
            assert!(!list(&faults).contains("hunter2"));
        }
    }

    #[test]
    fn a_key_for_the_collector_is_a_secret_in_a_setting() {
        for name in KEYS_OF_A_COLLECTOR {
            let faults =
                with(&[(COLLECTOR, Some("https://otel.example")), (name, Some("api-key=hunter2"))])
                    .unwrap_err();

            assert_eq!(faults[0].name, name);
            assert!(!list(&faults).contains("hunter2"));
        }
    }

    #[test]
    fn a_relative_package_path_is_refused() {
        assert!(with(&[("FUNCTIONS_APP_ROOT_PATH", Some("wwwroot"))]).is_err());
    }
}
