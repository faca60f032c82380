//! What is not taken away, whoever asks and however: at the door, and behind it when `intake` has
//! been taken over and permits all of it.

use uuid::Uuid;

use super::{
    super::{
        impostors::{self, Forged},
        world::{CONTOSO, FABRIKAM, key, settle},
    },
    assert_ended,
    stage::{
        FEDERATED, METHODS, NAME, OTHER, PAYROLL, ROTATOR, SECRETLESS, STRAY, Stage, TRUST, id_of,
        op, removes,
    },
};
use crate::{
    ask::RequestEvidence,
    binding::{Service, SignedBy},
    catalog::{Asked, Target},
    decision,
    drift::check::Mend,
    execution::Worker,
    finding::{Drifted, Finding, State, Verdict},
    identity::App,
    jws::Signed,
    permit::PermittedChange,
    producer::Event,
    reception::NotReceived,
    request::{FRESH_S, NotAuthorized},
    service::{Holder, SeenToken, ServiceAsk},
};

/// A finding with this spoiled in what deviates.
fn with(mut finding: Finding, spoil: impl FnOnce(&mut Drifted)) -> Finding {
    spoil(finding.drift.as_mut().unwrap());
    finding
}

/// Events that are signed as they should be, and rest on a finding that does not support them.
async fn unsupported(stage: &Stage) -> Vec<(&'static str, Signed<Event>)> {
    let good = stage.password();
    let now = stage.world().now();
    let asked = op(good.drift.as_ref().unwrap().mend.as_ref().unwrap());
    let elsewhere =
        Mend::RemovePassword { tenant: FABRIKAM, application: METHODS, credential: OTHER };
    let mended = |mend: Mend| with(stage.password(), |drift| drift.mend = Some(mend));
    let in_state = |state: State| with(stage.password(), |drift| drift.state = state);
    let told = |verdict: Verdict| Finding { verdict, ..stage.password() };
    let old = now.plus_s(-FRESH_S);
    let trust = stage.trust().drift.unwrap().mend.unwrap();
    let accepted = State::Accepted { reason: "known".to_owned(), until: now.plus_s(3600) };
    let findings = [
        ("another tenant", Finding { tnt: FABRIKAM, ..stage.password() }),
        ("another tenant's registration", mended(elsewhere)),
        ("another credential", mended(removes(METHODS, OTHER))),
        ("another application", mended(removes(PAYROLL, super::PASSWORD))),
        ("another kind", mended(trust)),
        ("nothing to mend", with(stage.password(), |drift| drift.mend = None)),
        ("it is resolved", in_state(State::Resolved { at: now })),
        ("it is accepted", in_state(accepted)),
        ("it matches", told(Verdict::Match)),
        ("it was not read", told(Verdict::Unreadable)),
        ("it is stale", told(Verdict::Stale)),
        ("no drift", Finding { drift: None, ..stage.password() }),
        ("it is old", Finding { iat: old, ..stage.password() }),
        ("it has expired", Finding { exp: now, ..stage.password() }),
        ("another app says so", Finding { iss: App::Signin, ..stage.password() }),
    ];
    let mut events = Vec::new();
    let by_drift = async |id: &str, op: Asked, finding: Option<Signed<Finding>>| {
        Signed::sign(&stage.event(id, op, finding), stage.drift()).await.unwrap()
    };
    for (what, finding) in findings {
        let finding = Signed::sign(&finding, stage.drift()).await.unwrap();
        events.push((what, by_drift(what, asked.clone(), Some(finding)).await));
    }
    for (what, signer) in [
        ("a finding by a stranger", &key()),
        ("a finding by intake", stage.world().key_of(App::Intake)),
        ("a finding by rotate", stage.world().key_of(App::Rotate)),
    ] {
        let finding = Signed::sign(&good, signer).await.unwrap();
        events.push((what, by_drift(what, asked.clone(), Some(finding)).await));
    }
    events.push(("no finding", by_drift("none", asked.clone(), None).await));
    let finding = Signed::sign(&good, stage.drift()).await.unwrap();
    for (what, signer) in [
        ("an event by a stranger", &key()),
        ("an event by intake", stage.world().key_of(App::Intake)),
    ] {
        let event = stage.event(what, asked.clone(), Some(finding.clone()));
        events.push((what, Signed::sign(&event, signer).await.unwrap()));
    }
    let user = Asked {
        name: "sessions.revoke".to_owned(),
        target: Target::User(PAYROLL),
        parameters: serde_json::json!({}),
    };
    events.push(("a finding about something else", by_drift("user", user, Some(finding)).await));
    events
}

