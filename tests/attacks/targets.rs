//! Whom nobody is given a credential for.

use airlock_tests::{Leaf, World};

/// Asks as a senior agent, who needs no approval, and gives the reason of the refusal.
async fn refused(world: &World, requester: &str, operation: &str, target: &str) -> (String, Leaf) {
    let person = world.person(requester).await;
    let before = world.before().await;
    let asking = person.ask(operation, &world.who(target)).await;
    let leaf = world.refused_since(&before).await;
    let ended = person.wait_for(&asking.id, "refused").await;
    assert_eq!(leaf.says["data"]["request"], asking.digest().to_string());
    assert_eq!(leaf.kind(), "airlock.request.ended");
    let reason = ended["outcome"]["reason"].as_str().unwrap_or_default().to_owned();
    (reason, leaf)
}

#[tokio::test]
async fn nobody_gets_a_credential_of_a_protected_person() {
    let world = World::start().await;
    let protected = [
        ("olga", "holds a role"),
        ("elias", "may activate a role"),
        ("rosa", "member of a group that grants a role"),
        ("ivan", "member of a group that may activate a role"),
        ("owen", "owner of a group that grants a role"),
        ("april", "has a role in Airlock"),
    ];

    for (target, why) in protected {
        for operation in ["password.reset", "tap.issue"] {
            let (reason, _) = refused(&world, "sam", operation, target).await;
            assert!(reason.starts_with("the target is protected"), "{target}, who {why}: {reason}");
        }
    }

    // Nothing was written, and the worker that only looks was the only one that was used.
    let tokens = world.control().tokens().await;
    let workers: Vec<&str> = tokens
        .iter()
        .filter_map(|token| token["holder"].as_str())
        .filter(|holder| holder.starts_with("airlock-worker-"))
        .collect();
    assert!(!workers.is_empty());
    assert!(workers.iter().all(|worker| *worker == "airlock-worker-lookup"), "{workers:?}");
    world.ledger(world.contoso()).await.assert_whole();
}

#[tokio::test]
async fn protection_holds_in_every_tenant_and_a_synced_password_is_not_reset() {
    let world = World::start().await;

    for operation in ["password.reset", "tap.issue"] {
        let (reason, leaf) = refused(&world, "sam", operation, "fabio").await;
        assert!(reason.starts_with("the target is protected"), "{reason}");
        assert_eq!(leaf.says["tenantid"], world.fabrikam().to_string());
    }
    for synced in ["sven", "fern"] {
        let (reason, _) = refused(&world, "sam", "password.reset", synced).await;
        assert!(reason.contains("on-premises"), "{reason}");
    }
    // A pass is not a password: a synced person can be given one.
    let sam = world.person("sam").await;
    let asking = sam.ask("tap.issue", &world.who("sven")).await;
    sam.wait_for(&asking.id, "succeeded").await;
}

#[tokio::test]
async fn everything_else_about_a_protected_person_is_refused_as_well() {
    let world = World::start().await;

    let (reason, _) = refused(&world, "harriet", "sessions.revoke", "olga").await;

    assert!(reason.starts_with("the target is protected"), "{reason}");
}

#[tokio::test]
async fn nobody_is_given_a_credential_for_their_own_account() {
    let world = World::start().await;
    let sam = world.person("sam").await;
    let before = world.before().await;

    for operation in ["password.reset", "tap.issue"] {
        let asking = sam.sign(&airlock_tests::Order::of(operation, &sam.who)).await;
        let refused = sam.submit(&asking).await;
        refused.assert_problem("not-allowed");
        assert_eq!(
            refused.json["detail"],
            "nobody is given a new credential for their own account"
        );
        assert!(world.stored_request(&asking.id).await.is_none());
    }
    world.nothing_done_since(&before).await;
}
