use serde_json::{Value, json};

use super::*;
use crate::admin::binding::world::secret;

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
fn no_two_tenants_change_one_thing() {
    let having = |of: &str, name: &str| {
        let mut tenant = tenant(of, &json!([]));
        tenant["secrets"] = json!([secret(name)]);
        tenant
    };

    assert!(read(&json!([having(OWN, "data"), having(OTHER, "more")])).is_ok());
    let shared = read(&json!([having(OWN, "data"), having(OTHER, "data")]));
    assert!(matches!(shared, Err(NotBound::SharedSecret(Thing::Key(key))) if key == "data-key"));
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

fn apart(isolation: &Value) -> Result<TenantTerms, serde_json::Error> {
    let mut tenant = tenant(OTHER, &json!([]));
    tenant["terms"]["isolation"] = isolation.clone();
    serde_json::from_value(tenant)
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
