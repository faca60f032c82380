//! What `execute` calls.

use super::{By, Row, Trouble};
use crate::calls::story::{ASKED, Story};

const BY: By = By { app: "execute", story: ASKED };

/// A call to the directory, for an operation on somebody.
const fn graph(
    method: &'static str,
    path: &'static str,
    operation: &'static str,
    on: &'static str,
) -> Row {
    BY.row("graph", method, path, operation).within(Story::Asks(operation, on))
}

const UNWRAP: Row = BY.row("vault", "POST", "/keys/tenant-data/*/unwrapkey", "").at_start();
const SIGN: Row = BY.row("vault", "POST", "/keys/execute-signing/*/sign", "");
const COMMIT: Row =
    BY.row("cosmos", "POST", "/dbs/airlock*/colls/tenants*/docs", "").asking("batch");
/// Of any tenant's: some have a container or a database of their own.
const QUERY: Row =
    BY.row("cosmos", "POST", "/dbs/airlock*/colls/tenants*/docs", "").asking("query");
const KEYSET: Row = BY.row("cosmos", "GET", "/dbs/airlock/colls/bindings/docs/keyset", "");
const KEY: Row = BY.row("vault", "GET", "/keys/execute-signing/", "").at_start();
const KEEP: Row = BY.row("blob", "PUT", "/claims/*", "");
const KEPT: Row = BY.row("blob", "GET", "/claims/*", "");
const TOKEN: Row =
    BY.row("entra", "POST", "/*/oauth2/v2.0/token", "").asking("client_credentials").at_start();

/// The directory does not do it at once: the request is put off, and resumed.
const PUT_OFF: Trouble = Trouble {
    service: "graph",
    method: "POST",
    path: "/v1.0/users/*/revokeSignInSessions",
    operation: None,
    skip: 0,
    times: 1,
};

/// As long as it is asked for the sake of a message.
const REFUSED: Trouble = Trouble { times: 100, ..PUT_OFF };

/// And the message with which it asks itself to come again does not go out, in none of the ten
/// deliveries: the broker has only the dead letter left.
const NOT_SENT_AGAIN: Trouble = Trouble {
    service: "bus",
    method: "POST",
    path: "/permits-execute/messages",
    operation: None,
    skip: 0,
    times: 100,
};

/// A commit that was not heard of.
const NOT_COMMITTED: Trouble = Trouble {
    service: "cosmos",
    method: "POST",
    path: "/dbs/airlock*/colls/tenants*/docs",
    operation: Some("batch"),
    skip: 0,
    times: 4,
};

