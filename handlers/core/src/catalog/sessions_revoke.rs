//! `sessions.revoke`: every refresh token of a user stops working.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    Entry, Hands, Means, NotDone, Operation, Plan, Planning, Reach, Risk, TargetKind, always,
};
use crate::{identity::App, secret::Secret};

/// `POST /users/{id}/revokeSignInSessions`.
pub(super) const SESSIONS_REVOKE: Operation =
    Operation { entry: &ENTRY, plan: Planning::Directory(|value| always(Revoke, value)) };

const ENTRY: Entry = Entry {
    name: "sessions.revoke",
    summary: "Signs a user out everywhere: every session must be signed in again.",
    risk: Risk::Low,
    secret: false,
    parameters: &[],
    worker: App::Execute,
    target: TargetKind::User,
    means: Means::Directory(Reach {
        application: "airlock-worker-accounts",
        permissions: &["User.RevokeSessions.All"],
        calls: &["POST /users/{user}/revokeSignInSessions"],
        reads: &[],
    }),
    pace_s: None,
    converges: "revoking again moves the time from which sessions count; nobody is signed in twice",
};

#[derive(Debug)]
struct Revoke;

#[async_trait]
impl Plan for Revoke {
    fn parameters(&self) -> Value {
        json!({})
    }

    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        let path = format!("/users/{}/revokeSignInSessions", hands.target());
        hands.send("POST", path, None).await?;
        Ok(None)
    }
}
