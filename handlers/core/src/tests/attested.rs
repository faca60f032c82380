//! Callers that are no people: what services and event producers get done, and what they, or a
//! taken-over `intake` in their names, do not.

use super::{
    impostors::{Forged, assert_refused, attack},
    world::{CONTOSO, FABRIKAM, NINA, NOON, OLGA, World, key, settle},
};
use crate::{
    ask::RequestEvidence,
    binding::{Producer, Service, SignedBy},
    catalog::{Asked, Target},
    claim::{CONTAINER, slot_blob},
    digest::Digest,
    identity::{App, ObjectId},
    jws::Signed,
    memory::LocalKey,
    ports::{Blobs as _, Partition},
    producer::{Event, EventData},
    reception::{NotReceived, RequestName, View},
    request::NotAuthorized,
    service::{Holder, SeenToken, ServiceAsk},
    time::Timestamp,
};

const LISTED: [&str; 3] = ["sessions.revoke", "tap.issue", "account.disable"];

fn asked(operation: &str, target: ObjectId) -> Asked {
    Asked {
        name: operation.to_owned(),
        target: Target::User(target),
        parameters: serde_json::json!({}),
    }
}

fn service() -> Service {
    Service {
        name: "hr-system".to_owned(),
        issuer: "https://id.example/".to_owned(),
        audience: "airlock".to_owned(),
        subject: "hr".to_owned(),
        operations: LISTED.map(str::to_owned).to_vec(),
        certificate_bound: false,
        owners: Vec::new(),
    }
}

fn token() -> SeenToken {
    SeenToken {
        issuer: "https://id.example/".to_owned(),
        audience: "airlock".to_owned(),
        subject: "hr".to_owned(),
        scopes: LISTED.map(|operation| format!("runtime.{operation}")).to_vec(),
        holder: Holder::Anyone,
        digest: Digest::of(&[b"token"]),
    }
}

fn ask(operation: &str) -> ServiceAsk {
    ServiceAsk {
        tenant: CONTOSO,
        op: asked(operation, NINA),
        purpose: "left the company".to_owned(),
        ticket: None,
        lifetime_s: None,
    }
}

/// A world with a service and a producer, whose key this is.
async fn registered() -> (World, LocalKey) {
    let world = World::new().await;
    let siem = key();
    let producer = Producer {
        name: "siem".to_owned(),
        signed_by: SignedBy::Key(siem.key().clone()),
        operations: LISTED.map(str::to_owned).to_vec(),
        owners: Vec::new(),
    };
    let register = |terms: &mut crate::binding::Terms| {
        terms.services = vec![service()];
        terms.producers = vec![producer];
        terms.quotas.attested = 3;
    };
    world.change_terms(CONTOSO, register).await;
    (world, siem)
}

async fn submit(
    world: &World,
    token: &SeenToken,
    ask: ServiceAsk,
    key: &str,
) -> Result<View, NotReceived> {
    let view = world.reception.submit_for(token, ask, key, None).await;
    settle().await;
    view
}

async fn stored(world: &World) -> usize {
    world.documents.all(&Partition::tenant(&world.scope(CONTOSO).await)).len()
}

#[tokio::test]
async fn what_the_binding_lists_for_a_service_is_done_and_counted() {
    let (world, _) = registered().await;

    let view = submit(&world, &token(), ask("sessions.revoke"), "1").await.unwrap();
    assert_eq!((view.state, &*view.summary.requester), ("permitted", "service:hr-system"));
    assert!(world.deliver(&world.worker(), 1).await);

    assert_eq!((world.state(&view.id).await.0, world.effects()), ("succeeded", 1));
    let request = RequestName::parse(&view.id).unwrap().digest;
    let slot = slot_blob(CONTOSO, "hr-system", world.now(), 0);
    let holder = world.blobs.read(CONTAINER, &slot).await.unwrap().unwrap();
    assert_eq!(holder, request.to_string().as_bytes());
}

