//! `tap.issue`: a Temporary Access Pass.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Entry, Hands, Means, NotDone, NotUnderstood, Operation, Parameter, Plan, Planning, Reach, Risk,
    TargetKind, parameters, reading,
};
use crate::{identity::App, secret::Secret};

/// `POST /users/{id}/authentication/temporaryAccessPassMethods`.
pub(super) const TAP_ISSUE: Operation =
    Operation { entry: &ENTRY, plan: Planning::Directory(pass) };

const ENTRY: Entry = Entry {
    name: "tap.issue",
    summary: "Issues a Temporary Access Pass, shown to you once, to set up sign-in methods with.",
    risk: Risk::High,
    secret: true,
    parameters: &[
        Parameter {
            name: "lifetime_minutes",
            meaning: "for how many minutes it works, 10 to 480; 60 by default",
            required: false,
            example: "120",
        },
        Parameter {
            name: "usable_once",
            meaning: "whether it works once; true by default",
            required: false,
            example: "false",
        },
    ],
    worker: App::Execute,
    target: TargetKind::User,
    means: Means::Directory(Reach {
        application: "airlock-worker-methods",
        permissions: &["UserAuthMethod-TAP.ReadWrite.All"],
        calls: &["POST /users/{user}/authentication/temporaryAccessPassMethods"],
        reads: &[],
    }),
    pace_s: None,
    converges: "a user has one pass: a new one replaces the old",
};

/// Shortest and longest life of a pass that we ask for, in minutes.
///
/// Graph allows 10 to 43,200; a pass is a password, and eight hours are a working day.
const LIFETIME_MINUTES: std::ops::RangeInclusive<u32> = 10..=480;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pass {
    /// Minutes for which it works.
    #[serde(default = "one_hour")]
    lifetime_minutes: u32,
    /// Whether it works once.
    #[serde(default = "yes")]
    usable_once: bool,
}

const fn one_hour() -> u32 {
    60
}

const fn yes() -> bool {
    true
}

fn pass(value: &Value) -> Result<Box<dyn Plan>, NotUnderstood> {
    let pass: Pass = parameters(value)?;
    if !LIFETIME_MINUTES.contains(&pass.lifetime_minutes) {
        return Err(NotUnderstood::Parameters);
    }
    Ok(Box::new(pass))
}

#[async_trait]
impl Plan for Pass {
    fn parameters(&self) -> Value {
        json!({ "lifetime_minutes": self.lifetime_minutes, "usable_once": self.usable_once })
    }

    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        let path = format!("/users/{}/authentication/temporaryAccessPassMethods", hands.target());
        let pass = json!({
            "lifetimeInMinutes": self.lifetime_minutes,
            "isUsableOnce": self.usable_once,
        });
        let answer = hands.send("POST", path, Some(pass)).await?;
        Ok(Some(Secret::new(reading::text(&answer.body, "temporaryAccessPass")?.to_owned())))
    }
}
