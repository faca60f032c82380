//! Every call that a rotation makes, under every fault; and what is shown of it afterwards.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::{
    directory::{
        Propagation,
        registration::{Added, Wanted},
    },
    entra::{Resource, now_s},
    identities::stable_id,
};

const VAULT: &str = "airlock-local.vault.azure.net";
const GRAPH: &str = "graph.microsoft.com";
const ENTRA: &str = "login.microsoftonline.com";
const NAME: &str = "line-of-business";
const VERSION: &str = "api-version=2025-07-01";

/// A call, ready to be sent.
struct Ready {
    host: &'static str,
    line: String,
    headers: String,
    body: String,
}

/// A kind of call: how a rule names it, whether it changes anything, and how it is made ready.
type Kind = (&'static str, &'static str, &'static str, bool, fn(&World) -> Ready);

const CALLS: [Kind; 13] = [
    ("vault", "PUT", "/secrets/client-secret-*", true, |world| {
        world.vault("PUT /secrets/client-secret-1", &json!({ "value": "one" }))
    }),
    ("vault", "GET", "/secrets/*/versions", false, |world| {
        world.vault("GET /secrets/client-secret-1/versions", &Value::Null)
    }),
    ("vault", "GET", "/secrets/client-secret-1", false, |world| {
        world.vault("GET /secrets/client-secret-1", &Value::Null)
    }),
    ("vault", "PATCH", "/secrets/*", true, |world| {
        let version = world.version("secrets", "client-secret-1");
        let tags = json!({ "tags": { "state": Uuid::new_v4() } });
        world.vault(&format!("PATCH /secrets/client-secret-1/{version}"), &tags)
    }),
    ("vault", "POST", "/keys/*/create", true, |world| {
        world.vault("POST /keys/intake-signing/create", &json!({ "kty": "EC" }))
    }),
    ("vault", "POST", "/keys/*/rotate", true, |world| {
        world.vault("POST /keys/intake-signing/rotate", &Value::Null)
    }),
    ("vault", "PATCH", "/keys/*", true, |world| {
        let version = world.version("keys", "intake-signing");
        let tags = json!({ "tags": { "state": Uuid::new_v4() } });
        world.vault(&format!("PATCH /keys/intake-signing/{version}"), &tags)
    }),
    ("vault", "GET", "/keys/*/versions", false, |world| {
        world.vault("GET /keys/intake-signing/versions", &Value::Null)
    }),
    ("graph", "GET", "/v1.0/applications*", false, |world| {
        world.graph("GET /v1.0/applications", &Value::Null)
    }),
    ("graph", "GET", "/v1.0/applications/*/owners", false, |world| {
        world.graph(&format!("GET /v1.0/applications/{}/owners", id("registration")), &Value::Null)
    }),
    ("graph", "POST", "*/addPassword", true, |world| {
        world.graph(
            &format!("POST /v1.0/applications/{}/addPassword", id("registration")),
            &json!({}),
        )
    }),
    ("graph", "POST", "*/removePassword", true, |world| {
        let body = json!({ "keyId": world.secret().password.key_id });
        let line = format!("POST /v1.0/applications/{}/removePassword", id("registration"));
        world.graph(&line, &body)
    }),
    ("entra", "POST", "/*/oauth2/v2.0/token", true, |world| world.proof(&world.secret().secret)),
];

fn id(kind: &str) -> Uuid {
    stable_id(&format!("third-party/{kind}"), &format!("contoso.example/{NAME}"))
}

impl World {
    fn vault(&self, line: &str, body: &Value) -> Ready {
        let (identities, tenant) = (&self.cloud.identities, self.cloud.names.tenant);
        let resource = Resource::Service(audience::VAULT);
        let token =
            self.cloud.entra.identity_token(identities, tenant, "rotate", resource, now_s());
        ready(VAULT, &format!("{line}?{VERSION}"), &token.unwrap(), body)
    }

    fn graph(&self, line: &str, body: &Value) -> Ready {
        let (name, tenant) = ("airlock-rotator", self.cloud.names.tenant);
        let application = &self.cloud.identities.applications[name];
        let resource = Resource::Service(audience::GRAPH);
        let entra = &self.cloud.entra;
        let token = entra.application_token(tenant, name, application, resource, now_s());
        ready(GRAPH, line, &token.unwrap(), body)
    }

    /// A token request of the application, by its secret.
    fn proof(&self, secret: &str) -> Ready {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &id("client").to_string())
            .append_pair("client_secret", secret)
            .append_pair("scope", "https://graph.microsoft.com/.default")
            .finish();
        Ready {
            host: ENTRA,
            line: format!("POST /{}/oauth2/v2.0/token", self.cloud.names.tenant),
            headers: String::new(),
            body,
        }
    }

    /// A new secret of the application, known at once.
    fn secret(&self) -> Added {
        let now = OffsetDateTime::now_utc();
        let wanted = Wanted { name: None, start: now, end: now + Duration::hours(1) };
        let at_once =
            Propagation { added: std::time::Duration::ZERO, removed: std::time::Duration::ZERO };
        let directory = &self.cloud.directory;
        let added = directory.note(self.cloud.names.tenant, |tenant| {
            let registration = tenant.registrations.get_mut(&id("registration")).unwrap();
            registration.add_password(wanted, at_once, now).unwrap()
        });
        added.unwrap()
    }

    fn version(&self, kind: &str, name: &str) -> String {
        self.cloud.vault.shown()[kind][name][0]["version"].as_str().unwrap().to_owned()
    }

    fn state(&self) -> String {
        format!("{}{}", self.cloud.vault.shown(), self.cloud.directory.credentials())
    }

    async fn send(&self, Ready { host, line, headers, body }: &Ready) -> Option<(u16, String)> {
        self.azure_with(host, line, headers, body).await
    }
}

