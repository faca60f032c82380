//! Which identity may do what, and how it says who it is.

use super::*;

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

fn caller(identity: &str) -> Caller {
    Caller {
        tenant: Uuid::nil(),
        object: Uuid::nil(),
        identity: Some(identity.to_owned()),
        application: None,
        roles: Vec::new(),
    }
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
