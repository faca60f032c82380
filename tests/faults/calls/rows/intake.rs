//! What `intake` calls.

use super::{By, Row, Trouble};
use crate::calls::story::{APPROVED, ASKED, REVEALED, Story};

const BY: By = By { app: "intake", story: ASKED };

const UNWRAP: Row = BY.row("vault", "POST", "/keys/tenant-data/*/unwrapkey", "").at_start();
const SIGN: Row = BY.row("vault", "POST", "/keys/intake-signing/*/sign", "");
const COMMIT: Row =
    BY.row("cosmos", "POST", "/dbs/airlock*/colls/tenants*/docs", "").asking("batch");
/// Of any tenant's: some have a container or a database of their own.
const QUERY: Row =
    BY.row("cosmos", "POST", "/dbs/airlock*/colls/tenants*/docs", "").asking("query");
const REQUEST: Row = BY.row("cosmos", "GET", "/dbs/airlock*/colls/tenants*/docs/request-*", "");
const SESSION: Row = BY.row("cosmos", "GET", "/dbs/airlock/colls/sessions/docs/*", "");
const REVOKED: Row = BY.row("cosmos", "GET", "/dbs/airlock/colls/revocations/docs/*", "");
const KEY: Row = BY.row("vault", "GET", "/keys/intake-signing/", "").at_start();
const SEND: Row = BY.row("bus", "POST", "/permits-execute/messages", "");

/// A commit that was not heard of.
const NOT_COMMITTED: Trouble = Trouble {
    service: "cosmos",
    method: "POST",
    path: "/dbs/airlock*/colls/tenants*/docs",
    operation: Some("batch"),
    skip: 0,
    times: 4,
};

/// A message that does not go out at once, and stays in the outbox.
const NOT_SENT: Trouble = Trouble {
    service: "bus",
    method: "POST",
    path: "/permits-execute/messages",
    operation: None,
    skip: 0,
    times: 3,
};

pub const ROWS: &[Row] = &[
    SESSION.then(0, "finds the session"),
    SESSION.within(APPROVED).then(1, "finds the approver's session"),
    REVOKED.then(0, "looks for revocations"),
    REVOKED.within(APPROVED).then(2, "looks for revocations of the approver's"),
    BY.row("cosmos", "GET", "/dbs/airlock*/colls/tenants*/docs/head", "reads the ledger's head"),
    BY.row(
        "cosmos",
        "GET",
        "/dbs/airlock*/colls/tenants*/docs/counter-*",
        "reads a quota's counter",
    ),
    REQUEST.within(APPROVED).then(0, "reads the request"),
    REQUEST.within(REVEALED).then(0, "reads the request with its result"),
    BY.row("cosmos", "GET", "/dbs/airlock*/colls/tenants*/docs/once-*", "looks for the key")
        .within(Story::ServiceAgain),
    BY.row("cosmos", "GET", "/dbs/airlock*/colls/tenants*/docs/outbox-*", "reads what goes out"),
    QUERY.after(&[NOT_COMMITTED]).then(0, "looks for its own ledger entry"),
    SIGN.then(0, "signs the permit"),
    SIGN.then(1, "signs the ledger entry"),
    SIGN.within(APPROVED).then(0, "signs the entry of what waits"),
    SIGN.within(APPROVED).then(1, "signs the permit of what was approved"),
    SIGN.within(APPROVED).then(2, "signs the entry of what was approved"),
    SIGN.within(REVEALED).then(2, "signs the entry of what was shown"),
    SIGN.within(Story::Service).then(0, "signs for whom a service is"),
    SIGN.within(Story::Event).then(0, "signs the permit of an event"),
    SIGN.within(Story::SignIn).then(0, "signs the confirmation"),
    COMMIT.then(0, "commits the request"),
    COMMIT.then(1, "takes the message off the outbox"),
    COMMIT.within(APPROVED).then(0, "commits what waits"),
    COMMIT.within(APPROVED).then(1, "commits what was approved"),
    COMMIT.within(REVEALED).then(2, "commits what was shown"),
    COMMIT.within(Story::Event).then(0, "commits an event's request"),
    SEND.then(0, "sends the permit"),
    BY.row("cosmos", "POST", "/dbs/airlock/colls/bindings/docs", "lists the tenants to resend in")
        .asking("query")
        .by_timer()
        .after(&[NOT_SENT]),
    QUERY.by_timer().after(&[NOT_SENT]).then(0, "looks into the outbox"),
    SEND.after(&[NOT_SENT]).then(0, "sends the permit at last"),
    BY.identity("https://vault.azure.net", "token for the vault"),
    BY.identity("https://cosmos.azure.com", "token for the store"),
    BY.identity("https://servicebus.azure.net", "token for the bus"),
    BY.identity("https://storage.azure.com", "token for the anchors"),
    BY.anchors("/anchors", 0, "looks for the platform's newest anchor"),
    BY.anchors("/anchors/*", 0, "reads the platform's newest anchor"),
    BY.anchors("/anchors", 1, "looks for the tenant's newest anchor"),
    BY.anchors("/anchors/*", 1, "reads the tenant's newest anchor"),
    BY.start("/dbs/airlock*/colls/tenants*/docs/data-key-*", "reads the tenant's data key"),
    UNWRAP.then(0, "unwraps the data key"),
    BY.row("vault", "POST", "/keys/tenant-data//wrapkey", "wraps a tenant's first data key")
        .within(Story::AsksFirst),
    KEY.then(0, "asks the vault whose tokens it takes"),
    KEY.then(1, "reads the signing key"),
    BY.start("/", "reads the account"),
    BY.start("/dbs/airlock/colls/bindings", "opens the bindings"),
    BY.start("/dbs/airlock/colls/sessions", "opens the sessions"),
    BY.start("/dbs/airlock/colls/revocations", "opens the revocations"),
    BY.start("/dbs/airlock*/colls/tenants*", "opens the tenants"),
    BY.start("/dbs/airlock/colls/bindings/pkranges", "reads the bindings' ranges"),
    BY.start("/dbs/airlock/colls/sessions/pkranges", "reads the sessions' ranges"),
    BY.start("/dbs/airlock/colls/revocations/pkranges", "reads the revocations' ranges"),
    BY.start("/dbs/airlock*/colls/tenants*/pkranges", "reads the tenants' ranges"),
    BY.start("/dbs/airlock/colls/bindings/docs/keyset", "reads the keyset"),
    BY.start("/dbs/airlock/colls/bindings/docs/binding", "reads a binding"),
    BY.row("entra", "GET", "/*/v2.0/.well-known/openid-configuration", "finds Entra's keys")
        .within(Story::SignIn)
        .at_start(),
    BY.row("entra", "GET", "/*/discovery/v2.0/keys", "reads Entra's keys")
        .within(Story::SignIn)
        .at_start(),
    BY.row("issuer", "GET", "/.well-known/openid-configuration", "finds a service's keys")
        .within(Story::ServiceAgain)
        .at_start(),
    BY.row("issuer", "GET", "/.well-known/jwks", "reads a service's keys")
        .within(Story::ServiceAgain)
        .at_start(),
];
