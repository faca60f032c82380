//! What an overseer is shown: the worst of all that stand, and that something is left out.

use super::{
    place::{Place, says, things},
    *,
};
use crate::{
    drift::{
        check::Deviation,
        findings::{document_id, fingerprint},
        severity::Severity,
    },
    identity::Role,
    reception::{Findings, LISTED_FINDINGS, Listed, Tree},
};

impl Place {
    async fn shown(&self, which: Findings) -> Listed {
        self.world.seal().await;
        let petra = self.world.sign_in(CONTOSO, 9, &[Role::PlatformAdmin]).await;
        let tree = Tree::Platform(CONTOSO);
        self.world.desk().findings(&petra.caller, tree, which).await.unwrap()
    }
}

#[tokio::test]
async fn the_worst_come_first_whenever_they_came_and_it_is_said_that_there_are_more() {
    let mut place = Place::new().await;
    place.bounds.new = LISTED_FINDINGS + 10;
    let oldest = || Deviation::of("oldest").as_bad_as(Severity::Critical);
    let with = |more: usize| says("network-access", things(0..more).chain([oldest()]));
    place.settle(&with(0)).await.unwrap();
    let shown = place.shown(Findings::Standing).await;
    assert_eq!((shown.findings.len(), shown.more), (1, false));
    let signed = place.about("network-access/oldest").await.unwrap();
    assert_eq!(shown.findings[0].evidence, signed.evidence());

    place.settle(&with(LISTED_FINDINGS + 10)).await.unwrap();
    let shown = place.shown(Findings::Standing).await;

    assert_eq!((shown.findings.len(), shown.more), (LISTED_FINDINGS, true));
    assert_eq!(shown.findings[0].subject, "network-access/oldest");
    assert_eq!(shown.findings[1].subject, "network-access/thing/0000");
    assert!(shown.violations.is_empty());
}

#[tokio::test]
async fn one_that_is_not_genuine_is_named_and_hides_no_other() {
    let place = Place::new().await;
    place.settle(&says("network-access", things(0..3))).await.unwrap();
    let id = document_id(fingerprint(&place.partition, "network-access", "thing/0001"));
    let mut json = place.world.documents.all(&place.partition)[&id].clone();
    json["at"] = (place.world.now().as_unix_s() - 1).into();
    place.world.documents.overwrite(&place.partition, &id, json);

    let shown = place.shown(Findings::Standing).await;

    let subjects: Vec<&str> = shown.findings.iter().map(|each| each.subject.as_str()).collect();
    assert_eq!(subjects, ["network-access/thing/0000", "network-access/thing/0002"]);
    assert_eq!((shown.violations, shown.more), (vec![id], false));
    let leaves = place.world.ledger(&place.partition).await;
    assert!(leaves.iter().any(|line| line.contains("violation")), "{leaves:?}");
}

#[tokio::test]
async fn those_that_were_resolved_are_shown_apart_and_nobody_else_sees_any() {
    let place = Place::new().await;
    place.settle(&says("network-access", things(0..2))).await.unwrap();
    place.settle(&says("network-access", things(0..1))).await.unwrap();

    let resolved = place.shown(Findings::Resolved).await.findings;
    let subjects: Vec<&str> = resolved.iter().map(|each| each.subject.as_str()).collect();
    assert_eq!(subjects, ["network-access/thing/0001"]);

    let harriet = place.world.sign_in(CONTOSO, 1, &[Role::HelpdeskAgent]).await;
    for tree in [Tree::Platform(CONTOSO), Tree::Tenant(CONTOSO)] {
        let refused = place.world.desk().findings(&harriet.caller, tree, Findings::Standing).await;
        assert!(matches!(refused, Err(crate::reception::NotReceived::NotThere)), "{refused:?}");
    }
}
