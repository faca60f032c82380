//! What travels sealed: the challenge that a client signs, and the transaction that is Entra's
//! `state`.
//!
//! Both are stateless. A challenge proves that a proof is fresh; replaying one starts another
//! sign-in for the same key, which only the key's holder can finish. A transaction is used once:
//! its mark is stored when Entra's answer has proved good, so a stranger cannot make us write.

use airlock_core::{
    base64url, digest::Digest, identity::TenantId, jwk::PublicKey, ports::PortError,
    secret::Secret, sign_in, step_up::Context, time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    desk::Desk,
    opaque::{self, Opaque},
    return_to::ReturnTo,
    sealing::{NotSealed, NotUnsealed, Sealable},
};

/// For how long a challenge can be answered, in seconds.
pub const CHALLENGE_S: i64 = 5 * 60;

/// How long a person may take at Entra, in seconds. A code of Entra's lives as long.
pub const TRANSACTION_S: i64 = 10 * 60;

/// A fresh challenge.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Challenge {
    exp: Timestamp,
}

impl Sealable for Challenge {
    const FIELD: &'static str = "challenge";
}

/// A challenge is not ours, or too old.
#[derive(Debug, thiserror::Error)]
pub enum NotFresh {
    /// It is none of ours.
    #[error("challenge not ours")]
    Foreign(#[source] NotUnsealed),
    /// Its time is over.
    #[error("challenge too old")]
    Old,
}

/// Gives a challenge.
///
/// # Errors
///
/// [`NotSealed`].
pub async fn issue(desk: &Desk) -> Result<String, NotSealed> {
    let challenge = Challenge { exp: desk.now().plus_s(CHALLENGE_S) };
    desk.seal(&challenge).await
}

/// Checks that a challenge is ours and fresh.
///
/// # Errors
///
/// [`NotFresh`].
pub async fn check(text: &str, desk: &Desk) -> Result<(), NotFresh> {
    let challenge: Challenge = desk.unseal(text).await.map_err(NotFresh::Foreign)?;
    if challenge.exp <= desk.now() { Err(NotFresh::Old) } else { Ok(()) }
}

/// A sign-in on its way through Entra, as it was sealed into `state`. Only where to return can
/// be read before [`begin`](Self::begin).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    tenant: TenantId,
    jwk: PublicKey,
    /// The random half of the nonce; 32 bytes in base64url. Names the transaction as well.
    random: String,
    verifier: String,
    return_to: ReturnTo,
    /// Hash of the cookie of the browser that started it, or confirmed its start.
    browser: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step_up: Option<Context>,
    exp: Timestamp,
}

impl Sealable for Transaction {
    const FIELD: &'static str = "transaction";
}

/// What a sign-in is started with.
pub struct Plan {
    /// The tenant to sign in to.
    pub tenant: TenantId,
    /// The client key.
    pub jwk: PublicKey,
    /// Where to go afterwards.
    pub return_to: ReturnTo,
    /// The authentication context to satisfy.
    pub step_up: Option<Context>,
    /// The cookie of the browser.
    pub browser: Opaque,
}

/// A transaction whose time holds, in the browser that started it.
pub struct Begun {
    /// The tenant to sign in to.
    pub tenant: TenantId,
    /// The client key.
    pub jwk: PublicKey,
    /// The random half of the nonce.
    pub random: [u8; 32],
    /// The PKCE verifier.
    pub verifier: Secret,
    /// Where to go afterwards.
    pub return_to: ReturnTo,
    /// The authentication context that must have been satisfied.
    pub step_up: Option<Context>,
}

/// Why a genuine transaction is not gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBegun {
    /// The person took too long.
    #[error("sign-in took too long")]
    Late,
    /// Another browser brings the answer than the one that started it.
    #[error("answer comes by another browser")]
    OtherBrowser,
    /// Its random half has not the right size, which we never seal.
    #[error("random half of nonce malformed")]
    Random,
}

/// What Entra is told of a transaction: commitments to what stays sealed.
pub struct Announced {
    /// What the ID token must carry.
    pub nonce: String,
    /// The secret half of PKCE, of which Entra is told the digest.
    pub verifier: Secret,
}

impl Transaction {
    /// Plans a sign-in.
    ///
    /// # Errors
    ///
    /// If there is no randomness.
    pub fn plan(plan: Plan, desk: &Desk) -> Result<(Self, Announced), PortError> {
        let random: [u8; 32] = opaque::random(&*desk.ports.entropy)?;
        let verifier = Opaque::generate(&*desk.ports.entropy)?;
        let announced = Announced {
            nonce: sign_in::nonce(plan.jwk.thumbprint(), &random),
            verifier: Secret::new(verifier.expose().to_owned()),
        };
        let transaction = Self {
            tenant: plan.tenant,
            jwk: plan.jwk,
            random: base64url::encode(random),
            verifier: verifier.expose().to_owned(),
            return_to: plan.return_to,
            browser: plan.browser.digest(),
            step_up: plan.step_up,
            exp: desk.now().plus_s(TRANSACTION_S),
        };
        Ok((transaction, announced))
    }

    /// Where to return, however it ends.
    #[must_use]
    pub const fn return_to(&self) -> &ReturnTo {
        &self.return_to
    }

