//! Settings and manifest: a process that cannot know whom to trust does not start.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use airlock_core::{
    digest::Digest,
    identity::{App, ObjectId, TenantId},
    jws::Signed,
    manifest::{Manifest, ManifestFile, TRUST_MOVERS},
    memory::LocalKey,
};
use airlock_tests::{client_key, now, program, spoiled};
use uuid::Uuid;

/// A value that no one may see again.
pub(super) const TELLING: &str = "hunter2-hunter2-hunter2";

/// Every setting of a handler.
const SETTINGS: [&str; 9] = [
    "FUNCTIONS_CUSTOMHANDLER_PORT",
    "FUNCTIONS_APP_ROOT_PATH",
    "AIRLOCK_CLIENT_ID",
    "AIRLOCK_SIGNING_KEY",
    "AIRLOCK_DATA_KEY",
    "AIRLOCK_DATABASE",
    "AIRLOCK_LOG",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
];

const APPS: [&str; 5] = ["signin", "intake", "execute", "rotate", "drift"];

/// How long a process may take to refuse, or to answer.
const SOON: Duration = Duration::from_secs(10);

/// A package that was made for this test.
pub(super) struct Package(PathBuf);

impl Package {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("airlock-settings-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(super) async fn with_manifest(name: &str, app: App, may_override: &[&str]) -> Self {
        let package = Self::new(name);
        let (_, root) = client_key();
        package.write(&file(&manifest(app, may_override, &root), &root).await);
        package
    }

    fn write(&self, manifest: &str) {
        fs::write(self.0.join("manifest.json"), manifest).unwrap();
    }

    pub(super) fn settings(&self, port: u16) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string()),
            ("FUNCTIONS_APP_ROOT_PATH", self.0.display().to_string()),
            ("AIRLOCK_CLIENT_ID", Uuid::new_v4().to_string()),
            ("AIRLOCK_SIGNING_KEY", "signing".to_owned()),
            ("AIRLOCK_DATA_KEY", "data".to_owned()),
            ("AIRLOCK_DATABASE", "airlock".to_owned()),
            ("AIRLOCK_LOG", "info".to_owned()),
            ("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token".to_owned()),
            ("IDENTITY_HEADER", TELLING.to_owned()),
        ])
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn manifest(app: App, may_override: &[&str], root: &LocalKey) -> Manifest {
    let tenant: TenantId = Uuid::new_v4().to_string().parse().unwrap();
    let id = || ObjectId::new(Uuid::new_v4());
    let url = |name: &str| format!("https://{name}.example");
    let workers = ["accounts", "devices", "groups", "lookup", "methods", "passwords"];
    Manifest {
        app,
        iat: now(),
        root: root.key().clone(),
        package: Digest::of(&[b"a package"]),
        tenant,
        authority: "https://login.microsoftonline.com".to_owned(),
        sign_in_pages: "https://login.microsoftonline.com".to_owned(),
        graph: "https://graph.microsoft.com".to_owned(),
        vault: "https://airlock.vault.azure.net".to_owned(),
        cosmos: "https://airlock.documents.azure.com:443/".to_owned(),
        bus: "airlock.servicebus.windows.net".to_owned(),
        blobs: "https://airlock.blob.core.windows.net".to_owned(),
        anchors: "https://anchors.blob.core.windows.net".to_owned(),
        resource_manager: "https://management.azure.com".to_owned(),
        resources: format!("/subscriptions/{tenant}/resourceGroups/airlock"),
        sites: BTreeMap::from([(app, format!("airlock-{app}"))]),
        ledger: "ledger.contoso.example".to_owned(),
        portal: url("portal.airlock"),
        api: url("api.airlock"),
        confirmations: format!("{}/internal/confirmations", url("intake.airlock")),
        portal_client: id(),
        intake_client: id(),
        signin_principal: id(),
        principals: BTreeMap::from([(app, id())]),
        workers: workers.map(|name| (format!("airlock-worker-{name}"), id())).into(),
        may_override: may_override.iter().map(|name| (*name).to_owned()).collect(),
    }
}

