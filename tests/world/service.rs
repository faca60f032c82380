//! A customer's service: it has tokens of its own issuer, and asks with them.

use airlock_core::{base64url, identity::TenantId};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Control, Who, World, clock::now};

/// A service that asks.
pub struct Service {
    name: String,
    control: Control,
    issuer: String,
}

impl Service {
    /// One of the services that the seeded binding registers.
    #[must_use]
    pub fn new(world: &World, name: &str) -> Self {
        let issuer = world.stack()["issuer"].as_str().expect("stack.json names the issuer");
        Self { name: name.to_owned(), control: world.control().clone(), issuer: issuer.to_owned() }
    }

    /// What a good token of it says.
    #[must_use]
    pub fn claims(&self) -> Value {
        let at = now().as_unix_s();
        json!({
            "iss": self.issuer, "sub": self.name, "aud": "airlock", "client_id": self.name,
            "scope": "runtime.sessions.revoke", "jti": Uuid::new_v4(),
            "iat": at, "exp": at + 3600,
        })
    }

    /// A good token.
    pub async fn token(&self) -> String {
        self.minted(&self.claims(), json!({}), "current").await
    }

    /// A token with these claims, by the issuer's key (`current`) or by a `stranger`'s.
    pub async fn minted_with(&self, claims: Value, key: &str) -> String {
        self.minted(&claims, json!({}), key).await
    }

    /// Any token, by the issuer's key (`current`) or by a `stranger`'s of the same name.
    pub async fn minted(&self, claims: &Value, header: Value, key: &str) -> String {
        self.control.mint_for_service(claims, header, key).await
    }
}

/// A token's text with another header, under the signature that it had.
#[must_use]
pub fn re_headed(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').expect("a compact JWS");
    format!("{}.{rest}", base64url::encode(header.to_string()))
}

/// What a service asks.
#[must_use]
pub fn service_ask(operation: &str, on: &Who, tenant: TenantId) -> Value {
    json!({
        "ask": {
            "tenant": tenant,
            "op": { "name": operation, "target": { "user": on.object } },
            "purpose": "left the company",
        },
    })
}

impl World {
    /// Asks with a bearer token.
    pub async fn ask_with(&self, token: &str, key: Option<&str>, body: &Value) -> Answer {
        let mut call = self.call(Method::POST, "/api/requests").bearer_auth(token).json(body);
        if let Some(key) = key {
            call = call.header("idempotency-key", key);
        }
        Answer::to(call).await
    }
}
