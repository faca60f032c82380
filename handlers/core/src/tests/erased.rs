//! What a taken-over `intake` cannot make of the root's orders to erase.
//!
//! The attacker holds `intake`'s key, writes to the database at will, and has genuine orders. Each
//! attack begins with an erasure that is right, and spoils one thing.

use std::sync::Arc;

use super::world::{CONTOSO, Client, NINA, SVEN, World};
use crate::{
    decision::Verdict,
    erasure::{Concern, Concerned, Proof, StoredOrder, is_proven, may_follow, proof_id, subject},
    execution::Worker,
    identity::{
        App, ObjectId, PersonId,
        Role::{Approver, HelpdeskAgent, SeniorAgent, TenantAdmin},
    },
    jws::Signed,
    ledger::{
        Commit, Contents, Happened, Ledger, Statement,
        commit::{Change, Marker, StoredLeaf},
        statement::Data,
    },
    memory::Fault,
    policy::TargetFacts,
    ports::{Documents as _, Partition, Query},
    reception::{Erased, RequestName},
    record::document_id,
    time::Timestamp,
};

/// Two requests of different people's about different people, both done.
struct Two {
    world: World,
    partition: Partition,
    worker: Worker,
    harriet: Client,
    /// Harriet's, about Nina; and its message.
    ninas: (RequestName, Vec<u8>),
    /// Sam's, about Sven; and its message.
    svens: (RequestName, Vec<u8>),
}

async fn done(world: &World, by: &Client, target: ObjectId) -> (RequestName, Vec<u8>) {
    let view = world.submit(by, &world.ask(by, "sessions.revoke", target)).await.unwrap();
    let message = serde_json::to_vec(&world.last_change()).unwrap();
    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!(world.state(&view.id).await.0, "succeeded");
    (RequestName::parse(&view.id).unwrap(), message)
}

impl Two {
    async fn new() -> Self {
        let world = World::new().await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
        let partition = Partition::tenant(&world.scope(CONTOSO).await);
        world
            .directory
            .targets
            .lock()
            .unwrap()
            .insert(SVEN, TargetFacts { protected: false, synced: false });
        let ninas = done(&world, &harriet, NINA).await;
        let svens = done(&world, &sam, SVEN).await;
        let worker = world.worker();
        Self { world, partition, worker, harriet, ninas, svens }
    }

    /// The root's order about somebody of Contoso's.
    async fn order(&self, oid: ObjectId) -> StoredOrder {
        self.world.order_to_erase(CONTOSO, PersonId { tid: CONTOSO, oid }).await
    }

    /// What `intake` can show of an order and a request.
    async fn proof(&self, order: &StoredOrder, name: RequestName) -> Proof {
        let trust = self.world.trust().await;
        let bindings = Partition::bindings(CONTOSO);
        let order = order.clone().open(&bindings, &trust, self.world.now()).unwrap();
        order.proof(&self.world.record(CONTOSO, name.digest).await.body).unwrap()
    }

    /// Puts an order in the place of a request, as only `intake`'s key can.
    async fn erase(&self, name: RequestName, order: &StoredOrder, proof: Option<String>) {
        erase(&self.world, name, order, proof).await;
    }

    /// What is wrong, as the worker records it, when the message of an erased request comes again.
    async fn wrong(&self, message: &[u8]) -> Option<String> {
        wrong(&self.world, &self.worker, message).await
    }
}

async fn wrong(world: &World, worker: &Worker, message: &[u8]) -> Option<String> {
    let before = world.contoso_ledger().await.len();
    let effects = world.effects();
    assert!(worker.handle(message, 2, None).await.is_ok());
    assert_eq!(world.effects(), effects);
    let new = world.contoso_ledger().await.split_off(before);
    let partition = Partition::tenant(&world.scope(CONTOSO).await);
    let query = Query { kind: "leaf", equals: None, not_after: None, limit: 1 };
    let leaf = world.documents.query(&partition, &query).await.unwrap().remove(0);
    let leaf: StoredLeaf = serde_json::from_value(leaf.json).unwrap();
    assert!(new.is_empty() || new == ["airlock.integrity.violation"], "{new:?}");
    new.first().and_then(|_| leaf.statement.peek().unwrap().data.reason)
}

