//! The directory as Graph shows it, tried request by request.

#![expect(clippy::needless_pass_by_value, reason = "tests write their bodies in place")]

mod access_policies;
mod applications;
mod audits;
mod batches;
mod changes;
mod deltas;
mod drift;
mod operations;
mod permissions;
mod reading;
mod remediation;
mod roles;

use http::{Request, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;
use crate::{
    directory::alteration::Alteration,
    entra::{
        Resource, now_s,
        tests::{cloud, names},
    },
    identities::{Identities, service_principal_id, stable_id},
};

const IDENTITIES: &str = include_str!("../../../identities.json");
const USER_ADMINISTRATOR: &str = "fe930be7-5e62-47db-91af-98c3a49a38b1";
const ENTERPRISEPACK: &str = "6fd2c87f-b296-42f0-b197-1e91e994b900";
const HELPDESK_ADMINISTRATOR: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

fn contoso() -> Uuid {
    stable_id("tenant", "contoso.example")
}

fn user(name: &str) -> Uuid {
    stable_id("user", &format!("{name}@contoso.example"))
}

fn group(name: &str) -> Uuid {
    stable_id("group", &format!("contoso.example/{name}"))
}

fn device(name: &str) -> Uuid {
    stable_id("device-id", &format!("contoso.example/{name}"))
}

fn recovery_key(name: &str) -> Uuid {
    stable_id("recovery-key", &format!("contoso.example/{name}"))
}

struct World {
    directory: Directory,
    identities: Identities,
}

impl World {
    fn new() -> Self {
        Self {
            directory: Directory::new(&names()),
            identities: Identities::parse(IDENTITIES).unwrap(),
        }
    }

    /// An application with the permissions that it is meant to have.
    fn application(&self, name: &str) -> Caller {
        Caller {
            tenant: contoso(),
            object: service_principal_id(name, contoso()),
            identity: None,
            application: Some(name.to_owned()),
            roles: self.identities.applications[name].permissions.clone(),
        }
    }

    fn send(
        &self,
        caller: &Caller,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> (u16, Value) {
        let mut request =
            Request::builder().method(method).uri(format!("https://graph.microsoft.com{path}"));
        request = request.header("user-agent", "tests");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            Bytes::new()
        } else {
            request = request.header("content-type", "application/json");
            Bytes::from(body.to_string())
        };
        let graph = Graph { directory: &self.directory };
        let outcome = serve(graph, caller, &request.body(body).unwrap());
        let answer = written(outcome, &HeaderMap::new());
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or(Value::Null))
    }

    fn get(&self, application: &str, path: &str) -> (u16, Value) {
        self.send(&self.application(application), "GET", path, &[], Value::Null)
    }

    fn post(&self, application: &str, path: &str, body: Value) -> (u16, Value) {
        self.send(&self.application(application), "POST", path, &[], body)
    }

    fn patch(&self, application: &str, path: &str, body: Value) -> (u16, Value) {
        self.send(&self.application(application), "PATCH", path, &[], body)
    }

    fn delete(&self, application: &str, path: &str) -> (u16, Value) {
        self.send(&self.application(application), "DELETE", path, &[], Value::Null)
    }

    /// Changes the deployment's tenant as its owner can.
    fn alter(&self, change: Value) -> Value {
        let change: Alteration = serde_json::from_value(change).unwrap();
        self.directory.alter(contoso(), change).unwrap()
    }

    /// Every object of a collection, over all its pages.
    fn all(&self, application: &str, path: &str) -> Vec<Value> {
        let mut objects = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let (status, body) = self.get(application, &path);
            assert_eq!(status, 200, "{path}: {body}");
            objects.extend(body["value"].as_array().unwrap().clone());
            next = body["@odata.nextLink"].as_str().map(below);
        }
        objects
    }

    fn person(&self, name: &str) -> Value {
        self.directory.snapshot()["tenants"][contoso().to_string()]["people"]
            [format!("{name}@contoso.example")]
        .clone()
    }

    fn effects(&self) -> Vec<Value> {
        self.directory.snapshot()["effects"].as_array().unwrap().clone()
    }
}

/// The path and the query of a link of Graph's.
fn below(link: &str) -> String {
    link.strip_prefix("https://graph.microsoft.com").unwrap().to_owned()
}

fn password() -> Value {
    json!({ "passwordProfile": { "password": "Winter-2031", "forceChangePasswordNextSignIn": true } })
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}

fn values<'a>(body: &'a Value, property: &str) -> Vec<&'a str> {
    let mut values: Vec<&str> = body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object[property].as_str().unwrap())
        .collect();
    values.sort_unstable();
    values
}

/// A method, a path, a body, and the workers that may ask it.
type Route = (&'static str, String, Value, &'static [&'static str]);
