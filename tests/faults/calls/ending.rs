//! What must be so when everything is over, whatever went wrong on the way.

use std::collections::BTreeMap;

use airlock_core::claim::CONTAINER;
use serde_json::{Value, json};

use super::{
    requests::{Done, Secret},
    stage::Stage,
};

/// How the cloud stands at the end.
pub struct Ending {
    calls: Vec<Value>,
    directory: Value,
    claims: Value,
    ledgers: BTreeMap<String, airlock_tests::Ledger>,
}

impl Ending {
    /// Reads it, and makes sure of what no single story can tell.
    ///
    /// `lost` is the number of stories whose message was made to go to the dead letters.
    pub async fn of(stage: &Stage, lost: usize) -> Self {
        let world = &stage.world;
        let (calls, control) = (stage.calls().await, world.control());
        let mut ledgers = BTreeMap::new();
        for tenant in [world.contoso(), world.fabrikam(), world.wingtip()] {
            let ledger = world.ledger(tenant).await;
            ledger.assert_whole();
            let violation = ledger.leaves().iter().find(|leaf| leaf.is_violation());
            assert!(violation.is_none(), "{:?}", violation.map(|leaf| &leaf.says));
            ledgers.insert(tenant.to_string(), ledger);
        }
        for document in control.documents("tenants").await {
            assert_ne!(document["kind"], "outbox", "it was never sent: {document}");
            let stuck = ["permitted", "executing"].map(Value::from);
            let hint = document["hint"].clone();
            assert!(document["kind"] != "request" || !stuck.contains(&hint), "{document}");
        }
        let bus = control.bus().await;
        for queue in ["permits-execute", "intake-events", "events"] {
            let dead = bus[queue]["dead"].as_array().map_or(0, Vec::len);
            let expected = if queue == "permits-execute" { lost } else { 0 };
            assert_eq!(dead, expected, "dead letters of {queue}");
        }
        let claims = control.blobs().await["blobs"][CONTAINER].take();
        Self { calls, directory: control.directory().await, claims, ledgers }
    }

    /// Whether a request that was carried out was carried out once; and in words, how.
    pub fn of_request(&self, trace: &str, done: &Done, is_left: bool) -> Result<String, String> {
        let (tenant, digest) = done.id.split_once('.').unwrap();
        let kinds = self.ledgers[tenant].of_request(&done.id);
        let count = |what: &str| {
            let kind = format!("airlock.request.{what}");
            kinds.iter().filter(|found| **found == kind).count()
        };
        let once = count("permitted") == 1 && count("claimed") == 1 && count("ended") == 1;
        if !once || count("received") > 1 || count("revealed") > 1 {
            return Err(format!("its ledger entries are {kinds:?}"));
        }
        for name in [format!("{tenant}/{digest}"), format!("{tenant}/{digest}.outcome")] {
            if !self.claims[&name].is_object() {
                return Err(format!("{name} was not kept"));
            }
        }
        let (writes, unheard) = self.writes(trace);
        // Only what was done and not heard of is done again, and the directory converges.
        // What is reclaimed is carried out in the timer's trace: `Ending::reclaimed` counts it.
        let least = if is_left { 0 } else { done.writes };
        if writes < least || writes > done.writes + unheard {
            return Err(format!("{writes} writes to the directory, {unheard} of them unheard"));
        }
        if done.secret.as_ref().is_some_and(|secret| !self.works(secret)) {
            return Err("the secret that was shown is not the one that works".to_owned());
        }
        let resumed = count("resumed");
        let again = if resumed > 0 { format!(", resumed {resumed}x") } else { String::new() };
        if is_left && writes == 0 {
            return Ok(format!("succeeded by reclaiming{again}"));
        }
        Ok(format!("succeeded{again}, {writes} write(s)"))
    }

    /// Sessions that were revoked in none of these traces: by a timer, for what was left.
    pub fn reclaimed(&self, traces: &[String]) -> usize {
        let in_none = |call: &&Value| {
            !trace_of(call).is_some_and(|trace| traces.iter().any(|known| known == trace))
        };
        let revokes = self.calls.iter().filter(|call| {
            call["status"] == 200
                && call["path"].as_str().is_some_and(|path| path.ends_with("/revokeSignInSessions"))
        });
        revokes.filter(in_none).count()
    }

    /// Writes to the directory in a trace, and how many of them were not answered.
    fn writes(&self, trace: &str) -> (usize, usize) {
        let unheard = |call: &Value| {
            let fault = call["fault"].as_str().unwrap_or_default();
            ["lose_answer", "delay_answer"].contains(&fault)
        };
        let mine = self.calls.iter().filter(|call| {
            let is_write = call["service"] == "graph" && call["method"] != "GET";
            let traced = trace_of(call) == Some(trace);
            is_write && traced && !call["path"].as_str().unwrap_or_default().ends_with("$batch")
        });
        let done: Vec<&Value> = mine
            .filter(|call| unheard(call) || matches!(call["status"].as_u64(), Some(200..=299)))
            .collect();
        (done.len(), done.into_iter().filter(|call| unheard(call)).count())
    }

    /// Whether the secret that a requester was shown is the one that works.
    fn works(&self, secret: &Secret) -> bool {
        let Secret { operation, of, text } = secret;
        let person = &self.directory["tenants"][of.tenant.to_string()]["people"][&of.name];
        match *operation {
            "tap.issue" => {
                let passes = person["temporaryAccessPasses"].as_array().unwrap();
                let valid = passes.iter().filter(|pass| pass["replaced"] == false);
                valid.map(|pass| &pass["temporaryAccessPass"]).eq([&json!(text)])
            }
            "password.reset" => person["password"] == *text,
            // What is read works if it was decrypted.
            _ => true,
        }
    }
}

/// The trace of a call, if it has one.
fn trace_of(call: &Value) -> Option<&str> {
    call["traceparent"].as_str()?.split('-').nth(1)
}
