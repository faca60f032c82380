//! Drift over processes: each single change behind everyone's back is found by the right check,
//! what cannot be read is an alert of its own, and a scan costs what has changed.

use std::time::Instant;

use airlock_tests::{Control, Drifts, Found, World};
use serde::Deserialize;
use serde_json::{Value, json};

const ACCOUNTS: &str = "airlock-worker-accounts";
const BUS: &str = "providers/Microsoft.ServiceBus/namespaces/airlock-local";

/// What somebody does, which check finds it, and how bad that is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: String,
    change: Change,
    check: String,
    severity: String,
}

/// A change of one thing.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Change {
    /// In the deployment's tenant.
    Alter { alter: Value },
    /// To a resource, by a merge patch.
    Patch { patch: String, with: Value },
    /// A resource more.
    Create { create: String, r#as: Value },
    /// A resource less.
    Delete { delete: String },
}

async fn made(drifts: &Drifts<'_>, change: &Change) {
    match change {
        Change::Alter { alter } => drop(drifts.alter(alter).await),
        Change::Patch { patch, with } => drifts.patch(patch, with).await,
        Change::Create { create, r#as } => drifts.create(create, r#as).await,
        Change::Delete { delete } => drifts.delete(delete).await,
    }
}

/// The changes, with the ids that this cloud has.
async fn rows(control: &Control) -> Vec<Row> {
    let identity = control.identity("execute").await;
    let resources = control.get("/resources").await;
    let group = resources[0]["id"].as_str().unwrap();
    let subscription = group.split('/').nth(2).unwrap();
    let text = include_str!("drift/changes.json")
        .replace("{execute}", identity["principal_id"].as_str().unwrap())
        .replace("{subscription}", subscription);
    serde_json::from_str(&text).unwrap()
}

/// Checks and severities, each once.
fn said(standing: &[Found]) -> Vec<(String, String)> {
    let mut all: Vec<_> =
        standing.iter().map(|found| (found.check.clone(), found.severity.clone())).collect();
    all.sort();
    all.dedup();
    all
}

#[tokio::test]
#[ignore = "plays more than eighty changes in one cloud: tests/run plays it"]
async fn each_single_change_is_found_by_the_right_check_with_the_right_severity() {
    let world = World::start().await;
    let control = world.control();
    let drifts = Drifts::of(&world).await;
    assert_eq!(said(&drifts.standing().await), [], "{}", drifts.log().await);
    let clean = drifts.remember().await;

    let mut wrong = Vec::new();
    let rows = rows(control).await;
    for Row { what, change, check, severity } in &rows {
        made(&drifts, change).await;
        drifts.round().await;
        let standing = drifts.standing().await;
        let found = said(&standing);
        let right = found.iter().any(|(named, bad)| (named, bad) == (check, severity));
        // An owner that is the rotator is an owner too.
        let only = found.iter().all(|(named, _)| named == check || named == "application-owner");
        println!("{what:40} {found:?}");
        if !right || !only {
            wrong.push(format!("{what}: {standing:#?}"));
        }
        drifts.restore(&clean).await;
        drifts.round().await;
        let left = drifts.standing().await;
        if !left.is_empty() {
            wrong.push(format!("{what}, undone: {left:#?}"));
        }
    }
    println!("{} changes", rows.len());
    assert!(rows.len() >= 40);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is read, and which sources that is: service, path, sources. Of Graph, what is about each of
/// many objects is asked for twenty at a time: then none of it can be read.
const READ: [(&str, &str, &[&str]); 16] = [
    (
        "graph",
        "/v1.0/$batch",
        &["custom-roles", "identities", "registrations", "service-principals"],
    ),
    ("graph", "/v1.0/applications/delta", &["applications"]),
    ("graph", "/v1.0/auditLogs/directoryAudits", &["directory-audits"]),
    ("arm", "/subscriptions/*/providers/Microsoft.Web/sites", &["sites"]),
    ("arm", "*/config/appsettings/list", &["app-settings"]),
    ("arm", "*/functions", &["functions"]),
    ("arm", "*/providers/Microsoft.KeyVault/vaults", &["stores"]),
    ("arm", "*/providers/Microsoft.DocumentDB/databaseAccounts", &["role-assignments", "stores"]),
    ("arm", "*/providers/Microsoft.ServiceBus/namespaces", &["stores"]),
    ("arm", "*/providers/Microsoft.Storage/storageAccounts", &["stores"]),
    ("arm", "*/providers/Microsoft.Authorization/roleAssignments", &["role-assignments"]),
    ("arm", "*/providers/Microsoft.Authorization/roleDefinitions", &["azure-roles"]),
    (
        "arm",
        "*/providers/Microsoft.ManagedIdentity/userAssignedIdentities",
        &["managed-identities"],
    ),
    ("arm", "*/federatedIdentityCredentials", &["managed-identities"]),
    ("arm", "*/providers/Microsoft.Cdn/profiles", &["front-door"]),
    ("site", "/health", &["packages"]),
];

/// Longer than anybody waits for an answer, in milliseconds.
const STALL_MS: u64 = 30_000;

#[tokio::test]
#[ignore = "waits for calls that are not answered: tests/run plays it"]
async fn whatever_cannot_be_read_is_an_alert_of_its_own_and_no_drift() {
    let world = World::start().await;
    let control = world.control();
    let drifts = Drifts::of(&world).await;
    // Something deviates that every source but one sees: it is found all the same.
    drifts.alter(&json!({ "kind": "set_lock", "application": ACCOUNTS, "enabled": false })).await;
    drifts.patch(BUS, &json!({ "properties": { "disableLocalAuth": false } })).await;
    drifts.round().await;
    let planted = ["keyed-access", "service-principal-lock"];
    let mut wrong = Vec::new();

    for (service, path, sources) in READ {
        for effect in [
            json!({ "kind": "fail", "status": 403 }),
            json!({ "kind": "throttle", "retry_after_s": 7 }),
            json!({ "kind": "fail", "status": 503 }),
            json!({ "kind": "delay", "ms": STALL_MS }),
            json!({ "kind": "drop" }),
        ] {
            let rule = json!({
                "service": service, "path": path, "times": 1000,
                "effect": effect,
            });
            control.fault(rule).await;
            drifts.round().await;
            let bitten: u64 = control.bitten().await.into_iter().sum();
            control.clear_faults().await;
            let standing = drifts.standing().await;
            let mut checks: Vec<&str> = standing.iter().map(|found| found.check.as_str()).collect();
            checks.sort_unstable();
            checks.dedup();
            // What stood stands, and is not taken back by who cannot see.
            let expected = [planted[0], planted[1], "unreadable"];
            let mut told: Vec<&str> = standing
                .iter()
                .filter(|found| found.verdict == "unreadable")
                .filter_map(|found| found.subject.strip_prefix("unreadable/source/"))
                .collect();
            told.sort_unstable();
            told.dedup();
            println!("{service} {path} {effect}: {told:?}, {bitten} calls");
            if checks != expected || told != sources || bitten == 0 {
                wrong.push(format!("{service} {path} {effect}: {checks:?} {told:?} {bitten}"));
            }
        }
        drifts.round().await;
        let standing = drifts.standing().await;
        if standing.iter().any(|found| found.check == "unreadable") {
            wrong.push(format!("{sources:?} can be read again: {standing:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Calls of drift to Graph since there were so many.
async fn graph_calls(world: &World, since: usize) -> usize {
    let calls = world.control().calls().await;
    let of_drift =
        |call: &&Value| call["service"] == "graph" && call["caller"] == "airlock-observer";
    calls.iter().skip(since).filter(of_drift).count()
}

#[tokio::test]
#[ignore = "fills a tenant with 50,000 people: tests/run plays it"]
async fn a_scan_of_a_large_tenant_costs_what_has_changed() {
    let world = World::start().await;
    let control = world.control();
    let drifts = Drifts::of(&world).await;
    drifts.grow(50_000, 5_000).await;

    let mut figures = Vec::new();
    let anew = "everything anew, the position is lost (410)";
    for what in [
        "first, with 5,000 applications that are new",
        "nothing has changed",
        "10 changes",
        "nothing has changed",
        anew,
    ] {
        if what == "10 changes" {
            drifts.touch(10).await;
        }
        if what == anew {
            control.hand("/directory/expire-deltas", &json!({ "answer": "gone" })).await;
        }
        let (since, began) = (control.calls().await.len(), Instant::now());
        drifts.round().await;
        let took = began.elapsed();
        let calls = graph_calls(&world, since).await;
        println!("{what:45} {calls:5} calls to Graph {took:10.2?}");
        figures.push(calls);
    }

    // All tenants' principals are read each time, and one page of changes; 10 changes are one call.
    assert!(figures[0] > figures[1] + 250, "{figures:?}: 5,000 applications, 20 a call");
    assert!(figures[2] <= figures[1] + 2, "{figures:?}");
    assert_eq!(figures[1], figures[3], "{figures:?}");
    assert!(figures[4] > figures[1] + 250, "{figures:?}: all of them again");
    assert_eq!(said(&drifts.standing().await), []);
}
