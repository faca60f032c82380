use serde_json::{Value, json};

use super::*;
use crate::scratch::Scratch;

pub const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";

pub fn sample() -> Value {
    let id = |n: u8| format!("{n:02x}000000-0000-4000-8000-000000000000");
    let identity = |n: u8, sign: &[&str], signs: &[&str]| {
        json!({
            "client_id": id(n),
            "principal_id": id(n + 16),
            "keys": { "sign": sign, "wrap": ["tenant-data"] },
            "signs": signs,
        })
    };
    json!({
        "tenant": TENANT,
        "authority": "https://login.microsoftonline.com",
        "sign_in_pages": "http://127.0.0.1:7072",
        "graph": "https://graph.microsoft.com",
        "vault": "https://airlock-local.vault.azure.net",
        "cosmos": "https://airlock-local.documents.azure.com:443/",
        "database": "airlock",
        "bus": "airlock-local.servicebus.windows.net",
        "blobs": "https://airlocklocal.blob.core.windows.net",
        "anchors": "https://airlockanchors.blob.core.windows.net",
        "resource_manager": "https://management.azure.com",
        "resources": "/subscriptions/605d9d43-3534-4810-8152-9d01a268ad22/resourceGroups/airlock",
        "sites": { "signin": "airlock-signin", "execute": "airlock-execute" },
        "ledger": "ledger.contoso.example",
        "portal": "http://localhost:7070",
        "api": "http://localhost:7071",
        "confirmations": "http://127.0.0.1:41000/internal/confirmations",
        "may_override": ["SSL_CERT_FILE", "HTTPS_PROXY"],
        "identities": {
            "signin": identity(1, &["signin-signing"], &["session", "revocation", "statement"]),
            "intake": identity(2, &["intake-signing"], &["confirmation", "attestation", "permit", "statement"]),
            "execute": identity(3, &["execute-signing"], &["claim", "outcome", "statement"]),
            "rotate": identity(4, &["rotate-signing"], &["claim", "outcome", "rotation", "statement"]),
            "drift": identity(5, &["drift-signing", "drift-checkpoint"], &["finding", "statement", "checkpoint"]),
            "admin": identity(6, &["admin-root"], &["keyset", "binding", "deployment", "recovery"]),
        },
        "applications": {
            "airlock-portal": { "client_id": id(64) },
            "airlock-intake": { "client_id": id(65) },
            "airlock-worker-accounts": { "client_id": id(66) },
            "airlock-rotator": { "client_id": id(67) },
        },
        "packages": { "signin": "apps/signin", "execute": "/elsewhere/execute" },
        "bindings": "bindings.json",
    })
}

pub fn good() -> Deployment {
    serde_json::from_value(sample()).unwrap()
}

fn spoiled(name: &str, value: Value) -> Result<Deployment, serde_json::Error> {
    let mut sample = sample();
    sample[name] = value;
    serde_json::from_value(sample)
}

#[test]
fn relative_paths_start_from_the_files_folder() {
    let scratch = Scratch::new();
    let file = scratch.path().join("deployment.json");
    fs::write(&file, sample().to_string()).unwrap();

    let deployment = Deployment::read(&file).unwrap();

    assert_eq!(deployment.packages[&App::Signin], scratch.path().join("apps/signin"));
    assert_eq!(deployment.packages[&App::Execute], Path::new("/elsewhere/execute"));
    assert_eq!(deployment.bindings, scratch.path().join("bindings.json"));
}

#[test]
fn the_root_is_the_admin_planes_only_signing_key() {
    assert_eq!(good().root().unwrap().as_str(), "admin-root");

    let mut sample = sample();
    sample["identities"]["admin"]["keys"]["sign"] = json!(["a", "b"]);
    let two: Deployment = serde_json::from_value(sample).unwrap();
    assert!(matches!(two.root(), Err(NotDescribed::NoRoot)));
}

#[test]
fn nothing_is_signed_that_sends_a_handler_where_others_listen() {
    for name in [
        "authority",
        "graph",
        "vault",
        "cosmos",
        "blobs",
        "anchors",
        "resource_manager",
        "confirmations",
    ] {
        assert!(spoiled(name, json!("http://vault.example")).is_err(), "{name}");
        assert!(spoiled(name, json!("https://me@vault.example")).is_err(), "{name}");
        assert!(spoiled(name, json!("vault.example")).is_err(), "{name}");
    }
    assert!(spoiled("api", json!("http://api.example")).is_err());
    assert!(spoiled("api", json!("https://api.example/")).is_err());
    assert!(spoiled("bus", json!("https://bus.example")).is_err());
    assert!(spoiled("ledger", json!("https://ledger.example")).is_err());
    assert!(spoiled("ledger", json!("Ledger.example")).is_err());
}

#[test]
fn what_is_not_known_is_not_signed() {
    assert!(spoiled("may_override", json!(["PATH"])).is_err());
    assert!(spoiled("more", json!(1)).is_err());

    let mut sample = sample();
    sample["identities"]["signin"]["keys"]["sign"] = json!(["../keys/admin-root"]);
    assert!(serde_json::from_value::<Deployment>(sample).is_err());
}

#[test]
fn nothing_is_signed_that_leads_out_of_the_resource_group_or_to_another_host() {
    let id = "605d9d43-3534-4810-8152-9d01a268ad22";
    for bad in [
        format!("/subscriptions/{id}/resourceGroups/airlock/providers/Microsoft.Web/sites/a"),
        format!("/subscriptions/{id}/resourceGroups/"),
        format!("/subscriptions/{id}/resourceGroups/.."),
        format!("/subscriptions/{id}/resourceGroups/a?b"),
        format!("subscriptions/{id}/resourceGroups/airlock"),
        "/subscriptions/mine/resourceGroups/airlock".to_owned(),
    ] {
        assert!(spoiled("resources", json!(bad)).is_err(), "{bad}");
    }
    for bad in ["", "a", "-a", "a-", "a.b", "a/b", "a b"] {
        assert!(spoiled("sites", json!({ "signin": bad })).is_err(), "{bad}");
    }
    assert!(spoiled("sites", json!({ "printer": "airlock-printer" })).is_err());
}
