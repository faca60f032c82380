//! Credentials of Airlock's own applications: nobody adds one through Graph, and one application
//! removes them.

use super::*;
use crate::identities::registration_id;

const REMEDIATOR: &str = "airlock-remediator";
const WORKER: &str = "airlock-worker-methods";

fn path(name: &str, relation: &str) -> String {
    format!("/v1.0/applications/{}/{relation}", registration_id(name))
}

impl World {
    fn plant(&self, name: &str) -> Value {
        let planted = self.alter(json!({ "kind": "add_password", "on": { "application": name } }));
        json!({ "keyId": planted["key_id"] })
    }
}

#[test]
fn a_planted_secret_is_removed_from_each_application_that_it_may_and_from_no_other() {
    let world = World::new();
    let allowed = &world.identities.applications[REMEDIATOR].removes_credentials_of;

    for name in world.identities.applications.keys() {
        let planted = world.plant(name);
        let (status, error) = world.post(REMEDIATOR, &path(name, "removePassword"), planted);
        if allowed.contains(name) {
            assert_eq!(status, 204, "{name}: {error}");
        } else {
            assert_eq!((status, code(&error)), (403, "Authorization_RequestDenied"), "{name}");
        }
        let (_, shown) = world.get("airlock-observer", &path(name, "")[..path(name, "").len() - 1]);
        let left = shown["passwordCredentials"].as_array().unwrap().len();
        assert_eq!(left, usize::from(!allowed.contains(name)), "{name}");
    }
    let third = stable_id("third-party/registration", "contoso.example/payroll");
    let third = format!("/v1.0/applications/{third}/removePassword");
    assert_eq!(world.post(REMEDIATOR, &third, json!({ "keyId": Uuid::nil() })).0, 403);
}

#[test]
fn a_planted_trust_is_removed_by_its_id_or_its_name() {
    let world = World::new();
    let plant = |name: &str| {
        world.alter(json!({
            "kind": "add_federated_credential", "application": WORKER, "name": name,
            "subject": "someone",
        }))["id"]
            .clone()
    };
    let trusted = || {
        let (_, body) =
            world.get("airlock-observer", &path(WORKER, "federatedIdentityCredentials"));
        values(&body, "name").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, _) = (plant("one"), plant("two"));
    let named = |name: &str| path(WORKER, &format!("federatedIdentityCredentials/{name}"));

    assert_eq!(world.delete(REMEDIATOR, &named(one.as_str().unwrap())).0, 204);
    assert_eq!(world.delete(REMEDIATOR, &named("two")).0, 204);
    assert_eq!(world.delete(REMEDIATOR, &named("two")).0, 404);

    assert_eq!(trusted(), ["airlock-execute"]);
    for name in world.identities.applications.keys().filter(|name| *name != REMEDIATOR) {
        assert_eq!(world.delete(name, &named("airlock-execute")).0, 403, "{name}");
    }
    assert_eq!(trusted(), ["airlock-execute"]);
}

#[test]
fn nobody_adds_a_secret_to_one_of_airlocks_own_whatever_they_hold() {
    let world = World::new();
    world.alter(json!({
        "kind": "grant_app_role", "to": "payroll", "role": "Application.ReadWrite.All",
    }));
    let payroll = Caller {
        tenant: contoso(),
        object: stable_id("third-party/service-principal", "contoso.example/payroll"),
        identity: None,
        application: None,
        roles: vec!["Application.ReadWrite.All".to_owned()],
    };

    for name in world.identities.applications.keys() {
        let add = path(name, "addPassword");
        let (status, error) = world.send(&payroll, "POST", &add, &[], json!({}));
        assert_eq!((status, code(&error)), (400, "CredentialTypeNotAllowedAsPerAppPolicy"));
        assert_eq!(world.post(REMEDIATOR, &add, json!({})).0, 403);
    }
    assert!(world.effects().is_empty());
    let third = stable_id("third-party/registration", "contoso.example/timesheets");
    let third = format!("/v1.0/applications/{third}/addPassword");
    assert_eq!(world.send(&payroll, "POST", &third, &[], json!({})).0, 200);
}
