//! Secrets change on schedule, while everything works on.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;

use airlock_tests::{Desk, LATER, Leaf, Person, Places, Rotations, SOON, Who, World, eventually};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::cli::Shell;

/// What the local cloud binds for Contoso.
const SECRETS: [&str; 3] = ["expense-reports", "payroll-webhook", "tenant-data"];

/// Where the users of the client secret find it.
const CLIENT_SECRET: &str = "client-secret-expense-reports";

/// Binds the same secrets with another age, after which all that is there is due.
fn due(desk: &Desk<'_>) {
    desk.rebind_secrets(|secrets| {
        for secret in secrets {
            secret["max_age_days"] = json!(30);
        }
    });
}

/// Harriet asks for something that is done at once.
async fn works(world: &World) {
    let harriet = world.person("harriet").await;
    let asking = harriet.ask("sessions.revoke", &world.who("nina")).await;
    harriet.wait_for(&asking.id, "succeeded").await;
}

/// The types of the events that wait for whoever watches.
async fn told(world: &World) -> Vec<String> {
    let bus = world.control().bus().await;
    let events = bus["events"]["active"].as_array().unwrap();
    let kind = |event: &Value| -> String {
        let body = STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
        let event: Value = serde_json::from_slice(&body).unwrap();
        event["type"].as_str().unwrap().to_owned()
    };
    events.iter().map(kind).collect()
}

