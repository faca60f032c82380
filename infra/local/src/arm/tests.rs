//! Azure Resource Manager, asked as drift asks it, and as others do.

mod changes;
mod reading;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::{HOST, Resources, group_id};
use crate::{
    cloud::{Shared, audience},
    entra::{Resource, now_s, tests::cloud},
};

/// Versions of the interfaces that are asked here.
const WEB: &str = "2025-03-01";
const ROLES: &str = "2022-04-01";

/// A cloud, and how it is asked as one identity.
struct World {
    cloud: Shared,
    token: String,
}

impl World {
    fn of(identity: &str) -> Self {
        Self::with(identity, audience::ARM)
    }

    fn with(identity: &str, audience: &str) -> Self {
        let cloud = cloud();
        let token = cloud
            .entra
            .identity_token(
                &cloud.identities,
                cloud.names.tenant,
                identity,
                Resource::Service(audience),
                now_s(),
            )
            .unwrap();
        Self { cloud, token }
    }

    /// `~` stands for the resource group.
    async fn ask(&self, method: Method, path: &str) -> (StatusCode, Value) {
        let path = path.replace('~', &group_id(&self.cloud.names));
        let asked = Request::builder()
            .method(method)
            .uri(format!("https://{HOST}{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .body(Bytes::new())
            .unwrap();
        let answer = Resources::answer(&self.cloud, asked).await;
        (answer.status(), serde_json::from_slice(answer.body()).unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// A whole list, by as many pages as it takes.
    async fn list(&self, path: &str) -> Vec<Value> {
        let mut all = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let mut page = self.get(&path).await;
            all.append(page["value"].as_array_mut().unwrap());
            let origin = format!("https://{HOST}");
            let link = page["nextLink"].as_str();
            next = link.map(|link| link.strip_prefix(&origin).unwrap().to_owned());
        }
        all
    }

    async fn refused(&self, method: Method, path: &str) -> (u16, String) {
        let (status, body) = self.ask(method, path).await;
        (status.as_u16(), body["error"]["code"].as_str().unwrap_or("none").to_owned())
    }

    fn change(&self, change: Value) -> Result<(), String> {
        self.cloud.resources.change(serde_json::from_value(change).unwrap())
    }
}

fn names(list: &[Value]) -> Vec<&str> {
    list.iter().map(|one| one["name"].as_str().unwrap()).collect()
}

fn site(app: &str) -> String {
    format!("~/providers/Microsoft.Web/sites/airlock-local-{app}")
}

fn refusal(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// A role assignment's body.
fn assigned(role: &str) -> Value {
    json!({ "properties": { "roleDefinitionId": role, "principalId": uuid::Uuid::nil() } })
}
