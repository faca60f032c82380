//! Step-up: who decides has proved more than usual, and something in the tenant makes them.
//!
//! Contoso's own policies back `c1` and no other context: one for `c2` only reports, one for `c3`
//! is switched off, and one for `c4` is for some people.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::process::{Command, Stdio};

use airlock_core::{
    decision::{
        UNBACKED,
        Verdict::{Approve, Deny},
    },
    finding::{Finding, KIND, StoredFinding, Verdict},
    identity::App,
    jws::Signed,
    ledger::{Happened, Stored, document::Unsigned},
    session::Session,
    step_up::{self, BACKED_S, Context},
    time::Timestamp,
};
use airlock_tests::{
    Answer, Asking, Desk, LATER, Leaf, Order, Person, World, eventually, now, payload, program,
    re_minted,
};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// What the observer asks Graph for.
const POLICIES: &str = "/v1.0/identity/conditionalAccess/policies";

const WANTED: &str = "this tenant wants its approvers to step up, and the sign-in did not";

fn context(name: &str) -> Context {
    Context::try_from(name.to_owned()).unwrap()
}

/// A world in which Contoso wants a step-up of whoever decides about `account.disable`.
async fn wanting(context: &str) -> World {
    let world = World::start().await;
    want(&world, &json!({ "account.disable": { "step_up": context } })).await;
    world
}

/// Has the admin plane sign what Contoso wants of operations. An `intake` that starts after that
/// knows no older terms, which it would go by for half a minute.
async fn want(world: &World, operations: &Value) {
    world.control().stop("intake").await;
    Desk::of(world).rebind(|terms| terms["operations"] = operations.clone());
    world.control().start("intake").await;
}

/// What `drift` has found out about a context, if it has.
async fn found(world: &World, name: &str) -> Option<Finding> {
    let id = step_up::document_id(&context(name));
    let stored = world.control().document("tenants", &id).await?;
    let body: StoredFinding = serde_json::from_str(stored["body"].as_str().unwrap()).unwrap();
    Some(payload(body.finding.as_str()))
}

/// Has `drift` compare until it has found this.
async fn until(world: &World, name: &str, verdict: Verdict) -> Finding {
    eventually(&format!("{name} {verdict:?}"), LATER, async || {
        let found = found(world, name).await.filter(|finding| finding.verdict == verdict);
        if found.is_none() {
            world.control().fire("drift", "drift").await;
        }
        found
    })
    .await
}

/// Switches a policy of Contoso's, as an administrator's own tool does.
async fn switch(world: &World, policy: &str, state: &str) {
    let execute = world.impostor("execute").await;
    let some = execute
        .ask_as("airlock-worker-lookup", world.contoso(), "https://graph.microsoft.com")
        .await
        .ok();
    let own = [
        ("oid", json!(Uuid::new_v4())),
        ("azp", json!(Uuid::new_v4())),
        (
            "roles",
            json!([
                "Policy.Read.All",
                "Policy.ReadWrite.ConditionalAccess",
                "Application.Read.All"
            ]),
        ),
    ];
    let some = some["access_token"].as_str().unwrap();
    let token = re_minted(world.control(), some, &own, "current").await;
    let directory = world.control().directory().await;
    let contoso = &directory["tenants"][world.contoso().to_string()];
    let id = contoso["accessPolicies"][policy]["id"].as_str().unwrap();
    let url = format!("{}{POLICIES}/{id}", execute.host("graph"));
    let request = world.azure().request(Method::PATCH, url).bearer_auth(token);
    let switched = Answer::to(request.json(&json!({ "state": state }))).await;
    assert_eq!(switched.status, 204, "{}", switched.text);
}

/// Puts a finding into the database, signed and told by `drift`'s own key.
async fn plant(world: &World, name: &str, until: Timestamp) {
    let drift = world.impostor("drift").await.key().await;
    let context = context(name);
    let finding = Finding {
        iss: App::Drift,
        tnt: world.contoso(),
        subject: step_up::subject(&context),
        verdict: Verdict::Match,
        iat: now(),
        exp: until,
        drift: None,
    };
    let finding = Signed::sign(&finding, &drift).await.unwrap();
    let unsigned = Unsigned {
        id: step_up::document_id(&context),
        partition: world.contoso().to_string(),
        kind: KIND,
        at: now().as_unix_s(),
        salt: *Uuid::new_v4().as_bytes(),
        body: serde_json::to_string(&StoredFinding { finding }).unwrap(),
        happened: Happened::Compared,
        statement: Uuid::new_v4(),
    };
    let stored = Stored::sign(unsigned, App::Drift, &drift, now()).await.unwrap();
    let contoso = world.contoso().to_string();
    world.control().put("tenants", &contoso, &stored.to_json().unwrap()).await;
}

