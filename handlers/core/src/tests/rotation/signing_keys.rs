//! Signing keys change while their app signs, and it is never without one.

use std::fmt::Write as _;

use super::keys::{CHECKPOINT, KEY, Keys, Process};
use crate::{
    identity::App,
    jwk::PublicKey,
    memory::rotation::Wrong,
    ports::Partition,
    rotation::{LEASE_S, Round, state::Stage},
    signing::SETTLED_S,
};

const DAY_S: i64 = 24 * 3600;
const WRONGS: [Wrong; 4] = [Wrong::DiesBefore, Wrong::DiesAfter, Wrong::Fails, Wrong::LosesAnswer];

/// One part of a change: the rounds between which others do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The next version is made.
    Making,
    /// It was admitted and used, and becomes the one in use.
    TakingUp,
    /// The overlap is over.
    Removing,
}

/// A key that is known and has just become due.
async fn due() -> Keys {
    let keys = Keys::new().await;
    keys.world.pass(1).await;
    assert_eq!(keys.round().await.unwrap().done, 1);
    keys.world.pass(30 * DAY_S).await;
    keys
}

/// What others do before a part, with a process of intake's at work all the time.
async fn before(part: Part, keys: &Keys, intake: &Process) {
    match part {
        Part::Making => {}
        Part::TakingUp => {
            keys.admit().await;
            intake.works(keys).await;
            // By then, the lease of the process before is over.
            keys.world.pass(SETTLED_S + LEASE_S).await;
            intake.works(keys).await;
            keys.world.pass(5).await;
        }
        Part::Removing => keys.world.pass(DAY_S).await,
    }
    intake.works(keys).await;
}

fn public(keys: &Keys) -> Vec<PublicKey> {
    keys.halves().into_iter().map(|(key, _)| key).collect()
}

const PARTS: [Part; 3] = [Part::Making, Part::TakingUp, Part::Removing];

/// The calls of each part, undisturbed.
async fn calls() -> Vec<(Part, Vec<&'static str>)> {
    let keys = due().await;
    let intake = keys.process(false).await;
    let mut all = Vec::new();
    for part in PARTS {
        before(part, &keys, &intake).await;
        let made = keys.gate.calls().len();
        let round = keys.round().await.unwrap();
        let expected = match part {
            Part::Making => Round { waiting: 1, ..Round::default() },
            Part::TakingUp => Round { rotated: 1, ..Round::default() },
            Part::Removing => Round { done: 1, ..Round::default() },
        };
        assert_eq!(round, expected, "{part:?}");
        all.push((part, keys.gate.calls().split_off(made)));
    }
    all
}

/// One cell: the story, with one call of one part gone wrong, and whoever comes next goes on.
async fn cell(spoiled: Part, number: usize, wrong: Wrong) -> String {
    let what = format!("{spoiled:?} {number} {wrong:?}");
    let keys = due().await;
    let intake = keys.process(false).await;
    for part in PARTS {
        before(part, &keys, &intake).await;
        if part == spoiled {
            let round = keys.spoiled_round(number, wrong).await;
            let dies = matches!(wrong, Wrong::DiesBefore | Wrong::DiesAfter);
            assert_eq!(round.is_none(), dies, "{what}");
            intake.works(&keys).await;
            for _ in 0..2 {
                keys.outlast_a_lease().await;
                intake.works(&keys).await;
                assert_eq!(keys.round().await.unwrap().failed, 0, "{what}");
            }
        } else {
            assert_eq!(keys.round().await.unwrap().failed, 0, "{what}");
        }
    }
    // What was put into use later is removed later.
    keys.world.pass(DAY_S).await;
    assert_eq!(keys.round().await.unwrap().failed, 0, "{what}");

    let rotation = keys.rotation();
    assert_eq!((rotation.run, rotation.old.len()), (None, 0), "{what}");
    let halves = keys.halves();
    let [(_, false), (new, true)] = &halves[..] else { panic!("{what}: {halves:?}") };
    assert_eq!(rotation.active.unwrap().held.credential, new.thumbprint().to_string(), "{what}");
    assert_eq!(keys.rented.outages(), [""; 0], "{what}");
    assert_eq!(intake.works(&keys).await, *new, "{what}");
    assert_eq!(keys.process(false).await.works(&keys).await, *new, "{what}");
    format!("1/{} usable", halves.len())
}

