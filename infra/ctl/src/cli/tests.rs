use clap::{CommandFactory as _, error::ErrorKind};
use serde_json::Value;

use super::*;

const USER: &str = "11111111-2222-4333-8444-555555555555";

fn typed(words: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from([&["airlockctl"], words].concat())
}

#[test]
fn the_commands_fit_together() {
    Cli::command().debug_assert();
}

#[test]
fn a_request_is_typed_on_one_line() {
    let cli = typed(&[
        "ask",
        "tap.issue",
        "--user",
        USER,
        "-p",
        "lifetime_minutes=30",
        "-p",
        "usable_once=false",
        "-p",
        "note=a=b",
        "--purpose",
        "new phone",
        "--wait",
        "--profile",
        "sam",
    ])
    .unwrap();

    let Command::Ask(ask) = cli.command else { panic!() };
    let values: Vec<&Value> = ask.parameters.iter().map(|each| &each.value).collect();
    assert_eq!(values, [&Value::from(30), &Value::from(false), &Value::from("a=b")]);
    assert_eq!((ask.hours, ask.wait), (8, true));
    assert_eq!(cli.place.profile, "sam".parse().unwrap());
}

#[test]
fn what_is_missing_or_wrong_is_a_usage_error() {
    let kind = |words: &[&str]| typed(words).unwrap_err().kind();

    assert_eq!(kind(&["ask", "tap.issue", "--user", USER]), ErrorKind::MissingRequiredArgument);
    assert_eq!(kind(&["ask", "x", "--purpose", "y", "--user", "nina"]), ErrorKind::ValueValidation);
    assert!(typed(&["ask", "x", "--purpose", "y", "--user", "nina@contoso.example"]).is_ok());
    assert!(typed(&["ask", "x", "--purpose", "y", "--secret", "payroll"]).is_ok());
    assert_eq!(
        kind(&["ask", "x", "--purpose", "y", "--secret", "Pay Roll"]),
        ErrorKind::ValueValidation
    );
    assert_eq!(
        kind(&["ask", "x", "--purpose", "y", "--secret", "payroll", "--user", USER]),
        ErrorKind::ArgumentConflict
    );
    assert_eq!(kind(&["ask", "x", "--purpose", "y"]), ErrorKind::MissingRequiredArgument);
    assert_eq!(
        kind(&["ask", "x", "--purpose", "y", "--user", USER, "--hours", "25"]),
        ErrorKind::ValueValidation
    );
    assert_eq!(kind(&["watch", "not-an-id"]), ErrorKind::ValueValidation);
    assert_eq!(kind(&["--api", "http://api.example", "whoami"]), ErrorKind::ValueValidation);
    assert_eq!(kind(&["requests", "--state", "gone"]), ErrorKind::InvalidValue);
    assert_eq!(kind(&["sign-in", "--step-up", "c0"]), ErrorKind::ValueValidation);
    assert!(typed(&["sign-in", "--step-up", "c1"]).is_ok());
    assert_eq!(kind(&["requests", "--tenant", "contoso"]), ErrorKind::ValueValidation);
    for tenant in [USER, "contoso.example"] {
        assert!(typed(&["requests", "--tenant", tenant]).is_ok(), "{tenant}");
        assert!(typed(&["admin", "erase", "--tenant", tenant, "--user", USER]).is_ok());
    }
    assert_eq!(kind(&["admin", "erase", "--tenant", USER]), ErrorKind::MissingRequiredArgument);
    assert_eq!(
        kind(&[
            "admin",
            "deploy-manifest",
            "--deployment",
            "d",
            "--package",
            "p",
            "--app",
            "admin"
        ]),
        ErrorKind::ValueValidation
    );
    assert_eq!(typed(&["fly"]).unwrap_err().exit_code(), 2);
}

