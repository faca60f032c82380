//! What package an app says that it runs, at its own host name.

use airlock_core::{
    digest::Digest,
    drift::actual::{Name, Running},
    identity::App,
    ports::PortError,
};
use serde::Deserialize;

use super::words::NotUnderstood;
use crate::{failure::Meaning, transport};

/// Where function apps are: whatever Azure calls the app's host, nobody else is asked.
const HOSTS: &str = ".azurewebsites.net";
/// The most bytes of an answer.
const MOST_BYTES: usize = 16 * 1024;

/// The app did not say.
#[derive(Debug, thiserror::Error)]
#[error("{app} answered {status}")]
struct Answered {
    app: App,
    status: u16,
}

/// What `GET /health` tells of it.
#[derive(Deserialize)]
struct Report {
    app: App,
    package: Digest,
}

/// Asks an app.
pub(super) async fn ask(
    http: &reqwest::Client,
    app: App,
    host: Name,
) -> Result<Running, PortError> {
    let unavailable = |error: reqwest::Error| PortError::Unavailable(error.without_url().into());
    let address = address(&host)?;
    let request = http.get(address).build().map_err(unavailable)?;
    let mut response = transport::send(http, request).await.map_err(unavailable)?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(Meaning::of_status(status, None).because(Answered { app, status }));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(NotUnderstood("a package").into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(read(app, &bytes)?)
}

/// Where an app with this host tells it.
fn address(host: &Name) -> Result<String, NotUnderstood> {
    let name = host.as_str().strip_suffix(HOSTS).ok_or(NotUnderstood("a host"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(NotUnderstood("a host"));
    }
    Ok(format!("https://{host}/health"))
}

/// What an app says about itself.
fn read(app: App, bytes: &[u8]) -> Result<Running, NotUnderstood> {
    let report: Report = serde_json::from_slice(bytes).map_err(|_| NotUnderstood("a package"))?;
    if report.app != app {
        return Err(NotUnderstood("a package"));
    }
    Ok(Running { app, package: report.package })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_says_what_it_runs_and_for_no_other() {
        let digest = Digest::of(&[b"a package"]);
        let says = format!(r#"{{"app":"execute","status":"up","package":"{digest}"}}"#);

        let running = read(App::Execute, says.as_bytes()).unwrap();

        assert_eq!(running, Running { app: App::Execute, package: digest });
        assert!(read(App::Rotate, says.as_bytes()).is_err());
        for silent in [r#"{"app":"execute"}"#, r#"{"app":"execute","package":null}"#, "<html>"] {
            assert!(read(App::Execute, silent.as_bytes()).is_err(), "{silent}");
        }
    }

    #[test]
    fn nobody_is_asked_who_is_no_function_app() {
        assert_eq!(
            address(&Name::new("Airlock-execute.azurewebsites.net")).unwrap(),
            "https://airlock-execute.azurewebsites.net/health"
        );
        for other in [
            "",
            ".azurewebsites.net",
            "evil.example",
            "evil.example/.azurewebsites.net",
            "evil.example#.azurewebsites.net",
            "me@x.azurewebsites.net",
            "x.azurewebsites.net:8443",
            "x.azurewebsites.net.evil.example",
        ] {
            assert!(address(&Name::new(other)).is_err(), "{other}");
        }
    }
}
