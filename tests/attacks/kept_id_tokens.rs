//! A taken-over `signin` has kept the ID token of somebody who signed in: it counts for an hour and
//! more, and begins no other session than theirs.

use airlock_core::{identity::Role, session::Session};
use airlock_tests::{World, changed, client_key, now, public};
use serde_json::json;

use crate::{forged::session_of, thief::Thief};

#[tokio::test]
async fn an_id_token_that_was_kept_begins_no_session_later() {
    let world = World::start().await;
    let thief = Thief::new(&world).await;
    let at = now();
    let session = Session {
        auth_time: at.plus_s(-3000),
        exp: at.plus_s(8 * 3600),
        ..session_of(&world.who("tara"), &[Role::TenantAdmin], &public(&client_key().0))
    };
    let fitting = changed(
        &thief.fitting(&session),
        &[("nbf", json!(at.plus_s(-3000))), ("exp", json!(at.plus_s(900)))],
    );
    let session = thief.sign(&session).await;
    let confirmed = async |issued_before_s: i64| {
        let claims = changed(&fitting, &[("iat", json!(now().plus_s(-issued_before_s)))]);
        let id_token = world.control().mint(&claims, "current").await;
        thief.asks(&world, &session, &id_token).await
    };
    let before = world.stored().await;

    confirmed(3000).await.assert_problem("not-verified");
    confirmed(11 * 60).await.assert_problem("not-verified");

    // As Entra dates the token of somebody who signs in now: it was the time that was refused.
    assert!(confirmed(5 * 60).await.ok()["confirmation"].is_string());
    world.nothing_stored_since(&before).await;
}
