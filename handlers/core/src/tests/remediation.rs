//! A credential that nobody declared is found and taken away: from `drift`'s event to the end.

mod refusals;
mod rules;
pub mod stage;

use std::fmt::Write as _;

use uuid::Uuid;

use super::world::CONTOSO;
use crate::{
    claim::{CONTAINER, claim_blob, outcome_blob},
    decision::{NotDecided, Verdict},
    identity::Role,
    jws::Signed,
    memory::remediation::Wrong,
    ports::{Blobs as _, Message},
    producer::Event,
    reception::{NotReceived, RequestName},
};
use stage::{DECLARED, METHODS, OTHER, OWNER, PASSWORD, Stage, TRUST, id_of, removes};

const REMOVED: (&str, &str) = ("succeeded", "the credential was removed");
const GONE: (&str, &str) = ("succeeded", "the credential was gone already");

async fn ended(stage: &Stage, event: &Signed<Event>) -> (&'static str, String) {
    stage.world().state(&id_of(event)).await
}

async fn assert_ended(stage: &Stage, event: &Signed<Event>, (how, reason): (&str, &str)) {
    assert_eq!(ended(stage, event).await, (how, reason.to_owned()));
}

/// What was found and is permitted: the planted trust, or the planted password.
async fn permitted(stage: &Stage, trust: bool) -> (Signed<Event>, Message) {
    let finding = if trust { stage.trust() } else { stage.password() };
    let event = stage.asks("1", &finding).await;
    stage.send(&event).await.unwrap();
    if trust {
        stage.world().decide(&stage.tara, &id_of(&event), Verdict::Approve).await.unwrap();
    }
    (event, stage.last_message())
}

#[tokio::test(start_paused = true)]
async fn a_planted_password_is_removed_at_once_and_nothing_else_with_it() {
    let stage = Stage::new().await;
    let event = stage.asks("1", &stage.password()).await;

    stage.send(&event).await.unwrap();
    assert_eq!(ended(&stage, &event).await.0, "permitted");
    assert!(stage.worker().handle(&stage.last_message().body, 1, None).await.is_ok());

    assert_ended(&stage, &event, REMOVED).await;
    let left = stage.of(METHODS);
    assert_eq!(left.passwords.into_iter().collect::<Vec<_>>(), [OTHER]);
    assert_eq!((left.federated.len(), stage.removals()), (2, 1));
    let digest = RequestName::parse(&id_of(&event)).unwrap().digest;
    for blob in [claim_blob(CONTOSO, digest), outcome_blob(CONTOSO, digest)] {
        assert!(stage.world().blobs.read(CONTAINER, &blob).await.unwrap().is_some(), "{blob}");
    }
    let told = stage.world().contoso_ledger().await;
    assert_eq!(told, ["permitted", "claimed", "ended"].map(|it| format!("airlock.request.{it}")));
}

