//! What a tenant can demand, and what emergencies cost.

use super::world::{CONTOSO, Client, NINA, World};
use crate::{
    binding::{Conditions, Quotas, Service},
    decision::Verdict::{Approve, Deny, Review, Withdraw},
    finding::Verdict::{Drift, Match, Unreadable},
    identity::Role::{Approver, HelpdeskAgent, SeniorAgent, TenantAdmin},
    jws::Signed,
    ledger::NotCommitted,
    memory::Fault,
    policy::{NotForbids, Policies},
    ports::{Documents as _, Partition},
    reception::{NotReceived, View},
    request::NotAuthorized,
    step_up::{BACKED_S, Context},
};

/// Changes what the tenant wants of `account.disable`.
async fn want(world: &World, conditions: Conditions) {
    let change = |terms: &mut crate::binding::Terms| {
        terms.operations.insert("account.disable".to_owned(), conditions);
    };
    world.change_terms(CONTOSO, change).await;
}

async fn asked(world: &World, client: &Client) -> Result<View, NotReceived> {
    world.submit(client, &world.ask(client, "account.disable", NINA)).await
}

fn why(refused: Result<View, NotReceived>) -> &'static str {
    match refused {
        Err(NotReceived::NotAllowed(NotAuthorized::Denied(reason))) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_quorum_is_of_different_people_and_an_approval_can_be_taken_back() {
    let world = World::new().await;
    want(&world, Conditions { approvals: 2, ..Conditions::default() }).await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let anton = world.sign_in(CONTOSO, 3, &[Approver]).await;
    let view = asked(&world, &harriet).await.unwrap();
    assert_eq!(view.needs_approvals, 2);

    let once = world.decide(&april, &view.id, Approve).await.unwrap();
    assert_eq!((once.state, once.approvals), ("pending", 1));
    let twice = world.decide(&april, &view.id, Approve).await;
    assert!(matches!(twice, Err(NotReceived::State)), "{twice:?}");
    // Nothing of hers is there to take back for anton.
    let nothing = world.decide(&anton, &view.id, Withdraw).await;
    assert!(matches!(nothing, Err(NotReceived::State)), "{nothing:?}");
    let back = world.decide(&april, &view.id, Withdraw).await.unwrap();
    assert_eq!((back.state, back.approvals), ("pending", 0));
    let antons = world.decide(&anton, &view.id, Approve).await.unwrap();
    assert_eq!((antons.state, antons.approvals), ("pending", 1));
    assert!(world.bus.all().is_empty());
    world.clock.advance_s(1);
    let both = world.decide(&april, &view.id, Approve).await.unwrap();

    assert_eq!((both.state, both.approvals), ("permitted", 2));
    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!(world.state(&view.id).await.0, "succeeded");
    assert_eq!(world.effects(), 1);
}

#[tokio::test]
async fn what_a_worker_finds_approved_by_fewer_than_the_tenant_wants_by_then_is_not_done() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let view = asked(&world, &harriet).await.unwrap();
    world.decide(&april, &view.id, Approve).await.unwrap();

    want(&world, Conditions { approvals: 2, ..Conditions::default() }).await;
    assert!(world.deliver(&world.worker(), 1).await);

    assert_eq!(world.state(&view.id).await.0, "refused");
    assert_eq!(world.effects(), 0);
}

#[tokio::test]
async fn whoever_asked_takes_it_back_while_it_waits() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let view = asked(&world, &harriet).await.unwrap();

    let back = world.decide(&harriet, &view.id, Withdraw).await.unwrap();

    assert_eq!(back.state, "withdrawn");
    let late = world.decide(&april, &view.id, Approve).await;
    assert!(matches!(late, Err(NotReceived::State)), "{late:?}");
    assert!(world.bus.all().is_empty());
    assert_eq!(world.contoso_ledger().await.last().unwrap(), "airlock.request.withdrawn");
}

#[tokio::test]
async fn a_ticket_and_an_operation_that_is_off_are_the_tenants_to_decide() {
    let world = World::new().await;
    want(&world, Conditions { ticket: true, ..Conditions::default() }).await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let mut ask = world.ask(&harriet, "account.disable", NINA);

    assert!(why(asked(&world, &harriet).await).contains("wants a ticket"));
    for none in ["", "  ", &"x".repeat(101)] {
        ask.ticket = Some(none.to_owned());
        let refused = world.submit(&harriet, &ask).await;
        assert!(matches!(refused, Err(NotReceived::NotAuthenticated(_))), "{refused:?}");
    }
    ask.ticket = Some("INC-4711".to_owned());
    assert_eq!(world.submit(&harriet, &ask).await.unwrap().state, "pending");

    let before = world.contoso_ledger().await;
    want(&world, Conditions { off: true, ..Conditions::default() }).await;
    assert!(why(asked(&world, &harriet).await).contains("does not offer"));
    assert_eq!(world.contoso_ledger().await, before);
}

