//! A secret is rotated because somebody asked for it: from the door to the end.

mod may;

use std::{fmt::Write as _, sync::Arc};

use serde_json::json;
use uuid::Uuid;

use super::{
    super::{
        remediation::stage::nothing_to_mend,
        world::{CONTOSO, Client, NINA},
    },
    shop::{DAY_S, FIRST, Kind, OWN, PAYROLL, Shop},
};
use crate::{
    ask::Ask,
    catalog::{NotUnderstood, Target},
    claim::{CONTAINER, claim_blob, outcome_blob},
    data_keys,
    decision::Verdict,
    execution::{Tools, Worker},
    identity::{App, Role},
    jws::Signed,
    memory::{Dice, rotation::Wrong},
    permit::PermittedChange,
    policy::Policies,
    ports::{Blobs as _, Entropy as _, Message, Ports},
    reception::{NotReceived, RequestName, View},
    request::{NotAuthenticated, NotAuthorized},
    rotation::state::Stage,
};

const NAME: &str = "secret.rotate";

/// A shop, who asks for its secret to be rotated, and who decides.
struct Door {
    shop: Shop,
    tina: Client,
    april: Client,
}

impl Door {
    async fn of(kind: Kind) -> Self {
        let shop = Shop::with(kind).await;
        let tina = shop.world.sign_in(CONTOSO, 11, &[Role::TenantAdmin]).await;
        let april = shop.world.sign_in(CONTOSO, 12, &[Role::Approver]).await;
        Self { shop, tina, april }
    }

    fn ask(&self, by: &Client, secret: &str, emergency: bool) -> Ask {
        let target = Target::Secret(secret.to_owned().try_into().unwrap());
        let mut ask = self.shop.world.ask_on(by, NAME, target);
        ask.op.parameters = json!({ "emergency": emergency });
        ask
    }

    /// A request that was permitted, and the message that says so.
    async fn permitted(&self, emergency: bool) -> (View, Message) {
        let world = &self.shop.world;
        let ask = self.ask(&self.tina, "payroll", emergency);
        let view = world.submit(&self.tina, &ask).await.unwrap();
        assert_eq!((view.state, view.needs_approvals), ("pending", 1));
        let view = world.decide(&self.april, &view.id, Verdict::Approve).await.unwrap();
        assert_eq!(view.state, "permitted");
        (view, self.last_message())
    }

    fn last_message(&self) -> Message {
        let sent = self.shop.world.bus.all();
        let last = sent.into_iter().rfind(|(queue, _)| queue.starts_with("permits"));
        let (queue, message) = last.unwrap();
        assert_eq!(queue, "permits-rotate");
        message
    }

    /// A process of `rotate`'s.
    fn worker(&self) -> Worker {
        // It reads what `intake` encrypted, which knows no versions of its key.
        let wrapper = self.shop.world.ports(App::Rotate).wrapper;
        let ports = Ports { wrapper, ..self.shop.ports(App::Rotate) };
        let trust = self.shop.world.trust_over(&ports);
        let mut holder = [0; 16];
        Dice.fill(&mut holder).unwrap();
        let policies = Arc::new(Policies::standard().unwrap());
        let rotator = Arc::new(self.shop.rotator());
        let tools = Tools::Credentials { rotator, remediator: nothing_to_mend() };
        Worker::new(tools, ports, trust, policies, holder)
    }

    async fn deliver(&self, worker: &Worker, message: &Message, delivery: u32) -> bool {
        worker.handle(&message.body, delivery, None).await.is_ok()
    }

    /// Delivers a message, and each copy of it when its time has come, until the request has
    /// succeeded; says how many there were.
    async fn follow(&self, worker: &Worker, view: &View, mut message: Message) -> u32 {
        for delivery in 1..20 {
            assert!(self.deliver(worker, &message, 1).await, "it fails no delivery");
            if self.ended(view).await.0 == "succeeded" {
                return delivery;
            }
            assert_eq!(self.ended(view).await.0, "executing");
            message = self.last_message();
            let change: PermittedChange = serde_json::from_slice(&message.body).unwrap();
            assert_eq!(change.attempt, delivery);
            let pause_s = message.not_before.unwrap().since_s(self.shop.world.now());
            assert!(pause_s > 0, "rescheduled, and not at once");
            self.shop.world.pass(pause_s).await;
        }
        panic!("{:?}", self.ended(view).await);
    }

