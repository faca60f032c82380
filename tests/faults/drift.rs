//! Drift over processes: each single change behind everyone's back is found by the right check,
//! what cannot be read is an alert of its own, and a scan costs what has changed.

use std::time::Instant;

use airlock_tests::{Drifts, Found, World};
use serde_json::{Value, json};

const SECRETLESS: &str = "secretless-application";
const ACCOUNTS: &str = "airlock-worker-accounts";
const SITES: &str = "providers/Microsoft.Web/sites";
const VAULT: &str = "providers/Microsoft.KeyVault/vaults/airlock-local";
const COSMOS: &str = "providers/Microsoft.DocumentDB/databaseAccounts/airlock-local";
const BUS: &str = "providers/Microsoft.ServiceBus/namespaces/airlock-local";
const STORAGE: &str = "providers/Microsoft.Storage/storageAccounts";
const DOOR: &str = "providers/Microsoft.Cdn/profiles/airlock-local";
/// Key Vault Administrator.
const ADMINISTRATOR: &str = "00482a5a-887f-4fb3-b363-3b7fe8e74483";

/// What somebody does.
enum Change {
    /// In the deployment's tenant.
    Alter(Value),
    /// To a resource.
    Patch(String, Value),
    /// A resource more.
    Create(String, Value),
    /// A resource less.
    Delete(String),
}

use Change::{Alter, Create, Delete, Patch};