#[tokio::test(start_paused = true)]
async fn what_no_finding_supports_leaves_no_trace() {
    let stage = Stage::new().await;
    stage.register(SignedBy::Drift, &[NAME, "sessions.revoke"]).await;
    let before = stage.stored().await;

    for (what, event) in unsupported(&stage).await {
        let error = stage.send(&event).await.unwrap_err();
        assert!(matches!(error, NotReceived::NotAuthenticated(_)), "{what}: {error:?}");
    }

    assert_eq!((stage.stored().await, stage.world().bus.all().len()), (before, 0));
    stage.assert_untouched("at the door");
    let good = stage.asks("good", &stage.password()).await;
    stage.send(&good).await.unwrap();
}

/// `intake` permits it alone; says how it ended.
async fn forced(stage: &Stage, worker: &Worker, evidence: RequestEvidence, op: Asked) -> String {
    let forged = Forged { evidence, decisions: Vec::new(), op, by: "producer:drift".to_owned() };
    let (id, message): (String, PermittedChange) =
        impostors::permitted(stage.world(), forged).await;
    let body = serde_json::to_vec(&message).unwrap();
    assert!(worker.handle(&body, 1, None).await.is_ok());
    id
}

#[tokio::test(start_paused = true)]
async fn a_taken_over_intake_has_nothing_removed_that_no_finding_supports() {
    let stage = Stage::new().await;
    stage.register(SignedBy::Drift, &[NAME]).await;
    let worker = stage.worker();

    for (what, event) in unsupported(&stage).await {
        // What is for the other worker is for its own tests.
        if what == "a finding about something else" {
            continue;
        }
        let asked = op(&removes(METHODS, super::PASSWORD));
        let evidence = RequestEvidence::Produced { event };
        let id = forced(&stage, &worker, evidence, asked).await;
        let (how, reason) = stage.world().state(&id).await;
        assert_eq!(how, "refused", "{what}: {reason}");
        stage.assert_untouched(what);
    }
}

