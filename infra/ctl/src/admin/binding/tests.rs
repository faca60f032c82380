use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::admin::{binding::world::secret, deployment::Keys};

const OWN: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
const OTHER: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";

fn tenant(tenant: &str, homes: &Value) -> Value {
    json!({
        "tenant": tenant,
        "terms": { "name": "A tenant", "home_tenants": homes },
    })
}

fn read(tenants: &Value) -> Result<Bindings, NotBound> {
    read_with(tenants, &json!([]))
}

/// The same with what the deployment itself has changed on schedule.
fn read_with(tenants: &Value, platforms: &Value) -> Result<Bindings, NotBound> {
    let file = json!({ "tenants": tenants, "platform": { "secrets": platforms } });
    let bindings: Bindings = serde_json::from_value(file).unwrap();
    bindings.check(&deployed())?;
    Ok(bindings)
}

/// A deployment that is at home in [`OWN`].
fn deployed() -> Deployed {
    let keys = |sign: &[&str], wrap: &[&str]| Keys {
        sign: sign.iter().map(|name| (*name).to_owned().try_into().unwrap()).collect(),
        wrap: wrap.iter().map(|name| (*name).to_owned().try_into().unwrap()).collect(),
    };
    let of_tenants = ["tenant-data", "data-key", "more-key"];
    let keys = BTreeMap::from([
        (App::Admin, keys(&["admin-root"], &[])),
        (App::Signin, keys(&["signin-signing"], &["session-data"])),
        (App::Intake, keys(&["intake-signing"], &of_tenants)),
        (App::Rotate, keys(&["rotate-signing"], &of_tenants)),
        (App::Drift, keys(&["drift-signing", "drift-checkpoint"], &of_tenants)),
    ]);
    Deployed { tenant: OWN.parse().unwrap(), keys }
}

#[test]
fn the_local_clouds_bindings_can_be_signed_once_producers_have_their_keys() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../local/bindings.json");
    let mut bindings: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let producers = bindings["tenants"][0]["terms"]["producers"].as_array_mut().unwrap();
    for producer in producers.iter_mut().filter(|producer| producer.get("app").is_none()) {
        producer["key"] = a_key();
    }

    assert!(matches!(Bindings::read(&file, &deployed()), Err(NotBound::Form(..))));
    assert_eq!(read(&bindings["tenants"]).unwrap().tenants[0].terms.producers.len(), 2);
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
fn what_is_taken_away_because_it_was_found_is_for_drift_and_drift_for_nothing_else() {
    let service = |operation: &str| {
        json!({
            "name": "hr", "issuer": "https://id.example/", "audience": "a", "subject": "s",
            "operations": [operation], "owners": [],
        })
    };
    let producer = |name: &str, operation: &str, signed_by: Value| {
        let mut producer = json!({ "name": name, "operations": [operation], "owners": [] });
        producer.as_object_mut().unwrap().extend(signed_by.as_object().unwrap().clone());
        producer
    };
    let drift = |name: &str, operation: &str| producer(name, operation, json!({ "app": "drift" }));
    let bound = |services: Value, producers: Value| {
        let mut tenant = tenant(OWN, &json!([]));
        tenant["terms"]["services"] = services;
        tenant["terms"]["producers"] = producers;
        read(&json!([tenant])).map(drop)
    };
    let (found, other) = ("credential.remove", "sessions.revoke");

    assert!(bound(json!([]), json!([drift("drift", found)])).is_ok());
    for (services, producers) in [
        (json!([service(found)]), json!([])),
        (json!([]), json!([producer("siem", found, json!({ "key": a_key() }))])),
        (json!([]), json!([drift("drift", other)])),
    ] {
        assert!(matches!(bound(services, producers), Err(NotBound::Finder { .. })));
    }
    let twice = bound(json!([]), json!([drift("drift", found), drift("other", found)]));
    assert!(matches!(twice, Err(NotBound::DriftTwice(_))));
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

/// A tenant with one secret, of this driver.
fn binding(driver: &Value) -> Result<Bindings, NotBound> {
    let mut tenant = tenant(OTHER, &json!([]));
    let secret = json!({
        "name": "it", "driver": driver, "max_age_days": 90, "overlap_hours": 24,
    });
    tenant["secrets"] = json!([secret]);
    read(&json!([tenant]))
}

#[test]
fn what_the_deployment_lives_by_is_no_tenants_to_change_whatever_it_is_called_there() {
    let key = |name: &str| json!({ "kind": "key_vault_key", "key": name });
    let generated = |name: &str| json!({ "kind": "generated", "secret": name, "bytes": 32 });
    let application = "00000000-0000-0000-0000-000000000001";
    let client = |name: &str| {
        json!({
            "kind": "entra_client_secret", "secret": name, "application": application,
            "client": application,
        })
    };

    assert!(binding(&key("tenant-data")).is_ok());
    for name in [
        "admin-root",
        "signin-signing",
        "intake-signing",
        "rotate-signing",
        "drift-signing",
        "drift-checkpoint",
        "session-data",
    ] {
        for driver in [key(name), generated(name), client(name)] {
            let refused = binding(&driver);
            assert!(matches!(refused, Err(NotBound::DeploymentsOwn { .. })), "{driver}");
        }
    }
    for driver in [generated("tenant-data"), client("tenant-data")] {
        assert!(matches!(binding(&driver), Err(NotBound::DeploymentsOwn { .. })), "{driver}");
    }
    assert!(matches!(binding(&key("webhook")), Err(NotBound::NoDataKey { .. })));
    let refused = binding(&key("intake-signing")).unwrap_err().to_string();
    assert!(refused.contains("A tenant binds the vault key intake-signing"), "{refused}");
}

#[test]
fn the_deployment_has_changed_what_its_apps_use_and_for_what_they_use_it() {
    let bound = |driver: &Value| {
        let secret = json!({
            "name": "it", "driver": driver, "max_age_days": 90, "overlap_hours": 32,
        });
        read_with(&json!([]), &json!([secret]))
    };
    let signing = |app: &str, key: &str| json!({ "kind": "signing_key", "app": app, "key": key });
    let session = |key: &str| json!({ "kind": "session_key", "key": key });

    for good in [signing("drift", "drift-checkpoint"), session("session-data")] {
        assert!(bound(&good).is_ok(), "{good}");
    }
    for bad in [
        signing("admin", "admin-root"),
        signing("intake", "drift-signing"),
        signing("intake", "tenant-data"),
        session("tenant-data"),
        session("signin-signing"),
    ] {
        assert!(matches!(bound(&bad), Err(NotBound::NotItsKey { .. })), "{bad}");
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
