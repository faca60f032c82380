//! Which verified tokens are kept. What that saves is measured by `tests/bench`.

use airlock_core::{digest::Digest, time::Timestamp};
use serde_json::json;

use super::world::{
    Answers, NOON, OTHER_TENANT, World, audience, id, person, signed, tenant, with,
};
use crate::{
    entra::{
        AccessToken, NotAccepted,
        claims::SKEW_S,
        kept::{Kept, KeptTokens, LONGEST_BYTES, MOST_TOKENS},
        tests::world::{OURS, issuer, jwks},
    },
    jose::keys::{LIFETIME_S, REFRESH_S},
};

/// Whether both are one verification's.
fn same(one: &AccessToken, other: &AccessToken) -> bool {
    std::ptr::eq(one.claims(), other.claims())
}

#[tokio::test]
async fn a_token_is_verified_once_until_it_expires() {
    let world = World::new();
    let token = signed(&person());
    let first = world.access(&token).await.unwrap();

    let again = world.access(&token).await.unwrap();
    assert!(same(&first, &again));
    // Verified again, because its hour is over but for the skew.
    world.clock.advance_s(3600);
    let late = world.access(&token).await.unwrap();
    assert!(!same(&first, &late));
    world.clock.advance_s(SKEW_S);
    let over = world.access(&token).await.unwrap_err();
    assert!(matches!(over, NotAccepted::Claim("exp")), "{over}");
}

#[tokio::test]
async fn a_kept_token_is_given_for_its_own_audience_and_tenant_only() {
    let world = World::new();
    let token = signed(&person());
    world.access(&token).await.unwrap();
    let look = || world.verifier.look_at(&token).unwrap();

    let other = OTHER_TENANT.parse().unwrap();
    let elsewhere = world.verifier.access_token(look(), tenant(), other).await;
    assert!(matches!(elsewhere, Err(NotAccepted::Claim("aud"))));
    let tenant = airlock_core::identity::TenantId::new(other.uuid());
    let elsewhere = world.verifier.access_token(look(), tenant, audience()).await;
    assert!(matches!(elsewhere, Err(NotAccepted::UnknownKey)));
}

#[tokio::test]
async fn another_text_of_the_same_claims_is_another_token() {
    let world = World::new();
    let token = signed(&person());
    world.access(&token).await.unwrap();
    let (input, _) = token.rsplit_once('.').unwrap();

    for forged in [format!("{input}."), format!("{input}.AAAA"), format!("{token}A")] {
        assert!(world.access(&forged).await.is_err(), "{forged}");
    }
    assert_eq!(world.verifier.kept.count(), 1);
}

#[tokio::test]
async fn after_each_fetch_of_keys_a_token_is_verified_once_more() {
    let world = World::new();
    let token = signed(&with(person(), "exp", json!(NOON + 2 * LIFETIME_S)));
    let first = world.access(&token).await.unwrap();

    world.clock.advance_s(REFRESH_S);
    assert!(same(&first, &world.access(&token).await.unwrap()));
    World::rest().await;

    let second = world.access(&token).await.unwrap();
    assert!(!same(&first, &second));
    assert!(same(&second, &world.access(&token).await.unwrap()));
}

#[tokio::test]
async fn a_kept_token_does_not_outlive_the_keys() {
    let world = World::new();
    let token = signed(&with(person(), "exp", json!(NOON + 2 * LIFETIME_S)));
    world.access(&token).await.unwrap();
    world.answer(Answers::Failure);

    world.clock.advance_s(LIFETIME_S);

    assert!(matches!(world.access(&token).await, Err(NotAccepted::Keys(_))));
}

#[tokio::test]
async fn neither_id_tokens_nor_very_long_ones_are_kept() {
    let world = World::new();
    let long = signed(&with(person(), "groups", json!("x".repeat(LONGEST_BYTES))));

    world.id(&signed(&id())).await.unwrap();
    world.access(&long).await.unwrap();

    assert_eq!(world.verifier.kept.count(), 0);
}

#[tokio::test]
async fn no_more_are_kept_than_the_bound_and_what_is_used_stays() {
    let world = World::new();
    let kept = KeptTokens::default();
    let now = Timestamp::from_unix_s(NOON);
    let token = world.access(&signed(&person())).await.unwrap();
    let key = jwks(&json!([OURS.jwk(&issuer())])).unwrap()["ours"].clone();
    let keep = |digest| {
        let (token, key, kid) = (token.clone(), key.clone(), "ours".to_owned());
        kept.keep(digest, Kept { token, audience: audience(), kid, key });
    };
    let digest = |number: usize| Digest::of(&[&number.to_be_bytes()]);

    for number in 0..4 * MOST_TOKENS {
        keep(digest(number));
        assert!(kept.find(&digest(0), now).is_some(), "after {number}");
        assert!(kept.count() <= MOST_TOKENS + 1, "{}", kept.count());
    }

    assert!(kept.find(&digest(1), now).is_none());
    assert!(kept.find(&digest(4 * MOST_TOKENS - 1), now).is_some());
}
