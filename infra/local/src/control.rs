//! The control API: for tests, and for whoever owns the laptop.
//!
//! It can do everything to the cloud, so it asks for a key that only the start of the cloud
//! knows, compared in constant time, answers only to its own address, and allows no origin.

mod directory;
mod processes;
mod requests;
mod resources;
mod rotation;
mod store;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::processes::Processes;
use self::requests::{Injection, Mint, MintForService, Redirect, ToSign};
use crate::{
    cloud::{Answer, Asked, Shared},
    door::{Opened, is_at},
    entra::Form,
    faults::{Effect, Rule},
    identities::{application_id, client_id, principal_id, service_principal_id},
};

/// Header that carries the key.
pub const KEY_HEADER: &str = "x-airlock-control";

/// The control API.
pub struct Control {
    cloud: Shared,
    processes: Processes,
    opened: Opened,
}

/// A refusal: its status and one sentence.
#[derive(Debug)]
struct Refused(StatusCode, String);

type Outcome = Result<Value, Refused>;

fn bad(why: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, why.into())
}

fn absent() -> Refused {
    Refused(StatusCode::NOT_FOUND, "there is no such thing".to_owned())
}

impl Control {
    /// Controls this cloud.
    #[must_use]
    pub const fn new(cloud: Shared, processes: Processes, opened: Opened) -> Self {
        Self { cloud, processes, opened }
    }

    /// Answers one request.
    pub async fn answer(&self, asked: Asked) -> Answer {
        let outcome = match self.admitted(&asked) {
            Ok(()) => self.outcome(&asked).await,
            Err(refused) => Err(refused),
        };
        match outcome {
            Ok(body) => respond(StatusCode::OK, &body),
            Err(Refused(status, why)) => respond(status, &json!({ "error": why })),
        }
    }