#[tokio::test]
async fn a_service_that_is_not_exactly_the_registered_one_leaves_no_trace() {
    let (world, _) = registered().await;
    world
        .change_terms(CONTOSO, |terms| {
            let bound = Service {
                name: "vault".to_owned(),
                subject: "vault".to_owned(),
                certificate_bound: true,
                ..service()
            };
            terms.services.push(bound);
        })
        .await;
    let before = stored(&world).await;
    let refused = async |token: SeenToken, ask| submit(&world, &token, ask, "1").await.unwrap_err();
    let vault = |holder| SeenToken { subject: "vault".to_owned(), holder, ..token() };

    for token in [
        SeenToken { issuer: "https://id.example".to_owned(), ..token() },
        SeenToken { audience: "other".to_owned(), ..token() },
        SeenToken { subject: "payroll".to_owned(), ..token() },
        SeenToken { holder: Holder::SomebodyElse, ..token() },
        SeenToken { holder: Holder::Certificate, ..token() },
        vault(Holder::Anyone),
        vault(Holder::SomebodyElse),
    ] {
        let error = refused(token, ask("sessions.revoke")).await;
        assert!(matches!(error, NotReceived::NotAuthenticated(_)), "{error:?}");
    }
    let elsewhere = ServiceAsk { tenant: FABRIKAM, ..ask("sessions.revoke") };
    let error = refused(token(), elsewhere).await;
    assert!(matches!(error, NotReceived::NotAuthenticated(_)), "{error:?}");
    assert_eq!(stored(&world).await, before);

    let view = submit(&world, &vault(Holder::Certificate), ask("sessions.revoke"), "2").await;
    assert_eq!(view.unwrap().summary.requester, "service:vault");
}

#[tokio::test]
async fn a_service_gets_neither_what_it_has_no_scope_for_nor_anything_sensitive() {
    let (world, _) = registered().await;
    let narrow = SeenToken { scopes: vec!["runtime.tap.issue".to_owned()], ..token() };
    let before = stored(&world).await;

    for (token, operation) in [
        (narrow, "sessions.revoke"),
        (token(), "account.enable"),
        // Listed by mistake, with the scope for it.
        (token(), "account.disable"),
        (token(), "tap.issue"),
    ] {
        let error = submit(&world, &token, ask(operation), "1").await.unwrap_err();
        let denied = matches!(error, NotReceived::NotAllowed(NotAuthorized::Denied(_)));
        assert!(denied, "{operation}: {error:?}");
    }
    let forever = ServiceAsk { lifetime_s: Some(24 * 3600 + 1), ..ask("sessions.revoke") };
    assert!(submit(&world, &token(), forever, "1").await.is_err());
    let for_nothing = ServiceAsk { purpose: String::new(), ..ask("sessions.revoke") };
    assert!(submit(&world, &token(), for_nothing, "1").await.is_err());

    assert_eq!((stored(&world).await, world.bus.all().len()), (before, 0));
}

#[tokio::test]
async fn the_same_key_is_the_same_request_and_never_another() {
    let (world, _) = registered().await;
    world
        .change_terms(CONTOSO, |terms| {
            let other = Service { name: "other".into(), subject: "other".into(), ..service() };
            terms.services.push(other);
        })
        .await;
    let other = SeenToken { subject: "other".to_owned(), ..token() };

    let first = submit(&world, &token(), ask("sessions.revoke"), "1").await.unwrap();
    assert!(world.deliver(&world.worker(), 1).await);
    let again = submit(&world, &token(), ask("sessions.revoke"), "1").await.unwrap();
    let next = submit(&world, &token(), ask("sessions.revoke"), "2").await.unwrap();
    let others = submit(&world, &other, ask("sessions.revoke"), "1").await.unwrap();

    assert_eq!((&again.id, again.state), (&first.id, "succeeded"));
    assert!(next.id != first.id && others.id != first.id && others.id != next.id);
    for different in [
        ServiceAsk { op: asked("sessions.revoke", OLGA), ..ask("sessions.revoke") },
        ServiceAsk { purpose: "another".to_owned(), ..ask("sessions.revoke") },
        ServiceAsk { ticket: Some("T-1".to_owned()), ..ask("sessions.revoke") },
    ] {
        let error = submit(&world, &token(), different, "1").await.unwrap_err();
        assert!(matches!(error, NotReceived::KeyReused), "{error:?}");
    }
}

