//! Whole sign-ins, and whole attacks on them, over the app's own routes.

use std::collections::BTreeMap;

use airlock_core::{
    identity::Role,
    memory::Fault,
    ports::Partition,
    session_record::{ABSOLUTE_S, IDLE_S},
    sign_in::user_code,
};
use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};

use crate::{
    challenge::TRANSACTION_S,
    opaque::Opaque,
    redeem::CODE_S,
    renewal::EVERY_S,
    world::{API, Answer, Lie, PORTAL, Trouble, World, client_key},
};

const START: &str = "__Host-airlock-start";
const SESSION: &str = "__Host-airlock";
const FAILED: &str = "https://portal.example/requests?error=sign-in-failed";
const LOOPBACK: &str = "http://127.0.0.1:8400/signed-in";

fn problem(answer: &Answer) -> (u16, &str) {
    let name = answer.json["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap();
    (answer.status.as_u16(), name)
}

/// A sign-in started by the portal, and the way back from Entra.
async fn on_the_way(world: &World) -> (String, Opaque) {
    let started = world.started_by_portal(None).await;
    (world.at_entra(&started), started.cookie(START).unwrap())
}

/// What a browser says of a form that a page of ours sends.
const OWN_PAGE: [(&str, &str); 2] = [("origin", API), ("sec-fetch-site", "same-origin")];

/// A sign-in by a client that is no browser, up to its one-time code.
async fn coded(world: &World, key: u8) -> String {
    let started = world.started_by_program(key, LOOPBACK).await;
    assert_eq!(started.status, 200, "{started:?}");
    assert!(started.cookie(START).is_none());
    let (_, form) = world.offered(&started).await;
    let confirmed = world.confirmed(&form, &OWN_PAGE).await;
    assert_eq!(confirmed.status, 303, "{confirmed:?}");
    let browser = confirmed.cookie(START).unwrap();
    let path = world.at_entras_page(confirmed.location());
    let answer = world.called_back(&path, &[(START, &browser)]).await;
    assert!(answer.cookie(SESSION).is_none());
    let code = answer.location().strip_prefix(&format!("{LOOPBACK}?code=")).unwrap();
    code.to_owned()
}

async fn redeemed(world: &World, key: u8, code: &str, headers: &[(&str, &str)]) -> Answer {
    let body = world.proof(key, &world.claims(key, code, LOOPBACK)).await;
    world.asked(Method::POST, "/auth/redeem", headers, Some(&body)).await
}

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
async fn who_makes_up_codes_has_entra_asked_once() {
    let world = World::new().await;
    let (path, browser) = on_the_way(&world).await;
    let instance = world.router();
    let cookie = format!("{START}={}", browser.expose());
    let made_up = async |number: u32| {
        let path = path.replace("code=code-0", &format!("code=junk-{number}"));
        let request = Request::get(path).header("cookie", &cookie);
        World::answered_by(instance.clone(), request.body(Body::empty()).unwrap()).await
    };
    let written = world.written().await;

    for number in 0..60 {
        assert_eq!(made_up(number).await.location(), FAILED);
    }

    assert_eq!(world.entra.redeemed(), 1);
    assert_eq!(world.written().await, written);
}

#[tokio::test]
async fn a_strangers_garbage_is_put_off_before_anything_is_done_for_it() {
    let world = World::new().await;
    let instance = world.router();
    let asked = async |address: &str| {
        // What a sign-in starts with: the first one of the day wraps and stores a key.
        let request = Request::post("/auth/challenge").header("x-forwarded-for", address);
        World::answered_by(instance.clone(), request.body(Body::empty()).unwrap()).await
    };

    let mut refused = None;
    for _ in 0..5000 {
        let answer = asked("198.51.100.7, 203.0.113.9:4711").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }

    let refused = refused.expect("somebody who asks 5000 times in a row is put off");
    assert_eq!(problem(&refused), (429, "too-many"));
    assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    assert_eq!(asked("203.0.113.10:4711").await.status, 200);
}

#[tokio::test]
async fn a_script_of_the_portal_may_read_that_it_has_to_wait() {
    let world = World::new().await;
    let instance = world.router();
    let asked = async || {
        let request = Request::post("/auth/challenge")
            .header("x-forwarded-for", "203.0.113.9:4711")
            .header("origin", PORTAL)
            .header("sec-fetch-site", "same-site");
        World::answered_by(instance.clone(), request.body(Body::empty()).unwrap()).await
    };

    let mut answer = asked().await;
    while answer.status == 200 {
        answer = asked().await;
    }

    assert_eq!(problem(&answer), (429, "too-many"));
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], PORTAL);
    assert_eq!(answer.headers[header::ACCESS_CONTROL_EXPOSE_HEADERS], "retry-after");
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