#[tokio::test(start_paused = true)]
async fn a_signing_key_survives_a_crash_at_any_call() {
    let mut table = String::new();
    for (part, calls) in calls().await {
        for (number, call) in calls.iter().enumerate() {
            let mut row = format!("SigningKey {part:?} {number:2} {call:14}");
            for wrong in WRONGS {
                write!(row, " | {wrong:?}: {}", cell(part, number, wrong).await).unwrap();
            }
            writeln!(table, "{row}").unwrap();
        }
    }
    println!("{table}");
}

#[tokio::test(start_paused = true)]
async fn the_story_of_a_signing_key_is_told_in_the_platforms_ledger() {
    let keys = due().await;
    let intake = keys.process(false).await;
    let [first] = &public(&keys)[..] else { panic!("one version") };
    for part in PARTS {
        before(part, &keys, &intake).await;
        keys.round().await.unwrap();
    }

    let told = [
        "adopted", "planned", "added", "resumed", "stored", "proved", "rotated", "resumed",
        "retired",
    ];
    assert_eq!(keys.story().await, told);
    let listed = keys.world.trust().await;
    assert!(listed.keys_of(App::Intake).any(|key| key.jwk == *first), "it still verifies");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_nobody_admits_is_waited_for_and_changes_nothing() {
    let keys = due().await;
    let intake = keys.process(false).await;
    let [first] = &public(&keys)[..] else { panic!("one version") };
    assert_eq!(keys.round().await.unwrap().waiting, 1);
    let (told, made) = (keys.story().await, keys.gate.calls().len());
    let before = keys.world.documents.all(&Partition::platform());

    for _ in 0..10 {
        keys.world.pass(12 * 3600).await;
        assert_eq!(keys.round().await.unwrap(), Round { waiting: 1, ..Round::default() });
        assert_eq!(intake.works(&keys).await, *first);
        assert_eq!(keys.process(false).await.works(&keys).await, *first, "after a restart");
    }

    assert_eq!(keys.story().await, told);
    assert_eq!(keys.gate.calls().len(), made, "no call to the vault, and no leaf");
    let id = format!("rotation-{KEY}");
    assert_eq!(keys.world.documents.all(&Partition::platform())[&id], before[&id]);
    let (rotation, binding) = (keys.rotation(), keys.binding());
    assert!(rotation.waits_for_admission(&binding));
    assert!(rotation.is_overdue(&binding, keys.world.now()), "longer than age and overlap");
    let due = rotation.active.as_ref().unwrap().since.plus_s(30 * DAY_S);
    assert!(!rotation.is_overdue(&binding, due.plus_s(DAY_S)), "the overlap is for admitting it");
}

#[tokio::test(start_paused = true)]
async fn an_app_that_had_nothing_to_sign_is_waited_for() {
    let keys = due().await;
    let intake = keys.process(false).await;
    keys.round().await.unwrap();
    keys.admit().await;
    keys.world.pass(SETTLED_S + LEASE_S).await;
    assert_eq!(keys.round().await.unwrap().waiting, 1);
    let told = keys.story().await;
    for _ in 0..3 {
        keys.world.pass(DAY_S).await;
        assert_eq!(keys.round().await.unwrap().waiting, 1);
    }
    assert_eq!(keys.story().await, told, "no leaf for each look");

    let by = intake.works(&keys).await;
    assert_eq!(keys.round().await.unwrap().waiting, 1, "not sealed yet");
    keys.world.pass(5).await;

    assert_eq!(keys.round().await.unwrap().rotated, 1);
    assert_eq!(by, public(&keys)[1]);
}

/// An app that goes on with the version before, though the next one is listed and stored.
async fn stuck() -> (Keys, Process) {
    let keys = due().await;
    let intake = keys.process(true).await;
    keys.round().await.unwrap();
    keys.admit().await;
    keys.world.pass(SETTLED_S + LEASE_S).await;
    intake.works(&keys).await;
    keys.world.pass(5).await;
    assert_eq!(keys.round().await.unwrap().waiting, 1);
    keys.world.pass(DAY_S).await;
    intake.works(&keys).await;
    keys.world.pass(5).await;
    (keys, intake)
}

#[tokio::test(start_paused = true)]
async fn a_version_that_its_app_does_not_take_up_is_disabled_and_the_one_before_stays() {
    let (keys, intake) = stuck().await;
    let made = keys.gate.calls().len();
    assert_eq!(keys.round().await.unwrap().refused, 1);
    let calls = keys.gate.calls().split_off(made);
    for (number, call) in calls.iter().enumerate() {
        for wrong in WRONGS {
            let what = format!("{number} {call} {wrong:?}");
            let (keys, intake) = stuck().await;
            keys.spoiled_round(number, wrong).await;
            for _ in 0..2 {
                keys.outlast_a_lease().await;
                let round = keys.round().await.unwrap();
                assert_eq!(round.failed, 0, "{what}");
                if round.refused == 1 {
                    break;
                }
            }
            let halves = keys.halves();
            assert!(halves[0].1 && !halves[1].1, "{what}");
            assert_eq!(keys.rented.outages(), [""; 0], "{what}");
            assert_eq!(intake.works(&keys).await, halves[0].0, "{what}");
        }
    }

    let [first, _] = &public(&keys)[..] else { panic!("two versions") };
    assert_eq!(intake.works(&keys).await, *first);
    assert_eq!(keys.process(false).await.works(&keys).await, *first);
    assert_eq!(keys.rotation().failures, 1);
    assert!(keys.story().await.ends_with(&["proof-failed".to_owned(), "retired".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn the_last_version_with_which_an_app_can_sign_is_never_disabled() {
    let (keys, _) = stuck().await;
    let [first, second] = &public(&keys)[..] else { panic!("two versions") };
    // It is refused, and the process dies before it takes it back.
    let refused = keys.spoiled_round(2, Wrong::DiesBefore).await;
    assert!(refused.is_none());
    let run = keys.rotation().run.unwrap();
    assert!(matches!(run.stage, Stage::Refused { .. }), "{run:?}");

    keys.revoke(first).await;
    keys.outlast_a_lease().await;

    assert_eq!(keys.round().await.unwrap().failed, 1);
    assert!(keys.halves()[1].1);
    assert_eq!(keys.process(false).await.works(&keys).await, *second);
}

#[tokio::test(start_paused = true)]
async fn a_version_whose_key_is_revoked_while_it_waits_is_taken_back() {
    let keys = due().await;
    let intake = keys.process(false).await;
    keys.round().await.unwrap();
    keys.admit().await;
    let [first, second] = &public(&keys)[..] else { panic!("two versions") };
    keys.revoke(second).await;
    keys.outlast_a_lease().await;

    assert_eq!(keys.round().await.unwrap().refused, 1);

    assert!(!keys.halves()[1].1);
    assert_eq!(intake.works(&keys).await, *first);
}

#[tokio::test(start_paused = true)]
async fn bindings_of_the_platform_that_the_keyset_does_not_name_are_refused() {
    let keys = due().await;
    keys.publish(|keyset| keyset.secrets.as_mut().unwrap().ver += 1).await;
    let made = keys.gate.calls().len();

    assert_eq!(keys.round().await.unwrap(), Round { failed: 1, ..Round::default() });

    assert_eq!(keys.gate.calls().len(), made);
}

/// The whole story of a key of another app.
async fn told_of(app: App, name: &'static str) {
    let keys = Keys::of(app, name).await;
    let process = keys.process(false).await;
    process.works(&keys).await;
    keys.pass(&process, 1).await;
    assert_eq!(keys.round().await.unwrap().done, 1);
    keys.pass(&process, 30 * DAY_S).await;
    assert_eq!(keys.round().await.unwrap().waiting, 1);
    keys.admit().await;
    keys.pass(&process, SETTLED_S + LEASE_S).await;
    let by = process.works(&keys).await;
    keys.pass(&process, 5).await;

    assert_eq!(keys.round().await.unwrap().rotated, 1);

    keys.pass(&process, DAY_S).await;
    assert_eq!(keys.round().await.unwrap().done, 1);
    let halves = keys.halves();
    let [(_, false), (new, true)] = &halves[..] else { panic!("{halves:?}") };
    assert_eq!(by, *new);
    assert_eq!(process.works(&keys).await, *new);
    assert_eq!(keys.rented.outages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn signins_key_is_proved_by_what_drift_wrote_down() {
    told_of(App::Signin, "signin-signing").await;
}

#[tokio::test(start_paused = true)]
async fn the_key_of_checkpoints_is_proved_by_an_anchor() {
    told_of(App::Drift, CHECKPOINT).await;
}
