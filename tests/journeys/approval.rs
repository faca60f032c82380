//! From a request to its effect, with approvals and without.

use airlock_core::decision::Verdict;
use airlock_tests::{Order, World};
use serde_json::json;

#[tokio::test]
async fn low_risk_work_is_carried_out_at_once_and_leaves_three_leaves() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");

    let asking = harriet.ask("sessions.revoke", &nina).await;
    let ended = harriet.wait_for(&asking.id, "succeeded").await;

    assert_eq!(ended["outcome"]["ending"], "succeeded");
    assert_eq!(ended["requester"], harriet.who.id().to_string());
    let effects = world.control().effects().await;
    assert_eq!(effects.len(), 1, "{effects:#?}");
    assert_eq!(effects[0]["application"], "airlock-worker-accounts");
    assert_eq!(effects[0]["user"], nina.object.to_string());
    let ledger = world.ledger(nina.tenant).await;
    ledger.assert_whole();
    assert_eq!(
        ledger.of_request(&asking.id),
        ["airlock.request.permitted", "airlock.request.claimed", "airlock.request.ended"]
    );
    let listed = harriet.get(&format!("/api/requests?tenant={}", nina.tenant)).await.ok();
    assert_eq!(listed["requests"][0]["id"], asking.id);
}

#[tokio::test]
async fn an_account_is_disabled_only_once_somebody_else_has_approved() {
    let world = World::start().await;
    let tara = world.person("tara").await;
    let harriet = world.person("harriet").await;
    let nina = world.who("nina");

    let asking = tara.sign(&Order::of("account.disable", &nina)).await;
    let taken = tara.submit(&asking).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    assert_eq!(taken.json["state"], "pending");
    assert_eq!(taken.json["needs_approvals"], 1);

    // Tara decides about others' requests, and not about her own.
    let own = tara.decide(&asking.id, Verdict::Approve).await;
    own.assert_problem("not-allowed");
    assert_eq!(own.json["detail"], "nobody decides what they asked for themselves");
    // Harriet asks, and does not decide; she does not even see it.
    let hers = harriet.decide(&asking.id, Verdict::Approve).await;
    hers.assert_problem("not-found");
    assert_eq!(tara.show(&asking.id).await.ok()["approvals"], 0);
    assert_eq!(world.control().effects().await, Vec::<serde_json::Value>::new());

    let april = world.person("april").await;
    april.approve(&asking.id).await;
    tara.wait_for(&asking.id, "succeeded").await;

    let directory = world.control().directory().await;
    let person = &directory["tenants"][nina.tenant.to_string()]["people"][&nina.name];
    assert_eq!(person["accountEnabled"], json!(false));
    assert_eq!(world.control().effects().await.len(), 1);
    let ledger = world.ledger(nina.tenant).await;
    ledger.assert_whole();
    assert_eq!(
        ledger.of_request(&asking.id),
        [
            "airlock.request.received",
            "airlock.request.permitted",
            "airlock.request.claimed",
            "airlock.request.ended"
        ]
    );
    april.decide(&asking.id, Verdict::Approve).await.assert_problem("conflict");
}

#[tokio::test]
async fn what_an_approver_turns_down_is_not_done() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let (april, aaron) = (world.person("april").await, world.person("aaron").await);
    let before = world.before().await;

    let asking = harriet.ask("account.disable", &world.who("nina")).await;
    let denied = aaron.decide(&asking.id, Verdict::Deny).await.ok();

    assert_eq!(denied["state"], "turned_down");
    april.decide(&asking.id, Verdict::Approve).await.assert_problem("conflict");
    world.settled().await;
    world.nothing_done_since(&before).await;
    assert_eq!(harriet.show(&asking.id).await.ok()["state"], "turned_down");
}

#[tokio::test]
async fn people_of_one_tenant_work_in_another_only_with_the_roles_that_its_binding_lets_them_confer()
 {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let fiona = world.person("fiona").await;
    let (nina, flora) = (world.who("nina"), world.who("flora"));

    // Fabrikam lets Contoso's helpdesk work there.
    let there = harriet.ask("sessions.revoke", &flora).await;
    harriet.wait_for(&there.id, "succeeded").await;
    // Contoso lets nobody of Fabrikam's.
    let before = world.before().await;
    let here = fiona.sign(&Order::of("sessions.revoke", &nina)).await;
    fiona.submit(&here).await.assert_problem("not-found");
    fiona.show(&there.id).await.assert_problem("not-found");

    world.nothing_done_since(&before).await;
    assert!(world.stored_request(&here.id).await.is_none());
    let effects = world.control().effects().await;
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0]["tenant"], flora.tenant.to_string());
    for tenant in [nina.tenant, flora.tenant] {
        world.ledger(tenant).await.assert_whole();
    }
}
