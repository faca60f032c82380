//! Events that come twice, late, in the wrong order, from the wrong hands, and to a process that
//! dies.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    event::{self, QUEUE, Report},
    *,
};
use crate::{
    identity::{Role, TenantId},
    jws::Signed,
    ledger::{
        commit::{OUTBOX, StoredLeaf},
        document::{Stored, Unsigned},
    },
    memory::Fault,
    ports::{Message, Query},
    session::Session,
    tests::world::{CONTOSO, World, key},
};

/// A tenant that no binding was signed for.
const STRANGE: TenantId = TenantId::new(Uuid::from_u128(0x57));

fn recorder(world: &World) -> Recorder {
    Recorder::new(world.ports(App::Drift), world.trust_store())
}

async fn signed(world: &World, statement: &Statement) -> Signed<Statement> {
    Signed::sign(statement, world.key_of(App::Signin)).await.unwrap()
}

/// Somebody's session, and what is said of its start.
async fn a_start(world: &World, home: TenantId) -> (Verified<Session>, Signed<Statement>) {
    let session = world.session(home, 0x1234, &[Role::Approver], &key());
    let text = Signed::sign(&session, world.key_of(App::Signin)).await.unwrap();
    let verified = world.trust().await.open(&text, world.now()).unwrap();
    let started = event::started(&session, &text, Uuid::new_v4(), world.now());
    (verified, signed(world, &started).await)
}

/// What is said of its end.
async fn an_end(
    world: &World,
    session: &Verified<Session>,
    after: &Signed<Statement>,
) -> Signed<Statement> {
    let after = Some(after.digest());
    let ended = event::ended(session, "the person signed out", after, Uuid::new_v4(), world.now());
    signed(world, &ended).await
}

fn message(event: &Signed<Statement>) -> Message {
    Report::new(event.clone()).message(None, None).unwrap()
}

async fn delivered(recorder: &Recorder, event: &Signed<Statement>) -> Result<(), NotRecorded> {
    recorder.handle(&message(event).body, None).await
}

/// The copies that `drift` sent itself.
fn put_off(world: &World) -> Vec<Message> {
    let sent = world.bus.all().into_iter();
    sent.filter(|(queue, _)| queue == QUEUE).map(|(_, message)| message).collect()
}

async fn contoso(world: &World) -> Partition {
    Partition::tenant(&world.scope(CONTOSO).await)
}

