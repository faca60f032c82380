//! What has happened and is seen once: it is told, whoever writes to the store besides.

use std::ops::Range;

use async_trait::async_trait;
use serde_json::json;

use super::{
    place::{Place, SMALL, says, things},
    *,
};
use crate::{
    drift::{
        check::Deviation,
        findings::{document_id, fingerprint},
        severity::Severity,
    },
    ports::{BatchError, Container, Documents, Etag, Found, PortError, Write},
};

const LASTING: &str = "change-without-receipt";
const CHECK: &str = "network-access";

/// A store in which somebody writes in the place of a finding just before it is written.
struct Raced {
    documents: Arc<dyn Documents>,
    id: String,
    world: Arc<crate::memory::Documented>,
}

#[async_trait]
impl Documents for Raced {
    async fn read(&self, partition: &Partition, id: &str) -> Result<Option<Found>, PortError> {
        self.documents.read(partition, id).await
    }

    async fn query(&self, partition: &Partition, query: &Query) -> Result<Vec<Found>, PortError> {
        self.documents.query(partition, query).await
    }

    async fn range(
        &self,
        partition: &Partition,
        ids: Range<&str>,
        limit: u32,
    ) -> Result<Vec<Found>, PortError> {
        self.documents.range(partition, ids, limit).await
    }

    async fn partitions(
        &self,
        container: Container,
        kind: &'static str,
    ) -> Result<Vec<String>, PortError> {
        self.documents.partitions(container, kind).await
    }

    async fn batch(
        &self,
        partition: &Partition,
        writes: &[Write],
    ) -> Result<Vec<Etag>, BatchError> {
        // Found by nothing that drift looks for, as if it had been dealt with.
        let json = json!({
            "id": self.id, "tenant": partition.key(), "kind": KIND, "hint": "resolved", "at": 1,
        });
        self.world.overwrite(partition, &self.id, json);
        self.documents.batch(partition, writes).await
    }
}

impl Place {
    fn race(&mut self, check: &str) {
        let id = document_id(fingerprint(&self.partition, check, "thing/0000"));
        let (world, documents) = (self.world.documents.clone(), self.world.documents.clone());
        self.rival = Some(Arc::new(Raced { documents, id, world }));
    }
}

#[tokio::test]
async fn a_conflict_is_no_telling() {
    let mut place = Place::new().await;
    place.race(LASTING);
    let settled = place.settle(&says(LASTING, things(0..1))).await.unwrap();
    assert_eq!((settled.detected, settled.must_see_again), (0, true));

    // Shown again, it is told in the place of what was written there.
    let settled = place.settle(&says(LASTING, things(0..1))).await.unwrap();
    assert_eq!((settled.detected, settled.must_see_again), (1, false));
    let standing = place.standing().await;
    let found = standing[0].drift.as_ref().unwrap().found.clone().unwrap();
    assert!(found.contains("deviates: change-without-receipt/thing/0000"), "{found}");

    let mut place = Place::new().await;
    place.race(CHECK);
    let settled = place.settle(&says(CHECK, things(0..1))).await.unwrap();
    assert!(!settled.must_see_again, "what deviates is seen again of itself");
}

#[tokio::test]
async fn so_many_stand_and_others_are_told_together_until_people_have_been_through_them() {
    let mut place = Place::small().await;
    for first in [0, 10, 20] {
        let settled = place.settle(&says(LASTING, things(first..first + 10))).await.unwrap();
        assert!(!settled.must_see_again, "{first}: each is told, by itself or with others");
    }
    let more = format!("{LASTING}/more");
    let standing = async |place: &Place| place.standing().await.len();
    assert_eq!(standing(&place).await, SMALL.lasting + 1);
    let such_as =
        |number| Some(format!("too many to be told one by one, such as {LASTING}/thing/{number}"));
    assert_eq!(place.about(&more).await.unwrap().found, such_as("0025"));

    // It stands out of sight, as the others do; and what comes is told by it.
    place.settle(&says(LASTING, [])).await.unwrap();
    assert_eq!(place.about(&more).await.unwrap().found, such_as("0025"));
    let settled = place.settle(&says(LASTING, things(30..33))).await.unwrap();
    assert!(!settled.must_see_again);
    assert_eq!(standing(&place).await, SMALL.lasting + 1);
    assert_eq!(place.about(&more).await.unwrap().found, such_as("0030"));

    let known = place.about(&format!("{LASTING}/thing/0004")).await.unwrap();
    place.accepted.push(Accepted {
        finding: known.fingerprint,
        evidence: known.evidence(),
        reason: "known".to_owned(),
        until: place.world.now().plus_s(3600),
    });
    place.settle(&says(LASTING, [])).await.unwrap();
    place.settle(&says(LASTING, things(40..41))).await.unwrap();
    assert!(place.about(&format!("{LASTING}/thing/0040")).await.is_some());
    place.accepted.clear();
}

#[tokio::test]
async fn what_worsens_is_changed_first_and_then_what_was_written_down_longest_ago() {
    let mut place = Place::small().await;
    for last in [10, 17] {
        place.settle(&says(CHECK, things(0..last))).await.unwrap();
    }
    place.bounds.changed = 7;
    let changed = |each: Deviation| match each.thing.as_str() {
        "thing/0012" => each.as_bad_as(Severity::Critical),
        _ => each.found("another"),
    };

    place.settle(&says(CHECK, things(0..17).map(changed))).await.unwrap();

    let standing = place.standing().await;
    let all = standing.iter().filter(|each| {
        let drifted = each.drift.as_ref().unwrap();
        drifted.last_seen == each.iat && each.iat == place.world.now()
    });
    let written: Vec<&str> = all.map(|each| each.subject.as_str()).collect();
    assert_eq!(written.len(), 7);
    assert_eq!(written.last(), Some(&"network-access/thing/0012"), "{written:?}");
    assert!(written[..6].iter().all(|each| *each < "network-access/thing/0010"), "{written:?}");
}

#[tokio::test]
async fn so_many_are_compared_and_what_is_passed_over_is_told_and_no_finding_told_twice() {
    let mut place = Place::small().await;
    place.bounds.compared = 20;
    for last in [10, 20, 22, 22] {
        place.settle(&says(CHECK, things(0..last))).await.unwrap();
    }
    assert!(place.about("stored-finding/more").await.is_some());
    assert_eq!(place.leaves(crate::ledger::Happened::DriftDetected), 22 + 1);

    place.bounds = SMALL;
    place.settle(&says(CHECK, things(0..22))).await.unwrap();
    assert_eq!(place.about("stored-finding/more").await, None);
}
