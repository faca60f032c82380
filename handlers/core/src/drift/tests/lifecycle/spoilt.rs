//! Stored findings that are not what `drift` wrote: evidence, and no obstacle.

use serde_json::{Value, json};

use super::{
    place::{Place, SMALL, says, things},
    *,
};
use crate::{
    drift::{
        findings::{NOT_GENUINE, document_id, fingerprint},
        severity::Severity,
    },
    ledger::Happened,
};

const CHECK: &str = "network-access";
const LASTING: &str = "change-without-receipt";

impl Place {
    fn id(&self, check: &str, thing: &str) -> String {
        document_id(fingerprint(&self.partition, check, thing))
    }

    fn document(&self, id: &str) -> Value {
        self.world.documents.all(&self.partition)[id].clone()
    }

    /// Changes what a finding says, past every rule.
    fn spoil(&self, id: &str) -> Value {
        let mut json = self.document(id);
        let body = json["body"].as_str().unwrap().replacen("ey", "eY", 1);
        json["body"] = body.into();
        self.world.documents.overwrite(&self.partition, id, json.clone());
        json
    }

    /// Puts something where a finding will stand.
    fn plant(&self, id: &str) -> Value {
        let json = json!({
            "id": id, "tenant": self.partition.key(), "kind": KIND, "hint": "standing",
            "at": self.world.now().as_unix_s(),
        });
        self.world.documents.overwrite(&self.partition, id, json.clone());
        json
    }

    async fn told(&self, id: &str) -> Option<String> {
        self.about(&format!("{NOT_GENUINE}/{id}")).await?.found
    }
}

#[tokio::test]
async fn one_that_was_altered_is_told_of_and_keeps_no_other_from_being_told() {
    let place = Place::new().await;
    place.settle(&says(CHECK, things(0..3))).await.unwrap();
    let id = place.id(CHECK, "thing/0001");
    let spoilt = place.spoil(&id);

    let settled = place.settle(&says(CHECK, things(1..4))).await.unwrap();

    assert_eq!((settled.detected, settled.resolved), (2, 1), "a new one, and that one is spoilt");
    let about = place.about(&format!("{NOT_GENUINE}/{id}")).await.unwrap();
    assert_eq!(about.severity, Severity::Critical);
    assert_eq!(
        about.found.as_deref(),
        Some("something else; deviates: network-access/thing/0001, high")
    );
    assert_eq!(place.document(&id), spoilt, "evidence is not written over");
    assert_eq!(place.about("network-access/thing/0000").await, None, "it is gone");
    assert!(place.about("network-access/thing/0003").await.is_some());

    // Told once; what it should have told of is no more, and that is told as well.
    let again = place.settle(&says(CHECK, things(1..4))).await.unwrap();
    assert_eq!((again.detected, again.resolved), (0, 0));
    place.settle(&says(CHECK, things(2..4))).await.unwrap();
    assert_eq!(place.told(&id).await.as_deref(), Some("something else"));

    // Somebody has secured and removed it.
    place.world.documents.forget(&place.partition, &id);
    let after = place.settle(&says(CHECK, things(1..4))).await.unwrap();
    assert_eq!((after.detected, after.resolved), (1, 1));
    assert!(place.about("network-access/thing/0001").await.is_some());
    assert_eq!(place.told(&id).await, None);
}

#[tokio::test]
async fn what_is_planted_before_something_deviates_does_not_hide_it() {
    let place = Place::new().await;
    let id = place.id(CHECK, "thing/0000");
    let mut planted = place.plant(&id);
    // Found by nothing that drift looks for.
    planted["hint"] = "resolved".into();
    place.world.documents.overwrite(&place.partition, &id, planted.clone());
    // And what would tell of it.
    let next = place.id(NOT_GENUINE, &id);
    place.plant(&next);

    for _ in 0..2 {
        place.settle(&says(CHECK, things(0..1))).await.unwrap();
    }

    let told = place.told(&next).await.unwrap();
    assert!(told.contains(&format!("deviates: {NOT_GENUINE}/{id}, critical")), "{told}");
    assert_eq!(place.document(&id), planted);
    assert_eq!(place.leaves(Happened::DriftDetected), 1);
}

