//! Two doors that are never open together: what each app gets, and what lies about.

use std::{collections::BTreeSet, fs, path::Path};

use airlock_tests::{Places, World};
use serde_json::Value;

const APPS: [&str; 5] = ["signin", "intake", "execute", "rotate", "drift"];

/// Everything that a handler's environment may name. This list may only shrink.
const ENVIRONMENT: [&str; 20] = [
    "AIRLOCK_CLIENT_ID",
    "AIRLOCK_DATABASE",
    "AIRLOCK_DATA_KEY",
    "AIRLOCK_LOG",
    "AIRLOCK_SIGNING_KEY",
    "AZURE_COSMOS_CONNECTION_POOL_IS_PROXY_ALLOWED",
    "AirlockBus__clientId",
    "AirlockBus__credential",
    "AirlockBus__fullyQualifiedNamespace",
    "FUNCTIONS_APP_ROOT_PATH",
    "FUNCTIONS_CUSTOMHANDLER_PORT",
    "FUNCTIONS_CUSTOMHANDLER_WORKER_ID",
    "FUNCTIONS_HTTPWORKER_ID",
    "FUNCTIONS_HTTPWORKER_PORT",
    "FUNCTIONS_WORKER_RUNTIME",
    "HTTPS_PROXY",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "PATH",
    "SSL_CERT_FILE",
];

/// The one value in an environment that opens something.
///
/// The platform sets it, new for each instance: without it a process cannot ask for the token of
/// its own identity. It opens that one endpoint, from that one machine.
const OF_THE_PLATFORM: &str = "IDENTITY_HEADER";

/// A PEM block of a private key with something in it: parsers of PEM carry the bare label.
fn holds_private_key(text: &str) -> bool {
    text.split("PRIVATE KEY-----").skip(1).any(|after| {
        let body = after.trim_start_matches(['\r', '\n', '\\', 'n']);
        let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        body.chars().take_while(|c| base64(*c)).count() >= 40
    })
}

#[test]
fn a_private_key_is_told_from_its_label() {
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n",
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH".repeat(2)
    );

    assert!(holds_private_key(&key));
    assert!(!holds_private_key("PRIVATE KEY-----BEGIN EC PRIVATE KEY-----\0other text"));
}

async fn used(world: &World) {
    let (harriet, sam) = (world.person("harriet").await, world.person("sam").await);
    let april = world.person("april").await;
    let nina = world.who("nina");
    let revoked = harriet.ask("sessions.revoke", &nina).await;
    let disabled = harriet.ask("account.disable", &world.who("oscar")).await;
    april.approve(&disabled.id).await;
    let pass = sam.ask("tap.issue", &nina).await;
    let called = harriet.get("/auth/call-the-api").await.ok();
    assert_eq!(called["claims"]["oid"], harriet.who.object.to_string());
    for (person, asking) in [(&harriet, &revoked), (&harriet, &disabled), (&sam, &pass)] {
        person.wait_for(&asking.id, "succeeded").await;
    }
}

#[tokio::test]
async fn outer_apps_never_get_a_graph_token_and_inner_ones_never_an_operators() {
    let world = World::start().await;
    used(&world).await;
    let control = world.control();

    let graph = "https://graph.microsoft.com";
    let tokens = control.tokens().await;
    let holders: BTreeSet<&str> = tokens
        .iter()
        .filter(|token| token["audience"].as_str().is_some_and(|of| of.starts_with(graph)))
        .map(|token| token["holder"].as_str().unwrap())
        .collect();
    assert_eq!(
        holders,
        BTreeSet::from([
            "airlock-worker-accounts",
            "airlock-worker-lookup",
            "airlock-worker-methods"
        ])
    );
    // Who calls Graph is a worker application, each for its own part.
    for call in control.calls().await {
        let caller = call["caller"].as_str().unwrap_or_default();
        match call["service"].as_str().unwrap() {
            "graph" => assert!(caller.starts_with("airlock-worker-"), "{call}"),
            // Of Entra's a worker application gets tokens, and no keys to verify a person's with.
            "entra" if caller.starts_with("airlock-worker-") => {
                let path = call["path"].as_str().unwrap();
                assert!(path.ends_with("/oauth2/v2.0/token"), "{call}");
            }
            "entra" => {}
            _ => assert!(!caller.starts_with("airlock-worker-"), "{call}"),
        }
    }

    // No token of Entra's is stored, sent or logged anywhere. All have the same header.
    let execute = world.impostor("execute").await;
    let token = execute.token("https://vault.azure.net").await;
    let header = format!("{}.", token.split('.').next().unwrap());
    let places = Places::everywhere(&world).await;
    assert_eq!(places.with(&header), Vec::<&str>::new());
    // And no inner app has a door through which one could come.
    for app in ["execute", "rotate", "drift"] {
        for function in fs::read_dir(functions(app)).unwrap() {
            let file = function.unwrap().path().join("function.json");
            let function: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            let trigger = function["bindings"][0]["type"].as_str().unwrap();
            let health = function["bindings"][0]["route"] == "health";
            assert!(trigger != "httpTrigger" || health, "{}", file.display());
        }
    }
    for path in [
        "/execute",
        "/reclaim",
        "/resend",
        "/erase",
        "/rotate",
        "/credential_change",
        "/drift",
        "/seal",
        "/record",
        "/record_dead",
        "/health/execute/execute",
    ] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
}

fn functions(app: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions").join(app)
}

#[tokio::test]
async fn neither_a_process_nor_its_package_holds_a_secret() {
    let world = World::start().await;
    used(&world).await;
    let control = world.control();
    let harriet = world.person("harriet").await;
    let processes = control.processes().await;
    let mut headers = Vec::new();
    for app in APPS.iter().chain(&["admin"]) {
        headers.push((*app, world.impostor(app).await.header().to_owned()));
    }

    for app in APPS {
        let pid = processes[app]["pid"].as_u64().unwrap();
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let environ = String::from_utf8(environ).unwrap();
        assert!(environ.len() > 100, "{app} tells nothing");
        assert!(!environ.contains("PRIVATE KEY"), "{app}");
        for secret in [control.key(), &harriet.cookie] {
            assert!(!environ.contains(secret), "{app}");
        }
        for variable in environ.split('\0').filter(|variable| !variable.is_empty()) {
            let (name, value) = variable.split_once('=').unwrap();
            assert!(ENVIRONMENT.contains(&name), "{app} has {name}");
            for (other, header) in &headers {
                let own = *other == app && name == OF_THE_PLATFORM;
                assert_eq!(value.contains(header.as_str()), own, "{app}: {name} of {other}");
            }
        }

        let package = world.state().join("apps").join(app);
        let mut files = 0;
        for path in all_files(&package) {
            files += 1;
            let bytes = fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!holds_private_key(&text), "{}", path.display());
            for secret in headers.iter().map(|(_, header)| header.as_str()).chain([control.key()]) {
                assert!(!text.contains(secret), "{}", path.display());
            }
            if path.file_name().is_none_or(|name| name != "handler") {
                let lower = text.to_lowercase();
                for word in ["password", "client_secret", "accountkey", "sharedaccess", "\"d\":"] {
                    assert!(!lower.contains(word), "{word} in {}", path.display());
                }
            }
        }
        assert!(files > 3, "{app} has a package");
    }
}

fn all_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(all_files(&path)) } else { files.push(path) }
    }
    files
}
