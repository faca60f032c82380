//! A person is erased: by order of the admin plane, while the ledger still verifies.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what fails here fails the test")]

use std::process::{Command, Stdio};

use airlock_core::decision::Verdict;
use airlock_tests::{LATER, Leaf, World, eventually, program};
use serde_json::Value;

/// Orders somebody to be erased from their own tenant, as the platform engineer types it.
fn order(world: &World, user: &str) {
    let (who, stack) = (world.who(user), world.stack());
    let environment = stack["admin"].as_object().expect("the admin plane's environment");
    let environment = environment.iter().map(|(name, value)| (name, value.as_str().unwrap()));
    let output = Command::new(program("airlockctl"))
        .args(["admin", "erase", "--yes", "--deployment", stack["deployment"].as_str().unwrap()])
        .args(["--tenant", &who.tenant.to_string(), "--user", &who.object.to_string()])
        .env_clear()
        .envs(environment)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn what_names_a_person_is_gone_and_the_ledger_still_verifies() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let april = world.person("april").await;
    let (nina, oscar) = (world.who("nina"), world.who("oscar"));
    let about_nina = harriet.ask("sessions.revoke", &nina).await;
    harriet.wait_for(&about_nina.id, "succeeded").await;
    let about_oscar = harriet.ask("account.disable", &oscar).await;
    april.decide(&about_oscar.id, Verdict::Deny).await.assert_ok();
    world.settled().await;
    world.recorded().await;
    world.quiet().await;
    let leaves = world.ledger(nina.tenant).await.leaves().len();

    order(&world, "nina");
    eventually("the order is carried out", LATER, async || {
        world.control().fire("intake", "erase").await;
        let ledger = world.ledger(nina.tenant).await;
        ledger.leaves().iter().any(|leaf| leaf.kind() == "airlock.erasure.done").then_some(())
    })
    .await;

    harriet.show(&about_nina.id).await.assert_problem("gone");
    let list = format!("/api/requests?tenant={}", nina.tenant);
    let listed = april.get(&list).await.ok();
    let ids: Vec<&Value> =
        listed["requests"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [&about_oscar.id]);
    // The tombstone, the end of the order, and nothing of Nina.
    let ledger = world.ledger(nina.tenant).await;
    ledger.assert_whole();
    let since: Vec<&str> = ledger.leaves()[leaves..].iter().map(Leaf::kind).collect();
    assert_eq!(since, ["airlock.document.erased", "airlock.erasure.done"]);
    // And what is left is sealed: `drift` finds nothing wrong with it.
    world.quiet().await;
    assert!(world.stopped(&nina.tenant.to_string()).await.is_none());
    let documents = world.control().documents("tenants").await;
    let tenants = Value::Array(documents).to_string();
    assert!(!tenants.contains(&nina.object.to_string()));
    let effects = world.control().effects().await.len();
    // Asked again with the same words, it is still that request, and gone.
    harriet.submit(&about_nina).await.assert_problem("gone");
    world.settled().await;
    assert_eq!(world.control().effects().await.len(), effects);
}