pub const ROWS: &[Row] = &[
    KEYSET.then(0, "reads the keyset"),
    KEYSET.then(1, "reads the keyset again, at the end"),
    BY.row("cosmos", "GET", "/dbs/airlock/colls/bindings/docs/binding", "reads the binding"),
    BY.row("cosmos", "GET", "/dbs/airlock/colls/revocations/docs/*", "looks for revocations"),
    BY.row("cosmos", "GET", "/dbs/airlock*/colls/tenants*/docs/request-*", "reads the request"),
    BY.row("cosmos", "GET", "/dbs/airlock*/colls/tenants*/docs/head", "reads the ledger's head"),
    QUERY.after(&[NOT_COMMITTED]).then(0, "looks for its own ledger entry"),
    SIGN.then(0, "signs the claim"),
    SIGN.then(1, "signs the claim's ledger entry"),
    SIGN.then(2, "signs the outcome"),
    SIGN.then(3, "signs the outcome's ledger entry"),
    KEEP.then(0, "keeps the claim"),
    KEEP.then(1, "keeps the outcome"),
    KEPT.after(&[PUT_OFF]).then(0, "looks for an outcome"),
    KEPT.after(&[PUT_OFF]).then(1, "looks for the claim"),
    KEPT.within(Story::Service).then(0, "looks for a claim before it counts"),
    KEPT.within(Story::Service).then(1, "looks for a slot"),
    KEEP.within(Story::Service).then(0, "takes a slot"),
    BY.row("blob", "PUT", "/claims/pace*", "takes a turn")
        .within(Story::Asks("risk.dismiss", "oscar")),
    COMMIT.then(0, "commits the claim"),
    COMMIT.then(1, "commits the outcome"),
    BY.row("bus", "POST", "/permits-execute/messages", "asks itself to come again")
        .after(&[PUT_OFF]),
    BY.row("graph", "POST", "/v1.0/$batch", "looks at the target"),
    graph("POST", "/v1.0/users/*/revokeSignInSessions", "sessions.revoke", "nina"),
    graph("PATCH", "/v1.0/users/*", "account.disable", "gus"),
    graph("PATCH", "/v1.0/users/*", "account.enable", "dora"),
    graph("PATCH", "/v1.0/users/*", "password.reset", "oscar"),
    graph("POST", "/v1.0/users/*/authentication/temporaryAccessPassMethods", "tap.issue", "nina"),
    graph("GET", "/v1.0/users/*/authentication/methods", "mfa.reset", "nina"),
    graph("DELETE", "/v1.0/users/*/authentication/*/*", "mfa.reset", "flora"),
    graph("GET", "/v1.0/groups/*/transitiveMemberOf", "group.add", "gus"),
    graph("GET", "/v1.0/groups/*", "group.add", "nina"),
    graph("POST", "/v1.0/groups/*/members/$ref", "group.add", "dora"),
    graph("DELETE", "/v1.0/groups/*/members/*/$ref", "group.remove", "oscar"),
    graph("GET", "/v1.0/subscribedSkus", "license.assign", "nina"),
    graph("GET", "/v1.0/users/*", "license.assign", "dora"),
    graph("POST", "/v1.0/users/*/assignLicense", "license.assign", "flora"),
    graph("GET", "/v1.0/devices*/registeredOwners", "laps.read", "nina"),
    graph("GET", "/v1.0/devices*/registeredUsers", "laps.read", "nina"),
    graph("GET", "/v1.0/directory/deviceLocalCredentials/*", "laps.read", "nina"),
    graph("GET", "/v1.0/informationProtection/bitlocker/recoveryKeys/*", "bitlocker.read", "nina")
        .then(0, "bitlocker.read: whose it is"),
    graph("GET", "/v1.0/informationProtection/bitlocker/recoveryKeys/*", "bitlocker.read", "nina")
        .then(1, "bitlocker.read: the key"),
    graph("POST", "/v1.0/identityProtection/riskyUsers/dismiss", "risk.dismiss", "nina"),
    BY.row("cosmos", "POST", "/dbs/airlock/colls/bindings/docs", "lists the tenants to reclaim in")
        .asking("query")
        .by_timer()
        .after(&[REFUSED, NOT_SENT_AGAIN]),
    QUERY.by_timer().after(&[REFUSED, NOT_SENT_AGAIN]).then(0, "looks for what was left"),
    BY.identity("https://vault.azure.net", "token for the vault"),
    BY.identity("https://cosmos.azure.com", "token for the store"),
    BY.identity("https://storage.azure.com", "token for the blobs"),
    BY.anchors("/anchors", 0, "looks for the platform's newest anchor"),
    BY.anchors("/anchors/*", 0, "reads the platform's newest anchor"),
    BY.anchors("/anchors", 1, "looks for the tenant's newest anchor"),
    BY.anchors("/anchors/*", 1, "reads the tenant's newest anchor"),
    BY.identity("api://AzureADTokenExchange", "assertion for Entra"),
    BY.start("/dbs/airlock*/colls/tenants*/docs/data-key-*", "reads the tenant's data key"),
    UNWRAP.then(0, "unwraps the data key"),
    KEY.then(0, "asks the vault whose tokens it takes"),
    KEY.then(1, "reads the signing key"),
    TOKEN.then(0, "token to look at the target"),
    TOKEN.then(1, "token to change the target"),
    BY.start("/", "reads the account"),
    BY.start("/dbs/airlock/colls/bindings", "opens the bindings"),
    BY.start("/dbs/airlock/colls/revocations", "opens the revocations"),
    BY.start("/dbs/airlock*/colls/tenants*", "opens the tenants"),
    BY.start("/dbs/airlock/colls/bindings/pkranges", "reads the bindings' ranges"),
    BY.start("/dbs/airlock/colls/revocations/pkranges", "reads the revocations' ranges"),
    BY.start("/dbs/airlock*/colls/tenants*/pkranges", "reads the tenants' ranges"),
];
