use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);
const OWN: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
const OTHER: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";

fn tenant(tenant: &str, homes: &Value) -> Value {
    json!({
        "tenant": tenant,
        "terms": { "name": "A tenant", "home_tenants": homes },
    })
}

fn read(tenants: &Value) -> Result<Bindings, NotBound> {
    let bindings: Bindings = serde_json::from_value(json!({ "tenants": tenants })).unwrap();
    bindings.check(OWN.parse().unwrap())?;
    Ok(bindings)
}

#[test]
fn the_local_clouds_bindings_can_be_signed_once_producers_have_their_keys() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/bindings.json");
    let mut bindings: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    for producer in bindings["tenants"][0]["terms"]["producers"].as_array_mut().unwrap() {
        producer["key"] = a_key();
    }

    assert!(matches!(Bindings::read(&file, OWN.parse().unwrap()), Err(NotBound::Form(..))));
    assert_eq!(read(&bindings["tenants"]).unwrap().tenants[0].terms.producers.len(), 1);
}

/// RFC 7515, appendix A.3.
fn a_key() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

#[test]
fn callers_that_are_no_people_are_bound_only_as_policy_can_let_them_ask() {
    let service = |name: &str, issuer: &str, operation: &str| {
        json!({
            "name": name, "issuer": issuer, "audience": "a", "subject": "s",
            "operations": [operation], "owners": [],
        })
    };
    let good = service("hr", "https://id.example/", "sessions.revoke");
    let producer = json!({
        "name": "hr", "key": a_key(), "operations": ["sessions.revoke"], "owners": [],
    });
    let bound = |services: Value, producers: Value| {
        let mut tenant = tenant(OWN, &json!([]));
        tenant["terms"]["services"] = services;
        tenant["terms"]["producers"] = producers;
        read(&json!([tenant])).map(drop)
    };
    let alone = |service: Value| bound(json!([service]), json!([]));

    assert!(alone(good.clone()).is_ok());
    assert!(bound(json!([]), json!([producer])).is_ok());
    for (services, producers) in
        [(json!([good, good]), json!([])), (json!([good]), json!([producer]))]
    {
        assert!(matches!(bound(services, producers), Err(NotBound::CallerName(_))));
    }
    let named = service("HR/1", "https://id.example/", "sessions.revoke");
    assert!(matches!(alone(named), Err(NotBound::CallerName(_))));
    let plain = service("hr", "http://id.example/", "sessions.revoke");
    assert!(matches!(alone(plain), Err(NotBound::Issuer(_))));
    for operation in ["tap.issue", "account.disable"] {
        let sensitive = service("hr", "https://id.example/", operation);
        assert!(matches!(alone(sensitive), Err(NotBound::Operation(_))), "{operation}");
    }
}

#[test]
fn only_the_deployments_own_tenant_confers_platform_admin() {
    let homes = |home: &str| json!([{ "tenant": home, "roles": ["PlatformAdmin"] }]);

    assert!(read(&json!([tenant(OTHER, &homes(OWN))])).is_ok());
    assert!(matches!(read(&json!([tenant(OTHER, &homes(OTHER))])), Err(NotBound::NotPlatform(_))));
}

#[test]
fn no_tenant_stands_twice() {
    let home = json!({ "tenant": OWN, "roles": ["Auditor"] });

    let twice = json!([tenant(OWN, &json!([])), tenant(OWN, &json!([]))]);
    assert!(matches!(read(&twice), Err(NotBound::Twice(_))));
    let homes = json!([tenant(OWN, &json!([home, home]))]);
    assert!(matches!(read(&homes), Err(NotBound::Twice(_))));
}

#[test]
fn a_binding_is_signed_again_for_a_change_or_when_a_third_of_its_life_is_over() {
    let bindings = read(&json!([tenant(OWN, &json!([]))])).unwrap();
    let terms = &bindings.tenants[0];
    let first = next(None, terms, NOW).unwrap().unwrap();

    assert_eq!((first.ver, first.exp), (1, NOW.plus_s(LIFETIME_S)));
    assert!(next(Some(&first), terms, NOW.plus_s(RENEW_S - 1)).unwrap().is_none());
    assert_eq!(next(Some(&first), terms, NOW.plus_s(RENEW_S)).unwrap().unwrap().ver, 2);

    let mut changed = read(&json!([tenant(OWN, &json!([]))])).unwrap();
    changed.tenants[0].terms.protected_groups.push(OTHER.parse().unwrap());
    assert_eq!(next(Some(&first), &changed.tenants[0], NOW).unwrap().unwrap().ver, 2);
}

fn apart(isolation: &Value) -> Result<TenantTerms, serde_json::Error> {
    let mut tenant = tenant(OTHER, &json!([]));
    tenant["terms"]["isolation"] = isolation.clone();
    serde_json::from_value(tenant)
}

