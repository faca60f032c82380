//! Signing in, as `airlockctl` does it.

use airlock_core::{
    identity::TenantId,
    jwe,
    jwk::PublicKey,
    jws::Signed,
    memory::{Dice, LocalKey},
    sign_in::SignIn,
};
use http::Method;
use p256::SecretKey;
use serde_json::json;
use url::Url;

use super::{Answer, Browser, Person, Who, World, callback_of, clock::now};

/// Where the person's own program would listen. Nothing does: the tests read the redirect.
pub const RETURN_TO: &str = "http://127.0.0.1:49152/signed-in";

/// A fresh client key.
#[must_use]
pub fn client_key() -> (SecretKey, LocalKey) {
    let secret = jwe::private_key(&Dice).expect("the system has randomness");
    let key = LocalKey::new(&secret).expect("a private key has a public half");
    (secret, key)
}

/// Its public half.
#[must_use]
pub fn public(key: &SecretKey) -> PublicKey {
    PublicKey::from_point(&key.public_key()).expect("a private key has a public half")
}

impl Person {
    /// Signs in, as `airlockctl` does it: a fresh client key, a browser in between, and a
    /// one-time code that only that key redeems.
    pub async fn sign_in(world: &World, who: Who) -> Self {
        Self::sign_in_with(world, who, None).await
    }

    /// As [`sign_in`](Self::sign_in), and proves more, as this authentication context demands.
    pub async fn step_up(world: &World, who: Who, context: &str) -> Self {
        Self::sign_in_with(world, who, Some(context)).await
    }

    async fn sign_in_with(world: &World, who: Who, step_up: Option<&str>) -> Self {
        let (secret, key) = client_key();
        let (http, api) = (world.http().clone(), world.api().to_owned());
        let authorize = Self::start_with(world, &who, &secret, step_up).await.ok();
        let authorize = authorize["authorize"].as_str().expect("an address").to_owned();
        let browser = Browser::new(http.clone());
        let back = browser.sign_in(&authorize, &who).await;
        assert!(back.as_str().starts_with(RETURN_TO), "{back}");
        let code = code_of(&back);
        let redeemed = Self::redeem(world, &who, &secret, &code).await.ok();
        let cookie = redeemed["cookie"].as_str().expect("a cookie").to_owned();
        Self { who, cookie, session: redeemed["session"].clone(), key, http, api }
    }

    /// Starts a sign-in.
    pub async fn start(world: &World, who: &Who, key: &SecretKey) -> Answer {
        Self::start_with(world, who, key, None).await
    }

    async fn start_with(
        world: &World,
        who: &Who,
        key: &SecretKey,
        step_up: Option<&str>,
    ) -> Answer {
        let challenge = challenge(world).await;
        let proof = proof(world.api(), who.tenant, key, challenge, RETURN_TO).await;
        let body = json!({ "proof": proof, "step_up": step_up });
        Answer::to(world.call(Method::POST, "/auth/start").json(&body)).await
    }

    /// Redeems a one-time code.
    pub async fn redeem(world: &World, who: &Who, key: &SecretKey, code: &str) -> Answer {
        let proof = proof(world.api(), who.tenant, key, code.to_owned(), RETURN_TO).await;
        Answer::to(world.call(Method::POST, "/auth/redeem").json(&json!({ "proof": proof }))).await
    }
}

/// A fresh challenge.
pub async fn challenge(world: &World) -> String {
    let asked = world.call(Method::POST, "/auth/challenge").json(&json!({}));
    let challenge = Answer::to(asked).await.ok();
    challenge["challenge"].as_str().expect("a challenge").to_owned()
}

/// The one-time code that came back to the person's own program.
fn code_of(back: &Url) -> String {
    callback_of(back, "code").unwrap_or_else(|| panic!("no code came back: {back}"))
}

/// What a client signs to start a sign-in, and to redeem its one-time code.
pub async fn proof(
    api: &str,
    tenant: TenantId,
    key: &SecretKey,
    challenge: String,
    return_to: &str,
) -> Signed<SignIn> {
    let at = now();
    let claims = SignIn {
        aud: api.to_owned(),
        challenge,
        tenant,
        return_to: return_to.to_owned(),
        jwk: public(key),
        iat: at,
        exp: at.plus_s(120),
    };
    let key = LocalKey::new(key).expect("a private key has a public half");
    Signed::sign(&claims, &key).await.expect("a client key signs")
}
