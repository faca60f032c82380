//! Which keys count, for how long, and how often Entra is asked for them.

use serde_json::{Value, json};

use super::world::{
    AUTHORITY, Answers, FOREIGN, OURS, STRANGER, World, audience, issuer, jwks, signed, tenant,
};
use crate::{
    entra::{NotAccepted, tests::world::person},
    jose::{
        keys::{FAILURE_PAUSE_S, LIFETIME_S, PAUSE_S, REFRESH_S},
        published::NotPublished,
    },
};

/// A token of the tenant's with the name of a key that it has never published.
fn unknown() -> String {
    STRANGER.sign(r#"{"typ":"JWT","alg":"RS256","kid":"stranger"}"#, &person().to_string())
}

#[test]
fn keys_of_other_issuers_and_other_kinds_are_not_taken() {
    let any_tenant = format!("{AUTHORITY}/{{tenantid}}/v2.0");
    let spoiled = |name: &str, value: Value| {
        let mut key = OURS.jwk(&issuer());
        key[name] = value;
        key
    };
    let mut nobodys = OURS.jwk(&issuer());
    nobodys.as_object_mut().unwrap().remove("issuer");
    let bad = [
        OURS.jwk("https://login.microsoftonline.com/x/v2.0"),
        nobodys,
        spoiled("n", json!(airlock_core::base64url::encode([0xff; 128]))),
        spoiled("use", json!("enc")),
        spoiled("key_ops", json!(["encrypt"])),
        spoiled("alg", json!("PS256")),
        spoiled("alg", json!("HS256")),
        spoiled("e", json!("AQ")),
        spoiled("e", json!("Aw")),
        spoiled("e", json!("")),
        spoiled("kty", json!("EC")),
        spoiled("kty", json!("oct")),
        json!({ "kty": "EC", "kid": "ours", "issuer": issuer() }),
        json!({ "kty": "RSA" }),
        json!("ours"),
    ];

    assert_eq!(jwks(&json!([OURS.jwk(&any_tenant)])).unwrap().len(), 1);
    for key in bad {
        assert!(matches!(jwks(&json!([key])), Err(NotPublished::None)), "{key}");
        // Nor do they take the good one beside them away.
        assert_eq!(jwks(&json!([key, OURS.jwk(&issuer())])).unwrap().len(), 1, "{key}");
    }
    let many: Vec<Value> = (0..1001).map(|_| OURS.jwk(&issuer())).collect();
    assert!(matches!(jwks(&json!(many)), Err(NotPublished::TooMany)));
}

#[test]
fn a_name_of_two_keys_names_none() {
    let mut twin = STRANGER.jwk(&issuer());
    twin["kid"] = json!("ours");

    let twice = jwks(&json!([OURS.jwk(&issuer()), OURS.jwk(&issuer())]));
    assert_eq!(twice.unwrap().len(), 1, "the same one twice");
    let ambiguous = jwks(&json!([OURS.jwk(&issuer()), twin]));
    assert!(matches!(ambiguous, Err(NotPublished::Ambiguous)));
}

#[tokio::test]
async fn a_tenants_key_signs_for_that_tenant_only() {
    let world = World::new();
    let other = super::world::OTHER_TENANT.parse().unwrap();
    let mut claims = person();
    claims["tid"] = json!(super::world::OTHER_TENANT);
    claims["iss"] = json!(crate::entra::published::issuer(AUTHORITY, other));
    let header = r#"{"typ":"JWT","alg":"RS256","kid":"foreign"}"#;
    let genuine = FOREIGN.sign(header, &claims.to_string());
    let look = || world.verifier.look_at(&genuine).unwrap();

    assert!(world.verifier.access_token(look(), other, audience()).await.is_ok());
    let refused = world.verifier.access_token(look(), tenant(), audience()).await.unwrap_err();
    assert!(matches!(refused, NotAccepted::UnknownKey), "{refused}");
    // Not even from among the kept ones.
    assert_eq!(world.verifier.kept.count(), 1);
}

#[tokio::test]
async fn keys_are_fetched_once_for_many_and_again_after_an_hour() {
    let world = World::new();
    let token = world.token();
    let verified = futures::future::join_all((0..10).map(|_| world.access(&token))).await;

    assert!(verified.iter().all(Result::is_ok));
    assert_eq!(world.asked(), 1);
    world.clock.advance_s(REFRESH_S - 1);
    world.access(&world.token()).await.unwrap();
    World::rest().await;
    assert_eq!(world.asked(), 1);
    world.clock.advance_s(1);
    let token = world.token();
    let verified = futures::future::join_all((0..10).map(|_| world.access(&token))).await;
    World::rest().await;
    assert!(verified.iter().all(Result::is_ok));
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn nobody_waits_for_keys_that_are_only_due() {
    let world = World::new();
    world.access(&world.token()).await.unwrap();
    world.answer(Answers::Never);

    world.clock.advance_s(REFRESH_S);
    for _ in 0..5 {
        assert!(world.access(&world.token()).await.is_ok());
        World::rest().await;
    }

    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn an_unknown_key_makes_us_ask_once_in_five_minutes() {
    let world = World::new();
    world.access(&world.token()).await.unwrap();
    let unknown = unknown();

    for _ in 0..5 {
        assert!(matches!(world.access(&unknown).await, Err(NotAccepted::UnknownKey)));
    }
    assert_eq!(world.asked(), 1, "the keys are fresh");
    world.clock.advance_s(PAUSE_S);
    let many = futures::future::join_all((0..20).map(|_| world.access(&unknown))).await;
    assert!(many.iter().all(|one| matches!(one, Err(NotAccepted::UnknownKey))));
    assert_eq!(world.asked(), 2);
    assert!(world.access(&world.token()).await.is_ok());
}

#[tokio::test]
async fn a_key_that_was_published_since_is_found() {
    let world = World::new();
    world.access(&world.token()).await.unwrap();
    world.answer(Answers::OtherKey);

    world.clock.advance_s(PAUSE_S);

    assert!(world.access(&unknown()).await.is_ok());
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn what_was_fetched_last_counts_for_a_day_while_entra_does_not_answer() {
    let world = World::new();
    world.access(&world.token()).await.unwrap();
    world.answer(Answers::Failure);

    world.clock.advance_s(REFRESH_S);
    for _ in 0..5 {
        assert!(world.access(&world.token()).await.is_ok());
        World::rest().await;
    }
    assert_eq!(world.asked(), 2, "one try, then a pause");
    world.clock.advance_s(LIFETIME_S - REFRESH_S - 1);
    assert!(world.access(&world.token()).await.is_ok());
    world.clock.advance_s(1);
    assert!(matches!(world.access(&world.token()).await, Err(NotAccepted::Keys(_))));
}

#[tokio::test]
async fn failed_fetches_come_at_ever_longer_intervals() {
    let world = World::new();
    world.answer(Answers::Failure);

    let mut at = Vec::new();
    for second in 0..1200 {
        let before = world.asked();
        assert!(matches!(world.access(&world.token()).await, Err(NotAccepted::Keys(_))));
        if world.asked() > before {
            at.push(second);
        }
        world.clock.advance_s(1);
    }

    let pauses: Vec<i64> = at.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, PAUSE_S, PAUSE_S]);
    assert_eq!(pauses[0], FAILURE_PAUSE_S);
}

#[tokio::test]
async fn an_outage_is_no_refusal_and_passes() {
    let world = World::new();
    world.answer(Answers::Failure);

    for _ in 0..5 {
        assert!(matches!(world.access(&world.token()).await, Err(NotAccepted::Keys(_))));
    }
    assert_eq!(world.asked(), 1, "not a flood");
    world.answer(Answers::Keys);
    world.clock.advance_s(FAILURE_PAUSE_S);
    assert!(world.access(&world.token()).await.is_ok());
}

#[tokio::test]
async fn in_an_outage_an_unknown_key_may_be_a_new_one() {
    let world = World::new();
    world.access(&world.token()).await.unwrap();
    world.answer(Answers::Failure);
    world.clock.advance_s(PAUSE_S);

    for _ in 0..3 {
        assert!(matches!(world.access(&unknown()).await, Err(NotAccepted::Keys(_))));
    }

    assert_eq!(world.asked(), 2);
    assert!(world.access(&world.token()).await.is_ok());
}

#[tokio::test]
async fn who_hangs_up_does_not_take_the_keys_away_from_everyone() {
    let world = World::new();
    let token = world.token();
    {
        let mut given_up = Box::pin(world.access(&token));
        assert!(futures::poll!(&mut given_up).is_pending());
    }

    assert!(world.access(&token).await.is_ok());
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn a_key_that_was_withdrawn_no_longer_counts() {
    let world = World::new();
    let token = signed(&{
        let mut claims = person();
        claims["exp"] = json!(super::world::NOON + 24 * 3600);
        claims
    });
    world.access(&token).await.unwrap();
    world.answer(Answers::OtherKey);

    world.clock.advance_s(REFRESH_S);
    // It starts the fetch, and is not told of its outcome.
    world.access(&token).await.unwrap();
    World::rest().await;

    assert_eq!(world.verifier.kept.count(), 1, "kept, and yet:");
    assert!(matches!(world.access(&token).await, Err(NotAccepted::UnknownKey)));
    assert!(matches!(world.access(&world.token()).await, Err(NotAccepted::UnknownKey)));
}