#[tokio::test]
async fn a_tenants_own_policies_forbid_and_can_do_nothing_else() {
    let world = World::new().await;
    let forbids = |text: &str| vec![text.to_owned()];
    let own = "forbid (principal, action, resource is Airlock::Change) \
               when { resource.operation == \"account.disable\" };";
    world.change_terms(CONTOSO, |terms| terms.forbids = forbids(own)).await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;

    assert!(why(asked(&world, &harriet).await).contains("tenant's own"));
    let other = world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await;
    assert_eq!(other.unwrap().state, "permitted");

    // One that cannot be read forbids everything: it may have been meant to.
    world.change_terms(CONTOSO, |terms| terms.forbids = forbids("forbid (nonsense);")).await;
    why(world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await);

    let policies = Policies::standard().unwrap();
    let permit = forbids("permit (principal, action, resource);");
    assert_eq!(policies.forbid(&permit).unwrap_err(), NotForbids::Permits(0));
    let typo = forbids("forbid (principal, action, resource) when { principal.provn };");
    assert!(matches!(policies.forbid(&typo), Err(NotForbids::NotValid(0, _))));
    let slot = forbids("forbid (principal == ?principal, action, resource);");
    assert!(matches!(policies.forbid(&slot), Err(NotForbids::NotValid(0, _))));
}

#[tokio::test]
async fn a_step_up_counts_only_while_something_shows_what_is_behind_it() {
    let world = World::new().await;
    let c1 = Context::try_from("c1".to_owned()).unwrap();
    want(&world, Conditions { step_up: Some(c1.clone()), ..Conditions::default() }).await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let plain = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let stepped_up = world.step_up(CONTOSO, 3, &[Approver], &["c1"]).await;
    let elsewhere = world.step_up(CONTOSO, 4, &[Approver], &["c2", "c11"]).await;
    let view = asked(&world, &harriet).await.unwrap();
    let refused = async |client| {
        let decided = world.decide(client, &view.id, Approve).await;
        matches!(decided, Err(NotReceived::NotDecided(_)))
    };

    assert!(refused(&stepped_up).await, "nothing was found yet");
    for verdict in [Drift, Unreadable] {
        world.find(&c1, verdict).await;
        assert!(refused(&stepped_up).await, "{verdict:?}");
    }
    world.find(&c1, Match).await;
    assert!(refused(&plain).await);
    assert!(refused(&elsewhere).await);
    assert!(world.bus.all().is_empty());
    assert_eq!(world.decide(&stepped_up, &view.id, Approve).await.unwrap().state, "permitted");

    // By the time that it is carried out, the policy is gone.
    world.find(&c1, Drift).await;
    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!(world.state(&view.id).await.0, "refused");
    assert_eq!(world.effects(), 0);
}

#[tokio::test]
async fn an_earlier_finding_that_is_put_back_backs_nothing_where_a_later_one_was_seen() {
    let world = World::new().await;
    let c1 = Context::try_from("c1".to_owned()).unwrap();
    want(&world, Conditions { step_up: Some(c1.clone()), ..Conditions::default() }).await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let april = world.step_up(CONTOSO, 3, &[Approver], &["c1"]).await;
    let [view, other] =
        [asked(&world, &harriet).await.unwrap(), asked(&world, &harriet).await.unwrap()];
    let partition = Partition::tenant(&world.scope(CONTOSO).await);
    let id = crate::step_up::document_id(&c1);
    world.find(&c1, Match).await;
    assert_eq!(world.decide(&april, &other.id, Approve).await.unwrap().state, "permitted");
    let earlier = world.documents.all(&partition)[&id].clone();
    world.clock.advance_s(1);
    world.find(&c1, Drift).await;
    let worker = world.worker();
    // Reception and worker both come upon the later one.
    let decided = world.decide(&april, &view.id, Approve).await;
    assert!(matches!(decided, Err(NotReceived::NotDecided(_))), "{decided:?}");
    assert!(world.deliver(&worker, 1).await);
    assert_eq!(world.state(&other.id).await.0, "refused");
    let ledger = world.contoso_ledger().await;

    world.documents.overwrite(&partition, &id, earlier);

    let decided = world.decide(&april, &view.id, Approve).await;
    assert!(matches!(decided, Err(NotReceived::NotDecided(_))), "{decided:?}");
    assert_eq!((world.state(&view.id).await.0, world.effects()), ("pending", 0));
    assert_eq!(world.contoso_ledger().await, ledger);
    // What drift finds next counts again.
    world.clock.advance_s(1);
    world.find(&c1, Match).await;
    assert_eq!(world.decide(&april, &view.id, Approve).await.unwrap().state, "permitted");
    assert!(world.deliver(&worker, 1).await);
    assert_eq!((world.state(&view.id).await.0, world.effects()), ("succeeded", 1));
}

