//! `signin` in the wrong hands: it signs whatever sessions it likes, and asks `intake` to confirm
//! them.

use airlock_core::{base64url, jws::Signed, session::Session, sign_in};
use airlock_tests::{Answer, Impostor, VaultKey, World, now};
use serde_json::{Value, json};

/// The random part of every nonce of the thief's.
const RANDOM: [u8; 32] = [7; 32];

/// `signin`, taken over.
pub struct Thief {
    pub signin: Impostor,
    pub key: VaultKey,
    /// The token with which `signin` calls the confirmations.
    pub own: String,
}

impl Thief {
    pub async fn new(world: &World) -> Self {
        let signin = world.impostor("signin").await;
        let key = signin.key().await;
        let own = signin.token(&format!("api://{}", signin.application("airlock-intake"))).await;
        Self { signin, key, own }
    }

    pub async fn sign(&self, session: &Session) -> Signed<Session> {
        Signed::sign(session, &self.key).await.unwrap()
    }

    /// What Entra's ID token would say for a session to be confirmed.
    pub fn fitting(&self, session: &Session) -> Value {
        let at = now();
        json!({
            "iss": format!("https://login.microsoftonline.com/{}/v2.0", session.tid),
            "aud": self.signin.application("airlock-portal"),
            "tid": session.tid, "oid": session.oid, "sub": "tara", "ver": "2.0",
            "iat": at, "nbf": at, "exp": at.plus_s(600), "auth_time": session.auth_time,
            "roles": session.roles, "acrs": session.acrs,
            "nonce": sign_in::nonce(session.cnf.jwk.thumbprint(), &RANDOM),
        })
    }

    /// Asks `intake` to confirm a session, as `signin` does.
    pub async fn asks(&self, world: &World, session: &Signed<Session>, id_token: &str) -> Answer {
        confirmations(world, &self.own, &to_confirm(session, id_token)).await
    }
}

/// What `signin` sends to have a session confirmed.
pub fn to_confirm(session: &Signed<Session>, id_token: &str) -> Value {
    json!({
        "session": session, "id_token": id_token, "nonce_random": base64url::encode(RANDOM),
    })
}

/// Calls the confirmations of `intake` with a token.
pub async fn confirmations(world: &World, token: &str, body: &Value) -> Answer {
    let url = world.stack()["confirmations"].as_str().unwrap();
    Answer::to(world.http().post(url).bearer_auth(token).json(body)).await
}
