//! A person at their own machine: they sign in, and their client key signs what they ask.

use std::time::Duration;

use airlock_core::{
    ask::Ask,
    base64url,
    catalog::{Asked, Change, Target},
    decision::{Decision, Verdict},
    digest::Digest,
    identity::TenantId,
    jwe,
    jws::Signed,
    memory::LocalKey,
};
use http::Method;
use p256::SecretKey;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, Who, client_key,
    clock::now,
    eventually, public,
    world::{LATER, SOON},
};

/// Somebody who is signed in.
pub struct Person {
    /// Who.
    pub who: Who,
    /// What names the session to the API.
    pub cookie: String,
    /// What the API says about the session.
    pub session: Value,
    pub(super) key: LocalKey,
    pub(super) http: reqwest::Client,
    pub(super) api: String,
}

/// What a person wants done.
#[derive(Clone, Debug)]
pub struct Order {
    /// Name of the operation.
    pub operation: String,
    /// On whom.
    pub on: Who,
    /// Where, if not in the target's own tenant.
    pub tenant: TenantId,
    /// How.
    pub parameters: Value,
    /// Why.
    pub purpose: String,
    /// How long it may wait, in seconds.
    pub lifetime_s: i64,
}

/// A request, signed by a person's client key.
#[derive(Clone)]
pub struct Asking {
    /// Its name: tenant and digest.
    pub id: String,
    /// What was signed.
    pub signed: Signed<Ask>,
    /// The key to which its secret will be encrypted.
    pub reveal: Option<SecretKey>,
}

impl Order {
    /// An order with nothing special about it.
    #[must_use]
    pub fn of(operation: &str, on: &Who) -> Self {
        Self {
            operation: operation.to_owned(),
            on: on.clone(),
            tenant: on.tenant,
            parameters: json!({}),
            purpose: "ticket 4711".to_owned(),
            lifetime_s: 3600,
        }
    }

    fn asked(&self) -> Asked {
        Asked {
            name: self.operation.clone(),
            target: Target::User(self.on.object),
            parameters: self.parameters.clone(),
        }
    }
}

impl Person {
    /// The person's client key.
    #[must_use]
    pub const fn key(&self) -> &LocalKey {
        &self.key
    }

    /// How requests name the session.
    #[must_use]
    pub fn sid(&self) -> Digest {
        let sid = self.session["sid"].as_str().and_then(Digest::parse);
        sid.expect("the API names the session by the digest of its id")
    }

    /// Calls the API with the session.
    pub fn call(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.api))
            .header("authorization", format!("Session {}", self.cookie))
    }

    /// Reads something.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::to(self.call(Method::GET, path)).await
    }

    /// Does something.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.call(Method::POST, path).json(body)).await
    }

    /// Signs a request.
    pub async fn sign(&self, order: &Order) -> Asking {
        let asked = order.asked();
        let entry = Change::understand(order.tenant, &asked).map(|change| *change.entry());
        let entry = entry.expect("an operation of the catalog");
        let reveal = entry.secret.then(|| client_key().0);
        let at = now();
        let ask = Ask {
            jti: Uuid::new_v4(),
            iat: at,
            exp: at.plus_s(order.lifetime_s),
            aud: entry.worker,
            tnt: order.tenant,
            sid: self.sid(),
            by: self.who.id(),
            op: asked,
            purpose: order.purpose.clone(),
            ticket: None,
            break_glass: false,
            reveal_to: reveal.as_ref().map(public),
        };
        self.sign_exactly(&ask, reveal).await
    }

    /// Signs whatever is given.
    pub async fn sign_exactly(&self, ask: &Ask, reveal: Option<SecretKey>) -> Asking {
        let signed = Signed::sign(ask, &self.key).await.expect("a client key signs");
        Asking { id: format!("{}.{}", ask.tnt, signed.digest()), signed, reveal }
    }

    /// Sends a signed request.
    pub async fn submit(&self, asking: &Asking) -> Answer {
        self.post("/api/requests", &json!({ "request": asking.signed })).await
    }

    /// Signs and sends a request that must be taken.
    pub async fn ask(&self, operation: &str, on: &Who) -> Asking {
        let asking = self.sign(&Order::of(operation, on)).await;
        let answer = self.submit(&asking).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.json["id"], asking.id);
        asking
    }

    /// Signs a decision about a request.
    pub async fn sign_decision(&self, id: &str, verdict: Verdict) -> Signed<Decision> {
        let (tenant, digest) = id.split_once('.').expect("an id is a tenant and a digest");
        let at = now();
        let decision = Decision {
            jti: Uuid::new_v4(),
            iat: at,
            exp: at.plus_s(3600),
            tnt: tenant.parse().expect("a tenant"),
            req: Digest::parse(digest).expect("a digest"),
            sid: self.sid(),
            verdict,
            reason: "as agreed".to_owned(),
        };
        Signed::sign(&decision, &self.key).await.expect("a client key signs")
    }

    /// Decides about a request.
    pub async fn decide(&self, id: &str, verdict: Verdict) -> Answer {
        let decision = self.sign_decision(id, verdict).await;
        let path = format!("/api/requests/{id}/decision");
        self.post(&path, &json!({ "decision": decision })).await
    }

    /// Approves a request, which must be possible.
    pub async fn approve(&self, id: &str) -> Value {
        self.decide(id, Verdict::Approve).await.ok()
    }

    /// A request as the person sees it.
    pub async fn show(&self, id: &str) -> Answer {
        self.get(&format!("/api/requests/{id}")).await
    }

    /// Waits until a request has ended, and makes sure that it ended so.
    pub async fn wait_for(&self, id: &str, state: &str) -> Value {
        self.wait(id, state, SOON).await
    }

    /// As [`wait_for`](Self::wait_for), where a lease, a lock or a timer has to be waited for.
    pub async fn wait_long_for(&self, id: &str, state: &str) -> Value {
        self.wait(id, state, LATER).await
    }

    async fn wait(&self, id: &str, state: &str, within: Duration) -> Value {
        let ended = eventually(&format!("{id} {state}"), within, async || {
            let answer = self.show(id).await;
            // A handler that was killed a moment ago is not back yet.
            let view = (answer.status == 200).then_some(answer.json)?;
            let running = ["pending", "permitted", "executing"];
            let over = !running.iter().any(|running| view["state"] == *running);
            (over || view["state"] == state).then_some(view)
        })
        .await;
        assert_eq!(ended["state"], state, "{ended}");
        ended
    }

    /// Asks for a secret result.
    pub async fn reveal(&self, id: &str) -> Answer {
        self.post(&format!("/api/requests/{id}/reveal"), &json!({})).await
    }

    /// Id of the stored session.
    #[must_use]
    pub fn session_document(&self) -> String {
        airlock_core::session_record::document_id(&self.cookie).to_string()
    }

    /// Random text of the form of a cookie.
    #[must_use]
    pub fn guessed_cookie() -> String {
        let (secret, _) = client_key();
        base64url::encode(secret.to_bytes())
    }
}

impl Asking {
    /// Decrypts the secret result.
    #[must_use]
    pub fn open(&self, revealed: &Value) -> String {
        let jwe = revealed["result"].as_str().expect("a compact JWE");
        let key = self.reveal.as_ref().expect("a request for a secret has a key for it");
        jwe::open(jwe, key).expect("encrypted to the requester's key").expose().to_owned()
    }

    /// The digest by which everything names the request.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.signed.digest()
    }
}
