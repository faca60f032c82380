use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Request, StatusCode, header::AUTHORIZATION};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    cloud::Caller,
    entra::{
        Resource, now_s,
        tests::{cloud, names},
    },
};

const IDENTITIES: &str = include_str!("../../../identities.json");

fn cosmos() -> Cosmos {
    Cosmos::new(&names(), &Identities::parse(IDENTITIES).unwrap()).unwrap()
}

fn caller(identity: &str) -> Caller {
    Caller {
        tenant: Uuid::nil(),
        object: Uuid::nil(),
        identity: Some(identity.to_owned()),
        application: None,
        roles: Vec::new(),
    }
}

fn asked(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Asked {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://airlock-local.documents.azure.com{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(bytes::Bytes::from(body.to_owned())).unwrap()
}

/// What the account answers once the caller was allowed in.
async fn perform(cosmos: &Cosmos, asked: Asked) -> (StatusCode, Value) {
    let request = wire::request(&cosmos.account.origin, &asked).unwrap();
    let operation = Operation::of(&request);
    let answer =
        Arc::clone(&cosmos.account).perform(operation, request, asked.body().clone()).await;
    read(&answer.unwrap_or_else(|refusal| refusal.answer(&HeaderMap::new())))
}

/// What the emulator itself answers.
async fn emulate(cosmos: &Cosmos, asked: Asked) -> (StatusCode, Value) {
    let request = wire::request(&cosmos.account.origin, &asked).unwrap();
    read(&wire::answer(&cosmos.account.ask(&request).await.unwrap()).unwrap())
}

fn read(answer: &Answer) -> (StatusCode, Value) {
    (answer.status(), serde_json::from_slice(answer.body()).unwrap_or(Value::Null))
}

fn batch(operations: &Value) -> Asked {
    batch_in("tenants", operations)
}

fn batch_in(container: &str, operations: &Value) -> Asked {
    let headers = [
        ("x-ms-documentdb-partitionkey", "[\"t1\"]"),
        ("x-ms-cosmos-is-batch-request", "True"),
        ("x-ms-cosmos-batch-atomic", "True"),
    ];
    let path = format!("/dbs/airlock/colls/{container}/docs");
    asked("POST", &path, &headers, &operations.to_string())
}

fn document(id: &str, size: u64) -> Value {
    json!({ "id": id, "tenant": "t1", "size": size })
}

async fn etag_of(cosmos: &Cosmos, id: &str) -> String {
    let documents = cosmos.documents("tenants").await.unwrap();
    documents.iter().find(|document| document["id"] == id).unwrap()["_etag"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Documents without what each account makes up itself.
fn stripped(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(stripped).collect(),
        Value::Object(members) => {
            let kept = members
                .iter()
                .filter(|(name, _)| {
                    !matches!(name.as_str(), "_rid" | "_self" | "_ts" | "requestCharge")
                })
                .map(|(name, value)| match name.as_str() {
                    "_etag" | "eTag" => {
                        (name.clone(), json!(value.as_str().is_some_and(|etag| !etag.is_empty())))
                    }
                    _ => (name.clone(), stripped(value)),
                });
            Value::Object(kept.collect())
        }
        other => other.clone(),
    }
}

async fn everything(cosmos: &Cosmos) -> BTreeMap<String, Value> {
    let documents = cosmos.documents("tenants").await.unwrap();
    documents
        .iter()
        .map(|document| (document["id"].as_str().unwrap().to_owned(), stripped(document)))
        .collect()
}

#[tokio::test]
async fn a_batch_ends_as_the_emulators_own_would() {
    let many: Vec<Value> = (0..101)
        .map(|n| json!({ "operationType": "Create", "resourceBody": document(&n.to_string(), n) }))
        .collect();
    // `E` stands for the head's etag, which differs between the two accounts.
    let batches = [
        json!([
            { "operationType": "Replace", "id": "head", "resourceBody": document("head", 2), "ifMatch": "E" },
            { "operationType": "Create", "resourceBody": document("leaf", 1) },
            { "operationType": "Upsert", "resourceBody": document("quota", 1) },
            { "operationType": "Upsert", "id": "head", "resourceBody": document("head", 3) },
            { "operationType": "Read", "id": "head" },
            { "operationType": "Delete", "id": "old" },
            { "operationType": "Create", "resourceBody": document("old", 7) },
        ]),
        json!([
            { "operationType": "Create", "resourceBody": document("leaf", 1) },
            { "operationType": "Replace", "id": "head", "resourceBody": document("head", 2), "ifMatch": "\"stale\"" },
            { "operationType": "Create", "resourceBody": document("leaf2", 1) },
        ]),
        json!([
            { "operationType": "Create", "resourceBody": document("leaf", 1) },
            { "operationType": "Create", "resourceBody": document("leaf", 2) },
        ]),
        json!([{ "operationType": "Create", "resourceBody": document("head", 1) }]),
        json!([{ "operationType": "Replace", "id": "none", "resourceBody": document("none", 1) }]),
        json!([{ "operationType": "Delete", "id": "head", "ifMatch": "\"stale\"" }]),
        json!([{ "operationType": "Delete", "id": "none" }, { "operationType": "Read", "id": "head" }]),
        json!([{ "operationType": "Delete", "id": "head", "ifMatch": "E" }, { "operationType": "Read", "id": "head" }]),
        json!([
            { "operationType": "Replace", "id": "head", "resourceBody": document("head", 2), "ifMatch": "E" },
            { "operationType": "Replace", "id": "head", "resourceBody": document("head", 3), "ifMatch": "E" },
        ]),
        json!([
            { "operationType": "Upsert", "resourceBody": document("head", 2), "ifMatch": "\"stale\"" },
            { "operationType": "Create", "resourceBody": document("leaf", 1) },
        ]),
        json!([{ "operationType": "Upsert", "resourceBody": document("head", 2), "ifNoneMatch": "*" }]),
        json!([{ "operationType": "Upsert", "resourceBody": document("new", 2), "ifMatch": "\"any\"" }]),
        json!([
            { "operationType": "Create", "resourceBody": document("leaf", 1) },
            { "operationType": "Read", "id": "head", "ifNoneMatch": "E" },
        ]),
        json!([{ "operationType": "Read", "id": "head", "ifMatch": "\"stale\"" }]),
        json!([
            { "operationType": "Create", "resourceBody": document("leaf", 1) },
            { "operationType": "Create", "resourceBody": { "id": "foreign", "tenant": "t2" } },
        ]),
        json!([{ "operationType": "Create", "resourceBody": { "id": "lost" } }]),
        json!([{ "operationType": "Create", "resourceBody": { "tenant": "t1" } }]),
        json!([{ "operationType": "Create", "id": "a", "resourceBody": document("b", 1) }]),
        json!([{ "operationType": "Replace", "id": "head", "resourceBody": document("other", 1) }]),
        json!([{ "operationType": "Patch", "id": "head", "resourceBody": {} }]),
        json!(many),
        json!(many[..100]),
        json!({ "operationType": "Create" }),
    ];

    for operations in batches {
        let (ours, theirs) = (cosmos(), cosmos());
        for cosmos in [&ours, &theirs] {
            for seed in [document("head", 1), document("old", 1)] {
                cosmos.put("tenants", "t1", &seed).await.unwrap();
            }
        }
        let with_etag = |etag: String| {
            let operations = operations.to_string().replace("\"E\"", &json!(etag).to_string());
            batch(&serde_json::from_str(&operations).unwrap())
        };

        let (status, body) = perform(&ours, with_etag(etag_of(&ours, "head").await)).await;
        let (expected_status, expected_body) =
            emulate(&theirs, with_etag(etag_of(&theirs, "head").await)).await;

        assert_eq!(status, expected_status, "{operations}\n{body}\n{expected_body}");
        if status.is_success() {
            assert_eq!(stripped(&body), stripped(&expected_body), "{operations}");
        } else {
            assert_eq!(body["code"], expected_body["code"], "{operations}");
        }
        assert_eq!(everything(&ours).await, everything(&theirs).await, "{operations}");
    }
}

#[tokio::test]
async fn a_batch_shows_written_documents_only_to_who_wants_them() {
    let cosmos = cosmos();
    let mut minimal =
        batch(&json!([{ "operationType": "Create", "resourceBody": document("leaf", 1) }]));
    minimal.headers_mut().insert("prefer", HeaderValue::from_static("return=minimal"));

    let (status, body) = perform(&cosmos, minimal).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(body[0]["resourceBody"], Value::Null);
    assert!(body[0]["eTag"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_batches_on_one_head_exactly_one_wins() {
    let cosmos = Arc::new(cosmos());
    cosmos.put("tenants", "t1", &document("head", 0)).await.unwrap();
    let mut won = 0;

    for round in 0..20_u64 {
        let etag = etag_of(&cosmos, "head").await;
        let contenders = (0..8_u64).map(|n| {
            let cosmos = Arc::clone(&cosmos);
            let operations = json!([
                { "operationType": "Replace", "id": "head", "resourceBody": document("head", round + 1), "ifMatch": etag },
                { "operationType": "Create", "resourceBody": document(&format!("{round}-{n}"), n) },
            ]);
            tokio::spawn(async move { perform(&cosmos, batch(&operations)).await.0 })
        });
        for contender in contenders.collect::<Vec<_>>() {
            won += usize::from(contender.await.unwrap() == StatusCode::OK);
        }
    }

    assert_eq!(won, 20);
    assert_eq!(cosmos.documents("tenants").await.unwrap().len(), 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_sees_half_a_batch() {
    let cosmos = Arc::new(cosmos());
    let writer = {
        let cosmos = Arc::clone(&cosmos);
        tokio::spawn(async move {
            for round in 0..200 {
                let operations = json!([
                    { "operationType": "Upsert", "resourceBody": document("left", round) },
                    { "operationType": "Upsert", "resourceBody": document("right", round) },
                ]);
                perform(&cosmos, batch(&operations)).await;
                tokio::task::yield_now().await;
            }
        })
    };
    let query = || {
        let headers =
            [("x-ms-documentdb-partitionkey", "[\"t1\"]"), ("x-ms-documentdb-isquery", "True")];
        asked("POST", "/dbs/airlock/colls/tenants/docs", &headers, r#"{"query":"SELECT * FROM c"}"#)
    };

    while !writer.is_finished() {
        let (_, page) = perform(&cosmos, query()).await;
        let sizes: Vec<&Value> = page["Documents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|document| &document["size"])
            .collect();
        assert!(sizes.is_empty() || (sizes.len() == 2 && sizes[0] == sizes[1]), "{sizes:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_finishes_although_its_caller_hung_up() {
    let cosmos = Arc::new(cosmos());
    let operations: Vec<Value> = (0..100)
        .map(|n| json!({ "operationType": "Create", "resourceBody": document(&n.to_string(), n) }))
        .collect();
    let asked = batch(&json!(operations));
    let held = cosmos.account.locks.among_others("tenants", "[\"t1\"]").await;

    let hung_up = tokio::time::timeout(Duration::from_millis(20), perform(&cosmos, asked)).await;
    drop(held);
    tokio::time::sleep(Duration::from_millis(200)).await;

    assert!(hung_up.is_err());
    assert_eq!(cosmos.documents("tenants").await.unwrap().len(), 100);
}

#[tokio::test]
async fn the_account_read_keeps_the_sdk_at_the_accounts_own_name() {
    let (status, account) = perform(&cosmos(), asked("GET", "/", &[], "")).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(account["id"], "airlock-local");
    for locations in ["writableLocations", "readableLocations"] {
        let endpoint = account[locations][0]["databaseAccountEndpoint"].as_str().unwrap();
        assert_eq!(endpoint.trim_end_matches('/'), "https://airlock-local.documents.azure.com");
    }
}

#[tokio::test]
async fn every_container_of_the_file_exists_with_its_partition_key() {
    let cosmos = cosmos();

    for (name, container) in &Identities::parse(IDENTITIES).unwrap().containers {
        let (status, properties) =
            perform(&cosmos, asked("GET", &format!("/dbs/airlock/colls/{name}"), &[], "")).await;

        assert_eq!(status, StatusCode::OK);
        assert_eq!(properties["partitionKey"]["paths"][0], container.partition_key);
    }
}

#[tokio::test]
async fn a_document_that_is_to_end_is_taken_only_where_documents_can() {
    let cosmos = cosmos();
    let ending = |ttl: Option<i32>| {
        let mut document = document("ending", 1);
        if let Some(ttl) = ttl {
            document["ttl"] = ttl.into();
        }
        json!([{ "operationType": "Upsert", "resourceBody": document }])
    };
    let put =
        async |container: &str, ttl| perform(&cosmos, batch_in(container, &ending(ttl))).await.0;

    assert_eq!(put("sessions", Some(60)).await, StatusCode::OK);
    assert_eq!(put("tenants", None).await, StatusCode::OK);
    assert_eq!(put("tenants", Some(60)).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn tests_can_put_and_remove_any_document() {
    let cosmos = cosmos();

    cosmos.put("tenants", "t1", &document("head", 1)).await.unwrap();
    cosmos.put("tenants", "t1", &document("head", 2)).await.unwrap();
    assert_eq!(cosmos.documents("tenants").await.unwrap()[0]["size"], 2);
    cosmos.remove("tenants", "t1", "head").await.unwrap();

    assert!(cosmos.documents("tenants").await.unwrap().is_empty());
    assert!(cosmos.remove("tenants", "t1", "head").await.is_err());
    assert!(cosmos.put("tenants", "t2", &document("head", 1)).await.is_err());
    assert!(cosmos.documents("nothing").await.is_err());
}

#[test]
fn the_token_is_taken_out_of_the_accounts_own_header() {
    let headers = |value: &str| {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    };

    let bearer = access::bearer(&headers("type%3Daad%26ver%3D1.0%26sig%3Da.b-c_d.e")).unwrap();
    assert_eq!(bearer[AUTHORIZATION], "Bearer a.b-c_d.e");

    for other in [
        "Bearer a.b.c",
        "type%3Dmaster%26ver%3D1.0%26sig%3Dabc%3D",
        "type%3Daad%26ver%3D1.0%26sig%3D",
        "type%3Daad%26ver%3D1.0",
        "type%3Daad%26ver%3D1.0%26sig%3Da.b.c%26more%3D1",
    ] {
        let refusal = access::bearer(&headers(other)).unwrap_err();
        assert_eq!(
            (refusal.status, refusal.substatus),
            (StatusCode::UNAUTHORIZED, Some(5001)),
            "{other}"
        );
    }
    let refusal = access::bearer(&HeaderMap::new()).unwrap_err();
    assert_eq!((refusal.status, refusal.substatus), (StatusCode::UNAUTHORIZED, Some(5000)));
}

/// Status of an operation that is not allowed, or 200.
fn verdict(caller: &Caller, asked: &Asked) -> (u16, Option<u32>) {
    let cosmos = cosmos();
    let request = wire::request(&cosmos.account.origin, asked).unwrap();
    let identities = Identities::parse(IDENTITIES).unwrap();
    match access::allow(&identities, caller, &Operation::of(&request), asked.body()) {
        Ok(()) => (200, None),
        Err(refusal) => (refusal.status.as_u16(), refusal.substatus),
    }
}

#[tokio::test]
async fn an_identity_may_do_what_the_file_grants_and_nothing_else() {
    let docs = "/dbs/airlock/colls/bindings/docs";
    let query = [("x-ms-documentdb-isquery", "True")];
    let upsert = [("x-ms-documentdb-is-upsert", "True")];
    let is_batch = [("x-ms-cosmos-is-batch-request", "True")];
    let reads = json!([{ "operationType": "Read", "id": "x" }]).to_string();
    let writes =
        json!([{ "operationType": "Read", "id": "x" }, { "operationType": "Delete", "id": "x" }])
            .to_string();
    let requests = [
        asked("GET", &format!("{docs}/x"), &[], ""),
        asked("GET", docs, &[], ""),
        asked("POST", docs, &query, "{}"),
        asked("GET", "/dbs/airlock/colls/bindings/pkranges", &[], ""),
        asked("POST", docs, &is_batch, &reads),
        asked("POST", docs, &[], "{}"),
        asked("POST", docs, &upsert, "{}"),
        asked("PUT", &format!("{docs}/x"), &[], "{}"),
        asked("PATCH", &format!("{docs}/x"), &[], "{}"),
        asked("DELETE", &format!("{docs}/x"), &[], ""),
        asked("POST", docs, &is_batch, &writes),
    ];

    for (index, request) in requests.iter().enumerate() {
        let denied = (403, Some(5302));
        assert_eq!(verdict(&caller("admin"), request), (200, None), "{request:?}");
        let expected = if index < 5 { (200, None) } else { denied };
        assert_eq!(verdict(&caller("execute"), request), expected, "{request:?}");
        assert_eq!(verdict(&caller("nobody"), request), denied, "{request:?}");
        assert_eq!(
            verdict(&Caller { identity: None, ..caller("") }, request),
            denied,
            "{request:?}"
        );
    }
    assert_eq!(
        verdict(&caller("signin"), &asked("GET", "/dbs/airlock/colls/tenants/docs/x", &[], "")),
        (403, Some(5302))
    );
}

#[tokio::test]
async fn metadata_is_for_identities_and_control_for_nobody() {
    for path in ["/", "/dbs/airlock", "/dbs/airlock/colls/sessions"] {
        assert_eq!(
            verdict(&caller("execute"), &asked("GET", path, &[], "")),
            (200, None),
            "{path}"
        );
        assert_eq!(
            verdict(&caller("stranger"), &asked("GET", path, &[], "")),
            (403, Some(5301)),
            "{path}"
        );
    }
    for (method, path) in [
        ("POST", "/dbs"),
        ("DELETE", "/dbs/airlock"),
        ("POST", "/dbs/airlock/colls"),
        ("PUT", "/dbs/airlock/colls/tenants"),
        ("DELETE", "/dbs/airlock/colls/tenants"),
        ("GET", "/offers"),
        ("GET", "/dbs/other/colls/tenants/docs/x"),
        ("GET", "/dbs/airlock/colls/bindings/docs/x/attachments"),
        ("POST", "/dbs/airlock/colls/tenants/sprocs/x"),
    ] {
        assert_eq!(
            verdict(&caller("admin"), &asked(method, path, &[], "{}")),
            (403, Some(5300)),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_path_cannot_climb_into_another_container() {
    for path in [
        "/dbs/airlock/colls/bindings/docs/../../sessions/docs/x",
        "/dbs/airlock/colls/bindings/%2e%2e/sessions/docs/x",
        "/dbs/airlock/colls/bindings/docs/%2e%2e/%2e%2e/sessions/docs/x",
    ] {
        assert_eq!(verdict(&caller("execute"), &asked("GET", path, &[], "")).0, 403, "{path}");
    }
}

#[tokio::test]
async fn a_request_is_served_with_a_token_for_cosmos_db_and_no_other() {
    let cloud = cloud();
    let answer = async |resource: &str, path: &str| {
        let (identities, tenant) = (&cloud.identities, cloud.names.tenant);
        let token = cloud
            .entra
            .identity_token(identities, tenant, "execute", Resource::Service(resource), now_s())
            .unwrap();
        let header = format!("type%3Daad%26ver%3D1.0%26sig%3D{token}");
        let asked = asked("GET", path, &[("authorization", &header)], "");
        Cosmos::answer(&cloud, asked).await
    };

    let served = answer(audience::COSMOS, "/dbs/airlock/colls/bindings/docs").await;
    assert_eq!(served.status(), StatusCode::OK);

    let denied = answer(audience::COSMOS, "/dbs/airlock/colls/sessions/docs").await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    assert_eq!(denied.headers()["x-ms-substatus"], "5302");
    assert_eq!(read(&denied).1["code"], "Forbidden");

    let refused = answer(audience::VAULT, "/dbs/airlock/colls/bindings/docs").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(read(&refused).1["code"], "Unauthorized");

    let nameless = Cosmos::answer(&cloud, asked("GET", "/", &[], "")).await;
    assert_eq!(nameless.status(), StatusCode::UNAUTHORIZED);
}
