//! A taken-over `intake` invents people.

use airlock_core::{
    decision::{DecisionEvidence, Verdict},
    identity::Role,
    jws::Signed,
    session::{PersonEvidence, Session},
};
use airlock_tests::{Asking, Forger, Order, World, client_key, now};

use crate::forged::{ask, attested, confirmed, decision, proven, refused, session, session_of};

#[tokio::test]
async fn an_invented_requester_gets_nothing_done() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let (_, mine) = client_key();
    let nina = world.who("nina");
    let harriet = world.person("harriet").await;
    let roles = [Role::HelpdeskAgent];

    // A session by intake's key, which may sign confirmations and not sessions; and by a key
    // that nobody knows.
    let by_intake = session(&harriet.who, &roles, &mine, forger.key()).await;
    let by_nobody = session(&harriet.who, &roles, &mine, &mine).await;
    for invented in [by_intake, by_nobody] {
        let confirmation = confirmed(&forger, &invented).await;
        let request = ask(&nina, "sessions.revoke", &invented, &mine).await;
        let evidence = proven(&request, PersonEvidence { session: invented, confirmation });
        let fake = forger.forge(evidence, Vec::new()).await;
        let leaf = refused(&world, &forger, &fake).await;
        assert!(leaf.is_violation(), "{leaf:?}");
    }

    // Harriet's own session, and a request by another key than hers.
    let hers = forger.evidence_of(&harriet).await;
    let request = ask(&nina, "sessions.revoke", &hers.session, &mine).await;
    let fake = forger.forge(proven(&request, hers.clone()), Vec::new()).await;
    assert!(refused(&world, &forger, &fake).await.is_violation());

    // Harriet's session with a confirmation of somebody else's.
    let sam = world.person("sam").await;
    let confirmation = forger.evidence_of(&sam).await.confirmation;
    let request = harriet.sign(&Order::of("sessions.revoke", &nina)).await.signed;
    let mixed = PersonEvidence { session: hers.session, confirmation };
    let fake = forger.forge(proven(&request, mixed), Vec::new()).await;
    assert!(refused(&world, &forger, &fake).await.is_violation());

    // The same request with what belongs to it is genuine: it was the evidence that was refused.
    let asking = harriet.ask("sessions.revoke", &nina).await;
    harriet.wait_for(&asking.id, "succeeded").await;
}

#[tokio::test]
async fn an_invented_approver_gets_nothing_done() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let harriet = world.person("harriet").await;
    let april = world.person("april").await;
    let (_, mine) = client_key();
    let hers = forger.evidence_of(&harriet).await;
    let nina = world.who("nina");
    // A refusal is final: each try is about a request of its own.
    let waiting = async || harriet.ask("account.disable", &nina).await;
    let refused_with = async |asking: &Asking, decisions: Vec<DecisionEvidence>| {
        let evidence = proven(&asking.signed, hers.clone());
        let fake = forger.forge(evidence, decisions).await;
        let leaf = refused(&world, &forger, &fake).await;
        assert!(leaf.is_violation(), "{leaf:?}");
        leaf
    };

    // April's session, another key's decision.
    let asking = waiting().await;
    let aprils = forger.evidence_of(&april).await;
    let forged_decision = decision(&asking.id, &aprils.session, &mine).await;
    let by_april = DecisionEvidence { decision: forged_decision, person: aprils.clone() };
    refused_with(&asking, vec![by_april]).await;

    // A session that intake signed for April itself.
    let asking = waiting().await;
    let roles = [Role::Approver];
    let invented = session(&april.who, &roles, &mine, forger.key()).await;
    let confirmation = confirmed(&forger, &invented).await;
    let forged_decision = decision(&asking.id, &invented, &mine).await;
    let person = PersonEvidence { session: invented, confirmation };
    refused_with(&asking, vec![DecisionEvidence { decision: forged_decision, person }]).await;

    // The requester's own, which is genuine, and no approval.
    let asking = waiting().await;
    let own = harriet.sign_decision(&asking.id, Verdict::Approve).await;
    let own = DecisionEvidence { decision: own, person: hers.clone() };
    refused_with(&asking, vec![own]).await;

    // Another agent's, who may not decide.
    let asking = waiting().await;
    let sam = world.person("sam").await;
    let sams = sam.sign_decision(&asking.id, Verdict::Approve).await;
    let sams = DecisionEvidence { decision: sams, person: forger.evidence_of(&sam).await };
    refused_with(&asking, vec![sams]).await;

    // And nobody's at all.
    let leaf = refused_with(&waiting().await, Vec::new()).await;
    assert_eq!(leaf.reason(), "approvals are missing");
}

#[tokio::test]
async fn somebody_of_another_tenant_gets_nothing_done_here() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let fiona = world.person("fiona").await;
    let nina = world.who("nina");
    let asking = fiona.sign(&Order::of("sessions.revoke", &nina)).await;

    let evidence = proven(&asking.signed, forger.evidence_of(&fiona).await);
    let fake = forger.forge(evidence, Vec::new()).await;
    let leaf = refused(&world, &forger, &fake).await;

    assert!(leaf.is_violation());
    assert_eq!(leaf.reason(), "the requester has no business in this tenant");
    assert_eq!(leaf.says["tenantid"], nina.tenant.to_string());
}

#[tokio::test]
async fn a_session_that_was_over_when_the_request_was_signed_gets_nothing_done() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    // Only whoever holds both keys can make such a session: it is genuine, and of yesterday.
    let signin = world.impostor("signin").await.key().await;
    let (_, mine) = client_key();
    let harriet = world.who("harriet");
    let old = Session {
        auth_time: now().plus_s(-9 * 3600),
        iat: now().plus_s(-9 * 3600),
        exp: now().plus_s(-3600),
        ..session_of(&harriet, &[Role::HelpdeskAgent], mine.key())
    };
    let old = Signed::sign(&old, &signin).await.unwrap();
    let confirmation = confirmed(&forger, &old).await;
    let request = ask(&world.who("nina"), "sessions.revoke", &old, &mine).await;
    let evidence = proven(&request, PersonEvidence { session: old, confirmation });

    let fake = forger.forge(evidence, Vec::new()).await;
    let leaf = refused(&world, &forger, &fake).await;

    assert_eq!(leaf.kind(), "airlock.request.ended");
}

#[tokio::test]
async fn a_caller_whom_only_intake_saw_gets_nothing_sensitive_done() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let nina = world.who("nina");

    for operation in ["account.disable", "account.enable", "password.reset", "tap.issue"] {
        let fake = attested(&forger, "robot", operation, &nina).await;
        let leaf = refused(&world, &forger, &fake).await;
        assert_eq!(leaf.kind(), "airlock.request.ended", "{operation}");
    }
}

#[tokio::test]
async fn a_caller_whom_no_binding_knows_gets_nothing_at_all_done() {
    let world = World::start().await;
    let forger = Forger::new(&world).await;
    let nina = world.who("nina");

    let fake = attested(&forger, "robot", "sessions.revoke", &nina).await;
    let leaf = refused(&world, &forger, &fake).await;

    assert_eq!(leaf.kind(), "airlock.request.ended");
}
