//! Secret results: one pair of eyes, once, and nothing of them anywhere else.

use airlock_core::jwe;
use airlock_tests::{Places, Who, World, client_key};
use serde_json::Value;

fn person<'a>(directory: &'a Value, who: &Who) -> &'a Value {
    &directory["tenants"][who.tenant.to_string()]["people"][&who.name]
}

#[tokio::test]
async fn a_pass_is_decrypted_by_its_requester_once_and_stands_nowhere_in_clear() {
    let world = World::start().await;
    let sam = world.person("sam").await;
    let nina = world.who("nina");

    let asking = sam.ask("tap.issue", &nina).await;
    let ended = sam.wait_for(&asking.id, "succeeded").await;
    assert_eq!(ended["reveal"], "ready");

    // Neither another agent nor someone who sees every request.
    for other in ["harriet", "april"] {
        let other = world.person(other).await;
        other.reveal(&asking.id).await.assert_problem("not-found");
    }
    let revealed = sam.reveal(&asking.id).await.ok();
    sam.reveal(&asking.id).await.assert_problem("gone");

    let pass = asking.open(&revealed);
    let (stranger, _) = client_key();
    assert!(jwe::open(revealed["result"].as_str().unwrap(), &stranger).is_err());
    let directory = world.control().directory().await;
    let passes = person(&directory, &nina)["temporaryAccessPasses"].as_array().unwrap();
    assert_eq!(passes.len(), 1);
    assert_eq!(passes[0]["temporaryAccessPass"], pass.as_str());
    assert_eq!(sam.show(&asking.id).await.ok()["reveal"], "revealed");

    let places = Places::everywhere(&world).await;
    assert_eq!(places.with(&pass), Vec::<&str>::new());
    assert_eq!(places.with(&sam.cookie), Vec::<&str>::new());
    // The search finds what is there: the request is named in log, document, blob and ledger.
    assert!(places.with(&asking.digest().to_string()).len() > 3);
    assert_eq!(
        world.ledger(nina.tenant).await.of_request(&asking.id).last(),
        Some(&"airlock.request.revealed")
    );
}

#[tokio::test]
async fn a_temporary_password_needs_an_approval_and_stands_nowhere_in_clear() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let april = world.person("april").await;
    let nina = world.who("nina");

    let asking = harriet.ask("password.reset", &nina).await;
    assert_eq!(harriet.show(&asking.id).await.ok()["state"], "pending");
    harriet.reveal(&asking.id).await.assert_problem("conflict");
    april.approve(&asking.id).await;
    harriet.wait_for(&asking.id, "succeeded").await;
    april.reveal(&asking.id).await.assert_problem("not-found");
    let password = asking.open(&harriet.reveal(&asking.id).await.ok());

    let directory = world.control().directory().await;
    assert_eq!(person(&directory, &nina)["password"], password.as_str());
    assert_eq!(person(&directory, &nina)["passwordChanges"], 1);
    assert_eq!(person(&directory, &nina)["forceChangePasswordNextSignIn"], true);
    assert_eq!(Places::everywhere(&world).await.with(&password), Vec::<&str>::new());
}