#[tokio::test]
async fn of_very_many_a_few_are_told_and_how_many_more_there_are() {
    let place = Place::small().await;
    for number in 0..SMALL.new + 2 {
        place.plant(&place.id(CHECK, &format!("planted/{number}")));
    }
    place.plant("finding-of-nobody");

    let settled = place.settle(&says(CHECK, things(0..2))).await.unwrap();

    assert_eq!(settled.detected, 2 + SMALL.new + 1);
    let more = place.about(&format!("{NOT_GENUINE}/more")).await.unwrap();
    assert_eq!(more.found.as_deref(), Some("3 more"));
    let again = place.settle(&says(CHECK, things(0..2))).await.unwrap();
    assert_eq!((again.detected, again.resolved), (0, 0));

    for number in 0..SMALL.new + 2 {
        place
            .world
            .documents
            .forget(&place.partition, &place.id(CHECK, &format!("planted/{number}")));
    }
    place.world.documents.forget(&place.partition, "finding-of-nobody");
    let after = place.settle(&says(CHECK, things(0..2))).await.unwrap();
    assert_eq!(after.resolved, SMALL.new + 1);
    assert_eq!(place.standing().await.len(), 2);
}

#[tokio::test]
async fn if_nothing_is_left_to_tell_it_by_all_else_is_settled_and_that_is_said() {
    let place = Place::small().await;
    place.plant("finding-of-nobody");
    place.plant(&place.id(NOT_GENUINE, "more"));

    // Two documents keep nothing else from going on.
    for _ in 0..2 {
        let settled = place.settle(&says(LASTING, things(0..2))).await.unwrap();
        assert_eq!((settled.untold, settled.must_see_again), (1, false));
    }

    assert!(place.about(&format!("{LASTING}/thing/0001")).await.is_some());
}

#[tokio::test]
async fn what_happened_once_and_nothing_tells_of_is_to_be_shown_again() {
    let mut place = Place::new().await;
    place.bounds.new = 1;
    let id = place.id(LASTING, "thing/0000");
    place.plant(&id);
    let settled = place.settle(&says(LASTING, things(0..1))).await.unwrap();
    assert_eq!((settled.untold, settled.must_see_again), (0, false), "told instead");

    let mut place = Place::new().await;
    place.bounds.new = 1;
    place.plant(&id);
    // Another takes its turn, and what tells of all the others is not genuine either.
    let mut others = (0..).map(|number| place.id(CHECK, &format!("planted/{number}")));
    place.plant(&others.find(|other| *other < id).unwrap());
    place.plant(&place.id(NOT_GENUINE, "more"));
    let settled = place.settle(&says(LASTING, things(0..1))).await.unwrap();
    assert_eq!((settled.untold, settled.must_see_again), (1, true));
}

#[tokio::test]
async fn what_happened_once_is_named_for_good_where_it_could_not_be_written() {
    let place = Place::new().await;
    let id = place.id(LASTING, "thing/0000");
    place.plant(&id);
    place.settle(&says(LASTING, things(0..1))).await.unwrap();
    let told = place.told(&id).await.unwrap();
    assert!(told.contains("deviates: change-without-receipt/thing/0000, critical"), "{told}");

    // It is not seen again; and then the document is removed.
    place.settle(&says(LASTING, [])).await.unwrap();
    assert_eq!(place.told(&id).await.as_deref(), Some(&*told));
    place.world.documents.forget(&place.partition, &id);
    place.settle(&says(LASTING, [])).await.unwrap();
    assert_eq!(place.told(&id).await.as_deref(), Some(&*told));

    // Shown again it is written down, and needs no other to tell of it.
    place.settle(&says(LASTING, things(0..1))).await.unwrap();
    place.settle(&says(LASTING, [])).await.unwrap();
    assert!(place.about(&format!("{LASTING}/thing/0000")).await.is_some());
    assert_eq!(place.told(&id).await, None);
}
