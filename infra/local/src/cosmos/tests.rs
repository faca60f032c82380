//! The account as a client sees it.

mod batches;
mod own;
mod permissions;

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