async fn asked(world: &World) -> (Person, Asking) {
    let harriet = world.person("harriet").await;
    let asking = harriet.sign(&Order::of("account.disable", &world.who("nina"))).await;
    let taken = harriet.submit(&asking).await;
    assert_eq!((taken.status, &taken.json["state"]), (202, &json!("pending")), "{}", taken.text);
    (harriet, asking)
}

/// Neither approved nor denied: without what the tenant wants, this is no decision.
async fn refused(approver: &Person, asking: &Asking, because: &str) {
    for verdict in [Approve, Deny] {
        let refused = approver.decide(&asking.id, verdict).await;
        refused.assert_problem("not-allowed");
        assert_eq!(refused.json["detail"], because);
    }
    let shown = approver.show(&asking.id).await.ok();
    assert_eq!((&shown["state"], &shown["approvals"]), (&json!("pending"), &json!(0)));
}

#[tokio::test]
async fn who_has_stepped_up_approves_and_the_decision_carries_the_evidence() {
    let world = wanting("c1").await;
    let (harriet, asking) = asked(&world).await;
    let plain = world.person("aaron").await;
    let elsewhere = Person::step_up(&world, world.who("aaron"), "c2").await;
    let april = Person::step_up(&world, world.who("april"), "c1").await;
    let before = world.before().await;

    let finding = until(&world, "c1", Verdict::Match).await;
    refused(&plain, &asking, WANTED).await;
    refused(&elsewhere, &asking, WANTED).await;
    world.nothing_done_since(&before).await;
    april.approve(&asking.id).await;
    harriet.wait_for(&asking.id, "succeeded").await;

    assert_eq!(april.session["acrs"], json!(["c1"]));
    assert_eq!(finding.exp.since_s(finding.iat), BACKED_S);
    let stored = world.stored_request(&asking.id).await.unwrap();
    assert_eq!(stored["decisions"].as_array().unwrap().len(), 1);
    let session = stored["decisions"][0]["person"]["session"].as_str().unwrap();
    assert_eq!(payload::<Session>(session).acrs, ["c1"]);
    assert_eq!(world.control().effects().await.len(), 1);
    let ledger = world.ledger(world.contoso()).await;
    ledger.assert_whole();
    let compared = ledger.leaves().iter().filter(|leaf| leaf.kind() == "airlock.finding.made");
    assert_eq!(compared.map(Leaf::by).collect::<Vec<_>>(), ["drift"]);

    // Looked at by the observer, for which drift's identity vouches, to the last page; and it only
    // reads: what it posts are batches of questions.
    let calls = world.control().calls().await;
    let by_observer = |call: &&Value| call["caller"] == "airlock-observer";
    let asked_graph = |call: &&Value| by_observer(call) && call["service"] == "graph";
    let asked_policies = |call: &&Value| asked_graph(call) && call["path"] == POLICIES;
    for call in calls.iter().filter(by_observer) {
        assert_eq!(call["app"], "drift", "{call}");
    }
    for call in calls.iter().filter(asked_graph) {
        assert!(call["method"] == "GET" || call["path"] == "/v1.0/$batch", "{call}");
    }
    assert!(calls.iter().filter(asked_policies).count() >= 3);
}

#[tokio::test]
async fn once_the_policy_is_off_nothing_is_approved_and_nothing_approved_is_done() {
    let world = wanting("c1").await;
    let (harriet, approved) = asked(&world).await;
    let (_, waiting) = asked(&world).await;
    let april = Person::step_up(&world, world.who("april"), "c1").await;
    until(&world, "c1", Verdict::Match).await;
    // Approved while the policy was there; the worker comes to it when it is not.
    world.control().stop("execute").await;
    april.approve(&approved.id).await;

    switch(&world, "Step-up for sensitive work", "disabled").await;
    let before = world.before().await;
    until(&world, "c1", Verdict::Drift).await;
    refused(&april, &waiting, UNBACKED).await;
    world.control().start("execute").await;
    harriet.wait_long_for(&approved.id, "refused").await;

    world.settled().await;
    world.nothing_done_since(&before).await;
    world.ledger(world.contoso()).await.assert_whole();

    // And back: what drift sees by now is what counts.
    switch(&world, "Step-up for sensitive work", "enabled").await;
    until(&world, "c1", Verdict::Match).await;
    april.approve(&waiting.id).await;
    harriet.wait_for(&waiting.id, "succeeded").await;
}

