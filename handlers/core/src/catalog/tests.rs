use std::collections::HashSet;

use serde_json::json;

use super::*;
use crate::{
    decision::Verdict,
    execution::Worker,
    identity::Role::{Approver, SeniorAgent},
    jwe,
    memory::Fault,
    reception::RequestName,
    tests::world::{CONTOSO, Client, NINA, World},
};

/// The parameters of an operation as it gives them for examples, as a command line reads them.
pub fn example(entry: &Entry, with_optional: bool) -> Value {
    let given = entry.parameters.iter().filter(|parameter| parameter.required || with_optional);
    given
        .map(|parameter| {
            let value = serde_json::from_str(parameter.example)
                .ok()
                .filter(|value: &Value| value.is_number() || value.is_boolean())
                .unwrap_or_else(|| parameter.example.into());
            (parameter.name.to_owned(), value)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A target of the kind that an operation takes: this user, or some secret.
pub fn target(entry: &Entry, user: ObjectId) -> Target {
    match entry.target {
        TargetKind::User => Target::User(user),
        TargetKind::Secret => "secret:payroll".parse().unwrap(),
        TargetKind::Application => Target::Application(user),
    }
}

/// Somebody who asks, somebody who approves, and a worker over a directory in memory.
pub struct Bench {
    pub world: World,
    worker: Worker,
    sam: Client,
    april: Client,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub state: &'static str,
    pub reason: String,
    /// What its requester is shown.
    pub secret: Option<String>,
}

impl Bench {
    pub async fn new() -> Self {
        let world = World::new().await;
        let sam = world.sign_in(CONTOSO, 1, &[SeniorAgent]).await;
        let april = world.sign_in(CONTOSO, 2, &[Approver]).await;
        let worker = world.worker();
        Self { world, worker, sam, april }
    }

    /// Lets the directory show something.
    pub fn shows(&self, path: &str, what: Value) {
        self.world.directory.readable.lock().unwrap().insert(path.to_owned(), what);
    }

    /// Lets the directory answer the next calls of this method and path.
    pub fn answers(&self, call: &str, answers: impl IntoIterator<Item = Result<Value, u16>>) {
        let mut planned = self.world.directory.answers.lock().unwrap();
        planned.entry(call.to_owned()).or_default().extend(answers);
    }

    /// Lets the call of this number, from one, be lost: carried out, and not answered.
    pub fn loses_the_answer_of_call(&self, number: usize) {
        let mut faults = self.world.directory.faults.lock().unwrap();
        faults.extend(std::iter::repeat_n(Fault::None, number - 1));
        faults.push_back(Fault::LosesAnswer);
    }

    /// Asks for an operation on Nina, has it approved if need be, and gives its name.
    pub async fn permitted(&self, name: &str, parameters: Value) -> String {
        let mut ask = self.world.ask(&self.sam, name, NINA);
        ask.op.parameters = parameters;
        let view = self.world.submit(&self.sam, &ask).await.unwrap();
        if view.state == "pending" {
            self.world.decide(&self.april, &view.id, Verdict::Approve).await.unwrap();
        }
        view.id
    }

    /// Delivers the last message to the worker.
    pub async fn deliver(&self) {
        assert!(self.world.deliver(&self.worker, 1).await);
    }

    /// Has an operation on Nina carried out.
    pub async fn carry_out(&self, name: &str, parameters: Value) -> Ended {
        let id = self.permitted(name, parameters).await;
        self.deliver().await;
        self.ended(&id).await
    }

    pub async fn ended(&self, id: &str) -> Ended {
        let (state, reason) = self.world.state(id).await;
        let name = RequestName::parse(id).unwrap();
        let result = self.world.reception.reveal(&self.sam.caller, name, None).await;
        let secret =
            result.ok().map(|jwe| jwe::open(&jwe, &self.sam.reveal).unwrap().expose().to_owned());
        Ended { state, reason, secret }
    }

    /// What was sent to the directory since the last time that somebody asked.
    pub fn sent(&self) -> String {
        let sent = std::mem::take(&mut *self.world.directory.sent.lock().unwrap());
        let lines: Vec<String> =
            sent.into_iter().map(|(application, call)| format!("{application}: {call}")).collect();
        lines.join("\n").replace(&NINA.to_string(), "NINA")
    }
}

impl Ended {
    pub fn succeeded() -> Self {
        let reason = "the directory confirmed it".to_owned();
        Self { state: "succeeded", reason, secret: None }
    }

    pub fn with(secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..Self::succeeded() }
    }

    pub fn so(state: &'static str, reason: &str) -> Self {
        Self { state, reason: reason.to_owned(), secret: None }
    }
}

fn asked(name: &str, parameters: Value) -> Asked {
    let entry = entries().find(|entry| entry.name == name);
    let target = entry.map_or(Target::User(NINA), |entry| target(entry, NINA));
    Asked { name: name.to_owned(), target, parameters }
}

/// Whether an operation understands parameters.
pub fn understand(name: &str, parameters: Value) -> Result<Change, NotUnderstood> {
    Change::understand(CONTOSO, &asked(name, parameters))
}

/// The calls of an operation on a user.
fn on_user(change: &Change) -> &OnUser {
    match change.work() {
        Work::Directory(on) => on,
        Work::Rotation(_) | Work::Remediation(_) => panic!("about no user"),
    }
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    OPERATIONS.iter().map(|operation| operation.entry())
}

#[test]
fn an_unknown_operation_is_not_understood() {
    assert_eq!(understand("user.delete", json!({})).unwrap_err(), NotUnderstood::Operation);
}

#[test]
fn an_unknown_parameter_is_not_understood_by_any_operation() {
    for entry in entries() {
        let mut parameters = example(entry, true);
        assert!(understand(entry.name, parameters.clone()).is_ok(), "{}", entry.name);

        parameters["surprise"] = json!(1);

        let refused = understand(entry.name, parameters).unwrap_err();
        assert_eq!(refused, NotUnderstood::Parameters, "{}", entry.name);
    }
}

#[test]
fn an_operation_takes_one_kind_of_target_and_no_other() {
    for entry in entries() {
        let of = |target: &str| Asked {
            name: entry.name.to_owned(),
            target: target.parse().unwrap(),
            parameters: example(entry, true),
        };
        let targets = [
            (TargetKind::User, NINA.to_string()),
            (TargetKind::Secret, "secret:payroll".to_owned()),
            (TargetKind::Application, format!("application:{NINA}")),
        ];
        for (kind, target) in targets {
            let asked = of(&target);
            let understood = Change::understand(CONTOSO, &asked);
            if kind == entry.target {
                assert_eq!(understood.unwrap().target(), &asked.target);
            } else {
                assert_eq!(understood.unwrap_err(), NotUnderstood::Target, "{}", entry.name);
            }
        }
    }
}

#[test]
fn what_a_worker_does_is_what_that_worker_can_do() {
    for entry in entries() {
        let (worker, target) = match entry.means {
            Means::Directory(_) => (App::Execute, TargetKind::User),
            Means::Rotation => (App::Rotate, TargetKind::Secret),
            Means::Remediation(_) => (App::Rotate, TargetKind::Application),
        };

        assert_eq!((entry.worker, entry.target), (worker, target), "{}", entry.name);
    }
}

#[test]
fn the_digest_of_an_operation_on_a_user_is_what_it_always_was() {
    let change = understand("tap.issue", json!({})).unwrap();
    let parameters = r#"{"lifetime_minutes":60,"usable_once":true}"#;
    let named = format!(r#"{{"name":"tap.issue","parameters":{parameters},"#);
    let written = named + &format!(r#""target":{{"user":"{NINA}"}},"tenant":"{CONTOSO}"}}"#);

    assert_eq!(change.digest(), Digest::of(&[written.as_bytes()]));
}

#[test]
fn each_parameter_is_what_its_entry_says_of_it() {
    for entry in entries() {
        let least = understand(entry.name, example(entry, false)).unwrap();
        let understood = least.parameters();
        let named: HashSet<&str> = entry.parameters.iter().map(|one| one.name).collect();
        let used: HashSet<&str> = understood.as_object().unwrap().keys().map(|k| &**k).collect();
        assert_eq!(named, used, "{}", entry.name);

        for parameter in entry.parameters.iter().filter(|parameter| parameter.required) {
            let mut without = example(entry, true);
            without.as_object_mut().unwrap().remove(parameter.name);
            let refused = understand(entry.name, without).unwrap_err();
            assert_eq!(refused, NotUnderstood::Parameters, "{} {}", entry.name, parameter.name);
        }
    }
}

#[test]
fn parameters_are_an_object_or_not_understood() {
    for parameters in [json!([]), json!([60, true]), json!(null), json!("")] {
        for entry in entries() {
            let refused = understand(entry.name, parameters.clone()).unwrap_err();

            assert_eq!(refused, NotUnderstood::Parameters, "{} {parameters}", entry.name);
        }
    }
}

#[test]
fn names_are_used_once_and_calls_and_reads_are_templates_below_the_version() {
    let names: HashSet<&str> = entries().map(|entry| entry.name).collect();
    assert_eq!(names.len(), OPERATIONS.len());

    for entry in entries() {
        let reach = match &entry.means {
            Means::Directory(reach) => {
                assert!(!reach.permissions.is_empty(), "{}", entry.name);
                reach
            }
            Means::Remediation(reach) => reach,
            Means::Rotation => continue,
        };
        assert!(!reach.calls.is_empty(), "{}", entry.name);
        for call in reach.calls {
            let (method, path) = call.split_once(' ').unwrap();
            assert!(["GET", "POST", "PATCH", "DELETE"].contains(&method), "{call}");
            assert!(path.starts_with('/') && !path.contains(' '), "{call}");
            // Without it, the path names the member, and not the membership.
            assert!(!path.contains("/members") || path.ends_with("/$ref"), "{call}");
        }
        for read in reach.reads {
            assert!(read.starts_with("GET /") && !read[5..].contains(' '), "{read}");
        }
    }
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
fn a_call_that_the_operation_does_not_declare_cannot_be_made() {
    let change = understand("sessions.revoke", json!({})).unwrap();
    let of = |method, path: &str| Effect::of(on_user(&change), method, path.to_owned(), None);

    assert!(of("POST", &format!("/users/{NINA}/revokeSignInSessions")).is_ok());
    assert!(of("DELETE", &format!("/users/{NINA}/revokeSignInSessions")).is_err());
    assert!(of("POST", &format!("/users/{CONTOSO}/revokeSignInSessions")).is_err());
    assert!(of("DELETE", &format!("/users/{NINA}")).is_err());
}

#[tokio::test]
async fn nothing_secret_is_printed_with_a_call_or_a_change() {
    let change = understand("password.reset", json!({})).unwrap();
    let body = Some(json!({ "passwordProfile": { "password": "Winter-2031" } }));
    let effect = Effect::of(on_user(&change), "PATCH", format!("/users/{NINA}"), body).unwrap();

    assert!(!format!("{effect:?} {change:?}").contains("Winter"));
}

#[tokio::test]
async fn the_simple_operations_make_one_call_each() {
    let bench = Bench::new().await;
    let pass = json!({ "lifetime_minutes": 120, "usable_once": false });

    assert_eq!(bench.carry_out("sessions.revoke", json!({})).await, Ended::succeeded());
    assert_eq!(bench.carry_out("account.disable", json!({})).await, Ended::succeeded());
    assert_eq!(bench.carry_out("account.enable", json!({})).await, Ended::succeeded());
    assert_eq!(bench.carry_out("tap.issue", pass).await, Ended::with("Pass-1234"));

    insta::assert_snapshot!(bench.sent(), @r#"
    airlock-worker-accounts: POST /users/NINA/revokeSignInSessions
    airlock-worker-accounts: PATCH /users/NINA {"accountEnabled":false}
    airlock-worker-accounts: PATCH /users/NINA {"accountEnabled":true}
    airlock-worker-methods: POST /users/NINA/authentication/temporaryAccessPassMethods {"isUsableOnce":false,"lifetimeInMinutes":120}
    "#);
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

#[tokio::test]
async fn a_temporary_password_meets_entras_policy_and_is_never_twice_the_same() {
    let bench = Bench::new().await;
    let mut seen = HashSet::new();

    for _ in 0..50 {
        let shown = bench.carry_out("password.reset", json!({})).await.secret.unwrap();
        let sent = bench.sent();

        assert_eq!(shown.len(), 16);
        assert!(shown.bytes().any(|byte| byte.is_ascii_lowercase()));
        assert!(shown.bytes().any(|byte| byte.is_ascii_uppercase()));
        assert!(shown.bytes().any(|byte| byte.is_ascii_digit()));
        let profile = format!(r#"{{"forceChangePasswordNextSignIn":true,"password":"{shown}"}}"#);
        let body = format!(r#"{{"passwordProfile":{profile}}}"#);
        assert_eq!(sent, format!("airlock-worker-passwords: PATCH /users/NINA {body}"));
        assert!(seen.insert(shown));
    }
}
