//! `sessions.revoke`: every refresh token of a user stops working.

use serde_json::{Value, json};

use super::{Effect, Entry, NotUnderstood, Nothing, Operation, Plan, Reveals, Risk, parameters};
use crate::{
    identity::{App, ObjectId},
    ports::{Entropy, PortError},
};

/// `POST /users/{id}/revokeSignInSessions`.
pub(super) struct SessionsRevoke;

const ENTRY: Entry = Entry {
    name: "sessions.revoke",
    summary: "Signs a user out everywhere: every session must be signed in again.",
    risk: Risk::Low,
    secret: false,
    worker: App::Execute,
    application: "airlock-worker-accounts",
    permissions: &["User.RevokeSessions.All"],
    converges: "revoking again moves the time from which sessions count; nobody is signed in twice",
};

impl Operation for SessionsRevoke {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn plan(&self, value: &Value) -> Result<Box<dyn Plan>, NotUnderstood> {
        let Nothing {} = parameters(value)?;
        Ok(Box::new(Revoke))
    }
}

#[derive(Debug)]
struct Revoke;

impl Plan for Revoke {
    fn parameters(&self) -> Value {
        json!({})
    }

    fn effect(&self, target: ObjectId, _: &dyn Entropy) -> Result<Effect, PortError> {
        Ok(Effect {
            method: "POST",
            path: format!("/users/{target}/revokeSignInSessions"),
            body: None,
            reveals: Reveals::Nothing,
        })
    }
}
