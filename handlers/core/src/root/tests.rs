use crate::{
    identity::App,
    jwe,
    keyset::{Keyset, KeysetKey, Trust},
    memory::{Dice, LocalKey},
};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);
/// How long both roots count.
const OVERLAP_S: i64 = 600;

fn key() -> LocalKey {
    LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap()
}

/// A year later for each one: none overlaps another.
fn replacement(ver: u64, old: &LocalKey, new: &LocalKey) -> Replacement {
    let iat = NOW.plus_s((i64::try_from(ver).unwrap() - 1) * 365 * 24 * 3600);
    let from = iat.plus_s(OVERLAP_S);
    Replacement { ver, old: old.key().clone(), new: new.key().clone(), iat, from }
}

async fn signed(says: &Replacement, by_old: &LocalKey, by_new: &LocalKey) -> Countersigned {
    Countersigned {
        by_old: Signed::sign(says, by_old).await.unwrap(),
        by_new: Signed::sign(says, by_new).await.unwrap(),
    }
}

async fn handed_over(ver: u64, old: &LocalKey, new: &LocalKey) -> Countersigned {
    signed(&replacement(ver, old, new), old, new).await
}

/// From the first root to the last of these.
async fn chain(roots: &[LocalKey]) -> Vec<Countersigned> {
    let mut chain = Vec::new();
    for (position, pair) in roots.windows(2).enumerate() {
        chain.push(handed_over(position as u64 + 1, &pair[0], &pair[1]).await);
    }
    chain
}

fn long_after() -> Timestamp {
    NOW.plus_s(20 * 365 * 24 * 3600)
}

async fn keyset(by: &LocalKey, replacements: &[Countersigned], at: Timestamp) -> Signed<Keyset> {
    let listed = KeysetKey {
        jwk: key().key().clone(),
        app: App::Intake,
        signs: vec![Typ::Permit],
        nbf: at,
        revoked: None,
    };
    let keyset = Keyset {
        ver: 2,
        iat: at,
        exp: at.plus_s(3600),
        keys: vec![listed],
        replacements: replacements.to_vec(),
        secrets: None,
    };
    Signed::sign(&keyset, by).await.unwrap()
}

#[tokio::test]
async fn whoever_knows_any_root_of_a_chain_follows_it_to_the_root_of_today() {
    let roots = [key(), key(), key()];
    let chain = chain(&roots).await;

    for known in &roots {
        let followed = Roots::follow(known.key(), &chain, long_after()).unwrap();

        assert_eq!(followed.present(), roots[2].key());
        assert_eq!(followed.replacements(), 2);
    }
    let stranger = key();
    assert!(Roots::follow(stranger.key(), &chain, long_after()).is_err());
}

#[tokio::test]
async fn what_one_of_both_signed_moves_nothing() {
    let (old, new) = (key(), key());
    let says = replacement(1, &old, &new);
    let whole = signed(&says, &old, &new).await;
    let otherwise = Replacement { from: says.from.plus_s(1), ..says.clone() };

    for (by_old, by_new) in [(&old, &old), (&new, &new), (&new, &old)] {
        let partly = signed(&says, by_old, by_new).await;
        assert!(Roots::follow(old.key(), &[partly], NOW).is_err());
    }
    // Each signed, and not the same.
    let apart =
        Countersigned { by_new: Signed::sign(&otherwise, &new).await.unwrap(), ..whole.clone() };
    assert!(Roots::follow(old.key(), &[apart], NOW).is_err());
    assert!(Roots::follow(old.key(), &[whole], NOW).is_ok());
}

#[tokio::test]
async fn nobody_becomes_the_root_by_countersigning_themselves() {
    let (root, thief, friend) = (key(), key(), key());
    let own = handed_over(1, &thief, &friend).await;

    assert!(Roots::follow(root.key(), std::slice::from_ref(&own), NOW).is_err());
    // Behind a genuine one that it does not follow from.
    let heir = key();
    let genuine = handed_over(1, &root, &heir).await;
    let second = handed_over(2, &thief, &friend).await;
    assert!(Roots::follow(root.key(), &[genuine, second], long_after()).is_err());

    let trust = Trust::verify(root.key(), &keyset(&friend, &[own], NOW).await, NOW);
    assert!(trust.is_err());
}

