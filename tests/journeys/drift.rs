//! Drift: somebody changes something behind everyone's back; it is found, and what can be mended is
//! mended by a permit.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;

use airlock_core::ledger::{Happened, Receipt, Statement, note::VerifierKey};
use airlock_tests::{
    Desk, Drifts, LATER, Leaf, Person, Rotations, SOON, World, eventually, payload,
};
use http::Method;
use serde_json::{Value, json};

use crate::cli::Shell;

const WORKER: &str = "airlock-worker-accounts";

/// The request of drift's that is about what was planted.
async fn asked(tara: &Person, world: &World) -> Value {
    let path = format!("/api/requests?tenant={}", world.contoso());
    eventually("drift's request is there", SOON, async || {
        let all = tara.get(&path).await.ok();
        let mut all = all["requests"].as_array().unwrap().iter();
        all.find(|request| request["operation"] == "credential.remove").cloned()
    })
    .await
}

#[tokio::test]
async fn a_secret_that_somebody_plants_on_a_worker_is_removed_by_a_permit_within_two_periods() {
    let world = World::start().await;
    let drifts = Drifts::of(&world).await;
    let (tara, rotations) = (world.person("tara").await, Rotations::of(&world).await);
    let planted =
        drifts.alter(&json!({ "kind": "add_password", "on": { "application": WORKER } })).await;
    let (key_id, secret) =
        (planted["key_id"].as_str().unwrap(), planted["secret"].as_str().unwrap());
    let client = world.impostor("execute").await.application(WORKER);
    eventually("whoever planted it can act as the worker", SOON, async || {
        rotations.signs_in(&client, secret).await.ok()
    })
    .await;

    // The first period: it is found, asked for, permitted, and removed.
    drifts.round().await;
    let standing = drifts.standing().await;
    assert_eq!(standing.len(), 1, "{standing:?}");
    assert_eq!(standing[0].check, "secretless-application");
    assert!(standing[0].subject.contains(key_id));
    assert_eq!(
        (standing[0].severity.as_str(), standing[0].state.as_str()),
        ("critical", "remediating")
    );
    let request = asked(&tara, &world).await;
    let id = request["id"].as_str().unwrap();
    let ended = tara.wait_for(id, "succeeded").await;
    assert_eq!(ended["requester"], "producer:drift");
    eventually("it opens nothing any more", SOON, async || {
        rotations.signs_in(&client, secret).await.err()
    })
    .await;

    // The second: it is seen to be gone, and what removed it is accounted for.
    drifts.round().await;
    let all = drifts.findings().await;
    let states: Vec<&str> = all.iter().map(|found| found.state.as_str()).collect();
    assert_eq!(states, ["resolved"], "{all:?}");

    // Whoever audits verifies the receipt with public keys alone.
    let answer = tara.get(&format!("/api/requests/{id}/receipt")).await.ok();
    let receipt = Receipt::parse(answer["receipt"].as_str().unwrap()).unwrap();
    let entry = answer["statement"].as_str().unwrap();
    let checkpoints = world.impostor("drift").await.key_named("drift-checkpoint").await;
    let origin = format!("ledger.airlock.example/t/{}/0", world.contoso());
    let key = VerifierKey::new(&origin, checkpoints.key().clone()).unwrap();
    receipt.verify(entry.as_bytes(), &key).unwrap();
    let statement: Statement = payload(entry);
    assert_eq!(statement.r#type, Happened::Ended);
    let told = world.tree("platform").await.into_leaves();
    let told: Vec<&str> =
        told.iter().map(Leaf::kind).filter(|kind| kind.starts_with("airlock.drift.")).collect();
    assert_eq!(told, ["airlock.drift.detected", "airlock.drift.resolved"]);
}

#[tokio::test]
async fn a_trust_that_somebody_plants_is_removed_once_an_administrator_has_approved() {
    let world = World::start().await;
    let drifts = Drifts::of(&world).await;
    let shell = Shell::in_world(&world);
    for person in ["tara", "harriet", "petra"] {
        shell.signs_in(person);
    }
    let tara = world.person("tara").await;
    let planted = json!({
        "kind": "add_federated_credential", "application": WORKER, "name": "ci",
        "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:evil/evil",
    });
    drifts.alter(&planted).await;
    drifts.round().await;

    // Who oversees the deployment sees it, and what would be done; nobody else does.
    shell.types("harriet", &["drift", "--platform"]).ended_with(1, "nothing here for you");
    let told = shell.types("petra", &["drift", "--platform"]).done();
    assert!(told.contains("federated-credential/application/airlock-worker-accounts"), "{told}");
    let plan = shell.types("petra", &["drift", "--platform", "--plan"]).done();
    assert!(plan.contains("airlock removes the federated credential"), "{plan}");
    let alarm = shell.types("petra", &["drift", "--platform", "--alarm"]);
    assert!(alarm.ended_with_result(1).is_some(), "whoever watches is told by the exit code");
    assert_eq!(shell.types("tara", &["drift"]).done().trim(), "no findings");

    let request = asked(&tara, &world).await;
    assert_eq!(request["state"], "pending", "{request}");
    let id = request["id"].as_str().unwrap();
    tara.approve(id).await;
    tara.wait_for(id, "succeeded").await;
    drifts.round().await;

    assert!(drifts.standing().await.is_empty());
}

#[tokio::test]
async fn what_is_as_declared_is_no_finding_whatever_its_order_case_and_pages() {
    let world = World::start().await;
    let drifts = Drifts::of(&world).await;
    assert!(drifts.findings().await.is_empty(), "{}", drifts.log().await);
    // Work leaves traces in the directory's own log, and a claim for each.
    let harriet = world.person("harriet").await;
    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    harriet.wait_for(&asking.id, "succeeded").await;

    drifts.shuffle().await;
    drifts.round().await;
    drifts.round().await;

    assert!(
        drifts.findings().await.is_empty(),
        "{:?} {}",
        drifts.findings().await,
        drifts.log().await
    );
}

#[tokio::test]
async fn what_a_worker_changes_without_a_permit_is_found_by_the_directorys_own_log() {
    let world = World::start().await;
    let drifts = Drifts::of(&world).await;
    // Somebody who has taken over `execute` uses a worker's token past every door.
    let execute = world.impostor("execute").await;
    let graph = "https://graph.microsoft.com";
    let token = execute.ask_as(WORKER, world.contoso(), graph).await.ok();
    let path = "/users/nina@contoso.example/revokeSignInSessions";
    let done = execute.graph(Method::POST, path, token["access_token"].as_str().unwrap()).await;
    assert_eq!(done.status, 200, "{}", done.text);

    eventually("it is found", LATER, async || {
        drifts.round().await;
        let standing = drifts.standing().await;
        standing.into_iter().find(|found| found.check == "change-without-receipt")
    })
    .await;
}

#[tokio::test]
async fn a_package_that_nobody_signed_and_a_binding_that_airlockctl_did_not_write_are_found() {
    let world = World::start().await;
    let (control, drifts) = (world.control(), Drifts::of(&world).await);
    let checks = async || -> Vec<(String, String)> {
        let standing = drifts.standing().await;
        standing.into_iter().map(|found| (found.check, found.subject)).collect()
    };

    // A file more beside the program of `rotate`.
    let file = world.state().join("apps/rotate/more.json");
    fs::write(&file, "{}").unwrap();
    control.stop("rotate").await;
    control.start("rotate").await;
    drifts.round().await;
    assert_eq!(checks().await, [("package".to_owned(), "package/package/rotate".to_owned())]);
    fs::remove_file(&file).unwrap();
    control.stop("rotate").await;
    control.start("rotate").await;
    drifts.round().await;
    assert_eq!(checks().await, []);

    // Fabrikam's binding, by somebody who can write to the container and has no root key.
    let fabrikam = world.fabrikam().to_string();
    let genuine = control.published(&fabrikam).await;
    let mut forged = genuine.clone();
    forged["artefact"] = airlock_tests::spoiled(genuine["artefact"].as_str().unwrap(), 120).into();
    control.put("bindings", &fabrikam, &forged).await;
    drifts.round().await;
    let found = checks().await;
    assert!(
        found.contains(&("binding".to_owned(), format!("binding/bindings/{fabrikam}/binding"))),
        "{found:?}"
    );
    control.put("bindings", &fabrikam, &genuine).await;
    drifts.round().await;
    assert_eq!(checks().await, []);
}

/// Somebody empties the portal's redirects: nobody can sign in, and nothing is mended by itself.
const NO_REDIRECT: &str =
    r#"{ "kind": "set_redirects", "application": "airlock-portal", "web": [], "spa": [] }"#;

#[tokio::test]
async fn what_the_terms_accept_is_what_was_seen_and_nothing_that_becomes_of_it() {
    let world = World::start().await;
    let (drifts, desk) = (Drifts::of(&world).await, Desk::of(&world));
    let shell = Shell::in_world(&world);
    shell.signs_in("petra");
    let listed =
        || shell.types("petra", &["drift", "--platform", "--json"]).json()["findings"].clone();
    let mut redirects: Value = serde_json::from_str(NO_REDIRECT).unwrap();
    drifts.alter(&redirects).await;
    drifts.round().await;
    let finding = listed()[0].clone();
    let plan = shell.types("petra", &["drift", "--platform", "--plan"]).done();
    let name = |member: &str| finding[member].as_str().unwrap().to_owned();
    assert!(plan.contains(&format!("\n  finding {}\n", name("fingerprint"))), "{plan}");
    assert!(plan.contains(&format!("\n  evidence {}\n", name("evidence"))), "{plan}");

    let accepted = json!([{
        "finding": finding["fingerprint"], "evidence": finding["evidence"],
        "reason": "nobody signs in for now", "until": 4_102_444_800_u64,
    }]);
    desk.rebind(|terms| terms["accepted"] = accepted);
    eventually("it is accepted", LATER, async || {
        drifts.round().await;
        (listed()[0]["state"] == "accepted").then_some(())
    })
    .await;
    let watched = shell.types("petra", &["drift", "--platform", "--alarm"]).done();
    assert!(watched.contains("accepted until 2100-01-01"), "{watched}");

    // Whoever emptied them puts one of their own there: something else than what was accepted.
    redirects["spa"] = json!(["https://evil.example/"]);
    drifts.alter(&redirects).await;
    drifts.round().await;
    let states: Vec<(Value, Value)> = listed()
        .as_array()
        .unwrap()
        .iter()
        .map(|each| (each["severity"].clone(), each["state"].clone()))
        .collect();
    assert_eq!(
        states,
        [("critical", "open"), ("medium", "open")]
            .map(|(one, other)| { (one.into(), other.into()) })
    );
    let alarm = shell.types("petra", &["drift", "--platform", "--alarm"]);
    assert!(alarm.ended_with_result(1).is_some());
    let told = world.tree("platform").await.into_leaves();
    let told = told.iter().filter(|leaf| leaf.kind() == "airlock.drift.detected").count();
    assert_eq!(told, 3, "that it came, that it is accepted no more, and that another came");
}

#[tokio::test]
async fn a_finding_that_somebody_alters_in_the_store_is_told_of_and_hides_no_other() {
    let world = World::start().await;
    let (control, drifts) = (world.control(), Drifts::of(&world).await);
    let shell = Shell::in_world(&world);
    shell.signs_in("petra");
    drifts.alter(&serde_json::from_str(NO_REDIRECT).unwrap()).await;
    drifts.round().await;
    let mut all = control.documents("tenants").await;
    all.retain(|document| document["kind"] == "finding" && document["hint"] == "standing");
    assert_eq!(all.len(), 1, "{all:?}");
    let mut altered = all.remove(0);
    let id = altered["id"].as_str().unwrap().to_owned();
    // By whoever owns the store.
    altered["body"] = airlock_tests::spoiled(altered["body"].as_str().unwrap(), 120).into();
    control.put("tenants", "platform", &altered).await;

    // Whoever asks is told before drift has looked again.
    let told = shell.types("petra", &["drift", "--platform"]).done();
    assert_eq!(told.trim(), format!("no findings\nnot what drift wrote: {id}"));
    let alarm = shell.types("petra", &["drift", "--platform", "--alarm"]);
    assert!(alarm.ended_with_result(1).is_some());

    let planted = json!({
        "kind": "add_federated_credential", "application": WORKER, "name": "ci",
        "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:evil/evil",
    });
    drifts.alter(&planted).await;
    drifts.round().await;

    let listed = shell.types("petra", &["drift", "--platform", "--json"]).json();
    let checks: Vec<&Value> =
        listed["findings"].as_array().unwrap().iter().map(|each| &each["check"]).collect();
    assert_eq!(checks, ["federated-credential", "stored-finding"]);
    let about = &listed["findings"][1];
    assert_eq!(about["subject"], format!("stored-finding/{id}"));
    let found = about["found"].as_str().unwrap();
    assert!(
        found.contains("deviates: redirect-uri/application/airlock-portal/redirect/"),
        "{found}"
    );
    assert_eq!(listed["violations"], json!([id]));
    let kept = control.document("tenants", &id).await.unwrap();
    assert_eq!(kept["body"], altered["body"], "evidence is not written over");

    // Once it is secured and removed, the finding is written down anew.
    control.remove("tenants", "platform", &id).await;
    drifts.round().await;
    let mut checks: Vec<String> =
        drifts.standing().await.into_iter().map(|found| found.check).collect();
    checks.sort();
    assert_eq!(checks, ["federated-credential", "redirect-uri"]);
}

#[tokio::test]
async fn what_no_permit_accounts_for_is_told_and_stands_and_what_one_does_is_not_told() {
    let world = World::start().await;
    let harriet = world.person("harriet").await;
    let drifts = Drifts::of(&world).await;
    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    harriet.wait_for(&asking.id, "succeeded").await;
    let nobody_permitted = json!({
        "kind": "write_audit", "by": { "service_principal": WORKER },
        "activity": "Update user", "target": "nina@contoso.example",
    });
    let somebody_else = json!({
        "kind": "write_audit", "by": { "person": "sven@contoso.example" },
        "activity": "Update application", "target": WORKER,
    });

    drifts.round().await;
    assert_eq!(checks(&drifts).await, [""; 0], "{}", drifts.log().await);
    drifts.alter(&nobody_permitted).await;
    drifts.alter(&somebody_else).await;
    drifts.round().await;
    let told = checks(&drifts).await;
    drifts.round().await;

    assert_eq!(told, ["change-by-others", "change-without-receipt"], "{}", drifts.log().await);
    assert_eq!(checks(&drifts).await, told, "what has happened stays so");
}

/// The checks that something deviates from.
async fn checks(drifts: &Drifts<'_>) -> Vec<String> {
    let mut checks: Vec<_> = drifts.standing().await.into_iter().map(|it| it.check).collect();
    checks.sort();
    checks
}