    /// Goes on with it, in the browser that started it and in time.
    ///
    /// # Errors
    ///
    /// [`NotBegun`].
    pub fn begin(self, now: Timestamp, browser: Option<&Opaque>) -> Result<Begun, NotBegun> {
        if self.exp <= now {
            return Err(NotBegun::Late);
        }
        if !browser.is_some_and(|cookie| cookie.is(self.browser)) {
            return Err(NotBegun::OtherBrowser);
        }
        let random = base64url::decode_array(&self.random).ok_or(NotBegun::Random)?;
        Ok(Begun {
            tenant: self.tenant,
            jwk: self.jwk,
            random,
            verifier: Secret::new(self.verifier),
            return_to: self.return_to,
            step_up: self.step_up,
        })
    }
}

impl Begun {
    /// The nonce that Entra's ID token must carry: it commits to the client key.
    #[must_use]
    pub fn nonce(&self) -> String {
        sign_in::nonce(self.jwk.thumbprint(), &self.random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{World, client_key};

    async fn planned(desk: &Desk, browser: &Opaque) -> Transaction {
        let plan = Plan {
            tenant: World::HOME.parse().unwrap(),
            jwk: client_key(1).1,
            return_to: ReturnTo::parse("/requests").unwrap(),
            step_up: None,
            browser: browser.clone(),
        };
        let (transaction, _) = Transaction::plan(plan, desk).unwrap();
        let text = desk.seal(&transaction).await.unwrap();
        desk.unseal(&text).await.unwrap()
    }

    #[tokio::test]
    async fn a_transaction_goes_on_in_the_browser_that_started_it_and_in_no_other() {
        let world = World::new().await;
        let desk = world.desk().await;
        let browser = Opaque::generate(&*desk.ports.entropy).unwrap();
        let other = Opaque::generate(&*desk.ports.entropy).unwrap();

        let begin = async |brought: Option<&Opaque>| {
            planned(desk, &browser).await.begin(desk.now(), brought).map(|_| ())
        };

        assert_eq!(begin(Some(&browser)).await, Ok(()));
        assert_eq!(begin(Some(&other)).await, Err(NotBegun::OtherBrowser));
        assert_eq!(begin(None).await, Err(NotBegun::OtherBrowser));
    }

    #[tokio::test]
    async fn a_transaction_expires() {
        let world = World::new().await;
        let desk = world.desk().await;
        let browser = Opaque::generate(&*desk.ports.entropy).unwrap();
        let (first, second) = (planned(desk, &browser).await, planned(desk, &browser).await);

        world.clock.advance_s(TRANSACTION_S - 1);
        assert!(first.begin(desk.now(), Some(&browser)).is_ok());
        world.clock.advance_s(1);

        let late = second.begin(desk.now(), Some(&browser)).map(|_| ());
        assert_eq!(late, Err(NotBegun::Late));
    }

    #[tokio::test]
    async fn a_challenge_is_fresh_for_five_minutes_and_no_transaction_passes_for_one() {
        let world = World::new().await;
        let desk = world.desk().await;
        let challenge = issue(desk).await.unwrap();
        let browser = Opaque::generate(&*desk.ports.entropy).unwrap();
        let transaction = planned(desk, &browser).await;
        let state = desk.seal(&transaction).await.unwrap();

        assert!(matches!(check(&state, desk).await, Err(NotFresh::Foreign(_))));
        world.clock.advance_s(CHALLENGE_S - 1);
        assert!(check(&challenge, desk).await.is_ok());
        world.clock.advance_s(1);
        assert!(matches!(check(&challenge, desk).await, Err(NotFresh::Old)));
    }

    #[tokio::test]
    async fn a_nonce_commits_to_one_key_and_one_transaction() {
        let world = World::new().await;
        let desk = world.desk().await;
        let browser = Opaque::generate(&*desk.ports.entropy).unwrap();
        let begun =
            async || planned(desk, &browser).await.begin(desk.now(), Some(&browser)).unwrap();

        let (one, other) = (begun().await, begun().await);

        assert_ne!(one.nonce(), other.nonce());
        assert_ne!(one.verifier.expose(), other.verifier.expose());
        assert_eq!(one.nonce(), sign_in::nonce(client_key(1).1.thumbprint(), &one.random));
        assert_ne!(one.nonce(), sign_in::nonce(client_key(2).1.thumbprint(), &one.random));
    }

    #[tokio::test]
    async fn the_longest_state_fits_what_entra_carries() {
        let world = World::new().await;
        let desk = world.desk().await;
        let longest = format!("/{}", "a".repeat(crate::return_to::MOST_BYTES - 1));
        let plan = Plan {
            tenant: World::HOME.parse().unwrap(),
            jwk: client_key(1).1,
            return_to: ReturnTo::parse(&longest).unwrap(),
            step_up: Some(Context::try_from("c99".to_owned()).unwrap()),
            browser: Opaque::generate(&*desk.ports.entropy).unwrap(),
        };

        let (transaction, _) = Transaction::plan(plan, desk).unwrap();
        let state = desk.seal(&transaction).await.unwrap();

        assert!(state.len() < 2048, "{} bytes", state.len());
    }
}
