//! Rules of the cloud about one call each, and how often each has bitten.

use airlock_tests::{Answer, World};
use http::Method;
use serde_json::Value;

/// The cloud's control API.
#[derive(Clone)]
pub struct Raw<'w> {
    world: &'w World,
}

/// A rule that stands until it is lifted.
pub struct Standing(u64);

impl<'w> Raw<'w> {
    pub const fn of(world: &'w World) -> Self {
        Self { world }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let origin = self.world.stack()["control"].as_str().unwrap();
        let key = self.world.control().key();
        let call = self.world.http().request(method, format!("{origin}{path}"));
        let call = call.header("x-airlock-control", key);
        Answer::to(match body {
            Some(body) => call.json(body),
            None => call,
        })
        .await
        .ok()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Sets a rule.
    pub async fn rule(&self, rule: &Value) -> Standing {
        Standing(self.post("/faults", rule).await["id"].as_u64().unwrap())
    }

    /// How often a rule has bitten.
    pub async fn bitten(&self, standing: &Standing) -> u64 {
        let rules = self.world.control().get("/faults").await;
        let rules = rules.as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["id"] == standing.0);
        rule.map_or(0, |rule| rule["taken"].as_u64().unwrap())
    }

    /// Takes a rule away, and tells how often it has bitten.
    pub async fn lift(&self, standing: Standing) -> u64 {
        let bitten = self.bitten(&standing).await;
        self.ask(Method::DELETE, &format!("/faults/{}", standing.0), None).await;
        bitten
    }
}
