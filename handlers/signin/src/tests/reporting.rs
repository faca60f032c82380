//! What the ledger is told, whatever happens on the way.

use airlock_core::{
    identity::App,
    jws::Signed,
    ledger::{Happened, Statement},
    ports::{Documents as _, Partition},
    recording::event,
    revocation::StoredRevocation,
};
use uuid::Uuid;

use super::{signing_out::framed, *};

/// What was said, in order: what happened, and why.
fn said(reported: &[(Signed<Statement>, Statement)]) -> Vec<(Happened, Option<&str>)> {
    reported.iter().map(|(_, said)| (said.r#type, said.data.reason.as_deref())).collect()
}

/// The timer's call.
async fn resend(world: &World) -> u16 {
    let invocation = json!({ "Data": { "timer": {} }, "Metadata": {} });
    world.asked(Method::POST, "/resend", &[], Some(&invocation)).await.status.as_u16()
}

#[tokio::test]
async fn a_session_is_reported_from_its_start_to_its_end_and_nobody_is_named() {
    let world = World::new().await;
    let cookie = world.signed_in().await;
    let session = world.live_unchecked(&cookie).await;

    world.asked_by_portal(&cookie, "/auth/sign-out", &json!({})).await;
    let reported = world.reported().await;

    assert_eq!(
        said(&reported),
        [(Happened::SessionStarted, None), (Happened::SessionEnded, Some("the person signed out")),]
    );
    let [(started, start), (_, end)] = &*reported else { panic!("{reported:?}") };
    assert_eq!((start.data.after, end.data.after), (None, Some(started.digest())));
    assert_eq!(start.subject, format!("session-{}", session.sid_hash()));
    assert_eq!(end.subject, start.subject);
    assert_eq!(start.principal, Some(event::to_person(&session, session.person())));
    assert_eq!((start.tenantid.as_str(), start.iss), (World::HOME, App::Signin));
    let text = serde_json::to_string(&[start, end]).unwrap();
    let person = session.oid.to_string();
    for secret in [cookie.expose(), &session.cookie.to_string(), &session.sid, &person, "Ada"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(world.waiting().await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_could_not_be_sent_is_sent_by_the_timer_once() {
    let world = World::new().await;
    world.line.cut();
    let cookie = world.signed_in().await;
    world.asked_by_portal(&cookie, "/auth/sign-out", &json!({})).await;
    assert!(world.reported().await.is_empty());
    assert_eq!(resend(&world).await, 200);
    assert_eq!(world.waiting().await.len(), 2);

    world.line.mend();
    assert_eq!(resend(&world).await, 200);
    let reported = world.reported().await;
    assert_eq!(resend(&world).await, 200);

    let mut happened: Vec<_> = reported.iter().map(|(_, said)| said.r#type).collect();
    happened.sort_by_key(|happened| *happened == Happened::SessionEnded);
    assert_eq!(happened, [Happened::SessionStarted, Happened::SessionEnded]);
    assert_eq!(world.reported().await.len(), 2);
    assert_eq!(world.waiting().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_start_is_reported_if_and_only_if_it_is_stored() {
    for (fault, count) in [(Fault::Fails, 0), (Fault::LosesAnswer, 1), (Fault::Repeats, 1)] {
        let world = World::new().await;
        let (path, browser) = on_the_way(&world).await;
        // Mark and entry of the sign-in are written before the session.
        world.documents.next_batches([Fault::None, Fault::None, fault]);

        world.called_back(&path, &[(START, &browser)]).await;
        resend(&world).await;

        assert_eq!(world.written().await.get("session").copied().unwrap_or(0), count, "{fault:?}");
        assert_eq!(world.reported().await.len(), count, "{fault:?}");
    }
}

#[tokio::test]
async fn an_end_is_reported_once_however_often_it_is_tried() {
    for fault in [Fault::None, Fault::LosesAnswer, Fault::Fails] {
        let world = World::new().await;
        let cookie = world.signed_in().await;
        // The revocation is written, and then the end of the session's document.
        world.documents.next_batches([Fault::None, fault]);

        world.asked_by_portal(&cookie, "/auth/sign-out", &json!({})).await;
        world.clock.advance_s(10);
        framed(&world, "entra-sid").await;
        world.clock.advance_s(10);
        framed(&world, "entra-sid").await;
        resend(&world).await;

        let reported = world.reported().await;
        let ended = (Happened::SessionEnded, Some("the person signed out"));
        assert_eq!(said(&reported), [(Happened::SessionStarted, None), ended], "{fault:?}");
    }
}

#[tokio::test]
async fn each_way_in_which_a_session_ends_is_reported_as_what_it_is() {
    let at_entra = World::new().await;
    at_entra.signed_in().await;
    framed(&at_entra, "entra-sid").await;

    let anew = World::new().await;
    let old = anew.signed_in().await;
    let (path, browser) = on_the_way(&anew).await;
    anew.called_back(&path, &[(START, &browser), (SESSION, &old)]).await;

    let refused = World::new().await;
    let cookie = refused.signed_in().await;
    refused.entra.next_refresh(Trouble::Refuses);
    refused.clock.advance_s(EVERY_S);
    refused.looked_at_by_portal(&cookie, "/auth/session").await;

    for (world, why) in [
        (at_entra, "the person signed out at Entra"),
        (anew, "the person signed in anew"),
        (refused, "Entra no longer says what the session says"),
    ] {
        let reported = world.reported().await;
        let ends: Vec<_> =
            reported.iter().filter(|(_, said)| said.r#type == Happened::SessionEnded).collect();
        let [(_, end)] = &*ends else { panic!("{ends:?}") };
        assert_eq!(end.data.reason.as_deref(), Some(why));
        assert_eq!(end.data.after, Some(reported[0].0.digest()));
    }
}

#[tokio::test]
async fn a_session_that_lasts_is_not_reported_again() {
    let world = World::new().await;
    let cookie = world.signed_in().await;

    for _ in 0..5 {
        world.clock.advance_s(EVERY_S);
        assert_eq!(world.looked_at_by_portal(&cookie, "/auth/session").await.status, 200);
    }

    assert_eq!(said(&world.reported().await), [(Happened::SessionStarted, None)]);
}

#[tokio::test]
async fn who_revokes_all_sessions_is_committed_to_and_so_is_whose_they_were() {
    let world = World::new().await;
    world.entra.confers(&[Role::TenantAdmin]);
    let cookie = world.signed_in().await;
    let session = world.live_unchecked(&cookie).await;

    for person in [World::person(2), World::person(1)] {
        let body = json!({ "person": person });
        let answer = world.asked_by_portal(&cookie, "/auth/revocations", &body).await;
        assert_eq!(answer.status, 200);
    }
    let reported = world.reported().await;

    let [_, (_, others), (_, own)] = &*reported else { panic!("{reported:?}") };
    let by = event::to_person(&session, session.person());
    for said in [others, own] {
        assert_eq!((said.r#type, said.principal), (Happened::SessionsRevoked, Some(by)));
    }
    assert_eq!(own.subject, format!("person-{by}"));
    assert_ne!(others.subject, own.subject);
}

#[tokio::test]
async fn the_ledger_is_told_of_each_revocation_by_a_name_that_stays() {
    let world = World::new().await;
    world.entra.confers(&[Role::TenantAdmin]);
    let cookie = world.signed_in().await;
    let partition = Partition::revocations(World::HOME.parse().unwrap());
    let body = json!({ "person": World::person(2) });
    let stored = async || {
        let found = world.documents.read(&partition, &World::person(2).to_string()).await;
        let found = found.unwrap().unwrap();
        let ttl = found.json["ttl"].clone();
        let trust = world.desk().await.trust.trust().await.unwrap();
        let stored = StoredRevocation::read(found).unwrap().open(&trust, world.now()).unwrap();
        (stored.told(), ttl)
    };

    world.asked_by_portal(&cookie, "/auth/revocations", &body).await;
    let (first, ttl) = stored().await;
    world.clock.advance_s(60);
    world.asked_by_portal(&cookie, "/auth/revocations", &body).await;
    let (second, _) = stored().await;
    world.asked_by_portal(&cookie, "/auth/sign-out", &json!({})).await;
    let reported = world.reported().await;

    assert_eq!(second.name, first.name);
    assert_eq!(second.nbf, first.nbf.plus_s(60));
    let told: Vec<_> = reported.iter().filter_map(|(_, said)| said.data.revocation).collect();
    assert_eq!(told[..2], [first, second]);
    assert_eq!(told.len(), 3, "the session's own end");
    assert!(told[2].name != first.name);
    // As long as anything can be done that was asked in a session of that person's, and an hour.
    assert_eq!(ttl, (8 + 24 + 1) * 3600);
}

#[tokio::test]
async fn a_sign_in_whose_evidence_contradicts_itself_is_reported() {
    for lie in [Lie::OtherPerson, Lie::OtherSession, Lie::OtherKey, Lie::ForeignSignature] {
        let world = World::new().await;
        let (path, browser) = on_the_way(&world).await;
        world.intake.next_confirmation(lie);

        let answer = world.called_back(&path, &[(START, &browser)]).await;
        let reported = world.reported().await;

        assert_eq!(answer.location(), FAILED, "{lie:?}");
        let why = "the confirmation is none of the session";
        assert_eq!(said(&reported), [(Happened::SignInRefused, Some(why))], "{lie:?}");
        assert_eq!(reported[0].1.tenantid, World::HOME);
        assert_eq!(reported[0].1.principal, None);
    }
}

#[tokio::test]
async fn a_sign_in_that_only_fails_is_not_reported() {
    let world = World::new().await;
    let (path, browser) = on_the_way(&world).await;
    let declined = path.replace("code=code-0", "error=access_denied");

    world.called_back(&declined, &[(START, &browser)]).await;
    world.called_back(&path, &[]).await;

    assert_eq!(said(&world.reported().await), []);
}

#[tokio::test]
async fn what_somebody_else_put_there_is_not_sent_and_stops_nothing() {
    let world = World::new().await;
    world.line.cut();
    let cookie = world.signed_in().await;
    world.reported().await;
    let [mine] = &*world.waiting().await else { panic!("one report waits") };
    let session = world.live_unchecked(&cookie).await;
    let forged = event::refused(session.tid, session.cookie, "x", Uuid::nil(), world.now());
    let forged = Signed::sign(&forged, &client_key(50).0).await.unwrap();
    let partition = Partition::revocations(session.tid);
    let plant = |id: &str, tenant: &str, event: &str| {
        let kind = reports::KIND;
        let json = json!({ "id": id, "tenant": tenant, "kind": kind, "at": 0, "event": event });
        world.documents.overwrite(&partition, id, json);
    };
    plant("forged", World::HOME, forged.as_str());
    plant("moved", mine["tenant"].as_str().unwrap(), mine["event"].as_str().unwrap());
    plant("nonsense", World::HOME, "nonsense");
    world.line.mend();

    assert_eq!(resend(&world).await, 200);

    assert_eq!(said(&world.reported().await), [(Happened::SessionStarted, None)]);
    let mut left: Vec<_> = world.waiting().await.iter().map(|json| json["id"].clone()).collect();
    left.sort_by_key(ToString::to_string);
    assert_eq!(left, ["forged", "moved", "nonsense"]);
}
