//! What the product promises to people who mean well.

use super::world::{CONTOSO, FABRIKAM, NINA, NOON, OLGA, SVEN, World};
use crate::{
    decision::Verdict,
    identity::Role::{Approver, Auditor, HelpdeskAgent, SeniorAgent},
    jwe,
    reception::{NotReceived, RequestName},
};

#[tokio::test]
async fn a_low_risk_request_is_permitted_at_once_and_done_once() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;

    let view = world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();
    assert_eq!(view.state, "permitted");
    assert!(world.deliver(&world.worker(), 1).await);

    assert_eq!(world.state(&view.id).await.0, "succeeded");
    assert_eq!(world.effects(), 1);
    assert_eq!(
        world.contoso_ledger().await,
        ["airlock.request.permitted", "airlock.request.claimed", "airlock.request.ended"]
    );
}

#[tokio::test]
async fn a_change_that_needs_approval_waits_for_somebody_else() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent, Approver]).await;
    let april = world.sign_in(CONTOSO, 2, &[Approver]).await;

    let view = world.submit(&harriet, &world.ask(&harriet, "account.disable", NINA)).await.unwrap();
    assert_eq!((view.state, view.needs_approvals), ("pending", 1));
    assert!(world.bus.all().is_empty());

    let own = world.decide(&harriet, &view.id, Verdict::Approve).await;
    assert!(matches!(own, Err(NotReceived::NotDecided(_))), "{own:?}");
    assert!(world.bus.all().is_empty());

    let approved = world.decide(&april, &view.id, Verdict::Approve).await.unwrap();
    assert_eq!(approved.state, "permitted");
    assert!(world.deliver(&world.worker(), 1).await);
    assert_eq!(world.state(&view.id).await.0, "succeeded");
    assert_eq!(world.effects(), 1);
}

#[tokio::test]
async fn a_request_that_was_turned_down_stays_so() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
    let anton = world.sign_in(CONTOSO, 3, &[Approver]).await;
    let view = world.submit(&harriet, &world.ask(&harriet, "account.disable", NINA)).await.unwrap();

    let denied = world.decide(&april, &view.id, Verdict::Deny).await.unwrap();
    assert_eq!(denied.state, "turned_down");

    let late = world.decide(&anton, &view.id, Verdict::Approve).await;
    assert!(matches!(late, Err(NotReceived::State)), "{late:?}");
    assert!(world.bus.all().is_empty());
}

#[tokio::test]
async fn a_secret_is_shown_once_to_whoever_asked_for_it() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
    let other = world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
    let view = world.submit(&sam, &world.ask(&sam, "tap.issue", NINA)).await.unwrap();
    assert!(world.deliver(&world.worker(), 1).await);
    let name = RequestName::parse(&view.id).unwrap();

    let theirs = world.reception.reveal(&other.caller, name, None).await;
    assert!(matches!(theirs, Err(NotReceived::NotThere)), "{theirs:?}");

    let result = world.reception.reveal(&sam.caller, name, None).await.unwrap();
    assert_eq!(jwe::open(&result, &sam.reveal).unwrap().expose(), "Pass-1234");
    assert!(jwe::open(&result, &other.reveal).is_err());

    let again = world.reception.reveal(&sam.caller, name, None).await;
    assert!(matches!(again, Err(NotReceived::Gone)), "{again:?}");
}

#[tokio::test]
async fn a_secret_that_nobody_fetched_is_gone_after_minutes() {
    let world = World::new().await;
    let sam = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
    let view = world.submit(&sam, &world.ask(&sam, "tap.issue", NINA)).await.unwrap();
    assert!(world.deliver(&world.worker(), 1).await);

    world.pass(crate::record::REVEAL_S + 1).await;

    let name = RequestName::parse(&view.id).unwrap();
    let late = world.reception.reveal(&sam.caller, name, None).await;
    assert!(matches!(late, Err(NotReceived::Gone)), "{late:?}");
}

#[tokio::test]
async fn a_protected_target_is_refused_before_anything_is_written() {
    for (operation, target) in
        [("tap.issue", OLGA), ("password.reset", OLGA), ("password.reset", SVEN)]
    {
        let world = World::new().await;
        let sam = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
        let view = world.submit(&sam, &world.ask(&sam, operation, target)).await.unwrap();

        assert!(world.deliver(&world.worker(), 1).await);

        let (state, reason) = world.state(&view.id).await;
        assert_eq!(state, "refused", "{operation}");
        assert!(reason.starts_with("the target"), "{reason}");
        assert_eq!(world.effects(), 0);
        assert_eq!(world.contoso_ledger().await.last().unwrap(), "airlock.request.ended");
    }
}

#[tokio::test]
async fn the_same_signed_request_sent_again_is_the_same_request() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);

    let first = world.submit(&harriet, &ask).await.unwrap();
    let second = world.submit(&harriet, &ask).await.unwrap();

    assert_eq!(first.id, second.id);
    assert_eq!(world.bus.all().len(), 1);
}

#[tokio::test]
async fn a_role_counts_only_where_the_binding_lets_the_home_tenant_confer_it() {
    let world = World::new().await;
    let senior = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
    let fiona = world.sign_in(FABRIKAM, 2, &[HelpdeskAgent]).await;

    let mut abroad = world.ask(&senior, "sessions.revoke", NINA);
    abroad.tnt = FABRIKAM;
    let refused = world.submit(&senior, &abroad).await;
    assert!(matches!(refused, Err(NotReceived::NotThere)), "{refused:?}");

    let uninvited = world.submit(&fiona, &world.ask(&fiona, "sessions.revoke", NINA)).await;
    assert!(matches!(uninvited, Err(NotReceived::NotThere)), "{uninvited:?}");
    assert!(world.bus.all().is_empty());
    assert!(world.contoso_ledger().await.is_empty());
}

#[tokio::test]
async fn others_see_a_request_only_if_their_role_oversees() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let henry = world.sign_in(CONTOSO, 2, &[HelpdeskAgent]).await;
    let audrey = world.sign_in(CONTOSO, 3, &[Auditor]).await;
    let fay = world.sign_in(FABRIKAM, 4, &[Auditor]).await;
    let view = world.submit(&harriet, &world.ask(&harriet, "sessions.revoke", NINA)).await.unwrap();
    let name = RequestName::parse(&view.id).unwrap();

    assert!(world.reception.show(&harriet.caller, name).await.is_ok());
    assert!(world.reception.show(&audrey.caller, name).await.is_ok());
    for stranger in [&henry, &fay] {
        let hidden = world.reception.show(&stranger.caller, name).await;
        assert!(matches!(hidden, Err(NotReceived::NotThere)), "{hidden:?}");
    }
}

#[tokio::test]
async fn an_old_request_is_not_taken() {
    let world = World::new().await;
    let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
    let ask = world.ask(&harriet, "sessions.revoke", NINA);

    world.pass(61).await;

    let stale = world.submit(&harriet, &ask).await;
    assert!(matches!(stale, Err(NotReceived::NotFresh)), "{stale:?}");
    assert_eq!(world.now().as_unix_s(), NOON + 61);
}
