mod secrets;
mod versions;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Request, header};
use p256::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::*;
use crate::{cloud::NotAuthenticated, identities::principal_id};

struct World {
    identities: Identities,
    names: Names,
    vault: Vault,
}

impl World {
    fn new() -> Self {
        let identities = Identities::parse(include_str!("../../../../identities.json")).unwrap();
        let vault = Vault::new(&identities).unwrap();
        Self { identities, names: names(), vault }
    }

    fn call(&self, identity: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let more = if path.contains('?') { '&' } else { '?' };
        let caller = Caller {
            tenant: Uuid::nil(),
            object: principal_id(identity),
            identity: Some(identity.to_owned()),
            application: None,
            roles: Vec::new(),
        };
        let asked = Request::builder()
            .method(method)
            .uri(format!("https://airlock-local.vault.azure.net{path}{more}api-version=2025-07-01"))
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let answer = self.vault.handle(&self.identities, &self.names, &caller, &asked);
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    fn post(&self, identity: &str, path: &str, body: &Value) -> (u16, Value) {
        self.call(identity, "POST", path, body)
    }

    fn patch(&self, identity: &str, path: &str, body: &Value) -> (u16, Value) {
        self.call(identity, "PATCH", path, body)
    }

    fn get(&self, identity: &str, path: &str) -> (u16, Value) {
        self.call(identity, "GET", path, &Value::Null)
    }
}

fn names() -> Names {
    Names {
        tenant: Uuid::nil(),
        entra: "login.microsoftonline.com".to_owned(),
        graph: String::new(),
        issuer: String::new(),
        vault: "airlock-local.vault.azure.net".to_owned(),
        cosmos: String::new(),
        bus: String::new(),
        blobs: String::new(),
        anchors: String::new(),
        portal: String::new(),
        api: String::new(),
        pages: String::new(),
    }
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

fn es256(digest: &[u8]) -> Value {
    json!({ "alg": "ES256", "value": text(digest) })
}

#[test]
fn a_signature_is_raw_and_verifies_with_the_public_key_that_get_shows() {
    let world = World::new();
    let digest = Sha256::digest(b"permit");

    let (status, signed) = world.post("intake", "/keys/intake-signing//sign", &es256(&digest));
    assert_eq!(status, 200, "{signed}");
    let signature = decoded(&signed["value"]);
    assert_eq!(signature.len(), 64);

    let (status, bundle) = world.get("intake", "/keys/intake-signing/");
    assert_eq!(status, 200, "{bundle}");
    let key = &bundle["key"];
    assert_eq!(key["kid"], signed["kid"]);
    let point = [vec![4], decoded(&key["x"]), decoded(&key["y"])].concat();
    let public = VerifyingKey::from_sec1_bytes(&point).unwrap();
    public.verify_prehash(&digest, &Signature::from_slice(&signature).unwrap()).unwrap();

    let verify = json!({ "alg": "ES256", "digest": text(&digest), "value": text(&signature) });
    let (_, verified) = world.post("intake", "/keys/intake-signing//verify", &verify);
    assert_eq!(verified, json!({ "value": true }));
    let verify = json!({ "alg": "ES256", "digest": text(&Sha256::digest(b"other")), "value": text(&signature) });
    let (_, verified) = world.post("intake", "/keys/intake-signing//verify", &verify);
    assert_eq!(verified, json!({ "value": false }));
}

#[test]
fn a_key_is_used_by_its_version_too() {
    let world = World::new();
    let (_, versions) = world.get("intake", "/keys/intake-signing/versions");
    let kid = versions["value"][0]["kid"].as_str().unwrap();
    let path = kid.strip_prefix("https://airlock-local.vault.azure.net").unwrap();
    let version = path.rsplit('/').next().unwrap();
    assert!(version.len() == 32 && version.chars().all(|it| it.is_ascii_hexdigit()), "{version}");

    assert_eq!(world.get("intake", path).1["key"]["kid"], kid);
    assert_eq!(world.post("intake", &format!("{path}/sign"), &es256(&[7; 32])).1["kid"], kid);
    let other = format!("/keys/intake-signing/{}", "0".repeat(32));
    let (status, error) = world.get("intake", &other);
    assert_eq!((status, &error["error"]["code"]), (404, &json!("KeyNotFound")));
}

#[test]
fn a_wrapped_key_is_unwrapped_by_the_same_key_only() {
    let world = World::new();
    let wrap = json!({ "alg": "RSA-OAEP-256", "value": text(&[9; 32]) });
    let (status, wrapped) = world.post("signin", "/keys/session-data//wrapkey", &wrap);
    assert_eq!(status, 200, "{wrapped}");
    assert_eq!(decoded(&wrapped["value"]).len(), 384);

    let unwrap = json!({ "alg": "RSA-OAEP-256", "value": wrapped["value"] });
    let (_, plain) = world.post("signin", "/keys/session-data//unwrapkey", &unwrap);
    assert_eq!(decoded(&plain["value"]), [9; 32]);
    let (status, error) = world.post("intake", "/keys/tenant-data//unwrapkey", &unwrap);
    assert_eq!((status, &error["error"]["code"]), (400, &json!("BadParameter")));

    let (_, bundle) = world.get("signin", "/keys/session-data");
    assert_eq!(bundle["key"]["kty"], "RSA");
    assert_eq!(decoded(&bundle["key"]["n"]).len(), 384);
    assert_eq!(bundle["key"]["e"], "AQAB");
}

#[test]
fn a_weaker_algorithm_or_another_size_is_a_bad_parameter() {
    let world = World::new();
    for (path, body) in [
        ("/keys/tenant-data//wrapkey", json!({ "alg": "RSA-OAEP", "value": text(&[9; 32]) })),
        ("/keys/tenant-data//unwrapkey", json!({ "alg": "RSA-OAEP", "value": text(&[9; 384]) })),
        ("/keys/tenant-data//wrapkey", json!({ "alg": "RSA1_5", "value": text(&[9; 32]) })),
        ("/keys/tenant-data//wrapkey", json!({ "alg": "RSA-OAEP-256", "value": text(&[9; 319]) })),
        ("/keys/intake-signing//sign", json!({ "alg": "RS256", "value": text(&[9; 32]) })),
        ("/keys/intake-signing//sign", es256(&[9; 31])),
        ("/keys/intake-signing//sign", json!({ "alg": "ES256", "value": "***" })),
        ("/keys/intake-signing//sign", json!({})),
    ] {
        let (status, error) = world.post("intake", path, &body);
        assert_eq!(
            (status, &error["error"]["code"]),
            (400, &json!("BadParameter")),
            "{path} {body}"
        );
    }
}

#[test]
fn each_right_is_needed_for_what_it_allows() {
    let world = World::new();
    let wrap = json!({ "alg": "RSA-OAEP-256", "value": text(&[9; 32]) });
    for (identity, path, body) in [
        ("execute", "/keys/intake-signing//sign", es256(&[7; 32])),
        ("execute", "/keys/intake-signing//verify", es256(&[7; 32])),
        ("admin", "/keys/intake-signing//sign", es256(&[7; 32])),
        ("intake", "/keys/admin-root//sign", es256(&[7; 32])),
        ("intake", "/keys/session-data//wrapkey", wrap.clone()),
        ("admin", "/keys/tenant-data//unwrapkey", wrap.clone()),
        ("intake", "/keys/intake-signing//wrapkey", wrap.clone()),
        ("intake", "/keys/tenant-data//sign", es256(&[7; 32])),
        ("signin", "/keys/signin-signing/rotate", Value::Null),
        ("admin", "/keys/admin-root/rotate", Value::Null),
        ("rotate", "/keys/admin-root/rotate", Value::Null),
        ("rotate", "/keys/admin-root/create", json!({ "kty": "EC" })),
        ("rotate", "/keys/intake-signing//sign", es256(&[7; 32])),
        ("admin", "/keys/new-key/create", json!({ "kty": "EC" })),
        ("nobody", "/keys/intake-signing//sign", es256(&[7; 32])),
    ] {
        let (status, error) = world.post(identity, path, &body);
        assert_eq!(status, 403, "{identity} {path}: {error}");
        assert_eq!(error["error"]["code"], "Forbidden");
        assert_eq!(error["error"]["innererror"], json!({ "code": "ForbiddenByRbac" }));
    }
    assert_eq!(world.get("execute", "/keys/intake-signing").0, 403);
    assert_eq!(world.get("execute", "/keys/intake-signing/versions").0, 403);
}

#[test]
fn the_admin_plane_reads_every_public_key_and_signs_with_the_root_alone() {
    let world = World::new();
    for name in world.vault.keys.names() {
        assert_eq!(world.get("admin", &format!("/keys/{name}")).0, 200, "{name}");
    }

    assert_eq!(world.post("admin", "/keys/admin-root//sign", &es256(&[7; 32])).0, 200);
}

#[test]
fn no_answer_holds_a_private_part() {
    let world = World::new();
    for name in world.vault.keys.names() {
        let (_, bundle) = world.get("admin", &format!("/keys/{name}"));
        for part in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(bundle["key"].get(part), None, "{name} {part}");
        }
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let world = World::new();
    let (status, error) = world.get("intake", "/keys/no-such-key/");
    assert_eq!((status, &error["error"]["code"]), (404, &json!("KeyNotFound")));
    assert_eq!(world.post("intake", "/keys/intake-signing//decrypt", &Value::Null).0, 404);
    assert_eq!(world.get("intake", "/certificates/some").0, 404);
}

#[test]
fn a_request_without_a_version_of_the_api_is_refused() {
    for query in ["", "?api-version=2016-10-01"] {
        let asked =
            Request::get(format!("/keys/intake-signing{query}")).body(Bytes::new()).unwrap();
        assert_eq!(api_version(&asked).unwrap_err().status, StatusCode::BAD_REQUEST);
    }
}

#[test]
fn without_an_accepted_token_the_answer_is_the_challenge_that_the_sdk_reads() {
    let mut headers = HeaderMap::new();
    for _ in 0..2 {
        let answer = challenge(
            &names(),
            &headers,
            &NotAuthenticated("AKV10022: Invalid audience.".to_owned()),
        );
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            answer.headers()["www-authenticate"],
            "Bearer authorization=\"https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000\", \
             resource=\"https://vault.azure.net\""
        );
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(body["error"]["code"], "Unauthorized");
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    }
}
