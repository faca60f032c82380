//! What policy and a tenant's terms say to what was found.

use std::fmt::Write as _;

use super::{
    super::world::CONTOSO,
    stage::{FEDERATED, METHODS, NAME, SECRETLESS, Stage, id_of, removes},
};
use crate::{
    ask::RequestEvidence,
    binding::Conditions,
    decision::Verdict,
    drift::check::Mend,
    identity::Role,
    policy::{Known, Policies, Ruling},
    reception::NotReceived,
    request::{NotAuthorized, Request},
    tenancy::Standing,
};

#[tokio::test]
async fn a_password_is_taken_away_at_once_trust_once_approved_and_nothing_else_ever() {
    let stage = Stage::new().await;
    let world = stage.world();
    let (scope, trust) = (world.scope(CONTOSO).await, world.trust().await);
    let policies = Policies::standard().unwrap();
    let checks = crate::drift::check::CHECKS.map(|check| check.name);
    let mut table = String::new();

    for check in checks.into_iter().chain(["unreadable", ""]) {
        let (tenant, application) = (CONTOSO, METHODS);
        let trust_of =
            Mend::RemoveFederated { tenant, application, credential: super::stage::TRUST };
        let password = removes(METHODS, super::PASSWORD);
        let finding = stage.finding(check, if check == FEDERATED { trust_of } else { password });
        let event = stage.asks(&format!("of {check}"), &finding).await;
        let evidence = RequestEvidence::Produced { event };
        let request = Request::authenticate(&evidence, &trust, Some(&scope), world.now());
        if check != SECRETLESS && check != FEDERATED {
            assert!(request.is_err(), "{check} finds nothing that can be taken away");
            continue;
        }
        let request = request.unwrap();
        let judged = |approvals| match policies.judge(
            &scope,
            &Standing::none(),
            &request,
            approvals,
            Known::Nothing,
        ) {
            Ruling::Allowed => "yes".to_owned(),
            Ruling::NeedsApprovals(needed) => format!("approve {needed}"),
            Ruling::Denied(_) => "no".to_owned(),
        };
        writeln!(table, "{check}: {}, then {}", judged(0), judged(1)).unwrap();
    }

    insta::assert_snapshot!(table, @r"
    secretless-application: yes, then yes
    federated-credential: approve 1, then yes
    ");
}

/// What the tenant wants besides.
async fn want(stage: &Stage, conditions: Conditions) {
    let change = |terms: &mut crate::binding::Terms| {
        terms.operations.insert(NAME.to_owned(), conditions);
    };
    stage.world().change_terms(CONTOSO, change).await;
}

#[tokio::test]
async fn a_tenant_wants_more_and_gets_it() {
    let stage = Stage::new().await;
    for (conditions, why) in [
        (Conditions { off: true, ..Conditions::default() }, "does not offer"),
        (Conditions { ticket: true, ..Conditions::default() }, "wants a ticket"),
    ] {
        want(&stage, conditions).await;
        let event = stage.asks(why, &stage.password()).await;
        let Err(NotReceived::NotAllowed(NotAuthorized::Denied(reason))) = stage.send(&event).await
        else {
            panic!("{why}")
        };
        assert!(reason.contains(why), "{reason}");
    }
    stage.assert_untouched("not offered");

    want(&stage, Conditions { approvals: 2, ..Conditions::default() }).await;
    let event = stage.asks("2", &stage.password()).await;
    stage.send(&event).await.unwrap();
    let (world, id) = (stage.world(), id_of(&event));
    let trent = world.sign_in(CONTOSO, 13, &[Role::TenantAdmin]).await;
    let once = world.decide(&stage.tara, &id, Verdict::Approve).await.unwrap();
    assert_eq!((once.state, once.needs_approvals), ("pending", 2));
    let twice = world.decide(&trent, &id, Verdict::Approve).await.unwrap();
    assert_eq!(twice.state, "permitted");

    // Three, by the time that it comes to the worker.
    want(&stage, Conditions { approvals: 3, ..Conditions::default() }).await;
    let message = stage.last_message();
    assert!(stage.worker().handle(&message.body, 1, None).await.is_ok());

    assert_eq!(world.state(&id).await.0, "refused");
    stage.assert_untouched("approved by too few");
}

#[tokio::test]
async fn a_tenants_own_policies_forbid_what_was_found_too() {
    let stage = Stage::new().await;
    let own = "forbid (principal, action, resource is Airlock::Change) when \
               { resource has finding && resource.finding.check == \"secretless-application\" };";
    let change = |terms: &mut crate::binding::Terms| terms.forbids = vec![own.to_owned()];
    stage.world().change_terms(CONTOSO, change).await;

    let event = stage.asks("1", &stage.password()).await;
    let refused = stage.send(&event).await;

    assert!(matches!(refused, Err(NotReceived::NotAllowed(NotAuthorized::Denied(_)))));
    stage.assert_untouched("forbidden");
}
