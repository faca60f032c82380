//! Sign-out, here and at Entra.

use super::*;

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
pub(super) async fn framed(world: &World, sid: &str) -> (u16, Value) {
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