#[test]
fn a_request_is_named_by_operation_and_target_together_or_not_at_all() {
    let id = format!("{USER}.{}", "A".repeat(43));
    let decide = ["decide", &id, "approve", "--reason", "ok"];
    let with = |more: &[&str]| typed(&[&decide, more].concat());

    let Command::Decide(asked) = with(&[]).unwrap().command else { panic!() };
    assert!(asked.reading.operation.is_none() && asked.reading.about.user.is_none());
    let named = ["--operation", "tap.issue", "--user", USER];
    let Command::Decide(named) = with(&named).unwrap().command else { panic!() };
    assert_eq!(named.reading.operation.as_deref(), Some("tap.issue"));
    assert_eq!(named.reading.about.user, Some(UserName::Id(USER.parse().unwrap())));
    let secret = ["--operation", "secret.rotate", "--secret", "payroll"];
    let Command::Decide(named) = with(&secret).unwrap().command else { panic!() };
    assert_eq!(named.reading.about.secret.unwrap().as_str(), "payroll");
    let both = with(&[&secret[..], &["--user", USER]].concat());
    assert_eq!(both.unwrap_err().kind(), ErrorKind::ArgumentConflict);
    for half in [["--operation", "tap.issue"], ["--user", USER], ["--secret", "payroll"]] {
        assert_eq!(with(&half).unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
    }
    assert!(typed(&["review", &id, "--reason", "ok", "--user", USER]).is_err());
    for command in ["withdraw", "review"] {
        assert!(typed(&[command, &id, "--reason", "ok"]).is_ok(), "{command}");
        assert!(typed(&[command, &id]).is_err(), "{command}");
    }
    assert!(typed(&["show", &id]).is_ok());
}

#[test]
fn the_deployment_of_the_admin_plane_is_named_or_is_the_local_clouds() {
    let named = |words: &[&str]| {
        let Command::Admin(admin) = typed(words).unwrap().command else { panic!() };
        admin.deployment().cloned()
    };

    assert_eq!(named(&["admin", "bind"]), None);
    let file = ["--deployment", "d.json"];
    for command in [
        &["admin", "bootstrap"][..],
        &["admin", "keys", "show"],
        &["admin", "bind", "plan"],
        &["admin", "bind"],
        &["admin", "deploy-manifest", "--package", "p", "--app", "intake"],
        &["admin", "erase", "--tenant", USER, "--user", USER],
    ] {
        assert_eq!(named(&[command, &file].concat()), Some("d.json".into()), "{command:?}");
    }
}

#[test]
fn a_parameter_has_a_name_and_only_plain_values_are_read_as_json() {
    let value = |text: &str| text.parse::<Parameter>().map(|each| each.value);

    assert_eq!(value("a=1"), Ok(1.into()));
    assert_eq!(value("a={}"), Ok("{}".into()));
    assert_eq!(value("a="), Ok("".into()));
    assert!(value("a").is_err());
    assert!(value("=1").is_err());
}

#[test]
fn keys_bindings_and_recoveries_are_ordered_step_by_step() {
    let thumbprint = "A".repeat(43);
    let kind = |words: &[&str]| {
        let refused = typed(&[&["admin"], words].concat()).err();
        refused.map(|error| error.kind())
    };

    for good in [
        &[
            "keys",
            "admit",
            "--app",
            "signin",
            "--key",
            "signin-signing",
            "--from",
            "2027-01-31T08:00:00Z",
        ][..],
        &["keys", "revoke", &thumbprint, "--from", "2027-01-31T08:00:00Z"],
        &["keys", "replace-root", "--new", "admin-root", "--key-version", "0a1b"],
        &["bind", "plan", "--file", "b.json"],
        &["bind", "--file", "b.json", "sign", "--out", "s.json"],
        &["bind", "apply", "s.json"],
        &["bind", "history", "--tenant", "contoso.example"],
        &["bind", "roll-forward", "--tenant", USER, "--to", "3"],
        &["recover", "plan", "--tenant", "platform"],
        &["recover", "sign", "--tenant", USER, "--reason", "r", "--out", "o.jws"],
        &["recover", "apply", "o.jws"],
    ] {
        assert_eq!(kind(good), None, "{good:?}");
    }
    for (wrong, why) in [
        (&["keys", "revoke", "kid"][..], ErrorKind::ValueValidation),
        (&["keys", "revoke", &thumbprint, "--from", "yesterday"], ErrorKind::ValueValidation),
        (&["keys", "admit", "--app", "admin", "--key", "k"], ErrorKind::ValueValidation),
        (&["keys", "admit", "--app", "signin", "--key", "../k"], ErrorKind::ValueValidation),
        (
            &["keys", "replace-root", "--new", "k", "--key-version", "../k"],
            ErrorKind::ValueValidation,
        ),
        (&["bind", "sign"], ErrorKind::MissingRequiredArgument),
        (&["bind", "roll-forward", "--tenant", USER], ErrorKind::MissingRequiredArgument),
        (&["recover", "sign", "--tenant", USER, "--out", "o"], ErrorKind::MissingRequiredArgument),
        (&["recover", "plan", "--tenant", "contoso"], ErrorKind::ValueValidation),
    ] {
        assert_eq!(kind(wrong), Some(why), "{wrong:?}");
    }
}
