//! The OpenAPI document, against the routes that it describes. That it is valid, and that answers
//! are as it says, foreign programs judge (`tests/peers/openapi.py`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use airlock_core::{base64url, digest::Digest};
use airlock_tests::{Answer, World};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const DOCUMENT: &str = "/api/openapi.json";

/// Public routes that no document can describe: the last parameter stands for several parts of the
/// path. What is beside it in the document tells of it.
const NOT_DESCRIBED: [&str; 1] = ["/api/ledger/{tree}/{epoch}/tile/{*rest}"];

/// Each path with its operations by method.
async fn described(world: &World) -> BTreeMap<String, BTreeMap<String, Value>> {
    let document = world.get(DOCUMENT).await.ok();
    let methods = ["get", "post", "put", "patch", "delete"];
    let paths = document["paths"].as_object().unwrap().iter().map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        let operations = operations
            .filter(|(method, _)| methods.contains(&method.as_str()))
            .map(|(method, operation)| (method.to_uppercase(), operation.clone()));
        (path.clone(), operations.collect())
    });
    paths.collect()
}

/// An address of this path, with a name that is well formed and nobody's.
fn address(path: &str) -> String {
    path.replace("{id}", &format!("{}.{}", Uuid::nil(), Digest::of(&[b"nobody's"])))
        .replace("{tree}", &Uuid::nil().to_string())
        .replace("{epoch}", "0")
}

/// A compact JWS of so many characters, of the right form, which nobody signed.
fn unsigned(typ: &str, characters: usize) -> String {
    let header = json!({ "alg": "ES256", "kid": Digest::of(&[b"nobody"]), "typ": typ });
    let header = base64url::encode(header.to_string());
    let signature = base64url::encode([7; 64]);
    let claims = characters - header.len() - signature.len() - 2;
    format!("{header}.{}.{signature}", "A".repeat(claims))
}

#[tokio::test]
async fn anyone_may_read_the_document_and_a_copy_is_good_while_its_tag_is() {
    let world = World::start().await;

    let whole = world.get(DOCUMENT).await;
    let tag = whole.header("etag").unwrap().to_owned();
    let known = world.call(Method::GET, DOCUMENT).header("if-none-match", &tag);
    let known = Answer::to(known).await;
    let other = world.call(Method::GET, DOCUMENT).header("if-none-match", "\"another\"");
    let other = Answer::to(other.header("sec-fetch-site", "cross-site")).await;

    assert_eq!(whole.status, 200);
    assert_eq!(whole.json["openapi"], "3.1.0");
    assert_eq!(whole.header("content-type"), Some("application/json"));
    assert_eq!((known.status, known.text.as_str()), (304, ""));
    assert_eq!((other.status, &other.json), (200, &whole.json));
    for answer in [&whole, &known, &other] {
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
    }
}

#[tokio::test]
async fn every_route_is_described_with_exactly_its_methods_and_none_that_is_internal() {
    let world = World::start().await;
    let mut written = BTreeSet::new();
    let mut pending = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../handlers/intake/src")];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        // Tests route what they need, and register nothing.
        let source = source.split("#[cfg(test)]").next().unwrap();
        let attributes = source.split("#[utoipa::path(").skip(1);
        written.extend(attributes.map(|text| {
            text.split_once("path = \"").unwrap().1.split('"').next().unwrap().to_owned()
        }));
        // Nothing else that is publicly routed is registered without its description.
        let registered =
            source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let bare: Vec<&str> = registered
            .filter(|path| path.starts_with("/api") && !NOT_DESCRIBED.contains(path))
            .collect();
        assert_eq!(bare, Vec::<&str>::new(), "{}", path.display());
    }

    let described = described(&world).await;

    assert_eq!(described.keys().cloned().collect::<BTreeSet<_>>(), written);
    for (path, operations) in described {
        assert!(path.starts_with("/api/"), "{path} is not publicly routed");
        let mut methods: BTreeSet<&str> = operations.keys().map(String::as_str).collect();
        let method = ["DELETE", "POST", "GET"].into_iter().find(|method| !methods.contains(method));
        let method = Method::from_bytes(method.unwrap().as_bytes()).unwrap();
        let answer = Answer::to(world.call(method, &address(&path))).await;
        answer.assert_problem("method-not-allowed");
        if methods.contains("GET") {
            methods.insert("HEAD");
        }
        let allowed: BTreeSet<&str> = answer.header("allow").unwrap().split(',').collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[tokio::test]
async fn a_stranger_is_answered_by_each_operation_as_it_says() {
    let world = World::start().await;

    for (path, operations) in described(&world).await {
        for (method, operation) in operations {
            let what = format!("{method} {path}");
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = Answer::to(world.call(method, &address(&path))).await;
            let status = answer.status.to_string();
            let said = &operation["responses"][&status];
            assert!(said.is_object(), "{what} does not say {status}");
            if operation.get("security").is_none() {
                assert_eq!(answer.status, 200, "{what}");
                continue;
            }
            assert_eq!(answer.status, 401, "{what}");
            assert!(answer.header("www-authenticate").is_some(), "{what}");
            let schema = &said["content"]["application/problem+json"]["schema"]["allOf"];
            let types = schema[1]["properties"]["type"]["enum"].as_array().unwrap();
            assert!(types.contains(&answer.json["type"]), "{what}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn the_longest_that_is_taken_is_as_long_as_the_document_says() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let document = world.get(DOCUMENT).await.ok();
    let cases = [
        ("request", "SignedRequest", "/api/requests", "not-verified"),
        ("decision", "SignedDecision", "/api/requests/{id}/decision", "not-found"),
    ];

    for (member, schema, path, taken) in cases {
        let most = &document["components"]["schemas"][schema]["maxLength"];
        let most = usize::try_from(most.as_u64().unwrap()).unwrap();
        for (characters, problem) in [(most, taken), (most + 1, "too-large")] {
            let signed = unsigned(&format!("{member}+jwt"), characters);
            let call = harriet.call(Method::POST, &address(path)).json(&json!({ member: signed }));
            Answer::to(call).await.assert_problem(problem);
        }
    }
}
