//! Sessions end.

use airlock_tests::World;
use serde_json::json;

#[tokio::test]
async fn who_signs_out_is_signed_out_everywhere_and_what_they_asked_is_no_longer_carried_out() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let april = world.person("april").await;
    let asking = harriet.ask("account.disable", &world.who("nina")).await;
    let before = world.before().await;

    let signed_out = harriet.post("/auth/sign-out", &json!({})).await;

    let at_entra = signed_out.clone().ok()["sign_out"].as_str().unwrap().to_owned();
    assert!(at_entra.contains("/oauth2/v2.0/logout"), "{at_entra}");
    for path in ["/auth/session", "/api/tenants", "/api/operations"] {
        harriet.get(path).await.assert_problem("not-signed-in");
    }
    // Approved all the same, it reaches the worker, which reads revocations afresh.
    april.approve(&asking.id).await;
    let refusal = world.refused_since(&before).await;
    assert_eq!(refusal.kind(), "airlock.request.ended");
    let ended = april.wait_for(&asking.id, "refused").await;
    assert_eq!(ended["outcome"]["reason"], "a session that it rests on was revoked");
}

#[tokio::test]
async fn a_person_ends_all_their_own_sessions_and_nobody_elses() {
    let world = World::start().await;
    let (one, two) = (world.person("harriet").await, world.person("harriet").await);
    let sam = world.person("sam").await;
    let person = one.who.object.to_string();

    let not_theirs = sam.post("/auth/revocations", &json!({ "person": person })).await;
    not_theirs.assert_problem("not-allowed");
    assert_eq!(one.get("/api/operations").await.status, 200);
    // Whole seconds: what was signed in the same second as the revocation still counts.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    one.post("/auth/revocations", &json!({ "person": person })).await.assert_ok();

    for session in [&one, &two] {
        session
            .get(&format!("/api/requests?tenant={}", one.who.tenant))
            .await
            .assert_problem("not-signed-in");
    }
    assert_eq!(sam.get("/api/operations").await.status, 200);
}

#[tokio::test]
async fn entra_signs_a_session_out_without_telling_strangers_anything() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;

    let stranger = world.get("/auth/front-channel-sign-out?iss=x&sid=y").await;
    let nobody = world.get("/auth/front-channel-sign-out").await;

    assert_eq!((stranger.status, nobody.status), (200, 200));
    assert_eq!(stranger.text, nobody.text);
    assert_eq!(harriet.get("/api/operations").await.status, 200);
}