    /// Delivers to a process in which a call goes wrong; nothing, if it dies.
    async fn spoiled(&self, message: &Message, number: usize, wrong: Wrong) -> Option<bool> {
        let worker = self.worker();
        self.shop.gate.spoil(number, wrong);
        tokio::select! {
            handled = worker.handle(&message.body, 1, None) => Some(handled.is_ok()),
            () = self.shop.gate.died() => None,
        }
    }

    async fn ended(&self, view: &View) -> (&'static str, String) {
        self.shop.world.state(&view.id).await
    }

    /// Nothing of the secret was touched: not called, not written.
    async fn assert_untouched(&self, what: &str) {
        let story = self.shop.story().await;
        assert_eq!(story, [""; 0], "{what}");
        assert_eq!(self.shop.gate.calls().iter().filter(|call| **call != "commit").count(), 0);
        assert_eq!(self.shop.rented.credentials(PAYROLL), [FIRST], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_rotated_from_the_door_to_the_end() {
    let door = Door::of(Kind::ClientSecret).await;
    let (view, message) = door.permitted(false).await;
    assert_eq!(view.summary.target.to_string(), "secret:payroll");

    assert!(door.deliver(&door.worker(), &message, 1).await);

    assert_eq!(door.ended(&view).await, ("succeeded", "the new one is in use".to_owned()));
    let credentials = door.shop.rented.credentials(PAYROLL);
    assert_eq!((credentials.len(), credentials[0]), (2, FIRST), "the old one has its overlap");
    let story = door.shop.story().await;
    assert_eq!(story, ["adopted", "planned", "added", "stored", "proved", "rotated"]);
    let name = RequestName::parse(&view.id).unwrap();
    for blob in [claim_blob(CONTOSO, name.digest), outcome_blob(CONTOSO, name.digest)] {
        assert!(door.shop.world.blobs.read(CONTAINER, &blob).await.unwrap().is_some(), "{blob}");
    }
    let told = door.shop.world.contoso_ledger().await;
    for happened in ["received", "permitted", "claimed", "ended"] {
        let happened = format!("airlock.request.{happened}");
        assert_eq!(told.iter().filter(|told| **told == happened).count(), 1, "{happened}");
    }
    // The request is the reason that its steps give.
    let shown = door.shop.world.reception.show(&door.tina.caller, name).await.unwrap();
    assert_eq!(shown.view.outcome.unwrap().reason, "the new one is in use");

    door.shop.world.pass(DAY_S).await;
    door.shop.round().await.unwrap();
    assert_eq!(door.shop.valid(), 1);
    assert_eq!(door.shop.rented.outages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn in_an_emergency_the_old_one_goes_at_once() {
    for kind in [Kind::ClientSecret, Kind::Generated] {
        let door = Door::of(kind).await;
        let (view, message) = door.permitted(true).await;

        let worker = door.worker();
        assert!(door.deliver(&worker, &message, 1).await);

        let reason = "the new one is in use, and the old one is gone".to_owned();
        assert_eq!(door.ended(&view).await, ("succeeded", reason), "{kind:?}");
        assert_eq!(door.shop.valid(), 1, "{kind:?}");
        assert!(!door.shop.rented.credentials(PAYROLL).contains(&FIRST));
        assert_eq!(door.shop.rented.outages(), [""; 0], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_request_again_changes_nothing_twice() {
    let door = Door::of(Kind::ClientSecret).await;
    let (view, message) = door.permitted(false).await;
    assert!(door.deliver(&door.worker(), &message, 1).await);
    let (credentials, leaves) =
        (door.shop.rented.credentials(PAYROLL), door.shop.world.contoso_ledger().await.len());

    for delivery in 1..4 {
        assert!(door.deliver(&door.worker(), &message, delivery).await);
    }

    assert_eq!(door.shop.rented.credentials(PAYROLL), credentials);
    assert_eq!(door.shop.world.contoso_ledger().await.len(), leaves);
    assert_eq!(door.ended(&view).await.0, "succeeded");

    // Another request is another change.
    let (other, message) = door.permitted(false).await;
    assert!(door.deliver(&door.worker(), &message, 1).await);
    assert_eq!(door.ended(&other).await.0, "succeeded");
    assert_eq!(door.shop.rented.credentials(PAYROLL).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_not_accepted_yet_is_waited_for_and_not_added_again() {
    let door = Door::of(Kind::ClientSecret).await;
    door.shop.rented.add_slowly(30);
    let (view, message) = door.permitted(false).await;
    let worker = door.worker();

    let deliveries = door.follow(&worker, &view, message).await;

    assert!(deliveries > 1);
    assert_eq!(door.shop.rented.credentials(PAYROLL).len(), 2);
    assert_eq!(door.shop.story().await.iter().filter(|told| *told == "added").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_credential_that_is_no_good_fails_the_request_in_words_that_name_no_secret() {
    for kind in [Kind::ClientSecret, Kind::Generated] {
        let door = Door::of(kind).await;
        door.shop.rented.add_no_good(true);
        let (view, message) = door.permitted(false).await;

        assert!(door.deliver(&door.worker(), &message, 1).await);

        let (state, reason) = door.ended(&view).await;
        assert_eq!(state, "failed", "{kind:?}: {reason}");
        assert!(reason.contains("the one before stays in use"), "{reason}");
        for named in ["payroll", kind.place(), &FIRST.to_string()] {
            assert!(!reason.contains(named), "{reason}");
        }
        assert_eq!(door.shop.valid(), 1, "{kind:?}");
        assert_eq!(door.shop.rented.outages(), [""; 0], "{kind:?}");
    }
}

/// Kills the process, fails or loses the answer of every call of what a request asks for.
async fn spoil_every_call(kind: Kind, emergency: bool) {
    const WRONGS: [Wrong; 4] =
        [Wrong::DiesBefore, Wrong::DiesAfter, Wrong::Fails, Wrong::LosesAnswer];
    let undisturbed = Door::of(kind).await;
    let (_, message) = undisturbed.permitted(emergency).await;
    let before = undisturbed.shop.gate.calls().len();
    assert!(undisturbed.deliver(&undisturbed.worker(), &message, 1).await);
    let calls = undisturbed.shop.gate.calls().split_off(before);
    let mut table = String::new();
    for (number, call) in calls.iter().enumerate() {
        write!(table, "{kind:?} {number:2} {call:18}").unwrap();
        for wrong in WRONGS {
            let what = format!("{kind:?} {number} {call} {wrong:?}");
            let door = Door::of(kind).await;
            let (view, message) = door.permitted(emergency).await;

            let handled = door.spoiled(&message, number, wrong).await;

            let dies = matches!(wrong, Wrong::DiesBefore | Wrong::DiesAfter);
            assert!(dies || handled.is_some(), "{what}");
            let mut delivery = 1;
            while door.ended(&view).await.0 != "succeeded" {
                delivery += 1;
                assert!(delivery < 5, "{what}: {:?}", door.ended(&view).await);
                door.shop.outlast_a_lease().await;
                assert!(door.deliver(&door.worker(), &message, delivery).await, "{what}");
            }
            let rotation = door.shop.rotation().await;
            assert_eq!(rotation.run, None, "{what}");
            assert_eq!(rotation.old.len(), usize::from(!emergency), "{what}");
            assert_eq!(door.shop.valid(), 2 - usize::from(emergency), "{what}");
            assert_eq!(door.shop.rented.outages(), [""; 0], "{what}");
            let rotated = door.shop.story().await.iter().filter(|told| *told == "rotated").count();
            assert_eq!(rotated, 1, "{what}");
            write!(table, " | {wrong:?}: {delivery} deliveries").unwrap();
        }
        writeln!(table).unwrap();
    }
    println!("{table}");
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_client_secret_survives_a_crash_at_any_call() {
    spoil_every_call(Kind::ClientSecret, false).await;
}

#[tokio::test(start_paused = true)]
async fn an_emergency_survives_a_crash_at_any_call() {
    spoil_every_call(Kind::ClientSecret, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_generated_secret_survives_a_crash_at_any_call() {
    spoil_every_call(Kind::Generated, false).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_permitted_or_left_is_reclaimed_by_the_worker_that_it_is_for() {
    let door = Door::of(Kind::ClientSecret).await;
    let (view, message) = door.permitted(false).await;
    // Its message is lost, or the process dies in the middle.
    assert_eq!(door.spoiled(&message, 4, Wrong::DiesAfter).await, None);
    door.shop.outlast_a_lease().await;

    assert_eq!(door.shop.world.worker().reclaim().await.unwrap(), 0, "it is not for `execute`");
    assert_eq!(door.worker().reclaim().await.unwrap(), 1);

    assert_eq!(door.ended(&view).await.0, "succeeded");
    assert_eq!(door.shop.rented.credentials(PAYROLL).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_rotate_is_the_first_to_encrypt_under_a_new_data_key_everybody_reads() {
    let shop = Shop::with(Kind::ClientSecret).await;
    let period_s = data_keys::PERIOD_S;
    let past_s = shop.world.now().as_unix_s().rem_euclid(period_s);
    shop.world.pass(period_s - past_s - 30).await;
    shop.bind(&json!([Kind::ClientSecret.binding()])).await;
    let tina = shop.world.sign_in(CONTOSO, 11, &[Role::TenantAdmin]).await;
    let april = shop.world.sign_in(CONTOSO, 12, &[Role::Approver]).await;
    let door = Door { shop, tina, april };
    let (view, message) = door.permitted(false).await;
    door.shop.world.pass(60).await;

    assert!(door.deliver(&door.worker(), &message, 1).await);

    assert_eq!(door.ended(&view).await.0, "succeeded");
    let name = RequestName::parse(&view.id).unwrap();
    let desk = door.shop.world.desk();
    assert!(desk.show(&door.tina.caller, name).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn neither_worker_does_what_is_for_the_other() {
    let door = Door::of(Kind::ClientSecret).await;
    let world = &door.shop.world;
    let (view, message) = door.permitted(false).await;

    assert!(world.worker().handle(&message.body, 1, None).await.is_ok());
    assert_eq!(door.ended(&view).await.0, "permitted");
    door.assert_untouched("execute was given rotate's permit").await;

    let ask = world.ask(&door.tina, "sessions.revoke", NINA);
    let view = world.submit(&door.tina, &ask).await.unwrap();
    let (queue, message) = world.bus.all().pop().unwrap();
    assert_eq!((view.state, &*queue), ("permitted", "permits-execute"));
    assert!(door.deliver(&door.worker(), &message, 1).await);
    assert_eq!(door.ended(&view).await.0, "permitted");
    door.assert_untouched("rotate was given execute's permit").await;
}

#[tokio::test(start_paused = true)]
async fn a_target_of_another_kind_is_not_understood_at_the_door() {
    let door = Door::of(Kind::ClientSecret).await;
    let world = &door.shop.world;
    let secret = Target::Secret("payroll".to_owned().try_into().unwrap());

    for (name, target) in [(NAME, Target::User(NINA)), ("account.disable", secret)] {
        let ask = world.ask_on(&door.tina, name, target);
        let refused = world.submit(&door.tina, &ask).await.unwrap_err();

        let why = NotAuthenticated::NotUnderstood(NotUnderstood::Target).to_string();
        let NotReceived::NotAuthenticated(error) = refused else { panic!("{refused:?}") };
        assert_eq!(error.to_string(), why, "{name}");
    }
    assert_eq!(world.contoso_ledger().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_nobody_bound_is_told_to_whoever_may_ask_and_to_nobody_else() {
    let door = Door::of(Kind::ClientSecret).await;
    let world = &door.shop.world;
    let sam = world.sign_in(CONTOSO, 13, &[Role::SeniorAgent]).await;

    let unbound = world.submit(&door.tina, &door.ask(&door.tina, "payrol", false)).await;
    assert!(
        matches!(unbound, Err(NotReceived::NotAllowed(NotAuthorized::NotBound))),
        "{unbound:?}"
    );
    for name in ["payroll", "payrol"] {
        let denied = world.submit(&sam, &door.ask(&sam, name, false)).await;
        let Err(NotReceived::NotAllowed(NotAuthorized::Denied(_))) = denied else {
            panic!("{name}: {denied:?}")
        };
    }

    assert_eq!(world.contoso_ledger().await, [""; 0]);
    door.assert_untouched("nobody was let in").await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_no_longer_bound_is_not_rotated() {
    let door = Door::of(Kind::ClientSecret).await;
    let (view, message) = door.permitted(false).await;
    door.shop.bind(&json!([])).await;

    assert!(door.deliver(&door.worker(), &message, 1).await);

    let reason = "the tenant binds no such secret".to_owned();
    assert_eq!(door.ended(&view).await, ("refused", reason));
    door.assert_untouched("it was unbound").await;
}

#[tokio::test(start_paused = true)]
async fn an_application_of_airlocks_own_is_refused_before_any_call() {
    for member in ["application", "client"] {
        let door = Door::of(Kind::ClientSecret).await;
        let mut binding = Kind::ClientSecret.binding();
        binding["driver"][member] = json!(OWN);
        door.shop.bind(&json!([binding])).await;
        let (view, message) = door.permitted(false).await;

        assert!(door.deliver(&door.worker(), &message, 1).await);
        let round = door.shop.round().await.unwrap();

        let reason = "an application of Airlock's own is not changed this way".to_owned();
        assert_eq!(door.ended(&view).await, ("refused", reason), "{member}");
        assert_eq!((round.failed, round.rotated), (1, 0), "the clock's round refuses it too");
        door.assert_untouched(member).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_requests_at_once_are_each_satisfied_and_neither_begins_a_third_change() {
    let door = Door::of(Kind::ClientSecret).await;
    door.shop.rented.add_slowly(20);
    let worker = door.worker();
    let (first, message) = door.permitted(false).await;
    assert!(door.deliver(&worker, &message, 1).await);
    assert_eq!(door.ended(&first).await.0, "executing");
    let stage = door.shop.rotation().await.run.unwrap().stage;
    assert!(matches!(stage, Stage::Stored { .. } | Stage::Added { .. }), "{stage:?}");
    let copy = door.last_message();
    door.shop.world.pass(5).await;

    let (second, message) = door.permitted(false).await;
    door.follow(&worker, &second, message).await;
    assert!(door.deliver(&worker, &copy, 1).await);

    assert_eq!(door.ended(&first).await.0, "succeeded");
    assert_eq!(door.shop.rented.credentials(PAYROLL).len(), 2, "both asked before it was changed");
}

#[tokio::test]
async fn what_is_asked_is_signed_for_the_worker_that_does_it() {
    let door = Door::of(Kind::ClientSecret).await;
    let world = &door.shop.world;
    let mut ask = door.ask(&door.tina, "payroll", false);
    ask.aud = App::Execute;
    ask.jti = Uuid::new_v4();

    let refused = world.submit(&door.tina, &ask).await;

    let Err(NotReceived::NotAuthenticated(NotAuthenticated::OtherWorker)) = refused else {
        panic!("{refused:?}")
    };
    let ask = door.ask(&door.tina, "payroll", false);
    assert_eq!(ask.aud, App::Rotate);
    assert!(Signed::sign(&ask, &door.tina.key).await.is_ok());
}
