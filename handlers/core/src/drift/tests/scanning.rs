//! Applications of others: everything once, and then what has changed.

use serde_json::json;

use super::*;
use crate::{
    drift::{actual::Federated, looks, seen::Source, sources::Changed},
    memory::actual::Is,
    ports::PortError,
};

const MANY: u128 = 100;

fn stranger(number: u128) -> Changed {
    Changed { object: id(0xe000 + number), client: Some(id(0xf000 + number)) }
}

fn trusts(is: &mut Is, number: u128, subject: ObjectId) {
    let federated = Federated {
        id: id(0xfed0 + number),
        issuer: "https://login.example".to_owned(),
        subject: subject.to_string(),
        audiences: ["api://AzureADTokenExchange".to_owned()].into(),
    };
    is.federated.insert(stranger(number).object, vec![federated]);
}

async fn foreign(stage: &Stage) -> Vec<(TenantId, String)> {
    let mut all = Vec::new();
    for finding in stage.all().await {
        let Some(drifted) = &finding.drift else { continue };
        let stands = !matches!(drifted.state, State::Resolved { .. });
        if drifted.check == "foreign-trust" && stands && finding.tnt == CONTOSO {
            all.push((finding.tnt, finding.subject));
        }
    }
    all
}

fn reads(stage: &Stage) -> usize {
    stage.actual.reads.lock().unwrap().get(&Source::Applications).copied().unwrap_or(0)
}

async fn of_many() -> (Stage, ObjectId) {
    let stage = Stage::new().await;
    let execute = *stage.manifest.principals.get(&App::Execute).unwrap();
    {
        let mut is = stage.actual.is.lock().unwrap();
        is.changed = (0..MANY).map(stranger).collect();
        trusts(&mut is, 70, execute);
        trusts(&mut is, 71, id(0x1234));
    }
    (stage, execute)
}

#[tokio::test]
async fn an_application_of_others_that_trusts_our_identity_is_found_and_a_scan_goes_on_from_there()
{
    let (stage, execute) = of_many().await;

    stage.round().await;
    assert_eq!(foreign(&stage).await.len(), 1);
    let whole = reads(&stage);
    stage.round().await;
    let idle = reads(&stage) - whole;
    {
        let mut is = stage.actual.is.lock().unwrap();
        trusts(&mut is, 5, execute);
        is.federated.remove(&stranger(70).object);
        is.changed.extend([stranger(5), stranger(70)]);
    }
    let before = reads(&stage);
    stage.round().await;
    let found = foreign(&stage).await;

    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.contains(&stranger(5).object.to_string()), "{found:?}");
    // Two tenants: a page and what has changed in it, or a page.
    assert_eq!((idle, reads(&stage) - before), (2, 4));
    assert!(whole > 10, "{whole}");
}

#[tokio::test]
async fn a_lost_position_means_that_all_is_looked_at_anew_and_what_was_found_stands_meanwhile() {
    let (stage, _) = of_many().await;
    stage.round().await;
    let whole = reads(&stage);
    stage.world.pass(60).await;
    {
        let mut is = stage.actual.is.lock().unwrap();
        is.forgotten += 1;
        is.federated.remove(&stranger(70).object);
    }

    stage
        .actual
        .broken
        .lock()
        .unwrap()
        .insert(Source::Applications, || PortError::Unavailable("half a page".into()));
    stage.round().await;
    assert_eq!(foreign(&stage).await.len(), 1, "nobody has seen that it is gone");

    stage.actual.broken.lock().unwrap().clear();
    let before = reads(&stage);
    stage.round().await;
    assert_eq!(foreign(&stage).await, []);
    assert!(reads(&stage) - before >= whole, "everything was looked at");
}

#[tokio::test]
async fn a_removed_application_trusts_nobody() {
    let (stage, _) = of_many().await;
    stage.round().await;
    assert_eq!(foreign(&stage).await.len(), 1);

    let gone = Changed { client: None, ..stranger(70) };
    stage.actual.is.lock().unwrap().changed.push(gone);
    stage.round().await;

    assert_eq!(foreign(&stage).await, []);
}

/// Applications of others on twenty pages, of which each takes so long to read.
async fn of_pages(takes_s: i64) -> Stage {
    let (stage, execute) = of_many().await;
    {
        let mut is = stage.actual.is.lock().unwrap();
        is.changed = (0..400).map(stranger).collect();
        trusts(&mut is, 390, execute);
    }
    let slow = (stage.world.clock.clone(), takes_s);
    stage.actual.slow.lock().unwrap().insert(Source::Applications, slow);
    stage
}

