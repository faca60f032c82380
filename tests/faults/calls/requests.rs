//! Stories of requests: asked, approved, carried out, revealed; by people, a service, a producer.

use std::time::{Duration, Instant};

use airlock_core::decision::Verdict;
use airlock_tests::{
    Asking, EVENTS_IN, Order, Person, Producer, Service, Who, request_of, service_ask,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    control::Raw,
    stage::{Broken, Scene},
};

/// How long a request may take to end: a stall, a lease, the longest pauses between attempts.
const PATIENCE: Duration = Duration::from_secs(150);

/// Operations that change nothing in the directory.
const READS: [&str; 2] = ["laps.read", "bitlocker.read"];

/// A request that was carried out.
pub struct Done {
    /// Its name.
    pub id: String,
    /// Writes to the directory that it is made of.
    pub writes: usize,
    /// The secret that its requester was shown.
    pub secret: Option<Secret>,
}

/// A secret that somebody was shown.
pub struct Secret {
    pub operation: &'static str,
    pub of: Who,
    pub text: String,
}

/// What is asked, by whom.
pub struct Wish<'s> {
    pub asker: &'s Person,
    pub operation: &'static str,
    pub on: Who,
    pub parameters: Value,
}

/// Asks, has it approved if need be, waits for the end, and is shown the secret if there is one.
pub async fn carried_out(scene: &Scene<'_>, wish: Wish<'_>) -> Result<Done, Broken> {
    let Wish { asker, operation, on, parameters } = wish;
    let writes = usize::from(!READS.contains(&operation));
    let asking = asker.sign(&Order { parameters, ..Order::of(operation, &on) }).await;
    let body = json!({ "request": asking.signed });
    let key = Uuid::new_v4().to_string();
    let taken = scene.insist("request", || {
        let call = asker.call(Method::POST, "/api/requests");
        call.header("idempotency-key", &key).json(&body)
    });
    let taken = taken.await?;
    if taken.status != 202 || taken.json["id"] != asking.id {
        return Err(Broken(format!("not taken: {}", taken.text)));
    }
    if taken.json["state"] == "pending" {
        approved(scene, &asking).await?;
    }
    succeeded(scene, asker, &asking.id).await?;
    let secret = match asking.reveal {
        Some(_) => {
            let text = shown(scene, asker, &asking).await?;
            Some(Secret { operation, of: on, text })
        }
        None => None,
    };
    Ok(Done { id: asking.id, writes, secret })
}

async fn approved(scene: &Scene<'_>, asking: &Asking) -> Result<(), Broken> {
    let april = &scene.stage.april;
    let decision = april.sign_decision(&asking.id, Verdict::Approve).await;
    let body = json!({ "decision": decision });
    let path = format!("/api/requests/{}/decision", asking.id);
    let before = scene.refusals();
    let decided = scene.insist("decision", || april.call(Method::POST, &path).json(&body)).await?;
    // Who was told "not now" may have been heard all the same.
    let heard = scene.refusals() > before && decided.as_problem() == Ok("conflict");
    if decided.status == 200 || heard {
        Ok(())
    } else {
        Err(Broken(format!("not decided: {}", decided.text)))
    }
}

/// Waits until a request has ended, and makes sure that it succeeded.
async fn succeeded(scene: &Scene<'_>, asker: &Person, id: &str) -> Result<(), Broken> {
    let begun = Instant::now();
    let mut last = Value::Null;
    while begun.elapsed() < PATIENCE {
        // Not in the trace of the story: looking is not part of it.
        let answer = asker.show(id).await;
        let state = answer.json["state"].as_str().unwrap_or_default().to_owned();
        match state.as_str() {
            "succeeded" => return Ok(()),
            "refused" | "failed" | "unknown" | "turned_down" | "withdrawn" => {
                return Err(Broken(format!("ended as {state}: {}", answer.json["outcome"])));
            }
            _ => last = answer.json,
        }
        tokio::time::sleep(scene.looks).await;
    }
    Err(Broken(format!("stuck: {last}")))
}

/// Shows the secret to whoever asked for it.
async fn shown(scene: &Scene<'_>, asker: &Person, asking: &Asking) -> Result<String, Broken> {
    let path = format!("/api/requests/{}/reveal", asking.id);
    let call = || asker.call(Method::POST, &path).json(&json!({}));
    let revealed = scene.insist("reveal", call).await?;
    if revealed.status != 200 {
        return Err(Broken(format!("not revealed: {}", revealed.text)));
    }
    Ok(asking.open(&revealed.json))
}

/// A service asks.
pub async fn by_a_service(scene: &Scene<'_>) -> Result<Done, Broken> {
    let id = asked_by_a_service(scene, &Uuid::new_v4().to_string()).await?;
    succeeded(scene, &scene.stage.tara, &id).await?;
    Ok(Done { id, writes: 1, secret: None })
}

/// A service learns by its idempotency key what became of what it asked before: it is counted
/// once, and tenants count services.
pub async fn again_by_a_service(scene: &Scene<'_>) -> Result<(), Broken> {
    let (key, id) = scene.stage.asked_before().await?;
    let again = asked_by_a_service(scene, &key).await?;
    if again == id { Ok(()) } else { Err(Broken("the same key is another request".to_owned())) }
}

/// Asks as a service, under a key of its choice: the request's name.
pub async fn asked_by_a_service(scene: &Scene<'_>, key: &str) -> Result<String, Broken> {
    let world = &scene.stage.world;
    let service = Service::new(world, "hr-system");
    let nina = world.who("nina");
    let ask = service_ask("sessions.revoke", &nina, nina.tenant);
    let token = service.token().await;
    let call = || {
        let call = world.call(Method::POST, "/api/requests").bearer_auth(&token);
        call.header("idempotency-key", key).json(&ask)
    };
    let answer = scene.insist("service's request", call).await?;
    let id = answer.json["id"].as_str().map(str::to_owned);
    id.ok_or_else(|| Broken(format!("not taken: {}", answer.text)))
}

/// A producer sends an event.
pub async fn by_an_event(scene: &Scene<'_>) -> Result<Done, Broken> {
    let world = &scene.stage.world;
    let siem = Producer::siem(world);
    let nina = world.who("nina");
    let name = Uuid::new_v4().to_string();
    let event = siem.sign(&siem.event(&name, "sessions.revoke", &nina, nina.tenant)).await;
    let id = request_of(&event, nina.tenant);
    let message = json!({
        "message_id": name,
        "body_base64": BASE64_STANDARD.encode(event.as_str()),
        "properties": { "Diagnostic-Id": scene.traceparent() },
    });
    Raw::of(world).post(&format!("/bus/{EVENTS_IN}"), &message).await;
    succeeded(scene, &scene.stage.tara, &id).await?;
    Ok(Done { id, writes: 1, secret: None })
}
