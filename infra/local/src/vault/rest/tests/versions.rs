//! Several versions of a key: made while it is in use, and each used until it is disabled.

use super::*;

const ROTATE: &str = "rotate";

fn version_of(kid: &Value) -> &str {
    kid.as_str().unwrap().rsplit('/').next().unwrap()
}

fn inner(error: &Value) -> &str {
    error["error"]["innererror"]["code"].as_str().unwrap_or_default()
}

fn wrap(bytes: &[u8]) -> Value {
    json!({ "alg": "RSA-OAEP-256", "value": text(bytes) })
}

#[test]
fn a_new_version_is_the_newest_and_the_old_one_goes_on() {
    let world = World::new();
    let (_, old) = world.post("intake", "/keys/tenant-data//wrapkey", &wrap(&[9; 32]));

    let (status, made) = world.post(ROTATE, "/keys/tenant-data/rotate", &Value::Null);

    assert_eq!(status, 200, "{made}");
    assert_eq!(decoded(&made["key"]["n"]).len(), 384);
    let (_, new) = world.post("intake", "/keys/tenant-data//wrapkey", &wrap(&[9; 32]));
    assert_eq!(new["kid"], made["key"]["kid"]);
    assert_ne!(new["kid"], old["kid"]);
    for wrapped in [&old, &new] {
        let path = format!("/keys/tenant-data/{}/unwrapkey", version_of(&wrapped["kid"]));
        let (status, plain) = world.post("intake", &path, &wrap(&decoded(&wrapped["value"])));
        assert_eq!((status, decoded(&plain["value"])), (200, vec![9; 32]));
    }
    let newest =
        world.post("intake", "/keys/tenant-data//unwrapkey", &wrap(&decoded(&old["value"])));
    assert_eq!((newest.0, &newest.1["error"]["code"]), (400, &json!("BadParameter")));
}

#[test]
fn a_created_version_is_as_it_was_asked_for() {
    let world = World::new();
    let body = json!({
        "kty": "EC", "crv": "P-256", "key_ops": ["sign", "verify"],
        "attributes": { "enabled": false, "exp": 4_102_444_800_i64 }, "tags": { "state": "next" },
    });

    let (status, made) = world.post(ROTATE, "/keys/intake-signing/create", &body);

    assert_eq!(status, 200, "{made}");
    assert_eq!(made["tags"], json!({ "state": "next" }));
    assert_eq!(made["attributes"]["enabled"], false);
    assert_eq!(made["attributes"]["exp"], 4_102_444_800_i64);
    let (_, listed) = world.get(ROTATE, "/keys/intake-signing/versions");
    assert_eq!(listed["value"].as_array().unwrap().len(), 2);
    for item in listed["value"].as_array().unwrap() {
        assert!(item.get("key").is_none() && item["attributes"]["created"].is_i64());
    }
}

#[test]
fn a_disabled_version_does_nothing_until_it_is_enabled_again() {
    let world = World::new();
    let (_, wrapped) = world.post("intake", "/keys/tenant-data//wrapkey", &wrap(&[9; 32]));
    let path = format!("/keys/tenant-data/{}", version_of(&wrapped["kid"]));
    world.post(ROTATE, "/keys/tenant-data/rotate", &Value::Null);
    let unwrap = || {
        let body = wrap(&decoded(&wrapped["value"]));
        world.post("intake", &format!("{path}/unwrapkey"), &body)
    };

    let off = json!({ "attributes": { "enabled": false } });
    let (status, updated) = world.patch(ROTATE, &path, &off);

    assert_eq!((status, &updated["attributes"]["enabled"]), (200, &json!(false)));
    let (status, error) = unwrap();
    assert_eq!(
        (status, &error["error"]["code"], inner(&error)),
        (403, &json!("Forbidden"), "KeyDisabled")
    );
    assert_eq!(error["error"]["message"], "Operation unwrapKey is not allowed on a disabled key.");
    assert_eq!(inner(&world.get("intake", &path).1), "KeyDisabled");
    assert_eq!(world.get("intake", "/keys/tenant-data/versions").0, 200);
    world.patch(ROTATE, &path, &json!({ "attributes": { "enabled": true } }));
    assert_eq!(unwrap().0, 200);
}

