//! What a session lives through: renewal at Entra, calls of the API, a database that changes it.

use super::*;

#[tokio::test]
async fn the_store_is_told_when_it_may_forget_and_never_before_a_document_has_served() {
    let world = World::new().await;
    let cookie = world.signed_in().await;
    coded(&world, 2).await;
    let counts_s = BTreeMap::from([
        ("session", IDLE_S),
        ("spent", TRANSACTION_S),
        ("one-time-code", CODE_S),
        ("of-sign-in", ABSOLUTE_S),
        ("sealing-key", 24 * 3600 + 600),
    ]);

    let mut told = BTreeMap::new();
    for document in world.stored().await {
        // What the ledger has not been told is not forgotten.
        if document["kind"] == reports::KIND {
            assert_eq!(document.get("ttl"), None);
            continue;
        }
        let kind = counts_s.keys().find(|kind| document["kind"] == **kind).unwrap();
        told.insert(*kind, document["ttl"].as_i64().unwrap());
    }
    world.asked_by_portal(&cookie, "/auth/sign-out", &json!({})).await;
    let ended = world.session_versions(&cookie)[&cookie.digest().to_string()].clone();

    assert_eq!(told.keys().collect::<Vec<_>>(), counts_s.keys().collect::<Vec<_>>());
    for (kind, ttl_s) in &told {
        let longer_s = ttl_s - counts_s[kind];
        assert!((1..=24 * 3600).contains(&longer_s), "{kind}: {ttl_s}");
    }
    assert_eq!(ended["ttl"], told["session"]);
}

#[tokio::test]
async fn a_person_whom_entra_refuses_is_signed_out_within_a_quarter_of_an_hour() {
    for trouble in [Trouble::Refuses, Trouble::OtherPerson] {
        let world = World::new().await;
        let cookie = world.signed_in().await;
        world.entra.next_refresh(trouble);

        world.clock.advance_s(EVERY_S - 1);
        assert_eq!(world.looked_at_by_portal(&cookie, "/auth/session").await.status, 200);
        world.clock.advance_s(1);
        let answer = world.looked_at_by_portal(&cookie, "/auth/session").await;

        assert_eq!(problem(&answer), (401, "not-signed-in"), "{trouble:?}");
        assert_eq!(world.revocations().len(), 1, "{trouble:?}");
        let again = world.looked_at_by_portal(&cookie, "/auth/session").await;
        assert_eq!(problem(&again), (401, "not-signed-in"));
    }
}

#[tokio::test]
async fn a_role_that_entra_took_away_ends_the_session() {
    let world = World::new().await;
    world.entra.confers(&[Role::Approver, Role::Auditor]);
    let cookie = world.signed_in().await;

    world.entra.confers(&[Role::Auditor]);
    world.clock.advance_s(EVERY_S);

    let answer = world.looked_at_by_portal(&cookie, "/auth/session").await;
    assert_eq!(problem(&answer), (401, "not-signed-in"));
}

#[tokio::test]
async fn while_entra_does_not_answer_a_session_neither_ends_nor_goes_on() {
    let world = World::new().await;
    let cookie = world.signed_in().await;
    world.entra.next_refresh(Trouble::Down);
    world.clock.advance_s(EVERY_S);
    let before = world.session_versions(&cookie);

    let down = world.looked_at_by_portal(&cookie, "/auth/session").await;

    assert_eq!(problem(&down), (503, "unavailable"));
    assert_eq!(world.session_versions(&cookie), before);
    assert_eq!(world.looked_at_by_portal(&cookie, "/auth/session").await.status, 200);
    assert_ne!(world.session_versions(&cookie), before);
}

#[tokio::test]
async fn the_api_is_called_in_the_persons_name() {
    let world = World::new().await;
    let cookie = world.signed_in().await;

    let answer = world.looked_at_by_portal(&cookie, "/auth/call-the-api").await;

    assert_eq!(answer.json, json!({ "claims": { "scp": "access_as_user" } }));
}

#[tokio::test]
async fn a_session_that_was_changed_in_the_database_is_not_used() {
    let world = World::new().await;
    let (one, other) = (world.signed_in().await, world.signed_in().await);
    let partition = |cookie: &Opaque| Partition::session(&cookie.digest().to_string());
    let id = one.digest().to_string();
    let mut json = world.session_versions(&one)[&id].clone();
    let body = json["body"].as_str().unwrap().replace("\"idle_until\":17", "\"idle_until\":27");
    json["body"] = Value::String(body);
    world.documents.overwrite(&partition(&one), &id, json);
    let moved = world.session_versions(&other)[&other.digest().to_string()].clone();

    let changed = world.looked_at_by_portal(&one, "/auth/session").await;
    world.documents.overwrite(&partition(&one), &id, moved);
    let swapped = world.looked_at_by_portal(&one, "/auth/session").await;

    assert_eq!(problem(&changed), (500, "integrity"));
    assert_eq!(problem(&swapped), (500, "integrity"));
}