#[test]
fn a_tenant_keeps_the_place_that_it_was_first_bound_with() {
    let bound = |isolation: &Value| next(None, &apart(isolation).unwrap(), NOW).unwrap();
    let shared = bound(&json!({}));
    let pool = bound(&json!({ "data": "pool", "secrets": "pool" }));
    let changed = |bound: &Option<Binding>, isolation: &Value| {
        next(bound.as_ref(), &apart(isolation).unwrap(), NOW).map_err(|error| error.to_string())
    };

    let told = changed(&shared, &json!({ "data": "silo" })).unwrap_err();
    assert_eq!(
        told,
        format!(
            "data isolation of {OTHER} is `shared` and cannot become `silo`: what the tenant \
             has would have to be moved, and signing a binding moves nothing"
        )
    );
    for (bound, isolation, layer) in [
        (&shared, json!({ "data": "pool" }), "data"),
        (&shared, json!({ "secrets": "pool" }), "secrets"),
        (&pool, json!({}), "data"),
        (&pool, json!({ "data": "silo", "secrets": "pool" }), "data"),
        (&pool, json!({ "data": "pool" }), "secrets"),
    ] {
        let told = changed(bound, &isolation).unwrap_err();
        assert!(told.starts_with(layer), "{told}");
    }
    // As it was, in more words or in fewer.
    let said = json!({ "data": "shared", "secrets": "shared", "compute": "shared" });
    assert!(changed(&shared, &said).unwrap().is_none());
}

#[test]
fn what_one_deployment_cannot_keep_is_not_read_let_alone_signed() {
    for (layer, level, why) in [
        ("compute", "silo", "is a stamp of its own"),
        ("network", "pool", "is a stamp of its own"),
        ("secrets", "silo", "is a stamp of its own"),
        ("quota", "pool", "means nothing"),
        ("data", "apart", "unknown variant"),
        ("storage", "silo", "unknown field"),
    ] {
        let told = apart(&json!({ layer: level })).unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
}

/// A tenant that wants this of operations, forbids this, and takes this of its callers.
fn wanting(operations: &Value, forbids: &Value) -> Result<Bindings, NotBound> {
    let mut tenant = tenant(OWN, &json!([]));
    tenant["terms"]["operations"] = operations.clone();
    tenant["terms"]["forbids"] = forbids.clone();
    read(&json!([tenant]))
}

#[test]
fn conditions_of_an_operation_that_there_is_not_are_refused_with_what_may_be_meant() {
    let none = json!([]);
    let step_up = json!({ "step_up": "c1" });

    assert!(wanting(&json!({ "account.disable": step_up }), &none).is_ok());
    let error = wanting(&json!({ "account.disabel": step_up }), &none).unwrap_err();
    assert_eq!(
        error.to_string(),
        "A tenant names an operation account.disabel, which there is not: did you mean \
         account.disable?"
    );
    let service = json!({
        "name": "hr", "issuer": "https://id.example/", "audience": "a", "subject": "s",
        "operations": ["sessions.revok"], "owners": [],
    });
    let mut tenant = tenant(OWN, &none);
    tenant["terms"]["services"] = json!([service]);
    let told = read(&json!([tenant])).unwrap_err().to_string();
    assert!(told.contains("sessions.revok,") && told.ends_with("sessions.revoke?"), "{told}");
}

#[test]
fn what_nobody_could_satisfy_or_evaluate_is_refused() {
    let none = json!([]);
    let approvals = |wanted: u32| json!({ "account.disable": { "approvals": wanted } });
    let forbids = |policy: &str| wanting(&json!({}), &json!([policy]));

    assert!(wanting(&approvals(MAX_APPROVALS), &none).is_ok());
    let many = wanting(&approvals(MAX_APPROVALS + 1), &none);
    assert!(matches!(many, Err(NotBound::Approvals { .. })));
    assert!(forbids("forbid (principal, action, resource);").is_ok());
    for policy in ["permit (principal, action, resource);", "forbid (", "forbid"] {
        assert!(matches!(forbids(policy), Err(NotBound::Forbids(..))), "{policy}");
    }
}

#[test]
fn an_unknown_role_member_or_context_is_not_read_let_alone_signed() {
    let told = |terms: Value| {
        let tenants = json!({ "tenants": [{ "tenant": OWN, "terms": terms }] });
        serde_json::from_value::<Bindings>(tenants).unwrap_err().to_string()
    };
    let named = |more: (&str, Value)| {
        let mut terms = json!({ "name": "A tenant", "home_tenants": [] });
        terms[more.0] = more.1;
        told(terms)
    };

    let role = named(("home_tenants", json!([{ "tenant": OWN, "roles": ["Approvr"] }])));
    assert!(role.contains("unknown variant `Approvr`, expected one of `HelpdeskAgent`"), "{role}");
    let member = named(("operations", json!({ "account.disable": { "step-up": "c1" } })));
    assert!(member.contains("unknown field `step-up`, expected one of `off`"), "{member}");
    let context = named(("operations", json!({ "account.disable": { "step_up": "c0" } })));
    assert!(context.contains("not an authentication context"), "{context}");
    assert!(named(("operatons", json!({}))).contains("unknown field `operatons`"));
}
