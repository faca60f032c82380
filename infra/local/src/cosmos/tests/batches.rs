//! Batches: as the emulator's own would end, all or nothing, one after the other.

use super::*;

/// What the emulator itself answers.
async fn emulate(cosmos: &Cosmos, asked: Asked) -> (StatusCode, Value) {
    let request = wire::request(&cosmos.account.origin, &asked).unwrap();
    read(&wire::answer(&cosmos.account.ask(&request).await.unwrap()).unwrap())
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
                assert_eq!(perform(&cosmos, batch(&operations)).await.0, StatusCode::OK);
                tokio::task::yield_now().await;
            }
        })
    };
    let sizes = async || {
        let headers =
            [("x-ms-documentdb-partitionkey", "[\"t1\"]"), ("x-ms-documentdb-isquery", "True")];
        let query = r#"{"query":"SELECT * FROM c"}"#;
        let asked = asked("POST", "/dbs/airlock/colls/tenants/docs", &headers, query);
        let (_, page) = perform(&cosmos, asked).await;
        let documents = page["Documents"].as_array().unwrap();
        documents.iter().map(|document| document["size"].as_u64().unwrap()).collect::<Vec<_>>()
    };

    while !writer.is_finished() {
        let sizes = sizes().await;
        assert!(sizes.is_empty() || (sizes.len() == 2 && sizes[0] == sizes[1]), "{sizes:?}");
        tokio::task::yield_now().await;
    }

    writer.await.unwrap();
    assert_eq!(sizes().await, [199, 199]);
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
