//! App registrations: everybody who may read sees them, and only an owner gives one a secret.

use super::*;
use crate::identities::{application_id, registration_id};

const ROTATOR: &str = "airlock-rotator";

fn third_party(kind: &str, name: &str) -> Uuid {
    stable_id(&format!("third-party/{kind}"), &format!("contoso.example/{name}"))
}

fn path(name: &str, relation: &str) -> String {
    format!("/v1.0/applications/{}{relation}", third_party("registration", name))
}

fn named(display_name: &str) -> Value {
    json!({ "passwordCredential": { "displayName": display_name } })
}

impl World {
    fn add(&self, name: &str) -> Value {
        let (status, added) = self.post(ROTATOR, &path(name, "/addPassword"), named("by a test"));
        assert_eq!(status, 200, "{added}");
        added
    }

    fn credentials(&self, name: &str) -> Vec<Value> {
        let (status, body) = self.get(ROTATOR, &path(name, ""));
        assert_eq!(status, 200, "{body}");
        body["passwordCredentials"].as_array().unwrap().clone()
    }
}

#[test]
fn a_secret_is_told_once() {
    let world = World::new();

    let added = world.add("line-of-business");

    let secret = added["secretText"].as_str().unwrap();
    assert_eq!(secret.len(), 40);
    assert_eq!(added["hint"], secret[..3]);
    assert_eq!(
        added["@odata.context"],
        "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.passwordCredential"
    );
    let [shown] = &world.credentials("line-of-business")[..] else { panic!("not one") };
    for name in ["keyId", "displayName", "startDateTime", "endDateTime", "hint"] {
        assert_eq!(shown[name], added[name], "{name}");
    }
    assert_eq!(shown["secretText"], Value::Null);
    let (_, listed) = world.get("airlock-observer", "/v1.0/applications");
    let all = format!("{listed}{}{:?}", world.directory.snapshot(), world.effects());
    assert!(all.contains(added["keyId"].as_str().unwrap()));
    assert!(!all.contains(secret));
}

#[test]
fn an_application_is_found_by_its_ids_and_by_filter() {
    let world = World::new();
    let client = third_party("client", "timesheets");
    let by_object = world.get(ROTATOR, &path("timesheets", "")).1;

    let by_client = world.get(ROTATOR, &format!("/v1.0/applications(appId='{client}')")).1;
    let (_, by_filter) =
        world.get(ROTATOR, &format!("/v1.0/applications?$filter=appId+eq+'{client}'"));

    assert_eq!(by_object, by_client);
    assert_eq!(values(&by_filter, "displayName"), ["timesheets"]);
    assert_eq!(by_filter["value"][0]["id"], by_object["id"]);
    for absent in [
        format!("/v1.0/applications/{}", Uuid::nil()),
        format!("/v1.0/applications(appId='{}')/owners", Uuid::nil()),
        "/v1.0/applications/timesheets".to_owned(),
    ] {
        assert_eq!(world.get(ROTATOR, &absent).0, 404, "{absent}");
    }
    let nowhere = path("timesheets", "/extensionProperties");
    assert_eq!(world.get(ROTATOR, &nowhere).0, 400);
    assert_eq!(world.get(ROTATOR, &path("timesheets", "/addPassword")).0, 405);
}

#[test]
fn what_is_asked_of_a_secret_is_what_it_becomes() {
    let world = World::new();
    let asked = json!({ "passwordCredential": {
        "displayName": null, "startDateTime": "2031-01-01T00:00:00Z",
        "endDateTime": "2031-03-01T00:00:00Z",
    }});

    let (status, added) = world.post(ROTATOR, &path("timesheets", "/addPassword"), asked);
    let (_, plain) = world.post(ROTATOR, &path("timesheets", "/addPassword"), json!({}));

    assert_eq!((status, &added["displayName"]), (200, &Value::Null));
    assert_eq!(added["startDateTime"], "2031-01-01T00:00:00Z");
    assert_eq!(added["endDateTime"], "2031-03-01T00:00:00Z");
    assert!(plain["endDateTime"].as_str() > plain["startDateTime"].as_str());
}

#[test]
fn a_secret_that_could_never_be_used_is_not_made() {
    let world = World::new();
    for asked in [
        json!({ "passwordCredential": { "endDateTime": "2020-01-01T00:00:00Z" } }),
        json!({ "passwordCredential": {
            "startDateTime": "2032-01-01T00:00:00Z", "endDateTime": "2031-01-01T00:00:00Z",
        }}),
        json!({ "passwordCredential": { "endDateTime": "soon" } }),
        json!({ "passwordCredential": { "secretText": "chosen" } }),
        json!({ "passwordCredential": "chosen" }),
        json!({ "keyCredential": {} }),
    ] {
        let (status, error) =
            world.post(ROTATOR, &path("timesheets", "/addPassword"), asked.clone());
        assert_eq!((status, code(&error)), (400, "Request_BadRequest"), "{asked}");
    }
    assert!(world.credentials("timesheets").is_empty());
    assert!(world.effects().is_empty());
}

