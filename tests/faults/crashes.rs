//! SIGKILL at the worst moments.

use airlock_tests::{Asking, Control, Kill, LATER, Order, Person, Who, World, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

/// The worker's claim of a request.
const CLAIM: [&str; 3] = ["blob", "PUT", "/claims/*"];

/// Where `intake` sends a permit.
const PERMIT: [&str; 3] = ["bus", "POST", "/permits-execute/messages"];

/// Harriet wants Nina's sessions revoked, and a process dies of it.
struct Stage {
    world: World,
    harriet: Person,
    nina: Who,
}

impl Stage {
    async fn set() -> Self {
        let world = World::start().await;
        let harriet = world.person("harriet").await;
        let nina = world.who("nina");
        Self { world, harriet, nina }
    }

    const fn control(&self) -> &Control {
        self.world.control()
    }

    async fn kill(&self, app: &str, when: Kill, [service, method, path]: [&str; 3]) {
        self.control().kill_at(app, when, service, method, path).await;
    }

    async fn asked(&self) -> Asking {
        self.harriet.ask("sessions.revoke", &self.nina).await
    }

    /// Asks, and waits until `intake` has died of it and is back.
    async fn asked_of_a_dying_intake(&self) -> Asking {
        // The answer may be lost with the process: the request's name is known before it is sent.
        let asking = self.harriet.sign(&Order::of("sessions.revoke", &self.nina)).await;
        let body = json!({ "request": asking.signed });
        drop(self.harriet.call(http::Method::POST, "/api/requests").json(&body).send().await);
        let control = self.control();
        let dead = async || (control.bitten().await == [1]).then_some(());
        eventually("intake died", LATER, dead).await;
        control.until("intake", "running").await;
        asking
    }

    /// Makes sure that a request is done in the end: once, and the ledger tells all of it.
    async fn is_done_once(&self, asking: &Asking) {
        self.harriet.wait_long_for(&asking.id, "succeeded").await;
        self.world.settled().await;
        assert_eq!(self.control().effects().await.len(), 1);
        self.world.ledger(self.nina.tenant).await.assert_whole();
    }

    async fn outbox(&self) -> Vec<Value> {
        let mut left = self.control().documents("tenants").await;
        left.retain(|document| document["kind"] == "outbox");
        left
    }
}

/// The passes of a person that work.
fn valid_passes(directory: &Value, who: &Who) -> Vec<String> {
    let person = &directory["tenants"][who.tenant.to_string()]["people"][&who.name];
    let passes = person["temporaryAccessPasses"].as_array().unwrap();
    let valid = passes.iter().filter(|pass| pass["replaced"] == false);
    valid.map(|pass| pass["temporaryAccessPass"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_worker_that_dies_after_its_claim_finishes_what_it_claimed() {
    let stage = Stage::set().await;
    stage.kill("execute", Kill::After, CLAIM).await;

    let asking = stage.asked().await;

    stage.is_done_once(&asking).await;
    assert_eq!(stage.control().bitten().await, [1]);
    assert_eq!(stage.control().processes().await["execute"]["restarts"], 1);
}

#[tokio::test]
async fn a_worker_that_dies_before_its_claim_or_before_its_effect_does_it_once() {
    for call in [CLAIM, ["graph", "POST", "/v1.0/users/*/revokeSignInSessions"]] {
        let stage = Stage::set().await;
        stage.kill("execute", Kill::Before, call).await;

        let asking = stage.asked().await;

        stage.is_done_once(&asking).await;
        assert_eq!(stage.control().bitten().await, [1], "{call:?}");
    }
}

#[tokio::test]
async fn an_effect_whose_worker_died_before_saying_so_converges() {
    let Stage { world, nina, .. } = Stage::set().await;
    let control = world.control();
    let sam = world.person("sam").await;
    let path = "/v1.0/users/*/authentication/temporaryAccessPassMethods";
    control.kill_at("execute", Kill::After, "graph", "POST", path).await;

    let asking = sam.ask("tap.issue", &nina).await;
    sam.wait_long_for(&asking.id, "succeeded").await;

    assert_eq!(control.bitten().await, [1]);
    // The first pass was never seen by anyone and no longer works; the second is the one that
    // its requester sees.
    let pass = asking.open(&sam.reveal(&asking.id).await.ok());
    world.settled().await;
    assert_eq!(valid_passes(&control.directory().await, &nina), [pass]);
    assert_eq!(control.effects().await.len(), 2);
    let ledger = world.ledger(nina.tenant).await;
    ledger.assert_whole();
    assert_eq!(
        ledger.of_request(&asking.id),
        [
            "airlock.request.permitted",
            "airlock.request.claimed",
            "airlock.request.resumed",
            "airlock.request.ended",
            "airlock.request.revealed"
        ]
    );
}

#[tokio::test]
async fn an_outcome_that_was_kept_and_not_committed_is_committed_and_nothing_done_again() {
    let stage = Stage::set().await;
    stage.kill("execute", Kill::After, ["blob", "PUT", "/claims/*.outcome"]).await;

    let asking = stage.asked().await;

    stage.is_done_once(&asking).await;
    assert_eq!(stage.control().bitten().await, [1]);
}

#[tokio::test]
async fn one_message_delivered_many_times_at_once_has_one_effect() {
    let stage = Stage::set().await;
    let control = stage.control();
    control.stop("execute").await;
    let asking = stage.asked().await;
    let message = eventually("the message", LATER, async || {
        let bus = control.bus().await;
        bus["permits-execute"]["active"][0]["body"].as_str().map(str::to_owned)
    })
    .await;
    let message = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, message).unwrap();
    for _ in 0..7 {
        control.inject("permits-execute", &Uuid::new_v4().to_string(), &message).await;
    }

    control.start("execute").await;

    stage.is_done_once(&asking).await;
}

#[tokio::test]
async fn what_intake_committed_and_did_not_send_goes_out_all_the_same() {
    let stage = Stage::set().await;
    stage.kill("intake", Kill::Before, PERMIT).await;

    let asking = stage.asked_of_a_dying_intake().await;

    stage.is_done_once(&asking).await;
    assert_eq!(stage.outbox().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_message_that_was_sent_and_not_taken_off_the_outbox_is_carried_out_once() {
    let stage = Stage::set().await;
    stage.kill("intake", Kill::After, PERMIT).await;

    let asking = stage.asked_of_a_dying_intake().await;

    stage.harriet.wait_long_for(&asking.id, "succeeded").await;
    // What stands there is sent once more, and only then is everything over.
    let empty = async || stage.outbox().await.is_empty().then_some(());
    eventually("the outbox is empty", LATER, empty).await;
    stage.is_done_once(&asking).await;
}