#[tokio::test]
async fn links_that_are_left_out_repeated_swapped_or_too_many_are_refused() {
    let roots: Vec<LocalKey> = (0..=MAX_REPLACEMENTS + 1).map(|_| key()).collect();
    let long = chain(&roots).await;
    let three = &long[..3];
    let first = roots[0].key();
    let follow = |links: &[&Countersigned]| {
        let links: Vec<Countersigned> = links.iter().copied().cloned().collect();
        Roots::follow(first, &links, long_after()).map(|roots| roots.replacements()).ok()
    };

    assert_eq!(follow(&[&three[0], &three[1], &three[2]]), Some(3));
    assert_eq!(follow(&[&three[0], &three[2]]), None);
    assert_eq!(follow(&[&three[1], &three[0]]), None);
    assert_eq!(follow(&[&three[0], &three[0]]), None);
    assert_eq!(follow(&[&three[1], &three[2]]), None);
    let most: Vec<&Countersigned> = long[..MAX_REPLACEMENTS].iter().collect();
    assert_eq!(follow(&most), Some(MAX_REPLACEMENTS));
    assert_eq!(follow(&long.iter().collect::<Vec<_>>()), None);
}

#[tokio::test]
async fn a_root_does_not_come_back_and_none_ends_before_it_was_replaced() {
    let (old, new) = (key(), key());
    let there = handed_over(1, &old, &new).await;
    let back = handed_over(2, &new, &old).await;
    assert!(Roots::follow(old.key(), &[there, back], long_after()).is_err());

    let says = replacement(1, &old, &new);
    let early = Replacement { from: says.iat.plus_s(-1), ..says };
    let early = signed(&early, &old, &new).await;
    assert!(Roots::follow(old.key(), &[early], NOW).is_err());
}

#[tokio::test]
async fn a_replacement_from_the_future_is_none_yet() {
    let (old, new) = (key(), key());
    let link = handed_over(1, &old, &new).await;

    let before = NOW.plus_s(-LEEWAY_S - 1);

    assert!(Roots::follow(old.key(), &[link], before).is_err());
}

#[tokio::test]
async fn both_roots_count_until_the_old_one_ends_and_then_the_new_one_alone() {
    let (old, new) = (key(), key());
    let links = [handed_over(1, &old, &new).await];
    let end = NOW.plus_s(OVERLAP_S);
    let opens = async |by: &LocalKey, at: Timestamp| {
        let keyset = keyset(by, &links, NOW).await;
        Trust::verify(old.key(), &keyset, at).map(drop)
    };

    for by in [&old, &new] {
        assert!(opens(by, end.plus_s(-1)).await.is_ok());
    }
    assert_eq!(
        opens(&old, end).await.unwrap_err(),
        NotVerified::UnknownKey(old.key().thumbprint())
    );
    assert!(opens(&new, end).await.is_ok());
}

#[tokio::test]
async fn what_the_old_root_signed_is_still_opened_as_of_the_time_when_it_was_judged() {
    let (old, new) = (key(), key());
    let links = [handed_over(1, &old, &new).await];
    let later = NOW.plus_s(1800);
    let trust = Trust::verify(old.key(), &keyset(&new, &links, later).await, later).unwrap();
    let signed_before = keyset(&old, &[], NOW.plus_s(-60)).await;

    assert!(trust.open_root(&signed_before, NOW.plus_s(-30)).is_ok());
    assert!(trust.open_root(&signed_before, later).is_err());
    // The new root was none before it was named.
    let backdated = keyset(&new, &[], NOW.plus_s(-60)).await;
    assert!(trust.open_root(&backdated, NOW.plus_s(-30)).is_err());
    let stranger = keyset(&key(), &[], NOW).await;
    assert!(trust.open_root(&stranger, NOW).is_err());
}

#[tokio::test]
async fn a_keyset_by_the_new_root_without_the_replacement_is_refused() {
    let (old, new) = (key(), key());

    let bare = keyset(&new, &[], NOW).await;

    assert!(Trust::verify(old.key(), &bare, NOW).is_err());
}