#[test]
fn after_its_time_a_version_unwraps_and_verifies_but_neither_wraps_nor_signs() {
    let world = World::new();
    let digest = Sha256::digest(b"permit");
    let (_, wrapped) = world.post("intake", "/keys/tenant-data//wrapkey", &wrap(&[9; 32]));
    let (_, signed) = world.post("intake", "/keys/intake-signing//sign", &es256(&digest));
    for kid in [&wrapped["kid"], &signed["kid"]] {
        let path = kid.as_str().unwrap().strip_prefix("https://airlock-local.vault.azure.net");
        let past = json!({ "attributes": { "exp": 1 } });
        assert_eq!(world.patch(ROTATE, path.unwrap(), &past).0, 200);
    }

    let verify = json!({ "alg": "ES256", "digest": text(&digest), "value": signed["value"] });
    for (path, body, status) in [
        ("/keys/tenant-data//unwrapkey", wrap(&decoded(&wrapped["value"])), 200),
        ("/keys/intake-signing//verify", verify, 200),
        ("/keys/tenant-data//wrapkey", wrap(&[9; 32]), 403),
        ("/keys/intake-signing//sign", es256(&digest), 403),
    ] {
        assert_eq!(world.post("intake", path, &body).0, status, "{path}");
    }
}

#[test]
fn only_the_rotator_makes_versions_and_changes_them() {
    let world = World::new();
    let (_, before) = world.get("intake", "/keys/tenant-data");
    let path = format!("/keys/tenant-data/{}", version_of(&before["key"]["kid"]));
    let off = json!({ "attributes": { "enabled": false } });

    for identity in ["signin", "intake", "execute", "drift", "admin", "nobody"] {
        for (method, path, body) in [
            ("POST", "/keys/tenant-data/rotate", &Value::Null),
            ("POST", "/keys/tenant-data/create", &json!({ "kty": "RSA" })),
            ("PATCH", path.as_str(), &off),
        ] {
            let (status, error) = world.call(identity, method, path, body);
            assert_eq!((status, inner(&error)), (403, "ForbiddenByRbac"), "{identity} {path}");
        }
    }

    assert_eq!(world.get("intake", "/keys/tenant-data").1, before);
    assert_eq!(world.vault.keys.of("tenant-data").len(), 1);
}

#[test]
fn a_version_that_is_not_offered_is_not_made() {
    let world = World::new();
    for body in [
        json!({ "kty": "RSA" }),
        json!({ "kty": "EC", "crv": "P-384" }),
        json!({ "kty": "EC", "key_ops": ["sign"] }),
        json!({ "kty": "EC", "exportable": true }),
        json!({ "kty": "oct" }),
        json!({}),
    ] {
        let (status, error) = world.post(ROTATE, "/keys/intake-signing/create", &body);
        assert_eq!((status, &error["error"]["code"]), (400, &json!("BadParameter")), "{body}");
    }
    let small = json!({ "kty": "RSA", "key_size": 1024 });
    assert_eq!(world.post(ROTATE, "/keys/tenant-data/create", &small).0, 400);
    assert_eq!(world.vault.keys.of("intake-signing").len(), 1);
    assert_eq!(world.vault.keys.of("tenant-data").len(), 1);
    assert_eq!(world.patch(ROTATE, "/keys/tenant-data/0", &json!({})).0, 404);
}

#[test]
fn versions_are_listed_page_by_page_and_not_by_age() {
    let world = World::new();
    for _ in 0..29 {
        world.post(ROTATE, "/keys/drift-signing/rotate", &Value::Null);
    }

    let (mut path, mut seen, mut pages) = ("/keys/drift-signing/versions".to_owned(), vec![], 0);
    loop {
        let (status, body) = world.get(ROTATE, &path);
        assert_eq!(status, 200, "{body}");
        pages += 1;
        let page = body["value"].as_array().unwrap().clone();
        assert!(page.len() <= 25);
        seen.extend(page.iter().map(|item| version_of(&item["kid"]).to_owned()));
        let Some(next) = body["nextLink"].as_str() else { break };
        let (_, rest) = next.split_once("vault.azure.net").unwrap();
        path = rest.replace("api-version=2025-07-01&", "");
    }

    assert_eq!((pages, seen.len()), (2, 30));
    assert!(seen.is_sorted());
    for many in ["0", "26", "x"] {
        let path = format!("/keys/drift-signing/versions?maxresults={many}");
        assert_eq!(world.get(ROTATE, &path).0, 400, "{many}");
    }
}