#[tokio::test]
async fn each_kind_of_secret_is_replaced_and_proved_before_anyone_depends_on_it() {
    let world = World::start().await;
    let rotations = Rotations::of(&world).await;
    let application = rotations.application("expense-reports").await;
    let client = application["appId"].as_str().unwrap();
    let [old_id] = &rotations.credentials("expense-reports").await[..] else { panic!() };
    let old = rotations.value(CLIENT_SECRET).await;
    assert_eq!(rotations.signs_in(client, &old).await, Ok(()));
    let leaves = world.ledger(world.contoso()).await.leaves().len();

    due(&Desk::of(&world));
    rotations.rotated(&SECRETS).await;

    // The new client secret is where its users find it, and opens; so does the one before.
    let new = rotations.value(CLIENT_SECRET).await;
    assert_ne!(old, new);
    assert_eq!(rotations.signs_in(client, &new).await, Ok(()));
    assert_eq!(rotations.signs_in(client, &old).await, Ok(()));
    let credentials = rotations.credentials("expense-reports").await;
    assert_eq!((credentials.len(), &credentials[0]), (2, old_id));
    let recorded = rotations.recorded("expense-reports").await.unwrap();
    assert_eq!(recorded["active"]["held"]["credential"], *credentials[1]);
    assert_eq!(recorded["old"][0]["held"]["credential"], **old_id);
    // A random one of the length that is bound, and a second version of the wrapping key.
    let generated = rotations.value("generated-payroll-webhook").await;
    assert_eq!(airlock_core::base64url::decode(&generated).unwrap().len(), 32);
    assert_eq!(rotations.versions("keys", "tenant-data").await.len(), 2);
    works(&world).await;

    // Every step is in the ledger, in its order.
    world.quiet().await;
    assert!(world.stopped(&world.contoso().to_string()).await.is_none());
    let ledger = world.ledger(world.contoso()).await;
    ledger.assert_whole();
    let since = &ledger.leaves()[leaves..];
    let of = |kind: &str| since.iter().filter(|leaf| leaf.kind() == kind).count();
    for step in ["planned", "added", "stored", "proved", "rotated"] {
        assert_eq!(of(&format!("airlock.secret.{step}")), 3, "{step}");
    }
    assert_eq!(of("airlock.secret.adopted"), 2);
    let about_secrets = since.iter().filter(|leaf| leaf.kind().starts_with("airlock.secret."));
    assert!(about_secrets.map(Leaf::by).all(|by| by == "rotate"));
    // Whoever watches is told.
    eventually("three events", SOON, async || {
        world.control().fire("intake", "resend").await;
        let told = told(&world).await;
        (told.iter().filter(|kind| *kind == "airlock.secret.rotated").count() == 3).then_some(())
    })
    .await;

    // What is done is not done again.
    let states = async || {
        let mut states = Vec::new();
        for name in SECRETS {
            states.push(rotations.recorded(name).await.unwrap());
        }
        states
    };
    let before = states().await;
    rotations.round().await;
    assert_eq!(states().await, before);
    assert_eq!(rotations.credentials("expense-reports").await, credentials);

    // And no value stands anywhere but in the vault.
    let places = Places::everywhere(&world).await;
    for value in [&old, &new, &generated] {
        assert_eq!(places.with(value), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn whoever_oversees_a_tenant_sees_what_is_due_and_nobody_sees_where_it_lies() {
    let world = World::start().await;
    let shell = Shell::in_world(&world);
    for person in ["tara", "harriet"] {
        shell.signs_in(person);
    }
    let rotations = Rotations::of(&world).await;
    rotations.rotated(&["payroll-webhook"]).await;
    let shown = shell.types("tara", &["secrets", "--json"]).json();
    let secrets = shown["secrets"].as_array().unwrap();
    let names: Vec<&str> = secrets.iter().map(|secret| secret["name"].as_str().unwrap()).collect();
    assert_eq!(names, SECRETS);
    let [expenses, webhook, data] = &secrets[..] else { panic!("{shown}") };
    assert_eq!(
        (&expenses["stage"], &expenses["overdue"], &expenses["owners"][0]),
        (&json!("active"), &json!(false), &json!(world.who("tara").object))
    );
    let day_s = 24 * 3600;
    assert!((59 * day_s..61 * day_s).contains(&expenses["age_s"].as_i64().unwrap()));
    assert!((59 * day_s..61 * day_s).contains(&data["age_s"].as_i64().unwrap()));
    assert!(webhook["age_s"].as_i64().unwrap() < 120);
    let text = shown.to_string();
    for hidden in ["client-secret", "generated-", "keyId", "replaces", "credential"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    let table = shell.types("tara", &["secrets"]).done();
    assert!(table.contains("expense-reports") && table.contains("60 d"), "{table}");
    shell.types("tara", &["secrets", "--overdue"]).done();

    // With a schedule that they do not meet they are overdue, and that alarms.
    due(&Desk::of(&world));
    let late = eventually("the new schedule is known", LATER, async || {
        shell.types("tara", &["secrets", "--overdue", "--json"]).ended_with_result(1)
    })
    .await;
    let late: Value = serde_json::from_str(&late).unwrap();
    let late: Vec<&Value> =
        late["secrets"].as_array().unwrap().iter().map(|secret| &secret["name"]).collect();
    assert_eq!(late, ["expense-reports", "tenant-data"]);
    rotations.rotated(&SECRETS).await;
    shell.types("tara", &["secrets", "--overdue"]).done();

    // Nobody else: not whoever asks for requests, not another tenant's, not a stranger.
    shell.types("harriet", &["secrets"]).ended_with(1, "404");
    let list = format!("/api/secrets?tenant={}", world.contoso());
    world.person("fiona").await.get(&list).await.assert_problem("not-found");
    assert_eq!(world.get(&list).await.status, 401);
    let april = world.person("april").await;
    assert_eq!(april.get(&list).await.ok()["secrets"].as_array().unwrap().len(), 3);
    let elsewhere = format!("/api/secrets?tenant={}", world.wingtip());
    april.get(&elsewhere).await.assert_problem("not-found");
    april.get("/api/secrets?tenant=contoso").await.assert_problem("not-understood");
}

#[tokio::test]
async fn what_was_tampered_with_is_told_and_nothing_is_changed_because_of_it() {
    let world = World::start().await;
    let rotations = Rotations::of(&world).await;
    rotations.rotated(&["payroll-webhook"]).await;
    let control = world.control();
    let contoso = world.contoso().to_string();
    let april = world.person("april").await;
    let list = format!("/api/secrets?tenant={contoso}");

    // Whoever owns the database makes the client secret look older than it is.
    let genuine = control.document("tenants", "rotation-expense-reports").await.unwrap();
    let mut spoiled = genuine.clone();
    let mut body: Value = serde_json::from_str(spoiled["body"].as_str().unwrap()).unwrap();
    body["active"]["since"] = json!(0);
    spoiled["body"] = json!(body.to_string());
    control.put("tenants", &contoso, &spoiled).await;
    let credentials = rotations.credentials("expense-reports").await;
    rotations.round().await;

    assert_eq!(rotations.credentials("expense-reports").await, credentials);
    let shown = april.get(&list).await.ok();
    assert_eq!(shown["secrets"][0]["stage"], "not_verified");
    assert_eq!(shown["secrets"][0].get("overdue"), None);
    assert_eq!(shown["secrets"][1]["stage"], "active");
    let ledger = world.ledger(world.contoso()).await;
    assert!(ledger.leaves().iter().any(Leaf::is_violation));
    control.put("tenants", &contoso, &genuine).await;
    assert_eq!(april.get(&list).await.ok()["secrets"][0]["stage"], "active");

    // And puts back, alone, the secrets that were bound before.
    let secrets = async || {
        let mut bound = control.partition("bindings", &contoso).await;
        bound.retain(|document| document["id"] == "secrets");
        bound.pop().unwrap()
    };
    let old = secrets().await;
    Desk::of(&world).rebind_secrets(|secrets| secrets.truncate(1));
    control.put("bindings", &contoso, &old).await;
    rotations.round().await;
    assert_eq!(rotations.credentials("expense-reports").await, credentials);
    eventually("it is told", LATER, async || {
        let answer = april.get(&list).await;
        (answer.status == 500).then(|| answer.assert_problem("integrity"))
    })
    .await;
}

#[tokio::test]
async fn a_wrapping_key_is_changed_for_all_tenants_that_share_it_and_what_is_old_still_opens() {
    let world = World::start().await;
    let control = world.control();
    let shell = Shell::in_world(&world);
    for person in ["tara", "april"] {
        shell.signs_in(person);
    }
    let mut asked = Vec::new();
    for (agent, target) in [("harriet", "nina"), ("fiona", "flora"), ("wanda", "willem")] {
        let agent = world.person(agent).await;
        let asking = agent.ask("sessions.revoke", &world.who(target)).await;
        agent.wait_for(&asking.id, "succeeded").await;
        asked.push((agent, asking));
    }
    // The version of the key that wraps each tenant's data keys.
    let wrapped = async || {
        let mut by_tenant = BTreeMap::new();
        for document in control.documents("tenants").await {
            if document["kind"] == "data-key" {
                let body: Value = serde_json::from_str(document["body"].as_str().unwrap()).unwrap();
                let tenant = document["tenant"].as_str().unwrap().to_owned();
                by_tenant.insert(tenant, body["kid"].as_str().unwrap().to_owned());
            }
        }
        by_tenant
    };
    let before = wrapped().await;
    let [contoso, fabrikam, wingtip] =
        [world.contoso(), world.fabrikam(), world.wingtip()].map(|tenant| tenant.to_string());
    assert_eq!(before[&contoso], before[&wingtip]);

    crate::on_demand::rotated(&shell, "tenant-data", &["-p", "emergency=true"]);

    let rotations = Rotations::of(&world).await;
    let [old, new] = &rotations.versions("keys", "tenant-data").await[..] else { panic!() };
    assert_eq!(
        (&old["attributes"]["enabled"], &new["attributes"]["enabled"]),
        (&json!(false), &json!(true))
    );
    let after = wrapped().await;
    let new = new["version"].as_str().unwrap();
    assert!(after[&contoso].ends_with(new) && after[&wingtip].ends_with(new), "{after:?}");
    // A key of a tenant's own is its own business.
    assert_eq!(after[&fabrikam], before[&fabrikam]);
    // Processes that know nothing from before open what was encrypted before, and go on.
    for app in ["intake", "execute"] {
        control.stop(app).await;
        control.start(app).await;
    }
    for (agent, asking) in &asked {
        agent.show(&asking.id).await.assert_ok();
        let again = agent.ask("sessions.revoke", &asking_target(&world, agent)).await;
        agent.wait_for(&again.id, "succeeded").await;
    }
    world.quiet().await;
    for tenant in [&contoso, &fabrikam, &wingtip] {
        assert!(world.stopped(tenant).await.is_none());
    }
}

/// Somebody whom this agent helps.
fn asking_target(world: &World, agent: &Person) -> Who {
    let targets = ["nina", "flora", "willem"].map(|target| world.who(target));
    targets.into_iter().find(|target| target.tenant == agent.who.tenant).unwrap()
}

#[tokio::test]
async fn secrets_are_reviewed_withdrawn_and_brought_back_with_the_terms() {
    let world = World::start().await;
    let (desk, rotations) = (Desk::of(&world), Rotations::of(&world).await);
    let contoso = world.contoso().to_string();
    rotations.rotated(&["payroll-webhook"]).await;
    let reviewed = desk.reviewed_secrets(|secrets| secrets.truncate(1));
    let reviewed = reviewed.to_str().unwrap();
    let signed = desk.file("signed.json");
    let signed = signed.to_str().unwrap();

    let plan = desk.types(&["bind", "plan", "--file", reviewed]);
    assert!(plan.out.contains("- secrets[payroll-webhook].max_age_days: 60"), "{plan:?}");
    assert!(plan.err.contains("payroll-webhook is withdrawn: every version of"), "{plan:?}");
    desk.types(&["bind", "sign", "--file", reviewed, "--out", signed]).done();
    let applied = desk.types(&["bind", "apply", signed]).done();
    assert!(
        applied.contains("binding 2 of Contoso") && applied.contains("with 1 secret,"),
        "{applied}"
    );
    let before = rotations.recorded("payroll-webhook").await;
    rotations.round().await;
    assert_eq!(rotations.recorded("payroll-webhook").await, before);

    let words = ["bind", "roll-forward", "--tenant", &contoso, "--to", "1"];
    let forward = desk.types(&words).done();
    assert!(forward.contains("+ secrets[payroll-webhook].max_age_days: 60"), "{forward}");
    let words = ["bind", "history", "--tenant", &contoso, "--json"];
    let history: Value = serde_json::from_str(&desk.types(&words).done()).unwrap();
    let secrets: Vec<usize> = history["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["secrets"]["secrets"].as_array().unwrap().len())
        .collect();
    assert_eq!(secrets, [3, 1, 3]);
    let tara = world.person("tara").await;
    let list = format!("/api/secrets?tenant={contoso}");
    eventually("all of them are shown", LATER, async || {
        let shown = tara.get(&list).await;
        (shown.status == 200 && shown.json["secrets"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;

    // The deployment's own are for who looks after it.
    let own = "/api/secrets?tenant=platform";
    tara.get(own).await.assert_problem("not-found");
    let petra = world.person("petra").await;
    world.quiet().await;
    let shown = petra.get(own).await.ok();
    let keys = shown["secrets"].as_array().unwrap();
    let of = |kind: &str| keys.iter().filter(|key| key["kind"] == kind).count();
    assert_eq!((keys.len(), of("signing_key"), of("session_key")), (7, 6, 1), "{shown}");
    assert!(keys.iter().all(|key| key["stage"] == "active"), "{shown}");
}