async fn file(manifest: &Manifest, root: &LocalKey) -> String {
    let signed = Signed::sign(manifest, root).await.unwrap();
    let file = ManifestFile { root: root.key().clone(), manifest: signed };
    serde_json::to_string(&file).unwrap()
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(super) fn command(
    app: &str,
    settings: &BTreeMap<&'static str, String>,
    folder: &Path,
) -> Command {
    let mut command = Command::new(program(&format!("airlock-{app}")));
    command
        .env_clear()
        .envs(settings)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a handler that must not start. Gives what it said.
fn refused(app: &str, settings: &BTreeMap<&'static str, String>) -> String {
    let mut child = command(app, settings, &std::env::temp_dir()).spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > SOON {
            child.kill().unwrap();
            panic!("{app} started: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let said = String::from_utf8([stdout, stderr].concat()).unwrap();
    // The Functions host takes 0 for "do not restart".
    assert_ne!(status.code(), Some(0), "{app}: {said}");
    assert!(status.code().is_some(), "{app} ended by itself: {said}");
    assert!(!said.contains(TELLING), "{app}: {said}");
    assert!(!said.contains("panicked"), "{app}: {said}");
    said
}

/// Runs a handler that must start, and ends it.
fn starts(app: &str, settings: &BTreeMap<&'static str, String>) {
    let mut child = command(app, settings, &std::env::temp_dir()).spawn().unwrap();
    let address = format!("127.0.0.1:{}", settings["FUNCTIONS_CUSTOMHANDLER_PORT"]);
    let begun = Instant::now();
    let answers = loop {
        if std::net::TcpStream::connect(&address).is_ok() {
            break true;
        }
        if child.try_wait().unwrap().is_some() || begun.elapsed() > SOON {
            break false;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    drop(child.kill());
    let output = child.wait_with_output().unwrap();
    assert!(answers, "{app} did not start: {output:?}");
}

#[test]
fn missing_settings_are_all_named_at_once() {
    for app in APPS {
        let said = refused(app, &BTreeMap::new());

        for name in SETTINGS {
            assert!(said.contains(name), "{app} does not name {name}: {said}");
        }
    }
}

#[tokio::test]
async fn wrong_settings_are_all_named_at_once_and_never_shown() {
    let package = Package::with_manifest("wrong", App::Execute, &[]).await;
    let mut wrong = package.settings(free_port());
    for (name, value) in [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "0"),
        ("FUNCTIONS_APP_ROOT_PATH", TELLING),
        ("AIRLOCK_CLIENT_ID", TELLING),
        ("AIRLOCK_SIGNING_KEY", "../hunter2-hunter2-hunter2"),
        ("AIRLOCK_DATA_KEY", "hunter2-hunter2-hunter2/x"),
        ("AIRLOCK_DATABASE", "hunter2-hunter2-hunter2?x"),
        ("AIRLOCK_LOG", "hunter2-hunter2-hunter2=[[["),
        ("IDENTITY_ENDPOINT", ""),
    ] {
        wrong.insert(name, value.to_owned());
    }

    let said = refused("execute", &wrong);

    for name in wrong.keys().filter(|name| **name != "IDENTITY_HEADER") {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    assert!(!said.contains("IDENTITY_HEADER"), "{said}");
}

#[tokio::test]
async fn what_would_move_trust_is_refused_unless_the_manifest_allows_it() {
    let strict = Package::with_manifest("strict", App::Execute, &[]).await;
    starts("execute", &strict.settings(free_port()));

    for mover in TRUST_MOVERS {
        let mut settings = strict.settings(free_port());
        settings.insert(mover, format!("http://{TELLING}:1"));
        let said = refused("execute", &settings);
        assert!(said.contains(mover), "{mover}: {said}");
    }
    let mut both = strict.settings(free_port());
    both.insert("HTTPS_PROXY", "http://127.0.0.1:1".to_owned());
    both.insert("SSL_CERT_FILE", "/dev/null".to_owned());
    let said = refused("execute", &both);
    assert!(said.contains("HTTPS_PROXY") && said.contains("SSL_CERT_FILE"), "{said}");

    let local = Package::with_manifest("local", App::Execute, &["HTTPS_PROXY"]).await;
    let mut settings = local.settings(free_port());
    settings.insert("HTTPS_PROXY", "http://127.0.0.1:1".to_owned());
    starts("execute", &settings);
    settings.insert("ALL_PROXY", "http://127.0.0.1:1".to_owned());
    assert!(refused("execute", &settings).contains("ALL_PROXY"));
}

#[tokio::test]
async fn a_collector_is_told_of_nothing_unless_the_manifest_allows_it() {
    const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let strict = Package::with_manifest("no-collector", App::Drift, &[]).await;
    let mut settings = strict.settings(free_port());
    settings.insert(COLLECTOR, "http://127.0.0.1:9".to_owned());
    let said = refused("drift", &settings);
    assert!(said.contains(COLLECTOR) && said.contains("manifest.json"), "{said}");

    let local = Package::with_manifest("collector", App::Drift, &[COLLECTOR]).await;
    let mut settings = local.settings(free_port());
    settings.insert(COLLECTOR, "http://127.0.0.1:9".to_owned());
    starts("drift", &settings);
    // Where others could read along, and with a secret in a setting.
    for wrong in [
        format!("http://{TELLING}.example"),
        format!("https://:{TELLING}@otel.example"),
        format!("https://otel.example?key={TELLING}"),
    ] {
        settings.insert(COLLECTOR, wrong);
        assert!(refused("drift", &settings).contains(COLLECTOR));
    }
    settings.insert(COLLECTOR, "http://127.0.0.1:9".to_owned());
    settings.insert("OTEL_EXPORTER_OTLP_HEADERS", format!("api-key={TELLING}"));
    assert!(refused("drift", &settings).contains("OTEL_EXPORTER_OTLP_HEADERS"));
}

#[tokio::test]
async fn a_package_that_the_admin_root_did_not_sign_for_this_app_does_not_start() {
    let (_, root) = client_key();
    let (_, other) = client_key();
    let package = Package::new("unsigned");
    let settings = package.settings(free_port());
    let good = file(&manifest(App::Intake, &[], &root), &root).await;

    refused("intake", &settings);
    for broken in ["", "{}", "null", "[]"] {
        package.write(broken);
        refused("intake", &settings);
    }
    package.write(&good);
    starts("intake", &settings);

    // For another app; by another root than it names; changed afterwards.
    package.write(&file(&manifest(App::Execute, &[], &root), &root).await);
    refused("intake", &settings);
    package.write(&file(&manifest(App::Intake, &[], &other), &root).await);
    refused("intake", &settings);
    let middle = good.len() / 2;
    for position in [middle, middle + 100, good.len() - 20] {
        package.write(&spoiled(&good, position));
        refused("intake", &settings);
    }
}
