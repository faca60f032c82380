//! What tenants have of their own.

use super::*;
use crate::tenants;

const POOL: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";
const SILO: &str = "6e2e6ed0-c2fd-4de0-be28-bbff69d772e5";

fn identities() -> Identities {
    let bound = |tenant: &str, data: &str| json!({ "tenant": tenant, "terms": { "isolation": { "data": data } } });
    let bindings = json!({ "tenants": [bound(POOL, "pool"), bound(SILO, "silo")] });
    tenants::provide(Identities::parse(IDENTITIES).unwrap(), &bindings).unwrap()
}

fn collection(tenant: &str) -> String {
    match tenant {
        POOL => format!("/dbs/airlock/colls/tenants-{POOL}"),
        _ => format!("/dbs/airlock-{tenant}/colls/tenants"),
    }
}

fn of(tenant: &str) -> Value {
    json!({ "id": "head", "tenant": tenant })
}

#[tokio::test]
async fn the_same_document_lies_in_each_container_for_itself() {
    let cosmos = Cosmos::new(&names(), &identities()).unwrap();
    let own = [format!("tenants-{POOL}"), format!("airlock-{SILO}/tenants")];
    let mut all = vec!["tenants".to_owned()];
    all.extend(own.iter().cloned());

    let mut found = cosmos.containers_of("tenants");
    found.sort();
    all.sort();
    assert_eq!(found, all);
    assert_eq!(cosmos.containers_of("sessions"), ["sessions"]);
    for (tenant, own) in [POOL, SILO].into_iter().zip(&own) {
        assert_eq!(cosmos.container_for("tenants", tenant), *own);
        assert_eq!(cosmos.container_for("bindings", tenant), "bindings");

        cosmos.put(own, tenant, &of(tenant)).await.unwrap();
        assert!(cosmos.documents("tenants").await.unwrap().is_empty());
        let path = format!("{}/docs/head", collection(tenant));
        let key = json!([tenant]).to_string();
        let read = asked("GET", &path, &[("x-ms-documentdb-partitionkey", &key)], "");
        let (status, document) = perform(&cosmos, read).await;
        assert_eq!((status, &document["tenant"]), (StatusCode::OK, &json!(tenant)));
        cosmos.remove(own, tenant, "head").await.unwrap();
    }
    assert_eq!(cosmos.container_for("tenants", "platform"), "tenants");
}

#[tokio::test]
async fn a_batch_is_applied_in_a_database_of_a_tenants_own() {
    let cosmos = Cosmos::new(&names(), &identities()).unwrap();
    let key = json!([SILO]).to_string();
    let headers = [
        ("x-ms-documentdb-partitionkey", key.as_str()),
        ("x-ms-cosmos-is-batch-request", "True"),
        ("x-ms-cosmos-batch-atomic", "True"),
    ];
    let create = json!([{ "operationType": "Create", "resourceBody": of(SILO) }]).to_string();
    let path = format!("{}/docs", collection(SILO));

    let (first, _) = perform(&cosmos, asked("POST", &path, &headers, &create)).await;
    let (second, results) = perform(&cosmos, asked("POST", &path, &headers, &create)).await;

    assert_eq!((first, second), (StatusCode::OK, StatusCode::MULTI_STATUS));
    assert_eq!(results[0]["statusCode"], 409);
    assert_eq!(cosmos.documents(&format!("airlock-{SILO}/tenants")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_tenants_own_is_for_those_who_may_work_with_tenants_and_what_is_nobodys_is_not_there() {
    let identities = identities();
    let cosmos = Cosmos::new(&names(), &identities).unwrap();
    let caller = |identity: &str| Caller {
        tenant: Uuid::nil(),
        object: Uuid::nil(),
        identity: Some(identity.to_owned()),
        application: None,
        roles: Vec::new(),
    };
    let allowed = |identity: &str, path: &str| {
        let asked = asked("GET", path, &[], "");
        let request = wire::request(&cosmos.account.origin, &asked).unwrap();
        access::allow(&identities, &caller(identity), &Operation::of(&request), b"").is_ok()
    };

    for tenant in [POOL, SILO] {
        let path = format!("{}/docs/head", collection(tenant));
        for identity in ["intake", "execute", "rotate", "drift", "admin"] {
            assert!(allowed(identity, &path), "{identity} {path}");
        }
        assert!(!allowed("signin", &path), "{path}");
    }
    for path in [
        format!("/dbs/airlock/colls/tenants-{SILO}/docs/head"),
        format!("/dbs/airlock-{POOL}/colls/tenants/docs/head"),
        format!("/dbs/airlock-{SILO}/colls/bindings/docs/head"),
        format!("/dbs/airlock-{SILO}/colls/tenants-{SILO}/docs/head"),
        format!("/dbs/airlock/colls/airlock-{SILO}%2Ftenants/docs/head"),
        "/dbs/airlock-other/colls/tenants/docs/head".to_owned(),
    ] {
        assert!(!allowed("execute", &path), "{path}");
        let collection = path.strip_suffix("/docs/head").unwrap();
        let (status, _) = perform(&cosmos, asked("GET", collection, &[], "")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{collection}");
    }
}
