//! Everybody looks: `intake` and `execute` as they come upon it, `drift` as it seals and audits.
//! All of them have just started, and remember nothing.

use std::error::Error;

use super::stage::Stage;
use crate::{
    ask::Ask,
    identity::{App, TenantId},
    jws::Signed,
    ledger::{
        Anchor, Anchors,
        commit::{LEAF, StoredLeaf},
    },
    outbox,
    ports::{Documents as _, Partition, Query},
    reception::NotReceived,
    tests::world::{CONTOSO, FABRIKAM, LEDGER, NINA, World, settle},
};

/// Rounds of sealing until an audit has looked twice, and seconds between them.
const ROUNDS: usize = 24;
const ROUND_S: i64 = 6;

/// Who detected something, in which words.
#[derive(Default)]
pub struct Seen {
    by: Vec<String>,
    /// Effects at the directory after all of them had looked.
    pub done_afterwards: usize,
}

impl Seen {
    pub fn words(&self) -> Option<String> {
        (!self.by.is_empty()).then(|| self.by.join("; "))
    }

    fn note(&mut self, who: &str, words: &str) {
        self.by.push(format!("{who}: {words}"));
    }
}

/// Tampers, and lets everybody look; readers only where they read such a thing.
pub async fn tampered(
    stage: &Stage,
    tenant: TenantId,
    is_read: bool,
    tamper: impl AsyncFn(),
) -> Seen {
    let mut seen = Seen::default();
    if is_read {
        stage.restore();
        tamper().await;
        intake(stage, &mut seen).await;
        stage.restore();
        tamper().await;
        execute(stage, &mut seen).await;
    }
    stage.restore();
    tamper().await;
    drift(stage, &mut seen).await;
    afterwards(stage, tenant, &mut seen).await;
    seen
}

/// An error with its causes.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !words.ends_with(&next) {
            words = format!("{words}: {next}");
        }
        cause = error.source();
    }
    words
}

/// What is wrong here and was not before is the tampering's.
fn note<T>(seen: &mut Seen, result: Result<T, NotReceived>) {
    if let Err(error) = result {
        seen.note("intake", &told(&error));
    }
}

async fn intake(stage: &Stage, seen: &mut Seen) {
    let (desk, sam) = (stage.world.desk(), &stage.sam);
    let before = seen.by.len();
    note(seen, desk.show(&sam.caller, stage.permitted).await);
    if seen.by.len() == before {
        let ask = stage.world.ask(sam, "sessions.revoke", NINA);
        let ask = Signed::sign(&ask, &sam.key).await.unwrap();
        note(seen, desk.submit(&sam.caller, ask, None, None).await);
    }
    match desk.erase_ordered().await {
        Ok(erased) if erased.refused > 0 => seen.note("intake", "order to erase not genuine"),
        // That whom to trust cannot be told, it has said above.
        Ok(_) | Err(_) => {}
    }
    let trust = stage.world.trust_store().trust().await;
    if let Ok(trust) = trust {
        let ports = stage.world.ports(App::Intake);
        let drained = outbox::drain(&ports, &trust, &stage.contoso).await.unwrap();
        if drained.forged > 0 {
            seen.note("intake", "message in the outbox not genuine");
        }
    }
    settle().await;
}

/// Violations in a tree, by their words.
async fn violations(world: &World, partition: &Partition) -> Vec<String> {
    let query = Query { kind: LEAF, equals: None, not_after: None, limit: 20 };
    let found = world.documents.query(partition, &query).await.unwrap();
    let leaves = found.into_iter().filter_map(|found| {
        let leaf: StoredLeaf = serde_json::from_value(found.json).ok()?;
        let statement = leaf.statement.peek().ok()?;
        let is_one = statement.r#type == crate::ledger::Happened::Violation;
        is_one.then(|| statement.data.reason.unwrap_or_default())
    });
    leaves.collect()
}

async fn execute(stage: &Stage, seen: &mut Seen) {
    let world = &stage.world;
    let partitions = [stage.contoso.clone(), Partition::platform()];
    let mut before = Vec::new();
    for partition in &partitions {
        before.extend(violations(world, partition).await);
    }
    let handled = world.worker().handle(&stage.permit, 1, None).await;
    settle().await;
    if let Err(error) = handled {
        seen.note("execute", &told(&error));
    }
    let mut after = Vec::new();
    for partition in &partitions {
        after.extend(violations(world, partition).await);
    }
    if after.len() > before.len() {
        seen.note("execute", &after[0]);
    }
}

/// Why a tenant is refused a seal, if it is.
async fn refused(stage: &Stage, tenant: TenantId) -> Option<String> {
    let partition = if tenant == CONTOSO { &stage.contoso } else { &stage.fabrikam };
    let anchors = Anchors::new(stage.world.anchors.clone(), LEDGER);
    let trust = stage.world.trust_store().trust().await.ok()?;
    match anchors.newest(partition.key(), &trust, stage.world.now()).await {
        Ok(Some(Anchor::Refused(refused))) => refused.reason,
        _ => None,
    }
}

async fn drift(stage: &Stage, seen: &mut Seen) {
    let world = &stage.world;
    let drift = world.drift();
    let mut unsure = false;
    for round in 0..ROUNDS {
        match drift.round().await {
            Err(error) => return seen.note("drift", &told(&error)),
            // A port that does not help would look alike: there is none here.
            Ok(done) if done.failed > 0 => unsure = true,
            Ok(_) => unsure = false,
        }
        for tenant in [CONTOSO, FABRIKAM] {
            if let Some(reason) = refused(stage, tenant).await {
                let by = if round == 0 { "seal" } else { "drift" };
                return seen.note(by, &reason);
            }
        }
        world.clock.advance_s(ROUND_S);
    }
    if unsure {
        // The binding, or what it is held against: the tenant is not entered.
        let store = world.trust_store();
        let words = match store.trust().await {
            Err(error) => told(&error),
            Ok(trust) => {
                let mut words = "not sealed".to_owned();
                for tenant in [CONTOSO, FABRIKAM] {
                    if let Err(error) = store.scope(&trust, tenant).await {
                        words = told(&error);
                    }
                }
                words
            }
        };
        seen.note("drift", &words);
    }
}

/// Something is asked for in the tenant that was tampered with, and what was permitted before is
/// delivered to a worker.
async fn afterwards(stage: &Stage, tenant: TenantId, seen: &mut Seen) {
    let world = &stage.world;
    let before = world.effects();
    let asker = if tenant == CONTOSO { &stage.sam } else { &stage.fran };
    // That it fails, or puts itself off, is as good as anything: what counts is what was done.
    if tenant == CONTOSO {
        drop(world.worker().handle(&stage.permit, 1, None).await);
        settle().await;
    }
    let sent = world.bus.all().len();
    let ask = Ask { tnt: tenant, ..world.ask(asker, "sessions.revoke", NINA) };
    let ask = Signed::sign(&ask, &asker.key).await.unwrap();
    drop(world.desk().submit(&asker.caller, ask, None, None).await);
    settle().await;
    let sent = world.bus.all().split_off(sent);
    for (_, message) in sent.iter().filter(|(queue, _)| queue.starts_with("permits")) {
        drop(world.worker().handle(&message.body, 1, None).await);
    }
    seen.done_afterwards = world.effects() - before;
}