async fn erase(world: &World, name: RequestName, order: &StoredOrder, proof: Option<String>) {
    let partition = Partition::tenant(&world.scope(CONTOSO).await);
    let id = document_id(name.digest);
    let before = world.documents.read(&partition, &id).await.unwrap().unwrap();
    let says = order.order.peek().unwrap();
    let marker =
        |points_to| Marker { id: proof_id(name.digest, &says), kind: "erasure-proof", points_to };
    let ports = world.ports(App::Intake);
    let ledger = Ledger::new(App::Intake, &ports, Arc::new(world.trust_store()));
    let commit = Commit {
        request: Some(name.digest),
        change: Some(Change {
            id,
            kind: crate::erasure::ERASED,
            at: 0,
            hint: None,
            contents: Contents::Erased(order.order.clone()),
            replaces: Some(before.etag),
        }),
        markers: proof.map(marker).into_iter().collect(),
        ..Commit::of(Happened::Erased)
    };
    ledger.commit(&partition, commit, world.now()).await.unwrap();
}

const ABOUT_OTHERS: &str = "the request was erased by an order about others";
const TOO_EARLY: &str = "the request was erased before it ended";

#[tokio::test]
async fn an_order_about_whom_a_request_names_erases_it_without_a_word() {
    for oid in [NINA, ObjectId::new(uuid::Uuid::from_u128(1))] {
        let two = Two::new().await;
        let (name, message) = &two.ninas;
        let order = two.order(oid).await;
        let proof = two.proof(&order, *name).await;

        two.erase(*name, &order, Some(proof.to_string())).await;

        assert_eq!(two.wrong(message).await, None, "{oid}");
    }
}

#[tokio::test]
async fn an_order_about_somebody_else_is_a_violation_whatever_is_put_beside_it() {
    let two = Two::new().await;
    let (name, message) = &two.ninas;
    let svens = two.order(SVEN).await;
    let ninas = two.order(NINA).await;
    let partition = &two.partition;
    let genuine = two.world.documents.all(partition)[&document_id(name.digest)].clone();
    let id = proof_id(name.digest, &svens.order.peek().unwrap());
    let proofs = [
        // Nothing; what would be right for Sven's request, for Nina's order, for an emergency;
        // the difference of the blinds as if it had been Sven; nonsense.
        None,
        Some(two.proof(&svens, two.svens.0).await.to_string()),
        Some(two.proof(&ninas, *name).await.to_string()),
        Some(Proof::Reviewer.to_string()),
        Some(two.proof(&svens, *name).await.to_string()),
        Some("party.".to_owned()),
        Some("everybody".to_owned()),
    ];

    for proof in proofs {
        two.world.documents.overwrite(partition, &document_id(name.digest), genuine.clone());
        two.world.documents.forget(partition, &id);
        two.erase(*name, &svens, proof.clone()).await;

        assert_eq!(two.wrong(message).await.as_deref(), Some(ABOUT_OTHERS), "{proof:?}");
    }
}

#[tokio::test]
async fn what_was_erased_before_it_ended_is_a_violation_and_is_not_done() {
    let two = Two::new().await;
    let Two { world, harriet, worker, .. } = &two;
    for begun in [false, true] {
        let ask = world.ask(harriet, "sessions.revoke", NINA);
        let view = world.submit(harriet, &ask).await.unwrap();
        let message = serde_json::to_vec(&world.last_change()).unwrap();
        if begun {
            world.directory.faults.lock().unwrap().push_back(Fault::Fails);
            assert!(worker.handle(&message, 1, None).await.is_ok());
            assert_eq!(world.state(&view.id).await.0, "executing");
        }
        let name = RequestName::parse(&view.id).unwrap();
        let order = two.order(NINA).await;
        let proof = two.proof(&order, name).await;

        two.erase(name, &order, Some(proof.to_string())).await;

        assert_eq!(two.wrong(&message).await.as_deref(), Some(TOO_EARLY), "{begun}");
    }
}