/// The writes of a sign-in in a browser: its mark, its entry under Entra's id, the session.
const WRITES: usize = 3;

#[tokio::test]
async fn a_write_that_the_driver_repeats_after_a_lost_answer_is_still_ours() {
    for write in 0..WRITES {
        let world = World::new().await;
        let (path, browser) = on_the_way(&world).await;
        world.documents.next_batches([Fault::None].repeat(write));
        world.documents.next_batches([Fault::Repeats]);

        let answer = world.called_back(&path, &[(START, &browser)]).await;

        let cookie = answer.cookie(SESSION).unwrap();
        let view = world.looked_at_by_portal(&cookie, "/auth/session").await;
        assert_eq!(view.status, 200, "write {write}");
    }
}

#[tokio::test]
async fn nobody_is_signed_in_by_a_write_that_may_not_have_been_made() {
    for fault in [Fault::Fails, Fault::LosesAnswer] {
        for write in 0..WRITES {
            let world = World::new().await;
            let old = world.signed_in().await;
            let (path, browser) = on_the_way(&world).await;
            world.documents.next_batches([Fault::None].repeat(write));
            world.documents.next_batches([fault]);

            let answer = world.called_back(&path, &[(START, &browser)]).await;

            assert_eq!(answer.location(), FAILED, "{fault:?} of write {write}");
            assert!(answer.cookie(SESSION).is_none(), "{fault:?} of write {write}");
            // And nobody is signed out by it: the browser did not bring the old session.
            assert_eq!(world.looked_at_by_portal(&old, "/auth/session").await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_code_whose_use_may_not_have_been_recorded_gives_no_session_twice() {
    for (fault, first, second) in
        [(Fault::Repeats, 200, 410), (Fault::Fails, 503, 200), (Fault::LosesAnswer, 503, 410)]
    {
        let world = World::new().await;
        let code = coded(&world, 2).await;
        world.documents.next_batches([fault]);

        let statuses = [
            redeemed(&world, 2, &code, &[]).await.status.as_u16(),
            redeemed(&world, 2, &code, &[]).await.status.as_u16(),
        ];

        assert_eq!(statuses, [first, second], "{fault:?}");
    }
}

#[tokio::test]
async fn a_sign_out_that_was_not_recorded_is_not_reported_as_one() {
    for (fault, status) in [(Fault::Fails, 503), (Fault::LosesAnswer, 503), (Fault::Repeats, 200)] {
        for write in 0..2 {
            let world = World::new().await;
            let cookie = world.signed_in().await;
            world.documents.next_batches([Fault::None].repeat(write));
            world.documents.next_batches([fault]);

            let answer = world.asked_by_portal(&cookie, "/auth/sign-out", &json!({})).await;

            assert_eq!(answer.status, status, "{fault:?} of write {write}");
            assert_eq!(answer.headers.contains_key(header::SET_COOKIE), status == 200);
        }
    }
}

#[tokio::test]
async fn strangers_make_us_write_nothing() {
    let world = World::new().await;
    world.challenge().await;
    let written = world.written().await;

    for _ in 0..3 {
        let started = world.started_by_portal(None).await;
        let browser = started.cookie(START).unwrap();
        let forged = world.at_entra(&started).replace("code=code-", "code=forged-");
        world.called_back(&forged, &[(START, &browser)]).await;
    }

    assert_eq!(written, [("sealing-key", 1)].into());
    assert_eq!(world.written().await, written);
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

#[tokio::test]
async fn signing_out_ends_the_session_for_the_workers_too() {
    let world = World::new().await;
    let cookie = world.signed_in().await;
    let sid = world.live_unchecked(&cookie).await.sid;

    let answer = world.asked_by_portal(&cookie, "/auth/sign-out", &json!({})).await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json["sign_out"],
        format!(
            "https://pages.example/{}/oauth2/v2.0/logout\
             ?post_logout_redirect_uri=https%3A%2F%2Fportal.example%2F&logout_hint=O.hint",
            World::HOME
        )
    );
    assert_eq!(answer.headers["clear-site-data"], r#""cache", "cookies", "storage""#);
    let cleared = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cleared.starts_with("__Host-airlock=; ") && cleared.ends_with("Max-Age=0"));
    assert_eq!(world.revocations(), [format!("{}.{sid}", World::person(1))]);
    let gone = world.looked_at_by_portal(&cookie, "/auth/session").await;
    assert_eq!(problem(&gone), (401, "not-signed-in"));
}

/// Entra's frame, in which a person signs out of this sign-in.
fn frame(sid: &str) -> Request<Body> {
    let issuer = format!("https://login.microsoftonline.com/{}/v2.0", World::HOME);
    let path = format!("/auth/front-channel-sign-out?iss={issuer}&sid={sid}");
    Request::get(path).body(Body::empty()).unwrap()
}

/// What such a frame is answered.
async fn framed(world: &World, sid: &str) -> (u16, Value) {
    let answer = World::answered_by(world.router(), frame(sid)).await;
    (answer.status.as_u16(), answer.json)
}

#[tokio::test]
async fn entra_signs_out_every_session_of_a_sign_in_and_strangers_learn_nothing() {
    let world = World::new().await;
    let (one, other) = (world.signed_in().await, world.signed_in().await);

    let stranger = framed(&world, "guessed").await;
    assert_eq!(world.looked_at_by_portal(&one, "/auth/session").await.status, 200);
    let entra = framed(&world, "entra-sid").await;

    assert_eq!(stranger, entra);
    assert_eq!(entra.0, 200);
    for cookie in [one, other] {
        let gone = world.looked_at_by_portal(&cookie, "/auth/session").await;
        assert_eq!(problem(&gone), (401, "not-signed-in"));
    }
    assert_eq!(world.revocations().len(), 2);
}

#[tokio::test]
async fn a_code_that_waits_is_worth_nothing_after_a_sign_out_at_entra() {
    let world = World::new().await;
    let code = coded(&world, 2).await;
    let stranger = framed(&world, "guessed").await;
    let held = world.stored_text().await;

    let entra = framed(&world, "entra-sid").await;

    assert_eq!(stranger, entra);
    assert!(held.contains("\\\"arrival\\\""), "{held}");
    assert!(!world.stored_text().await.contains("\\\"arrival\\\""));
    assert_eq!(problem(&redeemed(&world, 2, &code, &[]).await), (410, "gone"));
    assert_eq!(world.written().await.get("session"), None);
}

#[tokio::test]
async fn a_sign_out_at_entra_that_meets_a_redemption_ends_its_session() {
    let world = World::new().await;
    let code = coded(&world, 2).await;
    // While the session is on its way to `intake`: the code is spent, and there is no session yet.
    let (instance, frame) = (world.router(), frame("entra-sid"));
    world.intake.meanwhile(async move {
        assert_eq!(World::answered_by(instance, frame).await.status, 200);
    });

    let answer = redeemed(&world, 2, &code, &[]).await;

    assert_eq!(problem(&answer), (401, "not-signed-in"));
    assert_eq!(world.revocations().len(), 1);
}

#[tokio::test]
async fn what_was_planted_beside_them_keeps_no_session_from_being_signed_out() {
    let world = World::new().await;
    let cookie = world.signed_in().await;
    world.plant_entries("entra-sid");

    framed(&world, "entra-sid").await;

    let gone = world.looked_at_by_portal(&cookie, "/auth/session").await;
    assert_eq!(problem(&gone), (401, "not-signed-in"));
}

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

/// Every route that needs a session, called without one and from another origin.
#[tokio::test]
async fn every_route_refuses_strangers_and_other_sites() {
    let world = World::new().await;
    let cookie = world.signed_in().await;
    let written = world.written().await;
    let cookies = format!("{SESSION}={}", cookie.expose());
    let evil = [
        ("cookie", cookies.as_str()),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    let body = json!({ "person": World::person(1) });

    for (method, path) in [
        (Method::GET, "/auth/session"),
        (Method::GET, "/auth/call-the-api"),
        (Method::POST, "/auth/sign-out"),
        (Method::POST, "/auth/revocations"),
    ] {
        let stranger = world.asked(method.clone(), path, &[], Some(&body)).await;
        assert_eq!(problem(&stranger), (401, "not-signed-in"), "{path}");
        let other_site = world.asked(method, path, &evil, Some(&body)).await;
        assert_eq!(problem(&other_site), (403, "wrong-origin"), "{path}");
        assert!(!other_site.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
    for path in ["/auth/challenge", "/auth/start", "/auth/redeem"] {
        let other_site = world.asked(Method::POST, path, &evil, Some(&body)).await;
        assert_eq!(problem(&other_site), (403, "wrong-origin"), "{path}");
    }
    assert_eq!(world.written().await, written);
}

#[tokio::test]
async fn a_preflight_allows_exactly_the_portal_with_credentials() {
    let world = World::new().await;
    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-airlock-csrf"),
        ];
        world.asked(Method::OPTIONS, "/auth/sign-out", &headers, None).await.headers
    };

    let portal = preflight(PORTAL).await;
    let evil = preflight("https://evil.example").await;
    let api = preflight(API).await;

    assert_eq!(portal[header::ACCESS_CONTROL_ALLOW_ORIGIN], PORTAL);
    assert_eq!(portal[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    assert_eq!(
        portal[header::ACCESS_CONTROL_ALLOW_HEADERS],
        "content-type,x-airlock-csrf,traceparent"
    );
    assert!(!evil.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    assert!(!api.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}