#[tokio::test]
async fn a_taken_over_intake_gets_no_more_done_for_a_service_than_the_quota() {
    let (world, _) = registered().await;

    for _ in 0..3 {
        let id =
            attack(&world, Forged::attested(&world, "hr-system", "sessions.revoke").await).await;
        assert_eq!(world.state(&id).await.0, "succeeded");
    }
    for _ in 0..3 {
        let id =
            attack(&world, Forged::attested(&world, "hr-system", "sessions.revoke").await).await;
        let (state, reason) = world.state(&id).await;
        assert_eq!((state, world.effects()), ("refused", 3));
        assert_eq!(reason, "as much as the tenant allows was done for the service in this hour");
        assert_eq!(world.contoso_ledger().await.last().unwrap(), "airlock.request.ended");
    }
    world.pass(3600).await;
    let id = attack(&world, Forged::attested(&world, "hr-system", "sessions.revoke").await).await;
    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 4));
}

#[tokio::test]
async fn neither_a_database_that_is_put_back_nor_a_replay_gives_a_slot_back_or_uses_one_up() {
    let (world, _) = registered().await;
    let partition = Partition::tenant(&world.scope(CONTOSO).await);
    let first = submit(&world, &token(), ask("sessions.revoke"), "1").await.unwrap();
    let permitted = world.documents.all(&partition);
    assert!(world.deliver(&world.worker(), 1).await);

    // Put back to before it was done, and delivered again, many times.
    for _ in 0..5 {
        for id in world.documents.all(&partition).keys() {
            world.documents.forget(&partition, id);
        }
        for (id, document) in &permitted {
            world.documents.overwrite(&partition, id, document.clone());
        }
        assert!(world.deliver(&world.worker(), 1).await);
    }

    assert_eq!(world.effects(), 1);
    let slots = async |n| {
        let name = slot_blob(CONTOSO, "hr-system", Timestamp::from_unix_s(NOON), n);
        world.blobs.read(CONTAINER, &name).await.unwrap().is_some()
    };
    assert!(slots(0).await && !slots(1).await, "{}", first.id);
}

#[tokio::test]
async fn intakes_word_for_a_service_is_judged_by_the_binding_again() {
    for (service, operation) in [
        ("hr-system", "account.enable"),
        ("hr-system", "account.disable"),
        ("hr-system", "tap.issue"),
        ("siem", "sessions.revoke"),
        ("nobody", "sessions.revoke"),
        ("../hr-system", "sessions.revoke"),
    ] {
        let (world, _) = registered().await;

        let id = attack(&world, Forged::attested(&world, service, operation).await).await;

        let (state, _) = world.state(&id).await;
        assert_eq!((state, world.effects()), ("refused", 0), "{service} {operation}");
        assert_eq!(world.contoso_ledger().await.last().unwrap(), "airlock.request.ended");
        let slot = slot_blob(CONTOSO, service, world.now(), 0);
        assert_eq!(world.blobs.read(CONTAINER, &slot).await.unwrap(), None);
    }
}

fn event(world: &World, id: &str, operation: &str) -> Event {
    let data = EventData {
        op: asked(operation, NINA),
        purpose: "impossible travel".to_owned(),
        ticket: None,
        lifetime_s: None,
        finding: None,
    };
    Event::asking("siem".to_owned(), id.to_owned(), world.now(), CONTOSO, data)
}

async fn send(world: &World, event: &Signed<Event>) -> Result<(), NotReceived> {
    let taken = world.reception.submit_event(event.clone(), None).await;
    settle().await;
    taken
}

