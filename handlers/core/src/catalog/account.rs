//! `account.disable` and `account.enable`: whether a user can sign in at all.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    Entry, Hands, Means, NotDone, Operation, Plan, Planning, Reach, Risk, TargetKind, always,
};
use crate::{identity::App, secret::Secret};

/// `PATCH /users/{id}` with `accountEnabled: false`.
pub(super) const ACCOUNT_DISABLE: Operation = Operation {
    entry: &DISABLE,
    plan: Planning::Directory(|value| always(SetEnabled(false), value)),
};

/// `PATCH /users/{id}` with `accountEnabled: true`.
pub(super) const ACCOUNT_ENABLE: Operation = Operation {
    entry: &ENABLE,
    plan: Planning::Directory(|value| always(SetEnabled(true), value)),
};

const DISABLE: Entry = Entry {
    name: "account.disable",
    summary: "Disables a user's account: nobody can sign in with it.",
    risk: Risk::Medium,
    secret: false,
    parameters: &[],
    worker: App::Execute,
    target: TargetKind::User,
    means: Means::Directory(Reach {
        application: "airlock-worker-accounts",
        permissions: &["User.EnableDisableAccount.All", "User.Read.All"],
        calls: &["PATCH /users/{user}"],
        reads: &[],
    }),
    pace_s: None,
    converges: "a disabled account is set to disabled again",
};

const ENABLE: Entry = Entry {
    name: "account.enable",
    summary: "Enables a user's disabled account.",
    converges: "an enabled account is set to enabled again",
    ..DISABLE
};

#[derive(Debug)]
struct SetEnabled(bool);

#[async_trait]
impl Plan for SetEnabled {
    fn parameters(&self) -> Value {
        json!({})
    }

    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        let path = format!("/users/{}", hands.target());
        hands.send("PATCH", path, Some(json!({ "accountEnabled": self.0 }))).await?;
        Ok(None)
    }
}
