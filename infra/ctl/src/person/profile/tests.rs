use airlock_core::memory::Dice;

use super::*;
use crate::scratch::Scratch;

const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

fn profiles(scratch: &Scratch, name: &str) -> Profiles {
    let api = "http://localhost:7071".parse().unwrap();
    Profiles::new(&scratch.path().join("airlock"), &api, &name.parse().unwrap())
}

fn profile() -> Profile {
    Profile {
        api: "http://localhost:7071".to_owned(),
        person: PersonId {
            tid: "605d9d43-3534-4810-8152-9d01a268ad22".parse().unwrap(),
            oid: "11111111-2222-4333-8444-555555555555".parse().unwrap(),
        },
        sid: Digest::of(&[b"sid"]),
        expires: NOW,
        key: ClientKey::draw(&Dice).unwrap(),
        cookie: Secret::new("cookie".to_owned()),
    }
}

fn request(n: u8) -> RequestId {
    RequestId { tenant: profile().person.tid, digest: Digest::of(&[&[n]]) }
}

#[cfg(unix)]
#[test]
fn both_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let profiles = profiles(&scratch, "harriet");

    profiles.keep(&profile()).unwrap();
    let key = ClientKey::draw(&Dice).unwrap();
    profiles.await_secret(request(1), key, NOW.plus_s(60), NOW).unwrap();

    let names = ["localhost-7071-harriet.json", "localhost-7071-harriet.pending.json"];
    for name in names {
        let file = scratch.path().join("airlock").join(name);
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn the_names_are_known_under_which_somebody_is_kept_for_an_api() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("airlock");
    let elsewhere = "http://localhost:70".parse().unwrap();

    assert!(profiles(&scratch, "harriet").kept().unwrap().is_empty());
    for name in ["sam-2", "harriet"] {
        profiles(&scratch, name).keep(&profile()).unwrap();
    }
    let key = ClientKey::draw(&Dice).unwrap();
    profiles(&scratch, "nora").await_secret(request(1), key, NOW.plus_s(60), NOW).unwrap();
    let other = Profiles::new(&folder, &elsewhere, &"april".parse().unwrap());
    other.keep(&profile()).unwrap();

    assert_eq!(profiles(&scratch, "april").kept().unwrap(), ["harriet", "sam-2"]);
}

#[test]
fn people_of_different_names_do_not_share_a_session() {
    let scratch = Scratch::new();

    profiles(&scratch, "harriet").keep(&profile()).unwrap();

    assert!(profiles(&scratch, "harriet").read().unwrap().is_some());
    assert!(profiles(&scratch, "april").read().unwrap().is_none());
}

#[test]
fn a_kept_session_is_the_same_and_forgetting_leaves_nothing() {
    let scratch = Scratch::new();
    let profiles = profiles(&scratch, "me");
    let kept = profile();

    profiles.keep(&kept).unwrap();
    let read = profiles.read().unwrap().unwrap();
    assert_eq!(read.cookie.expose(), "cookie");
    assert_eq!(read.key.public().unwrap(), kept.key.public().unwrap());

    let key = ClientKey::draw(&Dice).unwrap();
    profiles.await_secret(request(1), key, NOW.plus_s(60), NOW).unwrap();
    profiles.forget().unwrap();
    assert_eq!(std::fs::read_dir(scratch.path().join("airlock")).unwrap().count(), 0);
}

#[test]
fn the_key_of_a_secret_lasts_until_it_was_seen_or_is_over() {
    let scratch = Scratch::new();
    let profiles = profiles(&scratch, "me");
    let draw = || ClientKey::draw(&Dice).unwrap();

    profiles.await_secret(request(1), draw(), NOW.plus_s(60), NOW).unwrap();
    profiles.await_secret(request(2), draw(), NOW.plus_s(600), NOW).unwrap();
    assert!(profiles.key_for(request(1)).unwrap().is_some());

    profiles.await_secret(request(3), draw(), NOW.plus_s(600), NOW.plus_s(60)).unwrap();
    assert!(profiles.key_for(request(1)).unwrap().is_none());
    assert!(profiles.key_for(request(2)).unwrap().is_some());

    profiles.seen(request(2)).unwrap();
    assert!(profiles.key_for(request(2)).unwrap().is_none());
    assert!(profiles.key_for(request(3)).unwrap().is_some());
}

#[test]
fn a_profiles_name_cannot_lead_out_of_its_folder() {
    for name in ["", "../x", "a/b", "a.b", "a b"] {
        assert_eq!(name.parse::<ProfileName>(), Err(NotAName), "{name}");
    }
}
