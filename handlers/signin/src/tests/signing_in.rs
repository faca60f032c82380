//! A sign-in in a browser, and answers that sign nobody in.

use super::*;

#[tokio::test]
async fn a_person_signs_in_and_sees_their_session() {
    let world = World::new().await;

    let cookie = world.signed_in().await;

    let mut session = world.looked_at_by_portal(&cookie, "/auth/session").await.json;
    assert!(session["sid"].take().is_string());
    assert!(session["csrf"].take().is_string());
    assert_eq!(
        session,
        json!({
            "sid": null,
            "tid": World::HOME,
            "oid": World::person(1),
            "name": "Ada Lovelace",
            "roles": ["HelpdeskAgent"],
            "acrs": [],
            "auth_time": world.now(),
            "expires": world.now().plus_s(8 * 3600),
            "idle_expires": world.now().plus_s(IDLE_S),
            "csrf": null,
        })
    );
}

#[tokio::test]
async fn nothing_stored_tells_a_cookie_a_token_or_a_name() {
    let world = World::new().await;
    let cookie = world.signed_in().await;
    let code = coded(&world, 2).await;

    let text = world.stored_text().await;

    assert!(text.contains("sealing-"));
    for secret in
        [cookie.expose(), &code, "refresh-token", "entra-sid", "Ada", "Lovelace", "O.hint"]
    {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_sign_in_is_finished_once() {
    let world = World::new().await;
    let (path, browser) = on_the_way(&world).await;
    let first = world.called_back(&path, &[(START, &browser)]).await;
    let written = world.written().await;

    let replayed = world.called_back(&path, &[(START, &browser)]).await;
    // A second, honest code for the same transaction does not help either.
    let again = world.at_entra_again();
    let again = world.called_back(&again, &[(START, &browser)]).await;

    assert!(first.cookie(SESSION).is_some());
    for answer in [replayed, again] {
        assert_eq!(answer.location(), FAILED);
        assert!(answer.cookie(SESSION).is_none());
    }
    assert_eq!(world.written().await, written);
}

#[tokio::test]
async fn an_answer_that_another_browser_brings_signs_nobody_in() {
    let world = World::new().await;
    let (path, _) = on_the_way(&world).await;
    let (_, other) = on_the_way(&world).await;
    let written = world.written().await;

    for cookies in [vec![], vec![(START, &other)]] {
        let answer = world.called_back(&path, &cookies).await;

        assert_eq!((answer.status.as_u16(), answer.location()), (302, FAILED));
        assert!(answer.cookie(SESSION).is_none());
    }
    assert_eq!(world.written().await, written);
}

#[tokio::test]
async fn an_answer_that_comes_too_late_signs_nobody_in() {
    let world = World::new().await;
    let (path, browser) = on_the_way(&world).await;

    world.clock.advance_s(TRANSACTION_S);

    assert_eq!(world.called_back(&path, &[(START, &browser)]).await.location(), FAILED);
}

#[tokio::test]
async fn a_person_who_declines_is_sent_back() {
    let world = World::new().await;
    let (path, browser) = on_the_way(&world).await;
    let declined = path.replace("code=code-0", "error=access_denied");

    let answer = world.called_back(&declined, &[(START, &browser)]).await;

    assert_eq!(answer.location(), FAILED);
    assert!(answer.cookie(SESSION).is_none());
}

#[tokio::test]
async fn an_answer_to_no_sign_in_of_ours_is_a_problem_and_leads_nowhere() {
    let world = World::new().await;
    let (path, browser) = on_the_way(&world).await;
    let written = world.written().await;

    for (path, expected) in [
        ("/auth/callback".to_owned(), (400, "not-understood")),
        ("/auth/callback?state=x".to_owned(), (400, "not-understood")),
        (format!("{path}&code=other"), (400, "not-understood")),
        (format!("{path}&error=x"), (400, "not-understood")),
        ("/auth/callback?code=c&state=sealed".to_owned(), (401, "not-verified")),
        (path.replace("state=", "state=1"), (401, "not-verified")),
    ] {
        let answer = world.called_back(&path, &[(START, &browser)]).await;

        assert_eq!(problem(&answer), expected, "{path}");
        assert!(!answer.headers.contains_key(header::LOCATION));
    }
    assert_eq!(world.written().await, written);
}

#[tokio::test]
async fn a_session_that_intake_does_not_confirm_is_not_stored() {
    for lie in
        [Lie::Refuses, Lie::OtherPerson, Lie::OtherSession, Lie::OtherKey, Lie::ForeignSignature]
    {
        let world = World::new().await;
        let (path, browser) = on_the_way(&world).await;
        world.intake.next_confirmation(lie);

        let answer = world.called_back(&path, &[(START, &browser)]).await;

        assert_eq!(answer.location(), FAILED, "{lie:?}");
        assert_eq!(world.written().await, [("sealing-key", 1), ("spent", 1)].into(), "{lie:?}");
    }
}

#[tokio::test]
async fn people_of_a_tenant_that_is_nobodys_home_do_not_sign_in() {
    let world = World::new().await;
    let mut claims = world.claims(1, &world.challenge().await, LOOPBACK);
    claims.tenant = World::STRANGE.parse().unwrap();
    let body = world.proof(1, &claims).await;

    let answer = world.asked(Method::POST, "/auth/start", &[], Some(&body)).await;

    assert_eq!(problem(&answer), (403, "not-allowed"));
}

#[tokio::test]
async fn a_start_needs_a_fresh_challenge_signed_by_the_key_it_names_for_this_api() {
    let world = World::new().await;
    let challenge = world.challenge().await;
    let good = world.claims(1, &challenge, LOOPBACK);
    let start = async |key, claims| {
        let body = world.proof(key, &claims).await;
        let answer = world.asked(Method::POST, "/auth/start", &[], Some(&body)).await;
        let (status, name) = problem(&answer);
        (status, name.to_owned())
    };
    let not_verified = (401, "not-verified".to_owned());
    let not_understood = (400, "not-understood".to_owned());

    assert_eq!(start(1, good.clone()).await.0, 200);
    assert_eq!(start(2, good.clone()).await, not_verified);
    let mut spoiled = good.clone();
    spoiled.aud = PORTAL.to_owned();
    assert_eq!(start(1, spoiled).await, not_verified);
    let mut spoiled = good.clone();
    spoiled.challenge = "20000.AAAA".to_owned();
    assert_eq!(start(1, spoiled).await, not_verified);
    let mut spoiled = good.clone();
    spoiled.exp = spoiled.iat;
    assert_eq!(start(1, spoiled).await, not_verified);
    let mut spoiled = good.clone();
    spoiled.exp = spoiled.iat.plus_s(301);
    assert_eq!(start(1, spoiled).await, not_understood);
    let mut spoiled = good.clone();
    spoiled.return_to = "https://evil.example/".to_owned();
    assert_eq!(start(1, spoiled).await, not_understood);
    let mut spoiled = good.clone();
    spoiled.return_to = "/requests".to_owned();
    assert_eq!(start(1, spoiled).await, (403, "wrong-origin".to_owned()));
    world.clock.advance_s(300);
    let late = world.claims(1, &challenge, LOOPBACK);
    assert_eq!(start(1, late).await, not_verified);
}

#[tokio::test]
async fn a_new_session_ends_the_one_that_the_browser_had() {
    let world = World::new().await;
    let old = world.signed_in().await;
    let started = world.started_by_portal(Some("c1")).await;
    let browser = started.cookie(START).unwrap();

    let path = world.at_entra(&started);
    let answer = world.called_back(&path, &[(START, &browser), (SESSION, &old)]).await;

    let new = answer.cookie(SESSION).unwrap();
    let view = world.looked_at_by_portal(&new, "/auth/session").await;
    assert_eq!(view.json["acrs"], json!(["c1"]));
    let gone = world.looked_at_by_portal(&old, "/auth/session").await;
    assert_eq!(problem(&gone), (401, "not-signed-in"));
}

#[tokio::test]
async fn a_step_up_that_entra_did_not_make_is_none_and_leaves_the_session_alone() {
    let world = World::new().await;
    let old = world.signed_in().await;
    world.entra.ignore_step_up();
    let started = world.started_by_portal(Some("c1")).await;
    let browser = started.cookie(START).unwrap();

    let path = world.at_entra(&started);
    let answer = world.called_back(&path, &[(START, &browser), (SESSION, &old)]).await;

    assert_eq!(answer.location(), FAILED);
    assert_eq!(world.looked_at_by_portal(&old, "/auth/session").await.status, 200);
}
