//! What Airlock's applications change in a directory, a claim accounts for.

use super::*;
use crate::{
    claim::CONTAINER, drift::actual::DirectoryChange, memory::actual::principal, ports::Blobs as _,
    request::correlation,
};

fn worker() -> ObjectId {
    principal(CONTOSO, id(0xc010 + 2))
}

fn change(stage: &Stage, name: &str, of: Option<Digest>, target: &str) -> DirectoryChange {
    DirectoryChange {
        id: name.to_owned(),
        at: stage.world.now(),
        by: worker(),
        correlation: of.map(correlation),
        activity: "Disable account".to_owned(),
        targets: [target.to_owned()].into(),
    }
}

async fn unaccounted(stage: &Stage) -> usize {
    let all = stage.standing().await;
    all.iter().filter(|each| each.check == "change-without-receipt").count()
}

#[tokio::test]
async fn a_change_with_a_claim_is_accounted_for_and_any_other_is_not() {
    let stage = Stage::new().await;
    let request = Digest::of(&[b"a request"]);
    let name = format!("{CONTOSO}/{request}");
    stage.world.blobs.create(CONTAINER, &name, b"claim").await.unwrap();
    let rows = [
        (change(&stage, "claimed", Some(request), "nina"), 0),
        (change(&stage, "the same again", Some(request), "nina"), 0),
        (change(&stage, "another thing under its name", Some(request), "olga"), 1),
        (change(&stage, "no claim", Some(Digest::of(&[b"other"])), "nina"), 2),
        (change(&stage, "no name", None, "nina"), 3),
    ];
    let drift = stage.drift();
    for (change, expected) in rows {
        let what = change.id.clone();
        stage.actual.is.lock().unwrap().changes.push(change);

        drift.round().await.unwrap();
        stage.world.seal().await;

        assert_eq!(unaccounted(&stage).await, expected, "{what}");
    }
    // It has happened: that the log forgets it, or the process, undoes nothing.
    stage.actual.is.lock().unwrap().changes.clear();
    stage.round().await;
    assert_eq!(unaccounted(&stage).await, 3);
}

#[tokio::test]
async fn the_rotators_scheduled_work_touches_what_is_bound_alone() {
    let stage = Stage::new().await;
    let by = principal(CONTOSO, id(0xc010 + 6));
    let stranger = id(0x4444).to_string();
    let touched = DirectoryChange { by, ..change(&stage, "rotates", None, &stranger) };
    stage.actual.is.lock().unwrap().changes.push(touched);

    stage.round().await;

    assert_eq!(unaccounted(&stage).await, 1);
}
