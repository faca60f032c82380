//! A customer's event producer: it signs events with a key of its own, and sends them.

use std::fs;

use airlock_core::{
    base64url,
    catalog::{Asked, Target},
    identity::TenantId,
    jws::Signed,
    memory::LocalKey,
    producer::{Event, EventData},
    reception::RequestName,
};
use p256::SecretKey;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SOON, Who, World, clock::now, eventually};

/// The queue of events.
pub const EVENTS_IN: &str = "intake-events";

/// A producer, at its own machine.
pub struct Producer {
    name: String,
    key: LocalKey,
}

impl Producer {
    /// The producer that the seeded binding registers.
    #[must_use]
    pub fn siem(world: &World) -> Self {
        let file = world.stack()["producers"]["siem"].as_str().expect("stack.json names its key");
        let jwk: Value = serde_json::from_slice(&fs::read(file).expect("its key")).expect("a JWK");
        let d = jwk["d"].as_str().and_then(base64url::decode).expect("a private key");
        let secret = SecretKey::from_slice(&d).expect("a P-256 key");
        Self::with("siem", LocalKey::new(&secret).expect("a point"))
    }

    /// Somebody with that name and any key.
    #[must_use]
    pub fn with(name: &str, key: LocalKey) -> Self {
        Self { name: name.to_owned(), key }
    }

    /// The key that signs its events.
    #[must_use]
    pub const fn key(&self) -> &LocalKey {
        &self.key
    }

    /// An event that asks for something.
    #[must_use]
    pub fn event(&self, id: &str, operation: &str, on: &Who, tenant: TenantId) -> Event {
        let data = EventData {
            op: Asked {
                name: operation.to_owned(),
                target: Target::User(on.object),
                parameters: json!({}),
            },
            purpose: "impossible travel".to_owned(),
            ticket: None,
            lifetime_s: None,
            finding: None,
        };
        Event::asking(self.name.clone(), id.to_owned(), now(), tenant, data)
    }

    /// Signs an event.
    pub async fn sign(&self, event: &Event) -> Signed<Event> {
        Signed::sign(event, &self.key).await.expect("a producer's key signs")
    }
}

/// The id of the request that an event makes.
#[must_use]
pub fn request_of(event: &Signed<Event>, tenant: TenantId) -> String {
    RequestName { tenant, digest: event.digest() }.to_string()
}

impl World {
    /// Puts a message into the queue of events, under a name that the broker has not seen. Says
    /// under which.
    pub async fn deliver_event(&self, body: &str) -> String {
        let id = Uuid::new_v4().to_string();
        self.control().inject(EVENTS_IN, &id, body.as_bytes()).await;
        id
    }

    /// Waits until nothing waits in the queue of events.
    pub async fn events_settled(&self) {
        eventually("the queue of events is empty", SOON, async || {
            let queue = self.control().bus().await[EVENTS_IN].take();
            ["active", "locked", "scheduled"]
                .iter()
                .all(|side| queue[side].as_array().is_some_and(Vec::is_empty))
                .then_some(())
        })
        .await;
    }

    /// The dead letters among events.
    pub async fn dead_events(&self) -> Vec<Value> {
        let dead = self.control().bus().await[EVENTS_IN]["dead"].take();
        dead.as_array().expect("a list").clone()
    }
}