fn ready(host: &'static str, line: &str, token: &str, body: &Value) -> Ready {
    let headers = format!("\r\nauthorization: Bearer {token}\r\ncontent-type: application/json");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Ready { host, line: line.to_owned(), headers, body }
}

#[tokio::test]
async fn every_call_of_a_rotation_can_fail_before_and_after_and_be_slow_and_throttled() {
    let world = world().await;
    let first = world.vault("PUT /secrets/client-secret-1", &json!({ "value": "zero" }));
    assert_eq!(world.send(&first).await.unwrap().0, 200);

    for (service, method, path, changes, make) in CALLS {
        for (effect, answered, carried_out) in [
            (json!({ "kind": "fail", "status": 503 }), Some(503), false),
            (json!({ "kind": "fail", "status": 500 }), Some(500), false),
            (json!({ "kind": "throttle", "retry_after_s": 1 }), Some(429), false),
            (json!({ "kind": "drop" }), None, false),
            (json!({ "kind": "lose_answer" }), None, true),
            (json!({ "kind": "delay", "ms": 1 }), Some(200), true),
            (json!({ "kind": "delay_answer", "ms": 1 }), Some(200), true),
        ] {
            let call = make(&world);
            let caller = match service {
                "vault" => "rotate",
                "graph" => "airlock-rotator",
                _ => NAME,
            };
            let what = format!("{method} {path} under {effect}");
            world
                .fault(json!({
                    "service": service, "method": method, "path": path, "caller": caller,
                    "effect": effect,
                }))
                .await;
            let before = world.state();

            let status = world.send(&call).await.map(|(status, _)| status);

            let status = status.map(|status| if status == 204 { 200 } else { status });
            assert_eq!(status, answered, "{what}");
            assert_eq!(world.state() != before, changes && carried_out, "{what}");
            let (_, faults) = world.control("GET /faults", "").await;
            let last = faults.as_array().unwrap().last().unwrap().clone();
            assert_eq!(last["taken"], 1, "{what}");
        }
    }
}

#[tokio::test]
async fn a_proof_is_told_apart_from_the_rotators_own_token_requests() {
    let world = world().await;
    world
        .fault(json!({ "service": "entra", "caller": "airlock-rotator", "effect": { "kind": "drop" } }))
        .await;

    let proof = world.proof(&world.secret().secret);

    assert_eq!(world.send(&proof).await.unwrap().0, 200);
    let calls = world.cloud.record.calls(0);
    assert_eq!((&calls[0]["caller"], calls[0].get("app")), (&json!(NAME), None));
    assert_eq!(calls[0]["operation"], "client_credentials");
}

#[tokio::test]
async fn control_shows_what_a_rotation_did_and_never_a_value() {
    let world = world().await;
    let put = world.vault("PUT /secrets/client-secret-1", &json!({ "value": "correct horse" }));
    assert_eq!(world.send(&put).await.unwrap().0, 200);
    let secret = world.secret().secret;
    assert_eq!(world.send(&world.proof(&secret)).await.unwrap().0, 200);

    let (_, credentials) = world.control("GET /rotation/credentials", "").await;
    let (_, vault) = world.control("GET /rotation/vault", "").await;

    let ours = &credentials[world.cloud.names.tenant.to_string()][NAME];
    assert_eq!(ours["credentials"][0]["accepted"], 1);
    assert_eq!(vault["secrets"]["client-secret-1"].as_array().unwrap().len(), 1);
    assert_eq!(vault["keys"]["tenant-data"][0]["attributes"]["enabled"], true);
    let (_, calls) = world.control("GET /calls", "").await;
    let all = format!("{credentials}{vault}{calls}");
    assert!(!all.contains(&secret) && !all.contains("correct horse"));
}

#[tokio::test]
async fn how_long_a_secret_takes_to_be_known_can_be_set() {
    let world = world().await;
    let (_, before) = world.control("GET /rotation/propagation", "").await;
    assert_eq!(before, json!({ "added_ms": 300, "removed_ms": 300 }));
    let set =
        async |times: Value| world.control("PUT /rotation/propagation", &times.to_string()).await;
    let add = async || {
        let line = format!("POST /v1.0/applications/{}/addPassword", id("registration"));
        let (status, added) = world.send(&world.graph(&line, &json!({}))).await.unwrap();
        assert_eq!(status, 200, "{added}");
        let added: Value = serde_json::from_str(&added).unwrap();
        world.proof(added["secretText"].as_str().unwrap())
    };

    assert_eq!(set(json!({ "added_ms": 600_000 })).await.0, 200);
    let (status, refused) = world.send(&add().await).await.unwrap();
    assert_eq!(status, 401);
    assert!(refused.contains("AADSTS7000215"), "{refused}");
    let (_, now) = set(json!({ "added_ms": 0 })).await;
    assert_eq!(now, json!({ "added_ms": 0, "removed_ms": 300 }));
    assert_eq!(world.send(&add().await).await.unwrap().0, 200);
    assert_eq!(set(json!({ "added_ms": 600_001 })).await.0, 400);
    assert_eq!(set(json!({ "added": 1 })).await.0, 400);
}
