//! A secret is changed because somebody asked for it, through the same doors as everything else.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use airlock_tests::{Ledger, Rotations, World};
use serde_json::Value;

use crate::cli::Shell;

/// Asks for a rotation, has April approve it, and follows it to its end.
pub fn rotated(shell: &Shell, secret: &str, more: &[&str]) -> Value {
    let ask = ["ask", "secret.rotate", "--secret", secret, "--purpose", "seen in a log", "--json"];
    let asked = shell.types("tara", &[&ask, more].concat()).json();
    assert_eq!(
        (&asked["state"], &asked["operation"]),
        (&"pending".into(), &"secret.rotate".into())
    );
    assert_eq!(asked["target"], format!("secret:{secret}"));
    let id = asked["id"].as_str().unwrap();
    let decide = |about| {
        let decide = ["decide", id, "approve", "--reason", "seen", "--operation", "secret.rotate"];
        shell.types("april", &[&decide[..], &["--secret", about]].concat())
    };
    decide("another-secret").ended_with(1, &format!("is about secret {secret}"));
    decide(secret).done();
    shell.types("tara", &["watch", id, "--for", "60", "--json"]).json()
}

/// How many leaves of a ledger are of a kind.
fn of(ledger: &Ledger, kind: &str) -> usize {
    ledger.leaves().iter().filter(|leaf| leaf.kind() == kind).count()
}

#[tokio::test]
async fn a_secret_is_changed_when_an_administrator_asks_and_somebody_approves() {
    let world = World::start().await;
    let shell = Shell::in_world(&world);
    for person in ["tara", "april", "harriet"] {
        shell.signs_in(person);
    }
    let rotations = Rotations::of(&world).await;
    // What is in use from now on is known; the clock finds nothing more to do.
    rotations.rotated(&["payroll-webhook"]).await;
    let changed = of(&world.ledger(world.contoso()).await, "airlock.secret.rotated");
    let (webhook, client_secret) = ("generated-payroll-webhook", "client-secret-expense-reports");
    let before = rotations.value(webhook).await;

    let ended = rotated(&shell, "payroll-webhook", &[]);

    assert_eq!(ended["outcome"]["reason"], "the new one is in use");
    assert_ne!(rotations.value(webhook).await, before);
    let recorded = rotations.recorded("payroll-webhook").await.unwrap();
    assert_eq!(recorded["active"]["held"]["version"].as_str().map(str::len), Some(32));
    let id = ended["id"].as_str().unwrap();
    assert!(id.ends_with(recorded["demanded"].as_str().unwrap()));

    // In an emergency the old one is gone by the end of it.
    let application = rotations.application("expense-reports").await;
    let client = application["appId"].as_str().unwrap();
    let old = rotations.value(client_secret).await;
    assert_eq!(rotations.signs_in(client, &old).await, Ok(()));
    rotated(&shell, "expense-reports", &["-p", "emergency=true"]);
    assert_eq!(rotations.credentials("expense-reports").await.len(), 1);
    assert!(rotations.signs_in(client, &old).await.is_err());
    let new = rotations.value(client_secret).await;
    assert_eq!(rotations.signs_in(client, &new).await, Ok(()));

    // Others do not ask for it, nobody asks for what is not there, and a user is no secret.
    let ask = |who: &str, on: [&str; 2]| {
        shell.types(who, &["ask", "secret.rotate", on[0], on[1], "--purpose", "why not"])
    };
    ask("harriet", ["--secret", "payroll-webhook"]).ended_with(1, "administrator");
    ask("tara", ["--secret", "payroll-webhok"]).ended_with(1, "no such secret");
    ask("tara", ["--user", "nina@contoso.example"]).ended_with(2, "name it with --secret");

    world.quiet().await;
    let ledger = world.ledger(world.contoso()).await;
    ledger.assert_whole();
    assert_eq!(
        (of(&ledger, "airlock.request.claimed"), of(&ledger, "airlock.request.ended")),
        (2, 2)
    );
    assert_eq!(of(&ledger, "airlock.secret.rotated"), changed + 2);
}
