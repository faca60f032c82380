use airlock_core::{jwe, memory::Dice};
use serde_json::{Value, json};

use super::*;
use crate::admin::deployment::{
    Deployment,
    tests::{good, sample},
};

const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

fn key() -> PublicKey {
    PublicKey::from_point(&jwe::private_key(&Dice).unwrap().public_key()).unwrap()
}

fn listed(app: App, jwk: &PublicKey) -> Listed {
    Listed { app, jwk: jwk.clone(), signs: vec![Typ::Statement] }
}

fn planned(app: &str, member: &str, value: Value) -> Result<Plan, NotPlanned> {
    let mut sample = sample();
    sample["identities"][app][member] = value;
    plan(&serde_json::from_value::<Deployment>(sample).unwrap().identities)
}

#[test]
fn every_app_signs_with_its_own_key_what_the_deployment_says_and_the_root_is_not_listed() {
    let plan = plan(&good().identities).unwrap();

    let lines: Vec<String> = plan
        .wanted
        .iter()
        .map(|wanted| format!("{} {} {:?}", wanted.app, wanted.key.as_str(), wanted.signs))
        .collect();
    assert_eq!(
        lines,
        [
            "signin signin-signing [Session, Statement, Revocation]",
            "intake intake-signing [Confirmation, Attestation, Permit, Statement]",
            "execute execute-signing [Claim, Outcome, Statement]",
            "rotate rotate-signing [Claim, Outcome, Statement]",
            "drift drift-signing [Statement, Finding]",
            "drift drift-checkpoint [Checkpoint]",
        ]
    );
    assert_eq!(plan.notes, ["rotate signs rotation, which is outside the keyset"]);
}

#[test]
fn the_repositorys_own_identities_can_be_listed() {
    let text = include_str!("../../../../identities.json");
    let file: Value = serde_json::from_str(text).unwrap();
    let mut sample = sample();
    for (name, identity) in file["identities"].as_object().unwrap() {
        sample["identities"][name]["keys"] = identity["keys"].clone();
        sample["identities"][name]["signs"] = identity["signs"].clone();
    }
    let deployment: Deployment = serde_json::from_value(sample).unwrap();

    let plan = plan(&deployment.identities).unwrap();

    assert!(plan.wanted.iter().all(|wanted| !wanted.signs.is_empty()));
}

#[test]
fn what_means_nothing_is_an_error_and_not_left_out() {
    let error = planned("execute", "signs", json!(["claim", "outcomes"])).unwrap_err();

    assert_eq!(error.to_string(), "execute cannot sign outcomes: there is no such thing");
}

#[test]
fn no_app_is_listed_for_the_roots_word_or_a_persons() {
    for name in
        ["keyset", "binding", "root", "deployment", "recovery", "sign-in", "request", "decision"]
    {
        assert!(
            matches!(
                planned("execute", "signs", json!([name])),
                Err(NotPlanned::NotAnApps { app: App::Execute, .. })
            ),
            "{name}"
        );
    }
}

#[test]
fn no_two_apps_share_a_key() {
    let keys = json!({ "sign": ["signin-signing"], "wrap": [] });

    assert!(matches!(planned("intake", "keys", keys), Err(NotPlanned::Shared { .. })));
}

#[test]
fn without_a_change_there_is_no_next_keyset_until_a_third_of_its_life_is_over() {
    let jwk = key();
    let listed = [listed(App::Signin, &jwk)];
    let first = next(None, &listed, NOW).unwrap().unwrap();
    let at = |seconds| next(Some(&first), &listed, NOW.plus_s(seconds)).unwrap();

    assert_eq!((first.ver, first.exp), (1, NOW.plus_s(LIFETIME_S)));
    assert!(at(0).is_none());
    assert!(at(RENEW_S - 1).is_none());
    let second = at(RENEW_S).unwrap();
    assert_eq!(second.ver, 2);
    assert_eq!(second.keys[0].nbf, first.keys[0].nbf);
}

#[test]
fn a_successor_is_listed_beside_the_key_that_it_succeeds() {
    let (old, new) = (key(), key());
    let first = next(None, &[listed(App::Signin, &old)], NOW).unwrap().unwrap();
    let later = NOW.plus_s(60);

    let second = next(Some(&first), &[listed(App::Signin, &new)], later).unwrap().unwrap();

    let keys: Vec<_> = second.keys.iter().map(|key| (&key.jwk, key.nbf)).collect();
    assert_eq!(keys, [(&old, NOW.plus_s(-LEEWAY_S)), (&new, later.plus_s(-LEEWAY_S))]);
}

#[test]
fn a_listed_key_cannot_change_hands() {
    let jwk = key();
    let first = next(None, &[listed(App::Signin, &jwk)], NOW).unwrap().unwrap();

    assert_eq!(
        next(Some(&first), &[listed(App::Intake, &jwk)], NOW).unwrap_err(),
        NotPlanned::ChangedHands(jwk.thumbprint())
    );
}