#[tokio::test]
async fn an_old_finding_backs_nothing_and_a_forged_one_is_a_violation() {
    let world = World::new().await;
    let c1 = Context::try_from("c1".to_owned()).unwrap();
    want(&world, Conditions { step_up: Some(c1.clone()), ..Conditions::default() }).await;
    world.find(&c1, Match).await;
    world.pass(BACKED_S).await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let april = world.step_up(CONTOSO, 3, &[Approver], &["c1"]).await;
    let view = asked(&world, &harriet).await.unwrap();

    let old = world.decide(&april, &view.id, Approve).await;
    assert!(matches!(old, Err(NotReceived::NotDecided(_))), "{old:?}");

    world.find(&c1, Match).await;
    let partition = Partition::tenant(&world.scope(CONTOSO).await);
    let id = crate::step_up::document_id(&c1);
    let mut json = world.documents.read(&partition, &id).await.unwrap().unwrap().json;
    json["body"] = serde_json::json!(json["body"].as_str().unwrap().replace("ey", "eX"));
    world.documents.overwrite(&partition, &id, json);
    let forged = world.decide(&april, &view.id, Approve).await;
    assert!(matches!(forged, Err(NotReceived::Violation(_))), "{forged:?}");
    assert!(world.bus.all().iter().all(|(queue, _)| queue == "events"));
}

#[tokio::test]
async fn an_emergency_waits_for_nobody_and_is_reviewed_before_there_is_another() {
    let world = World::new().await;
    want(&world, Conditions { approvals: 3, ..Conditions::default() }).await;
    let tara = world.sign_in(CONTOSO, 1, &[TenantAdmin]).await;
    let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let mut ask = world.ask(&tara, "account.disable", NINA);
    ask.break_glass = true;

    let view = world.submit(&tara, &ask).await.unwrap();

    assert_eq!(view.state, "permitted");
    assert_eq!(world.contoso_ledger().await, ["airlock.request.break-glass"]);
    let told: Vec<String> = world.bus.all().into_iter().map(|(queue, _)| queue).collect();
    assert!(told.contains(&"events".to_owned()), "{told:?}");
    let event = world.bus.all().into_iter().find(|(queue, _)| queue == "events").unwrap().1;
    let event: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
    assert_eq!(event["type"], "airlock.request.break-glass");

    let early = world.decide(&april, &view.id, Review).await;
    assert!(matches!(early, Err(NotReceived::State)), "{early:?}");
    let again = async |jti| {
        let mut another = world.ask(&tara, "account.disable", NINA);
        (another.break_glass, another.jti) = (true, jti);
        world.submit(&tara, &another).await
    };
    assert!(why(again(uuid::Uuid::new_v4()).await).contains("not been reviewed"));
    assert!(world.deliver_permit(&world.worker()).await);
    assert_eq!(world.state(&view.id).await.0, "succeeded");
    assert!(why(again(uuid::Uuid::new_v4()).await).contains("not been reviewed"));

    // Long after the request's own time.
    world.pass(2 * 3600).await;
    let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let tara = world.sign_in(CONTOSO, 1, &[TenantAdmin]).await;
    let own = world.decide(&tara, &view.id, Review).await;
    assert!(matches!(own, Err(NotReceived::NotDecided(_))), "{own:?}");
    let reviewed = world.decide(&april, &view.id, Review).await.unwrap();
    assert_eq!((reviewed.state, reviewed.review), ("succeeded", Some("done")));
    let twice = world.decide(&april, &view.id, Review).await;
    assert!(matches!(twice, Err(NotReceived::State)), "{twice:?}");
    let mut next = world.ask(&tara, "account.disable", NINA);
    next.break_glass = true;
    assert_eq!(world.submit(&tara, &next).await.unwrap().state, "permitted");
}

#[tokio::test]
async fn nobody_but_a_tenant_admin_breaks_the_glass_and_not_for_a_protected_target() {
    let world = World::new().await;
    let senior = world.sign_in(CONTOSO, 1, &[SeniorAgent, Approver]).await;
    let mut ask = world.ask(&senior, "account.disable", NINA);
    ask.break_glass = true;
    assert!(why(world.submit(&senior, &ask).await).contains("tenant administrator"));

    let tara = world.sign_in(CONTOSO, 2, &[TenantAdmin]).await;
    let mut ask = world.ask(&tara, "account.disable", super::world::OLGA);
    ask.break_glass = true;
    let view = world.submit(&tara, &ask).await.unwrap();
    assert!(world.deliver_permit(&world.worker()).await);
    assert_eq!(world.state(&view.id).await.0, "refused");
    assert_eq!(world.effects(), 0);
}

