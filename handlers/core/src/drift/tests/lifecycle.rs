//! A finding from when it is first seen until it is seen to be gone.

mod accepted;
mod flood;
mod lasting;
mod listed;
mod place;
mod spoilt;

use super::*;
use crate::{
    binding::{Accepted, Producer, SignedBy},
    drift::{
        actual::{Credential, CredentialKind},
        mending::OPERATION,
        seen::Source,
    },
    jws::Signed,
    producer::{self, Event},
};

fn planted(stage: &Stage) {
    let credential =
        Credential { id: Uuid::from_u128(7), kind: CredentialKind::Password, ends: None };
    let mut is = stage.actual.is.lock().unwrap();
    let worker = is.registrations.iter_mut().find(|each| each.client == id(0xc010)).unwrap();
    worker.credentials.push(credential);
}

async fn registered(stage: &Stage) {
    let change = |terms: &mut crate::binding::Terms| {
        terms.producers.push(Producer {
            name: "drift".to_owned(),
            signed_by: SignedBy::Drift,
            operations: vec![OPERATION.to_owned()],
            owners: vec![id(1), id(2)],
        });
    };
    stage.world.change_terms(CONTOSO, change).await;
    stage.world.seal().await;
}

fn asked(stage: &Stage) -> Vec<Signed<Event>> {
    let sent = stage.world.bus.all().into_iter().filter(|(queue, _)| queue == "intake-events");
    sent.map(|(_, message)| Signed::parse(std::str::from_utf8(&message.body).unwrap()).unwrap())
        .collect()
}

async fn leaves(stage: &Stage) -> Vec<String> {
    let all = stage.world.ledger(&Partition::platform()).await;
    all.into_iter().filter(|line| line.contains("airlock.drift")).collect()
}

#[tokio::test]
async fn it_is_told_once_and_resolved_when_it_is_seen_to_be_gone() {
    let stage = Stage::new().await;
    planted(&stage);
    for _ in 0..3 {
        stage.round().await;
    }
    assert_eq!(leaves(&stage).await.len(), 1);
    assert_eq!(asked(&stage).len(), 0, "no terms register drift");

    stage
        .actual
        .is
        .lock()
        .unwrap()
        .registrations
        .iter_mut()
        .for_each(|each| each.credentials.clear());
    stage.round().await;
    stage.round().await;

    assert_eq!(leaves(&stage).await.len(), 2);
    let all = stage.all().await;
    assert_eq!(all.len(), 1);
    assert!(matches!(all[0].drift.as_ref().unwrap().state, State::Resolved { .. }));
}

#[tokio::test]
async fn a_ledger_that_is_not_sealed_is_found_and_resolved_once_it_is() {
    let stage = Stage::new().await;
    planted(&stage);
    let drift = stage.drift();
    drift.round().await.unwrap();
    stage.world.clock.advance_s(120);

    drift.round().await.unwrap();
    let unsealed = async || -> Vec<Option<String>> {
        let standing = stage.standing().await.into_iter();
        standing.filter(|each| each.check == "unsealed-ledger").map(|each| each.found).collect()
    };
    // The platform's, and of both tenants: that they were scanned is a leaf too.
    assert_eq!(unsealed().await, vec![Some("not sealed for more than a minute".to_owned()); 3]);

    stage.world.seal().await;
    stage.drift().round().await.unwrap();
    assert_eq!(unsealed().await, []);
}

#[tokio::test]
async fn what_the_terms_accept_is_not_open_and_nothing_is_asked_for_it() {
    let stage = Stage::new().await;
    registered(&stage).await;
    planted(&stage);
    stage.round().await;
    let about = async || {
        let mut standing = stage.standing().await.into_iter();
        standing.find(|each| each.check == "secretless-application").unwrap()
    };
    let (finding, evidence) = (about().await.fingerprint, about().await.evidence());
    assert_eq!(asked(&stage).len(), 1);
    let until = stage.world.now().plus_s(7200);
    let accepted = Accepted { finding, evidence, reason: "an exercise".to_owned(), until };
    stage.world.change_terms(CONTOSO, |terms| terms.accepted.push(accepted)).await;
    stage.world.seal().await;

    stage.round().await;
    assert_eq!(about().await.state, State::Accepted { reason: "an exercise".to_owned(), until });
    assert_eq!(asked(&stage).len(), 1);

    stage.world.pass(7200).await;
    stage.round().await;
    assert!(matches!(about().await.state, State::Remediating { attempt: 1, .. }));
    assert_eq!(asked(&stage).len(), 2);
}

#[tokio::test]
async fn a_process_that_dies_after_it_wrote_and_before_it_asked_asks_the_same_again() {
    let stage = Stage::new().await;
    registered(&stage).await;
    planted(&stage);

    *stage.world.bus.away.lock().unwrap() = true;
    let round = stage.drift().round().await.unwrap();
    assert_eq!(round.failed, 1, "the platform's findings are not settled");
    *stage.world.bus.away.lock().unwrap() = false;
    stage.world.clock.advance_s(5);
    let drift = stage.drift();
    drift.round().await.unwrap();
    drift.round().await.unwrap();
    stage.drift().round().await.unwrap();

    let all = asked(&stage);
    assert_eq!(all.len(), 1, "what comes again under its name is swallowed");
    let standing = stage.standing().await;
    let State::Remediating { attempt: 1, since } = standing[0].state else {
        panic!("{standing:?}")
    };
    let trust = stage.world.trust().await;
    let terms = stage.world.scope(CONTOSO).await.terms().clone();
    let (_, event) = producer::open(&all[0], &terms, &trust, stage.world.now()).unwrap();
    assert_eq!(event.time(), since, "of when it was written down, not of when it was sent");
}