#[tokio::test]
async fn an_order_from_before_a_request_does_not_erase_it() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let order = world.order_to_erase(CONTOSO, harriet.id()).await;
    world.clock.advance_s(1);
    let (name, message) = done(&world, &harriet, NINA).await;
    let (trust, record) = (world.trust().await, world.record(CONTOSO, name.digest).await.body);
    let opened = order.clone().open(&Partition::bindings(CONTOSO), &trust, world.now()).unwrap();
    assert_eq!(opened.concerns(&record).unwrap(), Concern::None);
    let proof = opened.proof(&record).unwrap();
    erase(&world, name, &order, Some(proof.to_string())).await;

    let wrong = wrong(&world, &world.worker(), &message).await;
    assert_eq!(wrong.as_deref(), Some(ABOUT_OTHERS));
}

#[tokio::test]
async fn a_request_that_was_put_back_is_erased_again_with_the_proof_that_stands() {
    let two = Two::new().await;
    let Two { world, partition, ninas: (name, message), .. } = &two;
    let id = document_id(name.digest);
    let genuine = world.documents.all(partition)[&id].clone();
    let order = two.order(NINA).await;
    world.put_order(CONTOSO, &order);
    let one = Erased { requests: 1, waiting: 0, orders: 1, refused: 0 };
    assert_eq!(world.reception.erase_ordered().await.unwrap(), one);
    world.documents.overwrite(partition, &id, genuine);
    let done = crate::erasure::marker_id(order.order.peek().unwrap().jti);
    world.documents.forget(partition, &done);

    assert_eq!(world.desk().erase_ordered().await.unwrap(), one);

    assert!(world.documents.all(partition)[&id].get("erased").is_some());
    assert_eq!(two.wrong(message).await, None);
}

#[tokio::test]
async fn who_reviewed_an_emergency_is_erased_with_it_and_the_claim_says_that_it_was_one() {
    let world = World::new().await;
    let tara = world.sign_in(CONTOSO, 1, &[TenantAdmin]).await;
    let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let mut ask = world.ask(&tara, "account.disable", NINA);
    ask.break_glass = true;
    let view = world.submit(&tara, &ask).await.unwrap();
    let name = RequestName::parse(&view.id).unwrap();
    let sent = world.bus.all();
    let (_, message) = sent.iter().rfind(|(queue, _)| queue.starts_with("permits")).unwrap();
    let worker = world.worker();
    assert!(worker.handle(&message.body, 1, None).await.is_ok());
    let order = world.order_to_erase(CONTOSO, april.id()).await;
    world.put_order(CONTOSO, &order);
    // She has not looked at it yet: it does not name her.
    let none = Erased { requests: 0, waiting: 0, orders: 1, refused: 0 };
    assert_eq!(world.reception.erase_ordered().await.unwrap(), none);
    world.decide(&april, &view.id, Verdict::Review).await.unwrap();
    let order = world.order_to_erase(CONTOSO, april.id()).await;
    world.put_order(CONTOSO, &order);

    let one = Erased { requests: 1, waiting: 0, orders: 1, refused: 0 };
    assert_eq!(world.reception.erase_ordered().await.unwrap(), one);

    assert_eq!(wrong(&world, &worker, &message.body).await, None);
    let partition = Partition::tenant(&world.scope(CONTOSO).await);
    let proof = proof_id(name.digest, &order.order.peek().unwrap());
    assert_eq!(world.documents.all(&partition)[&proof]["points_to"], "reviewer");
}

