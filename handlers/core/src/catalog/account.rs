//! `account.disable` and `account.enable`: whether a user can sign in at all.

use serde_json::{Value, json};

use super::{Effect, Entry, NotUnderstood, Nothing, Operation, Plan, Reveals, Risk, parameters};
use crate::{
    identity::{App, ObjectId},
    ports::{Entropy, PortError},
};

/// `PATCH /users/{id}` with `accountEnabled: false`.
pub(super) struct AccountDisable;

/// `PATCH /users/{id}` with `accountEnabled: true`.
pub(super) struct AccountEnable;

const DISABLE: Entry = Entry {
    name: "account.disable",
    summary: "Disables a user's account: nobody can sign in with it.",
    risk: Risk::Medium,
    secret: false,
    worker: App::Execute,
    application: "airlock-worker-accounts",
    permissions: &["User.EnableDisableAccount.All", "User.Read.All"],
    converges: "a disabled account is set to disabled again",
};

const ENABLE: Entry = Entry {
    name: "account.enable",
    summary: "Enables a user's disabled account.",
    converges: "an enabled account is set to enabled again",
    ..DISABLE
};

impl Operation for AccountDisable {
    fn entry(&self) -> &'static Entry {
        &DISABLE
    }

    fn plan(&self, value: &Value) -> Result<Box<dyn Plan>, NotUnderstood> {
        let Nothing {} = parameters(value)?;
        Ok(Box::new(SetEnabled(false)))
    }
}

impl Operation for AccountEnable {
    fn entry(&self) -> &'static Entry {
        &ENABLE
    }

    fn plan(&self, value: &Value) -> Result<Box<dyn Plan>, NotUnderstood> {
        let Nothing {} = parameters(value)?;
        Ok(Box::new(SetEnabled(true)))
    }
}

#[derive(Debug)]
struct SetEnabled(bool);

impl Plan for SetEnabled {
    fn parameters(&self) -> Value {
        json!({})
    }

    fn effect(&self, target: ObjectId, _: &dyn Entropy) -> Result<Effect, PortError> {
        Ok(Effect {
            method: "PATCH",
            path: format!("/users/{target}"),
            body: Some(json!({ "accountEnabled": self.0 })),
            reveals: Reveals::Nothing,
        })
    }
}