#[tokio::test(start_paused = true)]
async fn a_taken_over_intake_cannot_spare_an_approval() {
    let stage = Stage::new().await;
    let event = stage.asks("1", &stage.trust()).await;
    let asked = op(stage.trust().drift.unwrap().mend.as_ref().unwrap());
    let evidence = RequestEvidence::Produced { event };

    let id = forced(&stage, &stage.worker(), evidence, asked).await;

    impostors::assert_refused(stage.world(), &id, 0).await;
    stage.assert_untouched("nobody approved it");
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_is_not_drift_has_nothing_removed_by_a_finding_that_it_has_read() {
    let stage = Stage::new().await;
    let siem = key();
    stage.register(SignedBy::Key(siem.key().clone()), &[NAME]).await;
    let finding = Signed::sign(&stage.password(), stage.drift()).await.unwrap();
    let asked = op(&removes(METHODS, super::PASSWORD));
    let event = stage.event("1", asked.clone(), Some(finding));
    let event = Signed::sign(&event, &siem).await.unwrap();

    let error = stage.send(&event).await.unwrap_err();
    assert!(matches!(error, NotReceived::NotAuthenticated(_)), "{error:?}");
    let evidence = RequestEvidence::Produced { event };
    let id = forced(&stage, &stage.worker(), evidence, asked).await;

    impostors::assert_refused(stage.world(), &id, 0).await;
    stage.assert_untouched("a key of its own");
}

#[tokio::test(start_paused = true)]
async fn drift_has_nothing_removed_where_it_is_not_registered_for_that() {
    for operations in [&[][..], &["sessions.revoke"]] {
        let stage = Stage::new().await;
        stage.register(SignedBy::Drift, operations).await;
        let event = stage.asks("1", &stage.password()).await;

        let error = stage.send(&event).await.unwrap_err();
        let denied = matches!(error, NotReceived::NotAllowed(NotAuthorized::Denied(_)));
        assert!(denied, "{error:?}");
        let asked = op(&removes(METHODS, super::PASSWORD));
        let evidence = RequestEvidence::Produced { event };
        let id = forced(&stage, &stage.worker(), evidence, asked).await;

        assert_eq!(stage.world().state(&id).await.0, "refused");
        stage.assert_untouched("not listed");
    }
}

#[tokio::test(start_paused = true)]
async fn no_person_has_anything_removed_whatever_they_are() {
    let stage = Stage::new().await;
    let world = stage.world();
    for role in crate::identity::Role::ALL {
        let person = world.sign_in(CONTOSO, 31, &[role]).await;
        for break_glass in [false, true] {
            let mut ask = world.ask_on(&person, NAME, Target::Application(METHODS));
            ask.op = op(&removes(METHODS, super::PASSWORD));
            ask.break_glass = break_glass;

            let refused = world.submit(&person, &ask).await;
            let Err(NotReceived::NotAllowed(NotAuthorized::Denied(_))) = refused else {
                panic!("{role:?}: {refused:?}")
            };
            let request = Signed::sign(&ask, &person.key).await.unwrap();
            let id = forced(&stage, &stage.worker(), person.proven(request), ask.op).await;
            assert_eq!(world.state(&id).await.0, "refused", "{role:?}");
        }
    }
    stage.assert_untouched("a person asked");
    let tina = world.sign_in(CONTOSO, 32, &[crate::identity::Role::TenantAdmin]).await;
    let mut ask = world.ask_on(&tina, NAME, Target::Application(METHODS));
    ask.op = op(&removes(METHODS, super::PASSWORD));
    let Err(NotReceived::NotAllowed(NotAuthorized::Denied(why))) = world.submit(&tina, &ask).await
    else {
        panic!("allowed")
    };
    assert!(why.contains("only drift asks"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn no_service_has_anything_removed_whatever_its_binding_lists() {
    let stage = Stage::new().await;
    let world = stage.world();
    let service = Service {
        name: "hr-system".to_owned(),
        issuer: "https://id.example/".to_owned(),
        audience: "airlock".to_owned(),
        subject: "hr".to_owned(),
        operations: vec![NAME.to_owned()],
        certificate_bound: false,
        owners: Vec::new(),
    };
    let token = SeenToken {
        issuer: service.issuer.clone(),
        audience: service.audience.clone(),
        subject: service.subject.clone(),
        scopes: vec![format!("runtime.{NAME}")],
        holder: Holder::Anyone,
        digest: crate::digest::Digest::of(&[b"token"]),
    };
    world.change_terms(CONTOSO, |terms| terms.services = vec![service]).await;
    let asked = op(&removes(METHODS, super::PASSWORD));
    let ask = ServiceAsk {
        tenant: CONTOSO,
        op: asked.clone(),
        purpose: "somebody saw it".to_owned(),
        ticket: None,
        lifetime_s: None,
    };

    let refused = world.reception.submit_for(&token, ask, "1", None).await;
    settle().await;
    assert!(matches!(refused, Err(NotReceived::NotAllowed(NotAuthorized::Denied(_)))));
    let mut attestation = world.attestation("hr-system", NAME, METHODS);
    (attestation.op, attestation.aud) = (asked.clone(), App::Rotate);
    let attestation = Signed::sign(&attestation, world.key_of(App::Intake)).await.unwrap();
    let evidence = RequestEvidence::Attested { attestation };
    let id = forced(&stage, &stage.worker(), evidence, asked).await;

    assert_eq!(world.state(&id).await.0, "refused");
    stage.assert_untouched("a service asked");
}

#[tokio::test(start_paused = true)]
async fn what_drift_itself_must_not_ask_for_is_refused_before_it_is_claimed() {
    let declared = Mend::RemoveFederated {
        tenant: CONTOSO,
        application: METHODS,
        credential: super::DECLARED,
    };
    let nowhere = crate::identity::ObjectId::new(Uuid::from_u128(0xdead));
    let removed = "not an application that Airlock takes credentials away from";
    for (mend, reason) in [
        (removes(ROTATOR, OTHER), removed),
        (removes(PAYROLL, OTHER), removed),
        (removes(STRAY, OTHER), removed),
        (removes(nowhere, OTHER), "the directory does not know the application"),
        (declared, "the credential is the one that was declared"),
    ] {
        let stage = Stage::new().await;
        let is_trust = matches!(mend, Mend::RemoveFederated { .. });
        let check = if is_trust { FEDERATED } else { SECRETLESS };
        let event = stage.asks("1", &stage.finding(check, mend)).await;
        stage.send(&event).await.unwrap();
        if is_trust {
            let id = id_of(&event);
            stage.world().decide(&stage.tara, &id, decision::Verdict::Approve).await.unwrap();
        }

        assert!(stage.worker().handle(&stage.last_message().body, 1, None).await.is_ok());

        assert_ended(&stage, &event, ("refused", reason)).await;
        stage.assert_untouched(reason);
        let told = stage.world().contoso_ledger().await;
        assert!(!told.iter().any(|told| told == "airlock.request.claimed"), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_check_finds_is_not_asked_for_under_the_name_of_another() {
    let trust = Mend::RemoveFederated { tenant: CONTOSO, application: METHODS, credential: TRUST };
    for (check, mend) in [(SECRETLESS, trust), (FEDERATED, removes(METHODS, super::PASSWORD))] {
        let stage = Stage::new().await;
        let event = stage.asks("1", &stage.finding(check, mend)).await;

        assert!(stage.send(&event).await.is_err(), "policy judges by the check");
        stage.assert_untouched(check);
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_of_the_other_kind_removes_nothing() {
    let stage = Stage::new().await;
    // Of a password, and there is trust by that id.
    let event = stage.asks("1", &stage.finding(SECRETLESS, removes(METHODS, TRUST))).await;
    stage.send(&event).await.unwrap();

    assert!(stage.worker().handle(&stage.last_message().body, 1, None).await.is_ok());

    assert_ended(&stage, &event, super::GONE).await;
    stage.assert_untouched("no such password");
}

#[tokio::test(start_paused = true)]
async fn what_a_key_of_drifts_signed_that_was_revoked_removes_nothing() {
    let stage = Stage::new().await;
    let event = stage.asks("1", &stage.password()).await;
    stage.send(&event).await.unwrap();
    let message = stage.last_message();
    stage.world().revoke_key_of(App::Drift).await;

    assert!(stage.worker().handle(&message.body, 1, None).await.is_ok());
    assert!(stage.send(&stage.asks("2", &stage.password()).await).await.is_err());

    stage.assert_untouched(&id_of(&event));
}

#[tokio::test(start_paused = true)]
async fn execute_removes_nothing_with_the_permit_of_rotate() {
    let stage = Stage::new().await;
    let event = stage.asks("1", &stage.password()).await;
    stage.send(&event).await.unwrap();

    assert!(stage.world().worker().handle(&stage.last_message().body, 1, None).await.is_ok());

    assert_ended(&stage, &event, ("permitted", "")).await;
    stage.assert_untouched("another worker's");
}
