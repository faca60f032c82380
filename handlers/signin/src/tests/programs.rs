//! A client that is no browser: the page on which its person says yes, and its one-time code.

use super::*;

#[tokio::test]
async fn a_client_that_is_no_browser_redeems_its_code_once() {
    let world = World::new().await;
    let code = coded(&world, 2).await;

    let first = redeemed(&world, 2, &code, &[]).await;
    let second = redeemed(&world, 2, &code, &[]).await;

    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.json["session"]["name"], "Ada Lovelace");
    let session = format!("Session {}", first.json["cookie"].as_str().unwrap());
    let headers = [("authorization", session.as_str())];
    let view = world.asked(Method::GET, "/auth/session", &headers, None).await;
    assert_eq!(view.json["sid"], first.json["session"]["sid"]);
    assert_eq!(problem(&second), (410, "gone"));
}

#[tokio::test]
async fn a_person_sees_which_program_they_sign_in_and_says_yes_on_our_own_page() {
    let world = World::new().await;
    let started = world.started_by_program(2, LOOPBACK).await;
    let (page, form) = world.offered(&started).await;
    let written = world.written().await;

    assert!(page.text.contains(&user_code(client_key(2).1.thumbprint())), "{}", page.text);
    assert!(page.text.contains(World::HOME), "{}", page.text);
    assert!(page.headers.get(header::SET_COOKIE).is_none());
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'; frame-ancestors 'none'"), "{policy}");
    for headers in [
        vec![],
        vec![("origin", API)],
        vec![("sec-fetch-site", "same-origin")],
        vec![("origin", "null"), ("sec-fetch-site", "same-origin")],
        vec![("origin", PORTAL), ("sec-fetch-site", "same-site")],
        vec![("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
        vec![("origin", API), ("sec-fetch-site", "same-site")],
    ] {
        let answer = world.confirmed(&form, &headers).await;

        assert_eq!(problem(&answer), (403, "wrong-origin"), "{headers:?}");
        assert!(answer.cookie(START).is_none());
    }
    for form in ["", "offer=x", "other=1", &format!("{form}&offer=x")] {
        assert_eq!(world.confirmed(form, &OWN_PAGE).await.status.as_u16() / 100, 4, "{form}");
    }
    let confirmed = world.confirmed(&form, &OWN_PAGE).await;
    assert!(confirmed.location().contains("prompt=select_account"), "{}", confirmed.location());
    assert_eq!(world.written().await, written);

    world.clock.advance_s(TRANSACTION_S);
    assert_eq!(problem(&world.confirmed(&form, &OWN_PAGE).await), (410, "gone"));
}

#[tokio::test]
async fn a_link_that_was_confirmed_elsewhere_signs_nobody_in() {
    let world = World::new().await;
    let started = world.started_by_program(2, LOOPBACK).await;
    let (_, form) = world.offered(&started).await;
    // Whoever started it says yes in a browser of their own, and sends on where that leads.
    let sent_on = world.confirmed(&form, &OWN_PAGE).await;
    let path = world.at_entras_page(sent_on.location());
    let written = world.written().await;
    // Or passes the offer itself for Entra's `state`.
    let offer = form.strip_prefix("offer=").unwrap();
    let as_state = format!("/auth/callback?code=code-0&state={offer}");

    let answer = world.called_back(&path, &[]).await;

    assert_eq!(answer.location(), format!("{LOOPBACK}?error=sign-in-failed"));
    assert_eq!(problem(&world.called_back(&as_state, &[]).await), (401, "not-verified"));
    assert_eq!(world.written().await, written);
}

#[tokio::test]
async fn a_key_comes_to_stand_for_a_person_only_when_its_holder_redeems_the_code() {
    let world = World::new().await;
    let code = coded(&world, 2).await;

    assert_eq!(world.written().await.get("session"), None);
    assert_eq!(problem(&redeemed(&world, 3, &code, &[]).await), (401, "not-verified"));
    assert_eq!(world.written().await.get("session"), None);
    assert_eq!(redeemed(&world, 2, &code, &[]).await.status, 200);
    assert_eq!(world.written().await.get("session"), Some(&1));
}

#[tokio::test]
async fn a_code_is_worth_nothing_after_all_sessions_of_its_person_were_revoked() {
    let world = World::new().await;
    world.entra.confers(&[Role::TenantAdmin]);
    let admin = world.signed_in().await;
    let code = coded(&world, 2).await;
    world.clock.advance_s(1);
    let body = json!({ "person": World::person(1) });
    let revoked = world.asked_by_portal(&admin, "/auth/revocations", &body).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");

    let answer = redeemed(&world, 2, &code, &[]).await;

    assert_eq!(problem(&answer), (401, "not-signed-in"));
}

#[tokio::test]
async fn a_code_is_good_for_its_own_key_and_place_and_for_two_minutes() {
    let world = World::new().await;
    let code = coded(&world, 2).await;

    assert_eq!(problem(&redeemed(&world, 3, &code, &[]).await), (401, "not-verified"));
    let elsewhere = world.claims(2, &code, "http://127.0.0.1:8401/signed-in");
    let body = world.proof(2, &elsewhere).await;
    let answer = world.asked(Method::POST, "/auth/redeem", &[], Some(&body)).await;
    assert_eq!(problem(&answer), (401, "not-verified"));
    let by_portal = [("origin", PORTAL), ("sec-fetch-site", "same-site")];
    let answer = redeemed(&world, 2, &code, &by_portal).await;
    assert_eq!(problem(&answer), (403, "wrong-origin"));
    let unknown = "A".repeat(43);
    assert_eq!(problem(&redeemed(&world, 2, &unknown, &[]).await), (410, "gone"));

    world.clock.advance_s(CODE_S - 1);
    let in_time = coded(&world, 2).await;
    world.clock.advance_s(1);
    assert_eq!(problem(&redeemed(&world, 2, &code, &[]).await), (410, "gone"));
    assert_eq!(redeemed(&world, 2, &in_time, &[]).await.status, 200);
}

#[tokio::test]
async fn a_client_gives_its_old_session_up_for_the_new_one() {
    let world = World::new().await;
    let first = redeemed(&world, 2, &coded(&world, 2).await, &[]).await;
    let old = format!("Session {}", first.json["cookie"].as_str().unwrap());
    let headers = [("authorization", old.as_str())];

    let second = redeemed(&world, 2, &coded(&world, 2).await, &headers).await;

    assert_eq!(second.status, 200);
    let gone = world.asked(Method::GET, "/auth/session", &headers, None).await;
    assert_eq!(problem(&gone), (401, "not-signed-in"));
}
