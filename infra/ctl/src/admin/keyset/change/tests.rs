use airlock_core::{
    identity::App,
    jwe,
    jwk::PublicKey,
    jws::{Signed, Typ},
    memory::{Dice, LocalKey},
    root::Replacement,
};

use super::*;
use crate::admin::keyset::next;

const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

fn key() -> LocalKey {
    LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap()
}

fn listed(app: App, jwk: &PublicKey) -> Listed {
    Listed { app, jwk: jwk.clone(), signs: vec![Typ::Statement] }
}

fn first(jwk: &PublicKey) -> Keyset {
    next(None, &[listed(App::Signin, jwk)], NOW).unwrap().unwrap()
}

#[test]
fn a_next_key_is_listed_before_it_counts_and_publishing_leaves_its_time_alone() {
    let (present, coming) = (key(), key());
    let coming = listed(App::Signin, coming.key());
    let from = NOW.plus_s(86_400);

    let second = admitted(&first(present.key()), &coming, Some(from), NOW).unwrap().unwrap();

    assert_eq!(second.ver, 2);
    assert_eq!((second.keys.len(), second.keys[1].nbf), (2, from.plus_s(-LEEWAY_S)));
    assert!(admitted(&second, &coming, None, NOW).unwrap().is_none());
    assert!(next(Some(&second), &[coming], NOW).unwrap().is_none());
}

#[test]
fn nothing_that_is_signed_already_comes_to_count() {
    let from = NOW.plus_s(-LEEWAY_S - 1);
    let coming = listed(App::Signin, key().key());

    let refused = admitted(&first(key().key()), &coming, Some(from), NOW);

    assert_eq!(refused.unwrap_err(), NotPlanned::Past(from));
}

#[test]
fn a_key_is_admitted_for_one_app_and_not_after_it_was_revoked() {
    let present = key();
    let (jwk, name) = (present.key(), present.key().thumbprint());
    let first = first(jwk);

    assert_eq!(
        admitted(&first, &listed(App::Intake, jwk), None, NOW).unwrap_err(),
        NotPlanned::ChangedHands(name)
    );
    let second = revoked(&first, name, NOW, NOW).unwrap().unwrap();
    assert_eq!(
        admitted(&second, &listed(App::Signin, jwk), None, NOW).unwrap_err(),
        NotPlanned::Revoked { key: name, from: NOW }
    );
}

#[test]
fn a_revocation_can_begin_earlier_than_was_thought_and_never_later() {
    let present = key();
    let name = present.key().thumbprint();
    let later = NOW.plus_s(3600);
    let second = revoked(&first(present.key()), name, later, later).unwrap().unwrap();

    let third = revoked(&second, name, NOW, later).unwrap().unwrap();

    assert_eq!((second.ver, second.keys[0].revoked), (2, Some(later)));
    assert_eq!((third.ver, third.keys[0].revoked), (3, Some(NOW)));
    assert!(revoked(&third, name, later, later).unwrap().is_none());
    // Nor does publishing take it back.
    let again = next(Some(&third), &[listed(App::Signin, present.key())], later).unwrap();
    assert!(again.is_none());
}

#[test]
fn only_a_listed_key_is_revoked_and_not_from_a_time_to_come() {
    let present = key();
    let (name, other) = (present.key().thumbprint(), key().key().thumbprint());
    let first = first(present.key());

    assert_eq!(revoked(&first, other, NOW, NOW).unwrap_err(), NotPlanned::NotListed(other));
    let soon = NOW.plus_s(1);
    assert_eq!(revoked(&first, name, soon, NOW).unwrap_err(), NotPlanned::Future(soon));
}

async fn replacement(old: &LocalKey, new: &LocalKey) -> Countersigned {
    let (old_key, new_key) = (old.key().clone(), new.key().clone());
    let says = Replacement { ver: 1, old: old_key, new: new_key, iat: NOW, from: NOW.plus_s(600) };
    Countersigned {
        by_old: Signed::sign(&says, old).await.unwrap(),
        by_new: Signed::sign(&says, new).await.unwrap(),
    }
}

#[tokio::test]
async fn a_new_root_lists_what_the_old_one_listed_and_says_how_it_became_the_root() {
    let (old, new, app) = (key(), key(), key());
    let first = first(app.key());
    let by = replacement(&old, &new).await;

    let second = handed_over(&first, by.clone(), new.key().thumbprint(), NOW).unwrap();

    assert_eq!((second.ver, second.replacements.len()), (2, 1));
    assert_eq!(second.keys[0].jwk, *app.key());
    // What comes after keeps saying it.
    let third = revoked(&second, app.key().thumbprint(), NOW, NOW).unwrap().unwrap();
    assert_eq!(third.replacements.len(), 1);
    let listed = [listed(App::Intake, key().key())];
    let fourth = next(Some(&third), &listed, NOW).unwrap().unwrap();
    assert_eq!(fourth.replacements.len(), 1);
}

#[tokio::test]
async fn no_apps_key_becomes_the_root_and_no_keyset_carries_more_than_readers_read() {
    let (old, app) = (key(), key());
    let mut keyset = first(app.key());
    let by = replacement(&old, &app).await;
    let name = app.key().thumbprint();

    let refused = handed_over(&keyset, by.clone(), name, NOW);
    assert_eq!(refused.unwrap_err(), NotPlanned::Root(name));

    keyset.replacements = vec![by.clone(); MAX_REPLACEMENTS];
    let refused = handed_over(&keyset, by, old.key().thumbprint(), NOW);
    assert_eq!(refused.unwrap_err(), NotPlanned::TooOften);
}