#[tokio::test]
async fn a_scan_that_has_no_more_time_goes_on_from_there_in_another_process() {
    let quick = of_pages(0).await;
    quick.round().await;
    let slow = of_pages(4).await;

    let mut rounds = 1;
    while slow.round().await.unreadable > 0 {
        assert_eq!(foreign(&slow).await, [], "not before everything was looked at");
        rounds += 1;
        assert!(rounds < 20);
    }

    assert!(rounds > 3, "{rounds}");
    assert_eq!(foreign(&slow).await.len(), 2);
    // A page more in each tenant and round: that nothing is left.
    let (needed, read) = (reads(&quick), reads(&slow));
    assert!(read <= needed + 2 * rounds, "{read} of {needed} in {rounds} rounds");
}

#[tokio::test]
async fn a_process_that_is_killed_looks_at_a_few_pages_twice() {
    let quick = of_pages(0).await;
    quick.round().await;
    let stage = of_pages(0).await;
    // Some reads into the scan of the first tenant nothing answers any more, as if it were dead.
    stage.actual.broken_after.lock().unwrap().insert(Source::Applications, 25);
    stage.round().await;
    stage.actual.broken_after.lock().unwrap().clear();

    stage.round().await;

    assert_eq!(foreign(&stage).await.len(), 2);
    let again = reads(&stage) - reads(&quick);
    assert!(again <= 2 * 5 + 2, "{again} reads for nothing");
}

#[tokio::test]
async fn tenants_that_there_is_no_time_for_come_first_next_time_and_are_told_of_after_an_hour() {
    let stage = Stage::new().await;
    stage.round().await;
    let overlooked = async || {
        let all = stage.all().await.into_iter().filter(|finding| {
            let drifted = finding.drift.as_ref().unwrap();
            drifted.check == "tenant-not-looked-at"
                && !matches!(drifted.state, State::Resolved { .. })
        });
        all.map(|finding| finding.subject.rsplit('/').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    // Whoever is looked at takes all the time of a round.
    let slow = (stage.world.clock.clone(), 400);
    stage.actual.slow.lock().unwrap().insert(Source::DirectoryAudits, slow);
    let drift = stage.drift();

    let mut looked_at = Vec::new();
    for _ in 0..4 {
        stage.actual.spans.lock().unwrap().clear();
        assert_eq!(drift.round().await.unwrap().left, 1);
        stage.world.seal().await;
        looked_at.extend(stage.actual.spans.lock().unwrap().first().map(|(tenant, _)| *tenant));
    }
    assert_eq!(looked_at[0], looked_at[2]);
    assert_eq!(looked_at[1], looked_at[3]);
    assert_ne!(looked_at[0], looked_at[1]);
    assert_eq!(overlooked().await, [] as [String; 0]);

    // Longer than an hour.
    stage.world.pass(4000).await;
    drift.round().await.unwrap();
    stage.world.seal().await;
    assert_eq!(overlooked().await.len(), 2);
    stage.actual.slow.lock().unwrap().clear();
    drift.round().await.unwrap();
    stage.world.seal().await;
    drift.round().await.unwrap();
    assert_eq!(overlooked().await, [] as [String; 0]);
}

/// A stage on which there is time for one tenant in a round.
async fn of_one_each_round() -> Stage {
    let stage = Stage::new().await;
    let slow = (stage.world.clock.clone(), 400);
    stage.actual.slow.lock().unwrap().insert(Source::ServicePrincipals, slow);
    stage
}

#[tokio::test]
async fn whoever_gets_the_process_killed_is_not_the_first_one_each_time() {
    let stage = Stage::new().await;
    let trust = stage.world.trust().await;
    let mut first = std::collections::BTreeSet::new();

    // By chance one of two is the first one of so many only once in ten million times.
    for _ in 0..24 {
        // Each process dies before anything is kept.
        let turns = stage.drift().in_turn(&trust, vec![CONTOSO, FABRIKAM]).await;
        first.insert(turns[0]);
    }

    assert_eq!(first.len(), 2);
}

#[tokio::test]
async fn one_of_which_nothing_can_be_remembered_takes_its_turn_like_any_other() {
    let stage = of_one_each_round().await;
    stage.round().await;
    stage.round().await;
    let partition = stage.partition(Some(CONTOSO)).await;
    let spoilt = json!({ "id": looks::KIND, "kind": looks::KIND, "at": 0 });
    stage.world.documents.overwrite(&partition, looks::KIND, spoilt);
    stage.actual.spans.lock().unwrap().clear();
    let drift = stage.drift();

    for _ in 0..4 {
        drift.round().await.unwrap();
    }

    // Its log is not read: nobody knows from where on.
    let read: Vec<_> =
        stage.actual.spans.lock().unwrap().iter().map(|(tenant, _)| *tenant).collect();
    assert_eq!(read, [FABRIKAM, FABRIKAM]);
}

#[tokio::test]
async fn a_second_round_at_the_same_time_looks_at_nothing() {
    let stage = Stage::new().await;
    let drift = stage.drift();
    let alone = drift.alone.lock().await;

    assert_eq!(drift.round().await.unwrap(), Round::default());
    assert!(stage.actual.reads.lock().unwrap().is_empty());

    drop(alone);
    assert!(drift.round().await.unwrap().judged > 0);
}