#[tokio::test]
async fn an_event_is_one_request_however_often_it_comes() {
    let (world, siem) = registered().await;
    let signed = Signed::sign(&event(&world, "1", "sessions.revoke"), &siem).await.unwrap();
    let partition = Partition::tenant(&world.scope(CONTOSO).await);
    let id = RequestName { tenant: CONTOSO, digest: signed.digest() }.to_string();

    for _ in 0..3 {
        send(&world, &signed).await.unwrap();
    }
    assert_eq!(world.bus.all().len(), 1);
    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));

    // The same event, signed once more with another time: its producer says that it is the same.
    world.clock.advance_s(1);
    let again = Signed::sign(&event(&world, "1", "sessions.revoke"), &siem).await.unwrap();
    assert_ne!(again.digest(), signed.digest());
    send(&world, &again).await.unwrap();
    assert_eq!(world.bus.all().len(), 1);

    // The database forgets all of it, and the event comes once more.
    for document in world.documents.all(&partition).keys() {
        world.documents.forget(&partition, document);
    }
    world.desk().submit_event(signed, None).await.unwrap();
    settle().await;
    // The worker finds that it is claimed, sends itself a copy for later, and then the outcome.
    for _ in 0..2 {
        assert!(world.deliver(&world.worker(), 1).await);
    }
    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));
}

#[tokio::test]
async fn an_event_that_is_not_a_registered_producers_own_leaves_no_trace() {
    let (world, siem) = registered().await;
    let stranger = key();
    let before = stored(&world).await;
    let good = event(&world, "1", "sessions.revoke");
    let data = good.data().clone();
    let elsewhere =
        Event::asking("siem".to_owned(), "1".to_owned(), world.now(), FABRIKAM, data.clone());
    let as_other =
        Event::asking("edr".to_owned(), "1".to_owned(), world.now(), CONTOSO, data.clone());
    let old =
        Event::asking("siem".to_owned(), "1".to_owned(), world.now().plus_s(-3600), CONTOSO, data);
    let by = async |event: &Event, key: &LocalKey| Signed::sign(event, key).await.unwrap();

    for refused in [
        by(&good, &stranger).await,
        by(&good, world.key_of(App::Intake)).await,
        by(&elsewhere, &siem).await,
        by(&as_other, &siem).await,
        by(&old, &siem).await,
    ] {
        let error = send(&world, &refused).await.unwrap_err();
        assert!(matches!(error, NotReceived::NotAuthenticated(_)), "{error:?}");
    }
    for operation in ["account.disable", "tap.issue", "account.enable"] {
        let signed = by(&event(&world, "1", operation), &siem).await;
        let error = send(&world, &signed).await.unwrap_err();
        assert!(matches!(error, NotReceived::NotAllowed(_)), "{error:?}");
    }

    assert_eq!((stored(&world).await, world.bus.all().len()), (before, 0));
    send(&world, &by(&good, &siem).await).await.unwrap();
}

#[tokio::test]
async fn a_taken_over_intake_makes_up_no_event() {
    let (world, siem) = registered().await;
    let forged = |event: &Event, signed| Forged {
        evidence: RequestEvidence::Produced { event: signed },
        decisions: Vec::new(),
        op: event.data().op.clone(),
        by: "producer:siem".to_owned(),
    };
    let invented = event(&world, "1", "sessions.revoke");
    let by_intake = Signed::sign(&invented, world.key_of(App::Intake)).await.unwrap();
    let id = attack(&world, forged(&invented, by_intake)).await;
    assert_refused(&world, &id, 0).await;

    // A genuine event about something that policy gives to no producer.
    let sensitive = event(&world, "2", "tap.issue");
    let genuine = Signed::sign(&sensitive, &siem).await.unwrap();
    let id = attack(&world, forged(&sensitive, genuine)).await;
    assert_eq!((world.state(&id).await.0, world.effects()), ("refused", 0));

    // And one whose permit is all that intake has made up.
    let genuine = event(&world, "3", "sessions.revoke");
    let signed = Signed::sign(&genuine, &siem).await.unwrap();
    let id = attack(&world, forged(&genuine, signed)).await;
    assert_eq!((world.state(&id).await.0, world.effects()), ("succeeded", 1));
}
