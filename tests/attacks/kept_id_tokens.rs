//! A taken-over `signin` has kept the ID token of somebody who signed in: it counts for an hour and
//! more, and begins no other session than theirs.

use airlock_core::{
    base64url,
    digest::Digest,
    identity::{App, Role},
    jws::Signed,
    session::{Confirms, Session},
    sign_in,
};
use airlock_tests::{Answer, World, client_key, now, public};
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn an_id_token_that_was_kept_begins_no_session_later() {
    let world = World::start().await;
    let signin = world.impostor("signin").await;
    let audience = format!("api://{}", signin.application("airlock-intake"));
    let own = signin.token(&audience).await;
    let url = world.stack()["confirmations"].as_str().unwrap();
    let (tara, random) = (world.who("tara"), [7; 32]);
    let jwk = public(&client_key().0);
    let claims = json!({
        "iss": format!("https://login.microsoftonline.com/{}/v2.0", tara.tenant),
        "aud": signin.application("airlock-portal"),
        "tid": tara.tenant, "oid": tara.object, "sub": "tara", "ver": "2.0",
        "nbf": now().plus_s(-3000), "exp": now().plus_s(900),
        "roles": ["TenantAdmin"], "auth_time": now().plus_s(-3000),
        "nonce": sign_in::nonce(jwk.thumbprint(), &random),
    });
    let session = Session {
        iss: App::Signin,
        sid: Uuid::new_v4().to_string(),
        tid: tara.tenant,
        oid: tara.object,
        roles: vec![Role::TenantAdmin],
        acrs: Vec::new(),
        auth_time: now().plus_s(-3000),
        iat: now(),
        exp: now().plus_s(8 * 3600),
        cnf: Confirms { jwk },
        cookie: Digest::of(&[b"cookie"]),
    };
    let session = Signed::sign(&session, &signin.key().await).await.unwrap();
    let confirmed = async |issued_before_s: i64| {
        let mut claims = claims.clone();
        claims["iat"] = json!(now().plus_s(-issued_before_s));
        let body = json!({
            "session": session,
            "id_token": world.control().mint(&claims, "current").await,
            "nonce_random": base64url::encode(random),
        });
        Answer::to(world.http().post(url).bearer_auth(&own).json(&body)).await
    };
    let before = world.stored().await;

    confirmed(3000).await.assert_problem("not-verified");
    confirmed(11 * 60).await.assert_problem("not-verified");

    // As Entra dates the token of somebody who signs in now: it was the time that was refused.
    assert!(confirmed(5 * 60).await.ok()["confirmation"].is_string());
    world.nothing_stored_since(&before).await;
}