#[test]
fn a_secret_is_removed_by_its_id_and_no_other_with_it() {
    let world = World::new();
    let (one, two) = (world.add("timesheets"), world.add("timesheets"));
    let remove = |body: Value| world.post(ROTATOR, &path("timesheets", "/removePassword"), body);
    let body = json!({ "keyId": one["keyId"] });

    assert_eq!(remove(body.clone()), (204, Value::Null));

    let left = world.credentials("timesheets");
    assert_eq!((left.len(), &left[0]["keyId"]), (1, &two["keyId"]));
    let (status, error) = remove(body);
    assert_eq!((status, code(&error)), (400, "Request_BadRequest"));
    assert_eq!(error["error"]["message"], "No password credential found with keyId.");
    for spoiled in
        [json!({}), json!({ "keyId": "x" }), json!({ "keyId": two["keyId"], "all": true })]
    {
        assert_eq!(remove(spoiled).0, 400);
    }
    assert_eq!(world.credentials("timesheets").len(), 1);
}

#[test]
fn the_rotator_changes_only_what_it_owns() {
    let world = World::new();
    let key_id = json!({ "keyId": Uuid::nil() });
    let mut all = vec![path("payroll", "")];
    for name in world.identities.applications.keys() {
        all.push(format!("/v1.0/applications/{}", registration_id(name)));
        all.push(format!("/v1.0/applications(appId='{}')", application_id(name)));
    }

    for application in all {
        for (relation, body) in [("addPassword", named("mine")), ("removePassword", key_id.clone())]
        {
            let (status, error) = world.post(ROTATOR, &format!("{application}/{relation}"), body);
            assert_eq!(
                (status, code(&error)),
                (403, "Authorization_RequestDenied"),
                "{application}/{relation}"
            );
        }
        let (_, shown) = world.get(ROTATOR, &application);
        assert_eq!(shown["passwordCredentials"], json!([]), "{application}");
    }
    assert!(world.effects().is_empty());
}

#[test]
fn no_other_application_changes_one_and_a_withdrawn_permission_is_gone_at_once() {
    let world = World::new();
    for name in world.identities.applications.keys().filter(|name| *name != ROTATOR) {
        let (status, _) = world.post(name, &path("timesheets", "/addPassword"), json!({}));
        assert_eq!(status, 403, "{name}");
    }

    let rotator = world.application(ROTATOR);
    world.alter(json!({
        "kind": "revoke_app_role", "from": ROTATOR, "role": "Application.ReadWrite.OwnedBy",
    }));
    let add = path("timesheets", "/addPassword");
    assert_eq!(world.send(&rotator, "POST", &add, &[], json!({})).0, 403);
    assert!(world.effects().is_empty());
}

#[test]
fn the_rotator_of_one_tenant_owns_nothing_in_another() {
    let world = World::new();
    let fabrikam = stable_id("tenant", "fabrikam.example");
    let there = Caller {
        tenant: fabrikam,
        object: service_principal_id(ROTATOR, fabrikam),
        ..world.application(ROTATOR)
    };
    let here = path("timesheets", "/addPassword");
    let ours = format!("/v1.0/applications/{}", registration_id(ROTATOR));

    assert_eq!(world.send(&there, "POST", &here, &[], json!({})).0, 404);
    assert_eq!(world.send(&there, "GET", &ours, &[], Value::Null).0, 404);
    let (_, listed) = world.send(&there, "GET", "/v1.0/applications", &[], Value::Null);
    assert_eq!(values(&listed, "displayName"), ["line-of-business", "order-desk", "payroll"]);
    // A token of that tenant with this tenant's principal: the object id alone decides.
    let id = stable_id("third-party/registration", "fabrikam.example/order-desk");
    let stranger = Caller { object: service_principal_id(ROTATOR, contoso()), ..there };
    let add = format!("/v1.0/applications/{id}/addPassword");
    assert_eq!(world.send(&stranger, "POST", &add, &[], json!({})).0, 403);
}

#[test]
fn owners_are_listed_as_what_they_are() {
    let world = World::new();

    let (_, owned) = world.get(ROTATOR, &path("line-of-business", "/owners"));
    let (_, other) = world.get(ROTATOR, &path("payroll", "/owners"));

    assert_eq!(
        values(&owned, "@odata.type"),
        ["#microsoft.graph.servicePrincipal", "#microsoft.graph.user"]
    );
    let rotator = json!(service_principal_id(ROTATOR, contoso()));
    assert!(owned["value"].as_array().unwrap().iter().any(|owner| owner["id"] == rotator));
    assert_eq!(values(&other, "@odata.type"), ["#microsoft.graph.user"]);
    let ours = format!("/v1.0/applications/{}/owners", registration_id("airlock-worker-methods"));
    assert_eq!(world.get(ROTATOR, &ours).1["value"], json!([]));
}

#[test]
fn a_third_partys_service_principal_stands_beside_our_own() {
    let world = World::new();
    let client = third_party("client", "line-of-business");
    let query = format!("/v1.0/servicePrincipals?$filter=appId+eq+'{client}'");

    let (_, found) = world.get("airlock-observer", &query);

    assert_eq!(values(&found, "displayName"), ["line-of-business"]);
    assert_eq!(
        found["value"][0]["id"],
        json!(third_party("service-principal", "line-of-business"))
    );
}