#[tokio::test(start_paused = true)]
async fn planted_trust_is_removed_when_a_tenant_administrator_has_approved_it() {
    let stage = Stage::new().await;
    let world = stage.world();
    let april = world.sign_in(CONTOSO, 12, &[Role::Approver]).await;
    let owner = world.sign_in(CONTOSO, OWNER, &[Role::TenantAdmin]).await;
    let event = stage.asks("1", &stage.trust()).await;
    let id = id_of(&event);

    stage.send(&event).await.unwrap();
    assert_eq!(ended(&stage, &event).await.0, "pending");
    assert!(world.bus.all().is_empty());
    for other in [&april, &owner] {
        let decided = world.decide(other, &id, Verdict::Approve).await;
        assert!(matches!(decided, Err(NotReceived::NotDecided(NotDecided::Policy(_)))));
    }
    world.pass(1800).await;
    let view = world.decide(&stage.tara, &id, Verdict::Approve).await.unwrap();
    assert_eq!(view.state, "permitted");
    assert!(stage.worker().handle(&stage.last_message().body, 1, None).await.is_ok());

    assert_ended(&stage, &event, REMOVED).await;
    let left: Vec<Uuid> = stage.of(METHODS).federated.iter().map(|each| each.id.uuid()).collect();
    assert_eq!((left, stage.removals()), (vec![DECLARED], 1));
    assert_eq!(stage.of(METHODS).passwords.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_approved_in_time_stays() {
    let stage = Stage::new().await;
    let event = stage.asks("1", &stage.trust()).await;
    stage.send(&event).await.unwrap();

    stage.world().pass(3600).await;
    let late = stage.world().decide(&stage.tara, &id_of(&event), Verdict::Approve).await;

    assert!(late.is_err(), "{late:?}");
    stage.assert_untouched("its time was over");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_already_is_not_removed_again() {
    let stage = Stage::new().await;
    let first = stage.asks("1", &stage.password()).await;
    stage.send(&first).await.unwrap();
    let message = stage.last_message();
    for delivery in 1..4 {
        assert!(stage.worker().handle(&message.body, delivery, None).await.is_ok());
    }
    assert_eq!(stage.removals(), 1, "one message, however often it comes");

    stage.send(&first).await.unwrap();
    let again = stage.asks("2", &stage.password()).await;
    stage.send(&again).await.unwrap();
    assert!(stage.worker().handle(&stage.last_message().body, 1, None).await.is_ok());

    assert_ended(&stage, &first, REMOVED).await;
    assert_ended(&stage, &again, GONE).await;
    assert_eq!(stage.removals(), 1, "it was seen to be gone");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_removes_between_the_look_and_the_call_is_gone_all_the_same() {
    for trust in [false, true] {
        let stage = Stage::new().await;
        stage.registered.be_beaten();
        let (event, message) = permitted(&stage, trust).await;
        let calls = stage.shop.gate.calls().len();

        assert!(stage.worker().handle(&message.body, 1, None).await.is_ok());

        assert_ended(&stage, &event, GONE).await;
        let made = stage.shop.gate.calls().split_off(calls);
        assert_eq!(made, ["look", "commit", "look", "remove", "look", "commit"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_refuses_fails_the_request_and_says_so() {
    let stage = Stage::new().await;
    stage.registered.refuse(403);
    let event = stage.asks("1", &stage.password()).await;
    stage.send(&event).await.unwrap();

    assert!(stage.worker().handle(&stage.last_message().body, 1, None).await.is_ok());

    assert_ended(&stage, &event, ("failed", "the directory does not allow it")).await;
    assert_eq!(stage.of(METHODS).passwords.len(), 2);
}

/// Kills the process, fails or loses the answer of every call of what was found.
async fn spoil_every_call(trust: bool) {
    const WRONGS: [Wrong; 4] =
        [Wrong::DiesBefore, Wrong::DiesAfter, Wrong::Fails, Wrong::LosesAnswer];
    let undisturbed = Stage::new().await;
    let (_, message) = permitted(&undisturbed, trust).await;
    let before = undisturbed.shop.gate.calls().len();
    assert!(undisturbed.worker().handle(&message.body, 1, None).await.is_ok());
    let calls = undisturbed.shop.gate.calls().split_off(before);
    assert!(calls.len() >= 5, "{calls:?}");
    let mut table = String::new();
    for (number, call) in calls.iter().enumerate() {
        write!(table, "{number:2} {call:8}").unwrap();
        for wrong in WRONGS {
            let what = format!("{number} {call} {wrong:?}");
            let stage = Stage::new().await;
            let (event, message) = permitted(&stage, trust).await;

            let handled = stage.spoiled(&message, number, wrong).await;

            let dies = matches!(wrong, Wrong::DiesBefore | Wrong::DiesAfter);
            assert!(dies || handled.is_some(), "{what}");
            let mut delivery = 1;
            while ended(&stage, &event).await.0 != "succeeded" {
                delivery += 1;
                assert!(delivery < 5, "{what}: {:?}", ended(&stage, &event).await);
                stage.outlast_a_lease().await;
                assert!(stage.worker().handle(&message.body, delivery, None).await.is_ok());
            }
            let left = stage.of(METHODS);
            assert_eq!(left.passwords.contains(&PASSWORD), trust, "{what}");
            let trusts = left.federated.iter().any(|each| each.id.uuid() == TRUST);
            assert_eq!(trusts, !trust, "{what}");
            assert!(left.passwords.contains(&OTHER), "{what}");
            assert!(left.federated.iter().any(|each| each.id.uuid() == DECLARED), "{what}");
            let told = stage.world().contoso_ledger().await;
            let ends = told.iter().filter(|told| *told == "airlock.request.ended").count();
            assert_eq!(ends, 1, "{what}");
            write!(table, " | {wrong:?}: {delivery}").unwrap();
        }
        writeln!(table).unwrap();
    }
    println!("{table}");
}

#[tokio::test(start_paused = true)]
async fn the_removal_of_a_password_survives_a_crash_at_any_call() {
    spoil_every_call(false).await;
}

#[tokio::test(start_paused = true)]
async fn the_removal_of_trust_survives_a_crash_at_any_call() {
    spoil_every_call(true).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_permitted_and_left_is_reclaimed() {
    let stage = Stage::new().await;
    let event = stage.asks("1", &stage.password()).await;
    stage.send(&event).await.unwrap();
    assert_eq!(stage.spoiled(&stage.last_message(), 2, Wrong::DiesAfter).await, None);
    stage.outlast_a_lease().await;

    assert_eq!(stage.world().worker().reclaim().await.unwrap(), 0, "it is not for `execute`");
    assert_eq!(stage.worker().reclaim().await.unwrap(), 1);

    assert_ended(&stage, &event, REMOVED).await;
}

#[tokio::test(start_paused = true)]
async fn a_finding_says_which_one_and_no_other_is_removed() {
    let stage = Stage::new().await;
    let event = stage.asks("1", &stage.finding(stage::SECRETLESS, removes(METHODS, OTHER))).await;
    stage.send(&event).await.unwrap();

    assert!(stage.worker().handle(&stage.last_message().body, 1, None).await.is_ok());

    let left = stage.of(METHODS).passwords;
    assert_eq!(left.into_iter().collect::<Vec<_>>(), [PASSWORD]);
}