    fn admitted(&self, asked: &Asked) -> Result<(), Refused> {
        // A page under another name that leads here must not even learn that the key is wrong.
        let port = self.opened.control.port();
        let known = ["127.0.0.1", "localhost"];
        if !known.iter().any(|name| is_at(&format!("http://{name}:{port}"), asked)) {
            return Err(Refused(
                StatusCode::MISDIRECTED_REQUEST,
                "this is another place".to_owned(),
            ));
        }
        let mut keys = asked.headers().get_all(KEY_HEADER).iter();
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(Refused(StatusCode::UNAUTHORIZED, format!("{KEY_HEADER} is missing")));
        };
        verify_slices_are_equal(key.as_bytes(), self.opened.control_key.as_bytes())
            .map_err(|_| Refused(StatusCode::UNAUTHORIZED, format!("{KEY_HEADER} is wrong")))
    }

    async fn outcome(&self, asked: &Asked) -> Outcome {
        let path = segments(asked.uri().path())?;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (asked.method(), path.as_slice()) {
            (method, ["faults", rest @ ..]) => self.faults(method, rest, asked),
            (&Method::GET, ["calls"]) => Ok(self.cloud.record.calls(after(asked)?)),
            (&Method::GET, ["tokens"]) => Ok(self.cloud.record.tokens(after(asked)?)),
            (&Method::GET, ["effects"]) => Ok(self.cloud.record.effects(after(asked)?)),
            (&Method::GET, ["processes"]) => self.processes.all().map_err(bad),
            (&Method::POST, ["processes", app, "kill"]) => done(self.processes.killed(app).await),
            (&Method::POST, ["processes", app, "stop"]) => done(self.processes.stopped(app)),
            (&Method::POST, ["processes", app, "start"]) => done(self.processes.started(app)),
            (&Method::POST, ["timers", app, function]) => {
                done(self.processes.fired(app, function).await)
            }
            (&Method::GET, ["logs", app]) => {
                let log = self.processes.log(app).map_err(bad)?.ok_or_else(absent)?;
                Ok(json!({ "app": app, "log": log }))
            }
            (&Method::GET, ["bus"]) => Ok(self.cloud.bus.snapshot()),
            (&Method::POST, ["bus", queue]) => {
                let message = read::<Injection>(asked.body())?.message().map_err(bad)?;
                done(self.cloud.bus.inject(queue, message))
            }
            (method, ["rotation", rest @ ..]) => {
                rotation::outcome(&self.cloud, method, rest, asked.body())
            }
            (method, ["resources", rest @ ..]) => {
                resources::outcome(&self.cloud, method, rest, asked.body())
            }
            (&Method::GET, ["blobs"]) => Ok(self.cloud.blobs.snapshot()),
            (method, ["directory", rest @ ..]) => {
                directory::outcome(&self.cloud, method, rest, asked.body())
            }
            (method, ["cosmos", container, rest @ ..]) => {
                store::outcome(&self.cloud, method, container, rest, asked.body()).await
            }
            (&Method::GET, ["names"]) => Ok(self.names()),
            (&Method::GET, ["identity", name]) => self.identity(name),
            (&Method::POST, ["mint"]) => {
                let Mint { claims, header, key } = read(asked.body())?;
                token(self.cloud.entra.mint(key, &header, &claims))
            }
            (&Method::POST, ["issuer", "mint"]) => {
                let MintForService { claims, header, key } = read(asked.body())?;
                token(self.cloud.issuer.mint(key, &header, &claims))
            }
            (&Method::POST, ["sign"]) => {
                let ToSign { input, key } = read(asked.body())?;
                token(self.cloud.entra.sign(key, &input))
            }
            (&Method::POST, ["redirect-uris"]) => {
                let Redirect { application, uri } = read(asked.body())?;
                if !self.cloud.identities.applications.contains_key(&application) {
                    return Err(absent());
                }
                directory::register_redirect(&self.cloud, &application, &uri)
            }
            _ => Err(absent()),
        }
    }

    fn faults(&self, method: &Method, rest: &[&str], asked: &Asked) -> Outcome {
        let faults = &self.cloud.faults;
        match (method, rest) {
            (&Method::GET, []) => Ok(faults.snapshot()),
            (&Method::POST, []) => {
                let rule: Rule = read(asked.body())?;
                if let Effect::Kill { process, .. } = &rule.effect {
                    let all = self.processes.all().map_err(bad)?;
                    if all.get(process).is_none() {
                        return Err(bad(format!("there is no process '{process}'")));
                    }
                }
                let id = faults.add(rule).map_err(bad)?;
                Ok(json!({ "id": id }))
            }
            (&Method::DELETE, []) => {
                faults.clear();
                Ok(json!({}))
            }
            (&Method::DELETE, [id]) => {
                let id = id.parse().map_err(|_| absent())?;
                if faults.remove(id) { Ok(json!({})) } else { Err(absent()) }
            }
            _ => Err(absent()),
        }
    }

    fn identity(&self, name: &str) -> Outcome {
        let header = self.opened.identity_headers.get(name).ok_or_else(absent)?;
        Ok(json!({
            "url": self.opened.identity_url,
            "header": header,
            "client_id": client_id(name).to_string(),
            "principal_id": principal_id(name).to_string(),
        }))
    }

    fn names(&self) -> Value {
        let (names, identities) = (&self.cloud.names, &self.cloud.identities);
        let tenants = self.cloud.directory.tenants();
        let applications = identities.applications.keys().map(|name| {
            let principal = |tenant: Uuid| service_principal_id(name, tenant).to_string();
            let principals: Value =
                tenants.iter().map(|card| (card.id.to_string(), principal(card.id))).collect();
            let client = application_id(name).to_string();
            (name.clone(), json!({ "client_id": client, "service_principals": principals }))
        });
        let applications: Value = applications.collect();
        let ids = |name: &String| {
            json!({
                "client_id": client_id(name).to_string(),
                "principal_id": principal_id(name).to_string(),
            })
        };
        let managed: Value =
            identities.identities.keys().map(|name| (name.clone(), ids(name))).collect();
        let tenants: Vec<Value> = tenants
            .iter()
            .map(|card| {
                json!({ "id": card.id.to_string(), "name": card.name, "domain": card.domain })
            })
            .collect();
        json!({
            "tenant": names.tenant.to_string(),
            "tenants": tenants,
            "entra": names.entra,
            "issuer": names.issuer,
            "graph": names.graph,
            "vault": names.vault,
            "cosmos": names.cosmos,
            "bus": names.bus,
            "blobs": names.blobs,
            "anchors": names.anchors,
            "portal": names.portal,
            "api": names.api,
            "pages": names.pages,
            "proxy": format!("http://{}", self.opened.proxy),
            "listeners": {
                "proxy": self.opened.proxy.to_string(),
                "tls": self.opened.tls.to_string(),
                "identity_endpoint": self.opened.identity_endpoint.to_string(),
                "pages": self.opened.pages.to_string(),
                "control": self.opened.control.to_string(),
            },
            "identity_url": self.opened.identity_url,
            "ca_pem": self.opened.ca_pem,
            "applications": applications,
            "identities": managed,
        })
    }
}

fn token(made: anyhow::Result<String>) -> Outcome {
    let refused =
        |error: anyhow::Error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    Ok(json!({ "token": made.map_err(refused)? }))
}

fn done<E: Into<String>>(result: Result<(), E>) -> Outcome {
    result.map(|()| json!({})).map_err(bad)
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| bad(error.to_string()))
}

/// The number of the last entry that the reader has seen: `?after=17`.
fn after(asked: &Asked) -> Result<u64, Refused> {
    let query = asked.uri().query().unwrap_or_default();
    let form = Form::parse(query.as_bytes()).map_err(|refusal| bad(refusal.sentence()))?;
    form.optional("after")
        .map_or(Ok(0), str::parse)
        .map_err(|_| bad("after must be the number of an entry"))
}

/// The path's segments, decoded.
fn segments(path: &str) -> Result<Vec<String>, Refused> {
    path.split('/').skip(1).map(|segment| decoded(segment).ok_or_else(absent)).collect()
}

fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (pair, after) = rest.split_at_checked(2)?;
        let digit = |c: u8| char::from(c).to_digit(16);
        bytes.push(u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn respond(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Answer::new(Bytes::from(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_decoded_once_and_wholly() {
        assert_eq!(decoded("a%2Fb%252F").as_deref(), Some("a/b%2F"));
        assert_eq!(decoded("%zz"), None);
        assert_eq!(decoded("%+1"), None);
        assert_eq!(decoded("%2"), None);
        assert_eq!(decoded("%ff"), None);
    }
}
