//! The process is killed before and after every call, and every call fails and loses its answer.

use std::fmt::Write as _;

use super::shop::{DAY_S, Kind, Shop};
use crate::memory::rotation::Wrong;

const WRONGS: [Wrong; 4] = [Wrong::DiesBefore, Wrong::DiesAfter, Wrong::Fails, Wrong::LosesAnswer];

/// A shop whose secret is known and has just become due.
async fn due(kind: Kind) -> Shop {
    let shop = Shop::with(kind).await;
    if kind == Kind::WrappingKey {
        shop.seal_something().await;
    }
    shop.world.pass(1).await;
    assert_eq!(shop.round().await.unwrap().failed, 0);
    shop.world.pass(30 * DAY_S).await;
    shop
}

/// Rounds of other processes, until everything is over.
async fn finish(shop: &Shop) {
    for _ in 0..3 {
        shop.outlast_a_lease().await;
        assert_eq!(shop.round().await.unwrap().failed, 0);
    }
    shop.world.pass(DAY_S).await;
    assert_eq!(shop.round().await.unwrap().failed, 0);
}

/// The calls of an undisturbed change up to the new credential, and then of removing the old one.
async fn calls(kind: Kind) -> (Vec<&'static str>, Vec<&'static str>) {
    let shop = due(kind).await;
    let before = shop.gate.calls().len();
    assert_eq!(shop.round().await.unwrap().rotated, 1);
    let changing = shop.gate.calls().split_off(before);
    shop.world.pass(DAY_S).await;
    let before = shop.gate.calls().len();
    assert_eq!(shop.round().await.unwrap().done, 1);
    (changing, shop.gate.calls().split_off(before))
}

async fn assert_over(shop: &Shop, what: &str) {
    let rotation = shop.rotation().await;
    assert_eq!(rotation.run, None, "{what}");
    assert_eq!(rotation.old, [], "{what}");
    assert_eq!(shop.valid(), 1, "{what}");
    assert_eq!(shop.rented.outages(), [""; 0], "{what}");
    let active = rotation.active.unwrap();
    assert!(!active.run.is_nil(), "{what}: the new credential is in use");
    if shop.kind == Kind::WrappingKey {
        shop.open_something().await;
    }
}

/// Spoils every call of every step, and prints what came of it.
async fn table(kind: Kind) {
    let (changing, removing) = calls(kind).await;
    let mut table = String::new();
    for (step, calls) in [("change", &changing), ("removal", &removing)] {
        for (number, call) in calls.iter().enumerate() {
            let mut row = format!("{kind:?} {step} {number:2} {call:18}");
            for wrong in WRONGS {
                let what = format!("{kind:?} {step} {number} {call} {wrong:?}");
                let shop = due(kind).await;
                if step == "removal" {
                    assert_eq!(shop.round().await.unwrap().rotated, 1, "{what}");
                    shop.world.pass(DAY_S).await;
                }
                let spoiled = shop.spoiled_round(number, wrong).await;
                let dies = matches!(wrong, Wrong::DiesBefore | Wrong::DiesAfter);
                assert_eq!(spoiled.is_none(), dies, "{what}");
                finish(&shop).await;
                assert_over(&shop, &what).await;
                let (versions, enabled) = shop.rented.versions_of(kind.place());
                write!(row, " | {wrong:?}: {} valid, {enabled}/{versions}", shop.valid()).unwrap();
            }
            writeln!(table, "{row}").unwrap();
        }
    }
    println!("{table}");
}

#[tokio::test(start_paused = true)]
async fn a_client_secret_survives_a_crash_at_any_call() {
    table(Kind::ClientSecret).await;
}

#[tokio::test(start_paused = true)]
async fn a_generated_secret_survives_a_crash_at_any_call() {
    table(Kind::Generated).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrapping_key_survives_a_crash_at_any_call() {
    table(Kind::WrappingKey).await;
}

/// Taking back what did not prove good is as safe as everything else.
#[tokio::test(start_paused = true)]
async fn a_failed_proof_leaves_the_old_credential_in_use_whatever_crashes() {
    for kind in [Kind::ClientSecret, Kind::Generated, Kind::WrappingKey] {
        let shop = due(kind).await;
        shop.rented.add_no_good(true);
        let before = shop.gate.calls().len();
        assert_eq!(shop.round().await.unwrap().refused, 1);
        let calls = shop.gate.calls().split_off(before);
        for (number, call) in calls.iter().enumerate() {
            for wrong in WRONGS {
                let what = format!("{kind:?} {number} {call} {wrong:?}");
                let shop = due(kind).await;
                let first = shop.rotation().await.active.unwrap().held.credential;
                shop.rented.add_no_good(true);
                shop.spoiled_round(number, wrong).await;
                shop.outlast_a_lease().await;
                shop.round().await.unwrap();

                let rotation = shop.rotation().await;
                assert_eq!(rotation.active.unwrap().held.credential, first, "{what}");
                assert!(shop.story().await.contains(&"proof-failed".to_owned()), "{what}");

                shop.rented.add_no_good(false);
                finish(&shop).await;
                assert_over(&shop, &what).await;
            }
        }
    }
}