#[tokio::test]
async fn an_ordinary_request_has_nothing_to_review() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let view = asked(&world, &harriet).await.unwrap();

    let reviewed = world.decide(&april, &view.id, Review).await;
    assert!(matches!(reviewed, Err(NotReceived::NotDecided(_))), "{reviewed:?}");
    world.decide(&april, &view.id, Deny).await.unwrap();
    let over = world.decide(&april, &view.id, Review).await;
    assert!(matches!(over, Err(NotReceived::State)), "{over:?}");
}

#[tokio::test]
async fn quotas_are_counted_with_what_they_count_for_each_hour() {
    let world = World::new().await;
    let quotas = Quotas { tenant: 5, caller: 3, ..Quotas::default() };
    world.change_terms(CONTOSO, |terms| terms.quotas = quotas).await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let henry = world.sign_in(CONTOSO, 2, &[HelpdeskAgent]).await;
    let over = |refused| matches!(refused, Err(NotReceived::NotCommitted(NotCommitted::Quota)));

    // A lost answer is not counted twice, and a write that failed not at all.
    world.documents.next_batches([Fault::LosesAnswer, Fault::Fails]);
    for _ in 0..3 {
        asked(&world, &harriet).await.unwrap();
    }
    let before = world.contoso_ledger().await;
    assert_eq!(before.len(), 3);
    assert!(over(asked(&world, &harriet).await));
    assert_eq!(world.contoso_ledger().await, before);
    for _ in 0..2 {
        asked(&world, &henry).await.unwrap();
    }
    assert!(over(asked(&world, &henry).await), "the tenant's own");
    world.pass(3600).await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    asked(&world, &harriet).await.unwrap();
}

#[tokio::test]
async fn many_at_once_get_exactly_as_many_as_there_are() {
    let world = std::sync::Arc::new(World::new().await);
    let quotas = Quotas { tenant: 100, caller: 7, ..Quotas::default() };
    world.change_terms(CONTOSO, |terms| terms.quotas = quotas).await;
    let harriet = std::sync::Arc::new(world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await);

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (world, harriet) = (world.clone(), harriet.clone());
        tasks.spawn(async move { asked(&world, &harriet).await.is_ok() });
    }
    let taken = tasks.join_all().await.into_iter().filter(|taken| *taken).count();

    assert_eq!(taken, 7);
    assert_eq!(world.contoso_ledger().await.len(), 7);
}

#[tokio::test]
async fn whoever_answers_for_a_service_does_not_decide_what_it_asks() {
    let world = World::new().await;
    let owner = world.sign_in(CONTOSO, 1, &[Approver]).await;
    let other = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let service = Service {
        name: "hr".to_owned(),
        issuer: "https://hr.example/".to_owned(),
        audience: "airlock".to_owned(),
        subject: "batch".to_owned(),
        operations: vec!["sessions.revoke".to_owned()],
        certificate_bound: false,
        owners: vec![owner.id().oid],
    };
    world.change_terms(CONTOSO, |terms| terms.services = vec![service]).await;
    let scope = world.scope(CONTOSO).await;
    let request = world.attested("hr", "sessions.revoke", NINA).await;
    let policies = Policies::standard().unwrap();
    let decides = |client: &Client| {
        let standing = scope.standing(&client.caller.person).unwrap();
        let approving = crate::policy::Approving {
            approver: client.id(),
            standing: &standing,
            scope: &scope,
            request: &request,
            bound: None,
        };
        policies.may_decide(&approving, true)
    };

    assert!(decides(&owner).unwrap_err().contains("answer for"));
    assert_eq!(decides(&other), Ok(()));
}

#[tokio::test]
async fn a_request_that_names_somebody_else_as_its_requester_is_not_taken_and_not_done() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let sam = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    let mut ask = world.ask(&harriet, "sessions.revoke", NINA);
    ask.by = sam.id();

    let refused = world.submit(&harriet, &ask).await;
    assert!(matches!(refused, Err(NotReceived::NotAuthenticated(_))), "{refused:?}");

    let signed = Signed::sign(&ask, &harriet.key).await.unwrap();
    let evidence = harriet.proven(signed);
    let trust = world.trust().await;
    let opened = crate::request::Request::authenticate(&evidence, &trust, None, world.now());
    assert!(opened.is_err());
    assert!(world.contoso_ledger().await.is_empty());
}