/// The leaves of a tree that say that an event was written down, in order.
async fn leaves(world: &World, partition: &Partition) -> Vec<Statement> {
    let query = Query { kind: "leaf", equals: None, not_after: None, limit: 1000 };
    let mut found = world.ports(App::Drift).documents.query(partition, &query).await.unwrap();
    found.reverse();
    let trust = world.trust().await;
    let read = |json: Value| {
        let leaf: StoredLeaf = serde_json::from_value(json).unwrap();
        trust.open(&leaf.statement, world.now()).unwrap().value().clone()
    };
    let leaves = found.into_iter().map(|found| read(found.json));
    leaves.filter(|leaf| leaf.r#type == Happened::Recorded).collect()
}

async fn digests(world: &World, partition: &Partition) -> Vec<Digest> {
    let leaves = leaves(world, partition).await.into_iter();
    leaves.map(|leaf| leaf.data.event.unwrap().digest()).collect()
}

#[tokio::test]
async fn an_event_that_is_delivered_again_and_again_is_one_leaf_with_the_apps_own_word_in_it() {
    let world = World::new().await;
    let (session, started) = a_start(&world, CONTOSO).await;

    for _ in 0..3 {
        delivered(&recorder(&world), &started).await.unwrap();
    }

    let leaves = leaves(&world, &contoso(&world).await).await;
    let [leaf] = &*leaves else { panic!("{leaves:?}") };
    assert_eq!(leaf.iss, App::Drift);
    assert_eq!(leaf.data.event.as_ref().unwrap().as_str(), started.as_str());
    assert_eq!(leaf.data.reason, None);
    assert!(put_off(&world).is_empty());
    let trust = world.trust().await;
    let inner = trust.open(leaf.data.event.as_ref().unwrap(), world.now()).unwrap();
    assert_eq!(inner.subject, format!("session-{}", session.sid_hash()));
}

#[tokio::test]
async fn which_version_of_the_key_of_sessions_is_used_is_the_platforms_to_tell_and_nothing_else_is()
{
    let world = World::new().await;
    let used = event::session_key_used(Digest::of(&[b"1"]), Uuid::new_v4(), world.now());
    let platform = Partition::platform();

    delivered(&recorder(&world), &signed(&world, &used).await).await.unwrap();
    let [leaf] = &*leaves(&world, &platform).await else { panic!("one leaf") };
    assert_eq!(leaf.tenantid, "platform");
    let before = world.ledger(&platform).await.len();

    let elsewhere = Statement { tenantid: CONTOSO.to_string(), ..used.clone() };
    let of_nobody = Statement { r#type: Happened::SessionStarted, ..used };
    for event in [elsewhere, of_nobody] {
        delivered(&recorder(&world), &signed(&world, &event).await).await.unwrap();
    }

    assert_eq!(leaves(&world, &platform).await.len(), 1);
    assert!(leaves(&world, &contoso(&world).await).await.is_empty());
    let told = world.ledger(&platform).await.split_off(before);
    assert!(!told.is_empty() && told.iter().all(|told| told == "airlock.integrity.violation"));
}

#[tokio::test]
async fn a_leaf_names_nobody_and_whoever_has_the_session_can_tell_that_it_is_about_it() {
    let world = World::new().await;
    let (session, started) = a_start(&world, CONTOSO).await;
    let other = a_start(&world, CONTOSO).await.0;
    delivered(&recorder(&world), &started).await.unwrap();

    let leaf = leaves(&world, &contoso(&world).await).await.pop().unwrap();
    let event = world.trust().await.open(leaf.data.event.as_ref().unwrap(), world.now()).unwrap();
    let text = serde_json::to_string(event.value()).unwrap();

    for name in [session.oid.to_string(), session.sid.clone(), session.cookie.to_string()] {
        assert!(!text.contains(&name), "{text}");
    }
    assert_eq!(event.principal, Some(event::to_person(&session, session.person())));
    assert_eq!(event.data.document, Some(event::to_session(&session, session.digest())));
    // The same person's other session does not help to find them.
    assert_ne!(event.principal, Some(event::to_person(&other, session.person())));
}

#[tokio::test]
async fn an_end_that_comes_before_its_start_waits_for_it() {
    let world = World::new().await;
    let (session, started) = a_start(&world, CONTOSO).await;
    let ended = an_end(&world, &session, &started).await;
    let recorder = recorder(&world);

    delivered(&recorder, &ended).await.unwrap();
    // Killed before the broker heard that it was dealt with: the same copy, under the same name.
    delivered(&recorder, &ended).await.unwrap();
    let [copy] = &*put_off(&world) else { panic!("{:?}", put_off(&world)) };
    assert!(leaves(&world, &contoso(&world).await).await.is_empty());
    assert!(copy.not_before.unwrap() > world.now());
    assert_ne!(copy.id, message(&ended).id);
    delivered(&recorder, &started).await.unwrap();
    recorder.handle(&copy.body, None).await.unwrap();

    let order = digests(&world, &contoso(&world).await).await;
    assert_eq!(order, [started.digest(), ended.digest()]);
}

#[tokio::test]
async fn an_end_whose_start_never_comes_is_written_down_and_shows_the_gap() {
    let world = World::new().await;
    let (session, started) = a_start(&world, CONTOSO).await;
    let ended = an_end(&world, &session, &started).await;
    let recorder = recorder(&world);

    delivered(&recorder, &ended).await.unwrap();
    let mut waited_s = 0;
    while leaves(&world, &contoso(&world).await).await.is_empty() {
        let copy = put_off(&world).pop().unwrap();
        let pause_s = copy.not_before.unwrap().since_s(world.now());
        waited_s += pause_s;
        world.clock.advance_s(pause_s);
        recorder.handle(&copy.body, None).await.unwrap();
    }
    delivered(&recorder, &started).await.unwrap();

    assert!((500..=600).contains(&waited_s), "{waited_s} s");
    let partition = contoso(&world).await;
    let reasons: Vec<_> =
        leaves(&world, &partition).await.into_iter().map(|leaf| leaf.data.reason).collect();
    assert_eq!(reasons, [Some(GAP.to_owned()), None]);
    assert_eq!(digests(&world, &partition).await, [ended.digest(), started.digest()]);
}

#[tokio::test]
async fn a_write_that_fails_or_whose_answer_is_lost_leaves_one_leaf() {
    for fault in [Fault::Fails, Fault::LosesAnswer, Fault::Repeats] {
        let world = World::new().await;
        let (_, started) = a_start(&world, CONTOSO).await;
        world.documents.next_batches([fault]);

        delivered(&recorder(&world), &started).await.unwrap();
        for copy in put_off(&world) {
            recorder(&world).handle(&copy.body, None).await.unwrap();
        }
        delivered(&recorder(&world), &started).await.unwrap();

        let order = digests(&world, &contoso(&world).await).await;
        assert_eq!(order, [started.digest()], "{fault:?}");
    }
}

#[tokio::test]
async fn processes_that_are_given_the_same_event_at_once_write_one_leaf() {
    let world = World::new().await;
    let (session, started) = a_start(&world, CONTOSO).await;
    let ended = an_end(&world, &session, &started).await;
    let (one, other) = (recorder(&world), recorder(&world));

    let results = tokio::join!(
        delivered(&one, &started),
        delivered(&other, &started),
        delivered(&one, &ended),
        delivered(&other, &ended),
    );
    for result in [results.0, results.1, results.2, results.3] {
        result.unwrap();
    }
    for copy in put_off(&world) {
        let results = tokio::join!(one.handle(&copy.body, None), other.handle(&copy.body, None));
        results.0.unwrap();
        results.1.unwrap();
    }

    let order = digests(&world, &contoso(&world).await).await;
    assert_eq!(order, [started.digest(), ended.digest()]);
}

#[tokio::test]
async fn an_event_that_an_outage_held_back_for_hours_is_a_leaf_of_now() {
    let world = World::new().await;
    let (_, started) = a_start(&world, CONTOSO).await;
    let then = world.now();
    world.clock.advance_s(5 * 3600);

    delivered(&recorder(&world), &started).await.unwrap();

    let leaf = leaves(&world, &contoso(&world).await).await.pop().unwrap();
    assert_eq!(leaf.iat, world.now());
    let event = world.trust().await.open(&leaf.data.event.unwrap(), world.now()).unwrap();
    assert_eq!(event.iat, then);
}

#[tokio::test]
async fn what_no_app_of_ours_reports_becomes_no_event_but_a_violation() {
    let world = World::new().await;
    let (session, started) = a_start(&world, CONTOSO).await;
    let genuine = world.trust().await.open(&started, world.now()).unwrap().value().clone();
    let by = async |app, statement: &Statement| {
        let event = Signed::sign(statement, world.key_of(app)).await.unwrap();
        message(&event).body
    };
    let says = |change: fn(&mut Statement)| {
        let mut other = genuine.clone();
        change(&mut other);
        other
    };
    // What stands in `signin`'s own documents is signed by it, and says what happened to them.
    let unsigned = Unsigned {
        id: session.cookie.to_string(),
        partition: session.cookie.to_string(),
        kind: "session",
        at: 0,
        salt: [0; 16],
        body: "{}".to_owned(),
        happened: Happened::SessionStarted,
        statement: Uuid::new_v4(),
    };
    let signer = world.key_of(App::Signin);
    let stored = Stored::sign(unsigned, App::Signin, signer, world.now()).await.unwrap();
    let (head, _) = started.as_str().rsplit_once('.').unwrap();
    let unlike = format!("{head}.{}", crate::base64url::encode([7; 64]));
    for body in [
        b"".to_vec(),
        b"{}".to_vec(),
        json!({ "event": "e30.e30.e30" }).to_string().into_bytes(),
        json!({ "event": started.as_str(), "tenant": CONTOSO }).to_string().into_bytes(),
        json!({ "event": unlike }).to_string().into_bytes(),
        message(&stored.statement).body,
        by(App::Signin, &says(|other| other.subject = "x".repeat(MOST_BYTES))).await,
        by(App::Intake, &genuine).await,
        by(App::Intake, &says(|other| other.iss = App::Intake)).await,
        by(App::Drift, &says(|other| other.iss = App::Drift)).await,
        by(App::Signin, &says(|other| other.r#type = Happened::Permitted)).await,
        by(App::Signin, &says(|other| other.r#type = Happened::SessionContinued)).await,
        by(App::Signin, &says(|other| other.tenantid = PLATFORM.to_owned())).await,
    ] {
        let before = world.ledger(&Partition::platform()).await;
        let text = String::from_utf8_lossy(&body).into_owned();

        recorder(&world).handle(&body, None).await.unwrap();

        let told = world.ledger(&Partition::platform()).await.split_off(before.len());
        assert_eq!(told, ["airlock.integrity.violation"], "{text}");
    }
    assert!(leaves(&world, &contoso(&world).await).await.is_empty());
    assert!(leaves(&world, &Partition::platform()).await.is_empty());
    assert!(put_off(&world).is_empty());
}

#[tokio::test]
async fn a_document_that_was_put_there_for_an_event_to_be_passed_over_is_a_violation() {
    let world = World::new().await;
    let (_, started) = a_start(&world, CONTOSO).await;
    let (_, other) = a_start(&world, CONTOSO).await;
    delivered(&recorder(&world), &other).await.unwrap();
    let partition = contoso(&world).await;
    let id = document_id(started.digest());
    let mut copied = world.documents.all(&partition)[&document_id(other.digest())].clone();
    copied["id"] = id.clone().into();
    let made_up = json!({ "id": id, "tenant": CONTOSO, "kind": KIND, "at": 0 });

    for planted in [copied, made_up] {
        world.documents.overwrite(&partition, &id, planted);
        delivered(&recorder(&world), &started).await.unwrap();
        assert_eq!(digests(&world, &partition).await, [other.digest()]);
    }
    // It is not lost by it: it waits until the document is gone.
    let copy = put_off(&world).pop().unwrap();
    world.documents.forget(&partition, &id);
    recorder(&world).handle(&copy.body, None).await.unwrap();

    assert_eq!(digests(&world, &partition).await, [other.digest(), started.digest()]);
    let told = world.ledger(&Partition::platform()).await;
    assert_eq!(told, ["airlock.integrity.violation"; 2]);
}

#[tokio::test]
async fn an_event_whose_document_was_deleted_is_not_told_twice() {
    let world = World::new().await;
    let (_, started) = a_start(&world, CONTOSO).await;
    delivered(&recorder(&world), &started).await.unwrap();
    let partition = contoso(&world).await;
    world.documents.forget(&partition, &document_id(started.digest()));

    delivered(&recorder(&world), &started).await.unwrap();

    assert_eq!(digests(&world, &partition).await, [started.digest()]);
    let told = world.ledger(&Partition::platform()).await;
    assert_eq!(told, ["airlock.integrity.violation"]);
}

#[tokio::test]
async fn events_of_a_tenant_without_a_binding_are_the_platforms_to_tell() {
    let world = World::new().await;
    let (session, started) = a_start(&world, STRANGE).await;
    let ended = an_end(&world, &session, &started).await;

    delivered(&recorder(&world), &started).await.unwrap();
    delivered(&recorder(&world), &ended).await.unwrap();

    let order = digests(&world, &Partition::platform()).await;
    assert_eq!(order, [started.digest(), ended.digest()]);
}

#[tokio::test]
async fn a_refused_sign_in_is_told_to_whoever_watches() {
    let world = World::new().await;
    let why = "the ID token is of another sign-in";
    let attempt = Digest::of(&[b"some attempt"]);
    let refused = event::refused(CONTOSO, attempt, why, Uuid::new_v4(), world.now());
    let refused = signed(&world, &refused).await;

    delivered(&recorder(&world), &refused).await.unwrap();

    let partition = contoso(&world).await;
    assert_eq!(digests(&world, &partition).await, [refused.digest()]);
    let query = Query { kind: OUTBOX, equals: None, not_after: None, limit: 10 };
    let waiting = world.ports(App::Drift).documents.query(&partition, &query).await.unwrap();
    let [alarm] = &*waiting else { panic!("{waiting:?}") };
    let alarm: Value = serde_json::from_str(alarm.json["body"].as_str().unwrap()).unwrap();
    assert_eq!(alarm["type"], "airlock.sign-in.refused");
    assert_eq!(alarm["tenantid"], CONTOSO.to_string());
}