#[tokio::test]
async fn a_context_that_no_policy_makes_everybody_satisfy_is_worth_nothing() {
    let world = World::start().await;
    want(
        &world,
        &json!({
            "account.disable": { "step_up": "c2" },
            "account.enable": { "step_up": "c3" },
            "mfa.reset": { "step_up": "c4" },
            "password.reset": { "step_up": "c5" },
        }),
    )
    .await;
    let (_, asking) = asked(&world).await;
    let april = Person::step_up(&world, world.who("april"), "c2").await;
    let before = world.before().await;

    for only in ["c2", "c3", "c4", "c5"] {
        until(&world, only, Verdict::Drift).await;
    }
    refused(&april, &asking, UNBACKED).await;

    assert_eq!(april.session["acrs"], json!(["c2"]));
    world.nothing_done_since(&before).await;
}

#[tokio::test]
async fn without_a_finding_or_with_an_old_one_nobody_has_stepped_up() {
    let world = World::start().await;
    world.control().stop("drift").await;
    want(&world, &json!({ "account.disable": { "step_up": "c1" } })).await;
    let (harriet, asking) = asked(&world).await;
    let april = Person::step_up(&world, world.who("april"), "c1").await;
    let before = world.before().await;

    refused(&april, &asking, UNBACKED).await;
    plant(&world, "c1", now()).await;
    refused(&april, &asking, UNBACKED).await;
    world.nothing_done_since(&before).await;

    // The same finding, but for its end: that alone was missing.
    plant(&world, "c1", now().plus_s(60)).await;
    april.approve(&asking.id).await;
    harriet.wait_for(&asking.id, "succeeded").await;
}

#[tokio::test]
async fn what_graph_does_not_let_drift_read_backs_nothing_and_an_outage_changes_nothing() {
    let world = wanting("c1").await;
    let (harriet, asking) = asked(&world).await;
    let april = Person::step_up(&world, world.who("april"), "c1").await;
    let policies = |effect: Value| {
        json!({
            "service": "graph", "method": "GET",
            "path": POLICIES, "effect": effect, "times": 1000,
        })
    };
    let first = until(&world, "c1", Verdict::Match).await;

    // For a while nothing is answered: what was found still counts.
    world.control().fault(policies(json!({ "kind": "fail", "status": 503 }))).await;
    eventually("drift asked in vain", LATER, async || {
        world.control().fire("drift", "drift").await;
        (world.control().bitten().await[0] >= 3).then_some(())
    })
    .await;
    assert_eq!(found(&world, "c1").await.unwrap().iat, first.iat);
    world.control().clear_faults().await;

    world.control().fault(policies(json!({ "kind": "fail", "status": 403 }))).await;
    until(&world, "c1", Verdict::Unreadable).await;
    let before = world.before().await;
    refused(&april, &asking, UNBACKED).await;
    world.nothing_done_since(&before).await;

    world.control().clear_faults().await;
    until(&world, "c1", Verdict::Match).await;
    april.approve(&asking.id).await;
    harriet.wait_for(&asking.id, "succeeded").await;
}

#[tokio::test]
async fn on_the_command_line_an_approver_signs_in_again_and_proves_more() {
    let world = wanting("c1").await;
    let shell = |profile: &str, words: &[&str]| {
        let output = Command::new(program("airlockctl"))
            .arg("--stack")
            .arg(world.state().join("stack.json"))
            .args(["--profile", profile])
            .args(words)
            .env("XDG_CONFIG_HOME", world.state().join("people"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let done = |profile: &str, words: &[&str]| {
        let (code, told, note) = shell(profile, words);
        assert_eq!(code, 0, "{words:?}: {told}{note}");
        told
    };
    let nina = world.who("nina").name;
    done("harriet", &["sign-in", "--as", "harriet@contoso.example"]);
    let words = ["ask", "account.disable", "--user", &nina, "--purpose", "left", "--json"];
    let asked: Value = serde_json::from_str(&done("harriet", &words)).unwrap();
    let id = asked["id"].as_str().unwrap();
    let decide = ["decide", id, "approve", "--reason", "I called her", "--operation"];
    let decide = [&decide[..], &["account.disable", "--user", &nina]].concat();
    until(&world, "c1", Verdict::Match).await;

    done("april", &["sign-in", "--as", "april@contoso.example"]);
    let (code, told, note) = shell("april", &decide);
    assert_eq!(code, 1, "{told}");
    assert!(note.contains("nothing was signed"), "{note}");
    assert!(note.contains("must have stepped up to c1, and your session has not"), "{note}");
    let stepped_up = ["sign-in", "--as", "april@contoso.example", "--step-up", "c1"];
    let told = done("april", &stepped_up);
    done("april", &decide);

    assert!(told.contains("c1"), "{told}");
    done("harriet", &["watch", id, "--for", "60"]);
}
