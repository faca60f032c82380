use serde_json::json;

use super::*;
use crate::memory::Dice;

fn asked(name: &str, parameters: Value) -> Asked {
    let user = "6c1fb3f4-7a0a-4f4e-9a07-3b9f6f1d1b11".parse().unwrap();
    Asked { name: name.to_owned(), target: Target { user }, parameters }
}

fn understand(name: &str, parameters: Value) -> Result<Change, NotUnderstood> {
    let tenant = "0b1f6d3e-52c2-4a3b-8f5e-2f0a7f8f7a01".parse().unwrap();
    Change::understand(tenant, &asked(name, parameters))
}

#[test]
fn an_unknown_operation_is_not_understood() {
    assert_eq!(understand("user.delete", json!({})).unwrap_err(), NotUnderstood::Operation);
}

#[test]
fn an_unknown_parameter_is_not_understood_by_any_operation() {
    for operation in OPERATIONS {
        let name = operation.entry().name;

        let refused = understand(name, json!({ "surprise": 1 })).unwrap_err();

        assert_eq!(refused, NotUnderstood::Parameters, "{name}");
    }
}

#[test]
fn parameters_are_an_object_or_not_understood() {
    for parameters in [json!([]), json!([60, true]), json!(null), json!("")] {
        for operation in OPERATIONS {
            let name = operation.entry().name;
            let refused = understand(name, parameters.clone()).unwrap_err();

            assert_eq!(refused, NotUnderstood::Parameters, "{name} {parameters}");
        }
    }
}

#[test]
fn a_pass_lives_ten_minutes_to_eight_hours() {
    for minutes in [0, 9, 481, 43_200] {
        let refused = understand("tap.issue", json!({ "lifetime_minutes": minutes }));

        assert_eq!(refused.unwrap_err(), NotUnderstood::Parameters, "{minutes}");
    }
    assert!(understand("tap.issue", json!({ "lifetime_minutes": 10 })).is_ok());
    assert!(understand("tap.issue", json!({ "lifetime_minutes": 480 })).is_ok());
}

#[test]
fn the_digest_is_of_what_was_understood_not_of_how_it_was_written() {
    let written_out = json!({ "usable_once": true, "lifetime_minutes": 60 });

    let short = understand("tap.issue", json!({})).unwrap();
    let long = understand("tap.issue", written_out).unwrap();
    let other = understand("tap.issue", json!({ "usable_once": false })).unwrap();

    assert_eq!(short.digest(), long.digest());
    assert_ne!(short.digest(), other.digest());
}

#[test]
fn the_digest_tells_operations_and_targets_apart() {
    let disable = understand("account.disable", json!({})).unwrap();
    let enable = understand("account.enable", json!({})).unwrap();

    assert_ne!(disable.digest(), enable.digest());
}

#[test]
fn a_temporary_password_meets_entras_policy_and_is_never_twice_the_same() {
    let dice = Dice;
    let change = understand("password.reset", json!({})).unwrap();
    let mut seen = std::collections::HashSet::new();

    for _ in 0..200 {
        let Reveals::Chosen(password) = change.effect(&dice).unwrap().reveals else { panic!() };

        let text = password.expose().to_owned();
        assert_eq!(text.len(), 16);
        assert!(text.bytes().any(|byte| byte.is_ascii_lowercase()));
        assert!(text.bytes().any(|byte| byte.is_ascii_uppercase()));
        assert!(text.bytes().any(|byte| byte.is_ascii_digit()));
        assert!(seen.insert(text));
    }
}

#[test]
fn nothing_secret_is_printed_with_an_effect() {
    let change = understand("password.reset", json!({})).unwrap();
    let effect = change.effect(&Dice).unwrap();
    let Reveals::Chosen(password) = &effect.reveals else { panic!() };

    assert!(!format!("{effect:?} {password:?} {change:?}").contains(password.expose()));
}
