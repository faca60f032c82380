//! What `signin` calls.

use super::{By, Row};
use crate::calls::story::{ASKED, Story};

const BY: By = By { app: "signin", story: Story::SignIn };

const TOKEN: Row = BY.row("entra", "POST", "/*/oauth2/v2.0/token", "redeems the code");
const SIGN: Row = BY.row("vault", "POST", "/keys/signin-signing/*/sign", "");
const WRAP: Row = BY.row("vault", "POST", "/keys/session-data/*/wrapkey", "");
const UNWRAP: Row = BY.row("vault", "POST", "/keys/session-data/*/unwrapkey", "");
const READ: Row = BY.row("cosmos", "GET", "/dbs/airlock/colls/sessions/docs/*", "");
const WRITE: Row = BY.row("cosmos", "POST", "/dbs/airlock/colls/sessions/docs", "").asking("batch");
const FILED: Row = BY.row("cosmos", "POST", "/dbs/airlock/colls/sessions/docs", "").asking("query");
const REVOKED: Row = BY.row("cosmos", "GET", "/dbs/airlock/colls/revocations/docs/*", "");
const REVOKES: Row =
    BY.row("cosmos", "POST", "/dbs/airlock/colls/revocations/docs", "").asking("batch");
const SEND: Row = BY.row("bus", "POST", "/audit-events/messages", "");
const LEFT: Row = BY.row("cosmos", "POST", "/dbs/airlock/colls/sessions/docs", "").asking("query");
const LEFT_REVOKED: Row =
    BY.row("cosmos", "POST", "/dbs/airlock/colls/revocations/docs", "").asking("query");
const KEY: Row = BY.row("vault", "GET", "/keys/signin-signing/", "").at_start();

pub const ROWS: &[Row] = &[
    TOKEN.asking("authorization_code"),
    TOKEN.asking("refresh_token").within(Story::CallTheApi).then(0, "redeems the refresh token"),
    BY.row("intake", "POST", "/internal/confirmations", "has the session confirmed"),
    BY.row("intake", "GET", "/api/claims", "asks in a person's name").within(Story::CallTheApi),
    WRAP.then(0, "seals what Entra answered"),
    WRAP.then(1, "seals the name"),
    WRAP.then(2, "seals the refresh token"),
    WRAP.within(Story::CallTheApi).then(0, "seals the new refresh token"),
    UNWRAP.then(0, "opens what Entra answered"),
    UNWRAP.then(1, "opens the name"),
    UNWRAP.within(Story::CallTheApi).then(0, "opens the refresh token"),
    SIGN.then(0, "signs that the sign-in is spent"),
    SIGN.then(1, "signs the entry of the sign-in"),
    SIGN.then(2, "signs the one-time code"),
    SIGN.then(3, "signs that the code is spent"),
    SIGN.then(4, "signs the session"),
    SIGN.then(5, "signs what the ledger is told"),
    SIGN.then(6, "signs the session's entry"),
    SIGN.then(7, "signs the session's document"),
    SIGN.within(Story::CallTheApi).then(0, "signs the renewed document"),
    SIGN.within(Story::SignOut).then(0, "signs what the ledger is told of the end"),
    SIGN.within(Story::SignOut).then(1, "signs the revocation"),
    SIGN.within(Story::SignOut).then(2, "signs the end of the session"),
    READ.then(0, "reads the one-time code"),
    READ.then(1, "finds the session"),
    READ.then(2, "looks whether the code was signed out"),
    READ.within(Story::CallTheApi).then(0, "finds the session"),
    READ.within(Story::SignOut).then(0, "finds the session"),
    WRITE.then(0, "marks the sign-in as spent"),
    WRITE.then(1, "files the one-time code"),
    WRITE.then(2, "stores the one-time code"),
    WRITE.then(3, "marks the one-time code as spent"),
    WRITE.then(4, "files the session"),
    WRITE.then(5, "stores the session, and what the ledger is told"),
    WRITE.then(6, "takes off what the ledger was told"),
    WRITE.within(Story::CallTheApi).then(0, "stores the refresh token"),
    WRITE.within(Story::SignOut).then(0, "ends the session"),
    FILED.within(Story::SignsOutAtEntra("petra")).then(0, "finds what came of a sign-in"),
    SIGN.within(Story::SignsOutAtEntra("audrey")).then(1, "signs the revocation, told by Entra"),
    REVOKES.within(Story::SignsOutAtEntra("aaron")).then(0, "stores the revocation, told by Entra"),
    WRITE.within(Story::SignsOutAtEntra("felix")).then(0, "ends the session, told by Entra"),
    REVOKED.then(0, "looks for revocations"),
    REVOKED.within(Story::SignOut).then(0, "looks for revocations"),
    REVOKES.within(Story::SignOut).then(0, "stores the revocation"),
    REVOKES.within(Story::SignOut).then(1, "takes off what the ledger was told of the end"),
    SEND.then(0, "tells the ledger"),
    LEFT.by_timer().within(ASKED).then(0, "looks for what was left among the sessions"),
    LEFT_REVOKED.by_timer().within(ASKED).then(0, "looks for what was left among the revocations"),
    BY.identity("https://vault.azure.net", "token for the vault"),
    BY.identity("https://cosmos.azure.com", "token for the store"),
    BY.identity("https://servicebus.azure.net", "token for the bus"),
    BY.identity("https://storage.azure.com", "token for the anchors"),
    BY.anchors("/anchors", 0, "looks for the platform's newest anchor"),
    BY.anchors("/anchors/*", 0, "reads the platform's newest anchor"),
    BY.identity("api://AzureADTokenExchange", "assertion for Entra"),
    BY.identity("api://*-*", "token for intake"),
    KEY.then(0, "asks the vault whose tokens it takes"),
    KEY.then(1, "reads the signing key"),
    BY.start("/", "reads the account"),
    BY.start("/dbs/airlock/colls/bindings", "opens the bindings"),
    BY.start("/dbs/airlock/colls/sessions", "opens the sessions"),
    BY.start("/dbs/airlock/colls/revocations", "opens the revocations"),
    BY.start("/dbs/airlock/colls/bindings/pkranges", "reads the bindings' ranges"),
    BY.start("/dbs/airlock/colls/sessions/pkranges", "reads the sessions' ranges"),
    BY.start("/dbs/airlock/colls/revocations/pkranges", "reads the revocations' ranges"),
    BY.start("/dbs/airlock/colls/bindings/docs/keyset", "reads the keyset"),
    BY.start("/dbs/airlock/colls/bindings/docs/binding", "reads a binding"),
    BY.row("cosmos", "POST", "/dbs/airlock/colls/bindings/docs", "lists the tenants")
        .asking("query")
        .at_start(),
    BY.start("/dbs/airlock/colls/sessions/docs/sealing-*", "reads the day's sealing key"),
    UNWRAP.at_start().then(0, "opens the day's sealing key"),
    WRAP.within(Story::SignInOnANewDay).at_start().then(0, "seals the day's sealing key"),
    WRITE.within(Story::SignInOnANewDay).at_start().then(0, "stores the day's sealing key"),
    BY.row("entra", "GET", "/*/v2.0/.well-known/openid-configuration", "finds Entra's keys")
        .at_start(),
    BY.row("entra", "GET", "/*/discovery/v2.0/keys", "reads Entra's keys").at_start(),
];