/// What somebody does, which check finds it, and how bad that is.
type Row = (&'static str, Change, &'static str, &'static str);

fn on_application(name: &str) -> Value {
    json!({ "application": name })
}

fn on_principal(name: &str) -> Value {
    json!({ "service_principal": name })
}

/// In directories.
fn altered() -> Vec<Row> {
    let redirect = |application: &str, field: &str, value: Value| {
        let mut change = json!({ "kind": "set_redirects", "application": application });
        change[field] = value;
        Alter(change)
    };
    let federated = |field: &str, value: &str| {
        let mut change = json!({ "kind": "change_federated_credential", "application": ACCOUNTS });
        change[field] = value.into();
        Alter(change)
    };
    let stranger = json!({
        "kind": "add_federated_credential", "application": ACCOUNTS, "name": "ci",
        "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:evil/evil:ref:refs/heads/main",
    });
    let grant = |person: Option<&str>| {
        Alter(
            json!({ "kind": "add_grant", "client": ACCOUNTS, "scope": "Mail.Read", "person": person }),
        )
    };
    vec![
        (
            "a password on a worker",
            Alter(json!({ "kind": "add_password", "on": on_application(ACCOUNTS) })),
            SECRETLESS,
            "critical",
        ),
        (
            "a certificate on a worker",
            Alter(json!({ "kind": "add_certificate", "on": on_application(ACCOUNTS) })),
            SECRETLESS,
            "critical",
        ),
        (
            "a password on the portal",
            Alter(json!({ "kind": "add_password", "on": on_application("airlock-portal") })),
            SECRETLESS,
            "critical",
        ),
        (
            "a password on the observer",
            Alter(json!({ "kind": "add_password", "on": on_application("airlock-observer") })),
            SECRETLESS,
            "critical",
        ),
        (
            "a password on a service principal",
            Alter(json!({ "kind": "add_password", "on": on_principal(ACCOUNTS) })),
            "secretless-principal",
            "critical",
        ),
        (
            "a pipeline of somebody's is trusted",
            Alter(stranger),
            "federated-credential",
            "critical",
        ),
        (
            "another issuer is trusted",
            federated("issuer", "https://evil.example/"),
            "federated-credential",
            "critical",
        ),
        (
            "another subject is trusted",
            federated("subject", "somebody"),
            "federated-credential",
            "critical",
        ),
        (
            "another audience is trusted",
            federated("audience", "api://other"),
            "federated-credential",
            "critical",
        ),
        (
            "nobody is trusted",
            Alter(json!({ "kind": "remove_federated_credential", "application": ACCOUNTS })),
            "federated-credential",
            "medium",
        ),
        (
            "a person owns a registration",
            Alter(
                json!({ "kind": "add_owner", "of": on_application(ACCOUNTS), "owner": { "person": "nina@contoso.example" } }),
            ),
            "application-owner",
            "critical",
        ),
        (
            "a person owns a service principal",
            Alter(
                json!({ "kind": "add_owner", "of": on_principal(ACCOUNTS), "owner": { "person": "nina@contoso.example" } }),
            ),
            "principal-owner",
            "high",
        ),
        (
            "the rotator owns a worker",
            Alter(
                json!({ "kind": "add_owner", "of": on_application(ACCOUNTS), "owner": { "service_principal": "airlock-rotator" } }),
            ),
            "rotator-ownership",
            "critical",
        ),
        (
            "a redirect for single pages",
            redirect("airlock-portal", "spa", json!(["https://evil.example/"])),
            "redirect-uri",
            "critical",
        ),
        (
            "a redirect of a worker",
            redirect(ACCOUNTS, "web", json!(["https://evil.example/"])),
            "redirect-uri",
            "critical",
        ),
        ("no redirect", redirect("airlock-portal", "web", json!([])), "redirect-uri", "medium"),
        (
            "tokens without a code",
            redirect("airlock-portal", "implicit_access_tokens", json!(true)),
            "redirect-uri",
            "critical",
        ),
        (
            "a public client",
            redirect("airlock-portal", "fallback_public", json!(true)),
            "redirect-uri",
            "critical",
        ),
        (
            "a scope more",
            Alter(
                json!({ "kind": "expose_scope", "application": "airlock-portal", "value": "everything" }),
            ),
            "exposed-interface",
            "high",
        ),
        (
            "a role more",
            Alter(
                json!({ "kind": "expose_app_role", "application": "airlock-portal", "value": "Root" }),
            ),
            "exposed-interface",
            "high",
        ),
        (
            "a client in advance",
            Alter(
                json!({ "kind": "pre_authorize", "application": "airlock-portal", "client": "04b07795-8ddb-461a-bbee-02f9e1bf7b46" }),
            ),
            "exposed-interface",
            "high",
        ),
        (
            "personal accounts",
            Alter(
                json!({ "kind": "set_audience", "application": "airlock-portal", "audience": "AzureADandPersonalMicrosoftAccount" }),
            ),
            "exposed-interface",
            "high",
        ),
        (
            "the lock is off",
            Alter(json!({ "kind": "set_lock", "application": ACCOUNTS, "enabled": false })),
            "service-principal-lock",
            "high",
        ),
        (
            "not all is locked",
            Alter(json!({ "kind": "set_lock", "application": ACCOUNTS, "all_properties": false })),
            "service-principal-lock",
            "high",
        ),
        (
            "a permission more",
            Alter(
                json!({ "kind": "grant_app_role", "to": ACCOUNTS, "role": "Application.ReadWrite.All" }),
            ),
            "application-permission",
            "critical",
        ),
        (
            "a permission less",
            Alter(json!({ "kind": "revoke_app_role", "from": ACCOUNTS, "role": "User.Read.All" })),
            "application-permission",
            "medium",
        ),
        ("a grant for everybody", grant(None), "delegated-grant", "critical"),
        ("a grant for one", grant(Some("nina@contoso.example")), "delegated-grant", "high"),
        (
            "a directory role more",
            Alter(
                json!({ "kind": "add_directory_role", "to": ACCOUNTS, "role": "Global Administrator" }),
            ),
            "directory-role",
            "critical",
        ),
        (
            "a directory role less",
            Alter(
                json!({ "kind": "remove_directory_role", "from": "airlock-worker-passwords", "role": "User Administrator" }),
            ),
            "directory-role",
            "medium",
        ),
        (
            "a service principal is disabled",
            Alter(
                json!({ "kind": "set_enabled", "service_principal": ACCOUNTS, "enabled": false }),
            ),
            "service-principal",
            "medium",
        ),
        (
            "a third party trusts our identity",
            Alter(
                json!({ "kind": "add_federated_credential", "application": "timesheets", "name": "x", "subject": "{execute}" }),
            ),
            "foreign-trust",
            "high",
        ),
    ]
}

/// In Azure.
fn patched() -> Vec<Row> {
    let properties =
        |id: &str, properties: Value| Patch(id.to_owned(), json!({ "properties": properties }));
    let site = |app: &str| format!("{SITES}/airlock-local-{app}");
    let web = |app: &str, of: Value| {
        Patch(format!("{SITES}/airlock-local-{app}/config/web"), json!({ "properties": of }))
    };
    let setting = |app: &str, name: &str, value: &str| {
        Patch(
            format!("{SITES}/airlock-local-{app}/config/appsettings"),
            json!({ "properties": { name: value } }),
        )
    };
    let policy = |app: &str, name: &str| {
        Patch(
            format!("{SITES}/airlock-local-{app}/basicPublishingCredentialsPolicies/{name}"),
            json!({ "properties": { "allow": true } }),
        )
    };
    let shell = json!({ "properties": { "name": "shell", "config": { "bindings": [
        { "type": "httpTrigger", "direction": "in", "name": "request", "authLevel": "anonymous" },
    ] } } });
    let rotate = json!({ "properties": { "config": { "bindings": [
        { "type": "httpTrigger", "direction": "in", "name": "request" },
    ] } } });
    let assignment = |scope: &str, role: &str| {
        let name = "11111111-2222-4333-8444-555555555555";
        let id = if scope.is_empty() {
            format!("providers/Microsoft.Authorization/roleAssignments/{name}")
        } else {
            format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
        };
        let role = format!(
            "/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Authorization/roleDefinitions/{role}"
        );
        Create(
            id,
            json!({ "properties": {
            "roleDefinitionId": role, "principalId": "99999999-2222-4333-8444-555555555555", "principalType": "User",
        } }),
        )
    };
    let route = |of: Value| {
        Patch(
            format!("{DOOR}/afdEndpoints/airlock-local/routes/intake"),
            json!({ "properties": of }),
        )
    };
    vec![
        (
            "execute answers the public network",
            properties(&site("execute"), json!({ "publicNetworkAccess": "Enabled" })),
            "network-access",
            "critical",
        ),
        (
            "everybody reaches intake",
            web(
                "intake",
                json!({ "ipSecurityRestrictions": [], "ipSecurityRestrictionsDefaultAction": "Allow" }),
            ),
            "network-access",
            "high",
        ),
        (
            "the vault answers the public network",
            properties(VAULT, json!({ "publicNetworkAccess": "Enabled" })),
            "network-access",
            "critical",
        ),
        (
            "the database answers the public network",
            properties(COSMOS, json!({ "publicNetworkAccess": "Enabled" })),
            "network-access",
            "critical",
        ),
        (
            "the bus answers the public network",
            properties(BUS, json!({ "publicNetworkAccess": "Enabled" })),
            "network-access",
            "high",
        ),
        (
            "the anchors answer the public network",
            properties(
                &format!("{STORAGE}/airlockanchors"),
                json!({ "publicNetworkAccess": "Enabled" }),
            ),
            "network-access",
            "high",
        ),
        (
            "HTTP is answered",
            properties(&site("signin"), json!({ "httpsOnly": false })),
            "function-app",
            "high",
        ),
        (
            "a system-assigned identity",
            Patch(
                site("intake"),
                json!({ "identity": { "type": "SystemAssigned, UserAssigned", "principalId": "99999999-2222-4333-8444-555555555555" } }),
            ),
            "function-app",
            "critical",
        ),
        ("a password deploys by FTP", policy("rotate", "ftp"), "function-app", "critical"),
        ("a password deploys", policy("execute", "scm"), "function-app", "critical"),
        (
            "a secret in the settings",
            setting("intake", "GRAPH_CLIENT_SECRET", "s3cr3t"),
            "app-setting",
            "critical",
        ),
        (
            "a key in a known setting",
            setting("drift", "AIRLOCK_LOG", "Endpoint=sb://x/;SharedAccessKey=abc="),
            "app-setting",
            "critical",
        ),
        (
            "a setting that moves trust",
            setting("execute", "AZURE_AUTHORITY_HOST", "https://evil.example"),
            "app-setting",
            "critical",
        ),
        (
            "a setting that nobody knows",
            setting("signin", "DEBUG_MODE", "1"),
            "app-setting",
            "high",
        ),
        (
            "a function more",
            Create(format!("{SITES}/airlock-local-execute/functions/shell"), shell),
            "function",
            "critical",
        ),
        (
            "a timer is called from outside",
            Patch(format!("{SITES}/airlock-local-rotate/functions/rotate"), rotate),
            "function",
            "critical",
        ),
        (
            "a function less",
            Delete(format!("{SITES}/airlock-local-drift/functions/seal")),
            "function",
            "medium",
        ),
        (
            "the database takes keys",
            properties(COSMOS, json!({ "disableLocalAuth": false })),
            "keyed-access",
            "critical",
        ),
        (
            "the bus takes keys",
            properties(BUS, json!({ "disableLocalAuth": false })),
            "keyed-access",
            "critical",
        ),
        (
            "storage takes keys",
            properties(&format!("{STORAGE}/airlocklocal"), json!({ "allowSharedKeyAccess": true })),
            "keyed-access",
            "critical",
        ),
        (
            "blobs can be public",
            properties(
                &format!("{STORAGE}/airlockanchors"),
                json!({ "allowBlobPublicAccess": true }),
            ),
            "keyed-access",
            "critical",
        ),
        (
            "the vault has policies of its own",
            properties(VAULT, json!({ "enableRbacAuthorization": false })),
            "keyed-access",
            "critical",
        ),
        (
            "keys can be purged",
            properties(VAULT, json!({ "enablePurgeProtection": null })),
            "retention",
            "high",
        ),
        (
            "anchors can be deleted",
            properties(
                &format!("{STORAGE}/airlockanchors/blobServices/default/containers/anchors"),
                json!({ "immutabilityPolicy": null }),
            ),
            "retention",
            "high",
        ),
        (
            "somebody administers the vault",
            assignment(VAULT, ADMINISTRATOR),
            "azure-role",
            "critical",
        ),
        (
            "somebody owns the group",
            assignment("", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
            "azure-role",
            "critical",
        ),
        (
            "a route for everything",
            route(json!({ "patternsToMatch": ["/api/*", "/*"] })),
            "front-door-route",
            "critical",
        ),
        (
            "a route without TLS",
            route(json!({ "httpsRedirect": "Disabled" })),
            "front-door-route",
            "critical",
        ),
        (
            "a route that is closed",
            route(json!({ "enabledState": "Disabled" })),
            "front-door-route",
            "medium",
        ),
        (
            "an origin that is not ours",
            Create(
                format!("{DOOR}/originGroups/intake/origins/evil"),
                json!({ "properties": { "hostName": "evil.example", "originHostHeader": "evil.example", "httpsPort": 443, "enabledState": "Enabled" } }),
            ),
            "front-door-route",
            "critical",
        ),
    ]
}

async fn made(drifts: &Drifts<'_>, execute: &str, change: &Change) {
    match change {
        Alter(change) => {
            let text = change.to_string().replace("{execute}", execute);
            drifts.alter(&serde_json::from_str(&text).unwrap()).await;
        }
        Patch(id, patch) => drifts.patch(id, patch).await,
        Create(id, body) => drifts.create(id, body).await,
        Delete(id) => drifts.delete(id).await,
    }
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
#[ignore = "plays more than sixty changes in one cloud: tests/run plays it"]
async fn each_single_change_is_found_by_the_right_check_with_the_right_severity() {
    let world = World::start().await;
    let control = world.control();
    let drifts = Drifts::of(&world).await;
    assert_eq!(said(&drifts.standing().await), [], "{}", drifts.log().await);
    let identity = control.identity("execute").await;
    let execute = identity["principal_id"].as_str().unwrap().to_owned();
    let clean = drifts.remember().await;

    let mut wrong = Vec::new();
    let rows: Vec<Row> = altered().into_iter().chain(patched()).collect();
    for (what, change, check, severity) in &rows {
        made(&drifts, &execute, change).await;
        drifts.round().await;
        let standing = drifts.standing().await;
        let found = said(&standing);
        let right = found
            .iter()
            .any(|(named, bad)| (named, bad) == (&(*check).to_owned(), &(*severity).to_owned()));
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
const READ: [(&str, &str, &[&str]); 13] = [
    ("graph", "/v1.0/$batch", &["registrations", "service-principals"]),
    ("graph", "/v1.0/applications/delta", &["applications"]),
    ("graph", "/v1.0/auditLogs/directoryAudits", &["directory-audits"]),
    ("arm", "/subscriptions/*/providers/Microsoft.Web/sites", &["sites"]),
    ("arm", "*/config/appsettings/list", &["app-settings"]),
    ("arm", "*/functions", &["functions"]),
    ("arm", "*/providers/Microsoft.KeyVault/vaults", &["stores"]),
    ("arm", "*/providers/Microsoft.DocumentDB/databaseAccounts", &["stores"]),
    ("arm", "*/providers/Microsoft.ServiceBus/namespaces", &["stores"]),
    ("arm", "*/providers/Microsoft.Storage/storageAccounts", &["stores"]),
    ("arm", "*/providers/Microsoft.Authorization/roleAssignments", &["role-assignments"]),
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
                "service": service, "path": path, "times": 1000, "app": "drift",
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
    for what in [
        "first, with 5,000 applications that are new",
        "nothing has changed",
        "10 changes",
        "nothing has changed",
    ] {
        if what == "10 changes" {
            drifts.touch(10).await;
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
    assert_eq!(said(&drifts.standing().await), []);
}
