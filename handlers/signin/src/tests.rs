//! Whole sign-ins, and whole attacks on them, over the app's own routes.

mod faults;
mod origins;
mod programs;
mod reporting;
mod sessions;
mod signing_in;
mod signing_out;
mod strangers;

use std::collections::BTreeMap;

use airlock_core::{
    identity::Role,
    memory::Fault,
    ports::Partition,
    session_record::{ABSOLUTE_S, IDLE_S},
    sign_in::user_code,
};
use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};

use crate::{
    challenge::TRANSACTION_S,
    opaque::Opaque,
    redeem::CODE_S,
    renewal::EVERY_S,
    reports,
    world::{API, Answer, Lie, PORTAL, Trouble, World, client_key},
};

const START: &str = "__Host-airlock-start";
const SESSION: &str = "__Host-airlock";
const FAILED: &str = "https://portal.example/requests?error=sign-in-failed";
const LOOPBACK: &str = "http://127.0.0.1:8400/signed-in";

fn problem(answer: &Answer) -> (u16, &str) {
    let name = answer.json["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap();
    (answer.status.as_u16(), name)
}

/// A sign-in started by the portal, and the way back from Entra.
async fn on_the_way(world: &World) -> (String, Opaque) {
    let started = world.started_by_portal(None).await;
    (world.at_entra(&started), started.cookie(START).unwrap())
}

/// What a browser says of a form that a page of ours sends.
const OWN_PAGE: [(&str, &str); 2] = [("origin", API), ("sec-fetch-site", "same-origin")];

/// A sign-in by a client that is no browser, up to its one-time code.
async fn coded(world: &World, key: u8) -> String {
    let started = world.started_by_program(key, LOOPBACK).await;
    assert_eq!(started.status, 200, "{started:?}");
    assert!(started.cookie(START).is_none());
    let (_, form) = world.offered(&started).await;
    let confirmed = world.confirmed(&form, &OWN_PAGE).await;
    assert_eq!(confirmed.status, 303, "{confirmed:?}");
    let browser = confirmed.cookie(START).unwrap();
    let path = world.at_entras_page(confirmed.location());
    let answer = world.called_back(&path, &[(START, &browser)]).await;
    assert!(answer.cookie(SESSION).is_none());
    let code = answer.location().strip_prefix(&format!("{LOOPBACK}?code=")).unwrap();
    code.to_owned()
}

async fn redeemed(world: &World, key: u8, code: &str, headers: &[(&str, &str)]) -> Answer {
    let body = world.proof(key, &world.claims(key, code, LOOPBACK)).await;
    world.asked(Method::POST, "/auth/redeem", headers, Some(&body)).await
}