#[tokio::test]
async fn a_claim_tells_neither_who_is_in_it_nor_who_is_who() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let april = world.sign_in(CONTOSO, 3, &[Approver]).await;
    let view = world.submit(&harriet, &world.ask(&harriet, "account.disable", NINA)).await.unwrap();
    world.decide(&april, &view.id, Verdict::Approve).await.unwrap();
    assert!(world.deliver(&world.worker(), 1).await);
    let name = RequestName::parse(&view.id).unwrap();
    let record = world.record(CONTOSO, name.digest).await.body;
    let trust = world.trust().await;
    let claim = trust.open(record.claim.as_ref().unwrap(), world.now()).unwrap();
    let concerned: &Concerned = claim.concerned.as_ref().unwrap();

    assert_eq!(concerned, &Concerned::of(&record).unwrap());
    assert_eq!((concerned.people.len(), concerned.emergency), (3, false));
    assert_eq!(concerned.asked_at, record.summary.asked_at);
    assert!(concerned.people.is_sorted_by_key(|one| one.to_bytes()));
    let bytes: Vec<String> = concerned.people.iter().map(|one| format!("{one:?}")).collect();
    let people = [harriet.id(), april.id(), PersonId { tid: CONTOSO, oid: NINA }];
    for person in people {
        let order = world.order_to_erase(CONTOSO, person).await;
        let says = order.order.peek().unwrap();
        let opened = order.open(&Partition::bindings(CONTOSO), &trust, world.now()).unwrap();
        assert_eq!(opened.concerns(&record).unwrap(), Concern::Party);
        let proof = opened.proof(&record).unwrap();
        assert_eq!(Proof::parse(&proof.to_string()), Some(proof));
        assert!(is_proven(&says, proof, concerned));
        // A commitment that anybody can make is none of those in the claim.
        assert!(!bytes.contains(&format!("{:?}", subject(&[0; 16], person))));
    }
    let stranger = PersonId { tid: CONTOSO, oid: SVEN };
    let order = world.order_to_erase(CONTOSO, stranger).await;
    let says = order.order.peek().unwrap();
    let opened = order.open(&Partition::bindings(CONTOSO), &trust, world.now()).unwrap();
    assert_eq!(opened.concerns(&record).unwrap(), Concern::None);
    assert!(!is_proven(&says, opened.proof(&record).unwrap(), concerned));
    assert!(!is_proven(&says, Proof::Reviewer, concerned));
}

fn statement(iss: App, happened: Happened, document: bool, iat: Timestamp) -> Statement {
    Statement {
        specversion: "1.0".to_owned(),
        id: uuid::Uuid::nil(),
        source: format!("/airlock/{iss}"),
        r#type: happened,
        subject: "request-x".to_owned(),
        time: iat.to_string(),
        traceparent: None,
        tenantid: CONTOSO.to_string(),
        principal: None,
        iss,
        iat,
        data: Data {
            document: document.then(|| crate::digest::Digest::of(&[b"document"])),
            ..Data::default()
        },
    }
}

#[test]
fn an_erasure_follows_an_end_by_whoever_may_say_it_or_a_day_of_waiting() {
    use Happened::{
        BrokeGlass, Claimed, Decided, Ended, Erased, Permitted, Received, Resumed, Revealed,
        Reviewed, TurnedDown, Violation, Withdrawn,
    };
    let noon = Timestamp::from_unix_s(super::world::NOON);
    let day = noon.plus_s(crate::ask::MAX_LIFETIME_S + crate::time::LEEWAY_S + 1);
    let may = |iss, happened, at| may_follow(&statement(iss, happened, true, noon), at);

    for happened in [Ended, Violation] {
        assert!(may(App::Execute, happened, noon) && may(App::Rotate, happened, noon));
        assert!(!may(App::Intake, happened, day), "{happened:?}");
        assert!(!may_follow(&statement(App::Execute, happened, false, noon), day));
    }
    for happened in [TurnedDown, Withdrawn, Revealed, Reviewed] {
        assert!(may(App::Intake, happened, noon), "{happened:?}");
        assert!(!may(App::Execute, happened, day), "{happened:?}");
    }
    for happened in [Received, Decided] {
        assert!(!may(App::Intake, happened, day.plus_s(-1)), "{happened:?}");
        assert!(may(App::Intake, happened, day), "{happened:?}");
    }
    for happened in [Permitted, BrokeGlass, Claimed, Resumed, Erased] {
        for iss in [App::Intake, App::Execute] {
            assert!(!may(iss, happened, day), "{happened:?}");
        }
    }
}

#[tokio::test]
async fn an_order_whose_commitment_was_changed_is_not_the_roots() {
    let two = Two::new().await;
    let order = two.order(NINA).await;
    let mut says = order.order.peek().unwrap();
    says.subject = subject(&[9; 16], PersonId { tid: CONTOSO, oid: SVEN });
    let forged = Signed::sign(&says, two.world.key_of(App::Intake)).await.unwrap();
    let forged = StoredOrder { order: forged, ..order };
    two.world.put_order(CONTOSO, &forged);
    let before = two.world.documents.all(&two.partition);

    let refused = Erased { refused: 1, ..Erased::default() };
    assert_eq!(two.world.reception.erase_ordered().await.unwrap(), refused);

    assert_eq!(two.world.documents.all(&two.partition), before);
}
