//! Telemetry: every line is a record, one trace leads all the way, and nothing that is told
//! anywhere is a secret or says who somebody is.

mod collector;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    process::Child,
    time::Duration,
};

use airlock_core::identity::App;
use airlock_tests::{
    Answer, Asking, Browser, Leaf, Order, Person, RETURN_TO, SOON, World, callback_of, client_key,
    eventually,
};
use http::Method;
use serde_json::{Value, json};

use self::collector::Collector;
use super::settings::{Package, TELLING, command, free_port};

const APPS: [&str; 5] = ["signin", "intake", "execute", "rotate", "drift"];

/// What only the people may read who are concerned.
const PURPOSE: &str = "Nina Novak lost her telephone in Trieste";

/// Three traces, as a browser begins them.
const ASKING: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const CALLING: &str = "00-5cf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b8-01";
const LEAVING: &str = "00-6df92f3577b34da6a3ce929d0e0e4738-00f067aa0ba902b9-00";

/// The trace of a trace context.
fn trace_of(traceparent: &str) -> &str {
    &traceparent[3..35]
}

/// Its span.
fn span_of(traceparent: &str) -> &str {
    &traceparent[36..52]
}

/// What the processes of an app wrote to stdout, as records, and the text of it.
async fn logged(world: &World, app: &str) -> (Vec<Value>, String) {
    let log = world.control().log(app).await;
    let mut records = Vec::new();
    for line in log.lines() {
        // The host puts the time and where it was written before each line.
        let mut words = line.splitn(3, ' ');
        let (_, written_to, text) = (words.next(), words.next().unwrap(), words.next().unwrap());
        match written_to {
            "information" => records.push(record(app, text.trim_start())),
            "host" => {}
            other => panic!("{app} wrote to stderr ({other}): {line}"),
        }
    }
    (records, log)
}

/// A line of an app's, which must be one record.
fn record(app: &str, line: &str) -> Value {
    let record: Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{app}: {error}: {line}"));
    let fields = record.as_object().unwrap_or_else(|| panic!("{app}: no object: {line}"));
    for name in ["timestamp", "level", "target", "message"] {
        assert!(fields[name].is_string(), "{app}: {name}: {line}");
    }
    assert!(fields["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    assert!(["ERROR", "WARN", "INFO"].contains(&fields["level"].as_str().unwrap()), "{line}");
    assert!(fields["fields"].is_object(), "{app}: {line}");
    assert_eq!(fields["app"], app);
    let ids = (fields.get("trace_id"), fields.get("span_id"));
    match ids {
        (None, None) => {}
        (Some(Value::String(trace)), Some(Value::String(span))) => {
            assert_eq!((trace.len(), span.len()), (32, 16), "{line}");
        }
        _ => panic!("{app}: {line}"),
    }
    record
}

/// The records that belong to a trace.
fn of_trace<'a>(records: &'a [Value], traceparent: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["trace_id"] == trace_of(traceparent)).collect()
}

/// Calls the API in a trace, which must work.
async fn traced(person: &Person, path: &str, traceparent: &str, body: Option<Value>) {
    let method = if body.is_some() { Method::POST } else { Method::GET };
    let call = person.call(method, path).header("traceparent", traceparent);
    let answer = Answer::to(match body {
        Some(body) => call.json(&body),
        None => call,
    })
    .await;
    assert!([200, 202].contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
}

/// Sends a request while nobody executes, so that its message can be looked at. Gives the
/// message's own trace context.
async fn asked_while_nobody_executes(world: &World, person: &Person, asking: &Asking) -> String {
    let control = world.control();
    control.stop("execute").await;
    let body = json!({ "request": asking.signed });
    traced(person, "/api/requests", ASKING, Some(body)).await;
    let message = eventually("a message", SOON, async || {
        let bus = control.bus().await;
        bus["permits-execute"]["active"].as_array()?.first().cloned()
    })
    .await;
    control.start("execute").await;
    let text = message.to_string();
    let at = text.find("diagnostic-id\":\"").unwrap();
    text[at..].split('"').nth(2).unwrap().to_owned()
}

/// The leaves about a request.
async fn leaves(world: &World, asking: &Asking) -> Vec<Leaf> {
    let tenant = world.contoso();
    let digest = asking.digest().to_string();
    let leaves = world.ledger(tenant).await.into_leaves();
    leaves.into_iter().filter(|leaf| leaf.says["data"]["request"] == digest.as_str()).collect()
}

#[tokio::test]
async fn one_trace_leads_from_the_caller_through_the_bus_to_graph_and_into_the_ledger() {
    let world = World::start().await;
    let sam = world.person("sam").await;
    let nina = world.who("nina");
    let asking = sam.sign(&Order::of("tap.issue", &nina)).await;

    let message = asked_while_nobody_executes(&world, &sam, &asking).await;
    sam.wait_for(&asking.id, "succeeded").await;
    let reveal = format!("/api/requests/{}/reveal", asking.id);
    traced(&sam, &reveal, ASKING, Some(json!({}))).await;
    traced(&sam, "/auth/call-the-api", CALLING, None).await;
    traced(&sam, "/auth/sign-out", LEAVING, Some(json!({}))).await;

    // The message and the statements name the trace, each with the span of whoever wrote it.
    assert_eq!(trace_of(&message), trace_of(ASKING));
    assert_ne!(span_of(&message), span_of(ASKING));
    let mut spans = BTreeMap::new();
    for leaf in leaves(&world, &asking).await {
        let traceparent = leaf.says["traceparent"].as_str().unwrap().to_owned();
        assert_eq!(trace_of(&traceparent), trace_of(ASKING), "{}", leaf.says);
        spans.insert(leaf.kind().to_owned(), (leaf.by().to_owned(), traceparent));
    }
    let span = |what: &str| span_of(&spans[&format!("airlock.request.{what}")].1);
    assert_eq!(spans.len(), 4, "{spans:?}");
    assert_eq!(span("permitted"), span_of(&message));
    assert_eq!(span("claimed"), span("ended"), "one invocation of execute");
    let different: BTreeSet<&str> = ["permitted", "claimed", "revealed"].map(span).into();
    assert_eq!(different.len(), 3, "{spans:?}");

    // Every service that was called for it was told, by each app that called it, once a call.
    let calls = world.control().calls().await;
    let told = |traceparent: &str| -> Vec<Value> {
        let of_trace = |call: &&Value| {
            call["traceparent"].as_str().is_some_and(|it| trace_of(it) == trace_of(traceparent))
        };
        calls.iter().filter(of_trace).cloned().collect()
    };
    let by = |calls: &[Value]| -> BTreeSet<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        calls.iter().map(|call| (text(&call["service"]), text(&call["caller"]))).collect()
    };
    let (asking_calls, calling) = (told(ASKING), told(CALLING));
    for (service, caller) in [
        ("vault", "intake"),
        // Its token is no bearer token, so the record does not know whose call it is.
        ("cosmos", ""),
        ("vault", "execute"),
        ("blob", "execute"),
        ("graph", "airlock-worker-lookup"),
        ("graph", "airlock-worker-methods"),
    ] {
        let wanted = (service.to_owned(), caller.to_owned());
        assert!(by(&asking_calls).contains(&wanted), "{wanted:?}: {:?}", by(&asking_calls));
    }
    assert!(calling.iter().any(|call| call["service"] == "entra"), "{calling:?}");
    let tells_its_own_span = |call: &&Value| call["service"] != "cosmos";
    let alone: Vec<&str> = asking_calls
        .iter()
        .filter(tells_its_own_span)
        .map(|call| span_of(call["traceparent"].as_str().unwrap()))
        .collect();
    assert_eq!(alone.iter().collect::<BTreeSet<_>>().len(), alone.len(), "each call has a span");
    let written: BTreeSet<&str> = ["permitted", "claimed", "revealed"].map(span).into();
    assert!(alone.iter().all(|span| !written.contains(span)), "below the one that made it");
    // Whoever does not want a trace recorded is not recorded further on.
    let leaving = told(LEAVING);
    assert!(!leaving.is_empty());
    assert!(leaving.iter().all(|call| call["traceparent"].as_str().unwrap().ends_with("-00")));

    // And the logs.
    for (app, traceparent) in [("intake", ASKING), ("execute", ASKING), ("signin", LEAVING)] {
        let (records, _) = logged(&world, app).await;
        let records = of_trace(&records, traceparent);
        assert!(!records.is_empty(), "{app}");
        assert!(records.iter().all(|record| record["span_id"] != span_of(traceparent)), "{app}");
    }
}

#[tokio::test]
async fn every_line_is_a_record_and_none_holds_a_secret_or_says_who_somebody_is() {
    let world = World::start().await;
    let harriet = world.who("harriet");
    let (key, _) = client_key();
    let started = Person::start(&world, &harriet, &key).await.ok();
    let back = Browser::new(world.http().clone())
        .sign_in(started["authorize"].as_str().unwrap(), &harriet)
        .await;
    assert!(back.as_str().starts_with(RETURN_TO), "{back}");
    let code = callback_of(&back, "code").unwrap();
    let redeemed = Person::redeem(&world, &harriet, &key, &code).await.ok();
    let (sam, april) = (world.person("sam").await, world.person("april").await);
    let nina = world.who("nina");

    let order = Order { purpose: PURPOSE.to_owned(), ..Order::of("tap.issue", &nina) };
    let pass = sam.sign(&order).await;
    assert_eq!(sam.submit(&pass).await.status, 202);
    sam.wait_for(&pass.id, "succeeded").await;
    let revealed = sam.reveal(&pass.id).await.ok();
    let order = Order { purpose: PURPOSE.to_owned(), ..Order::of("account.disable", &nina) };
    let disabled = sam.sign(&order).await;
    sam.submit(&disabled).await;
    april.approve(&disabled.id).await;
    sam.wait_for(&disabled.id, "succeeded").await;
    assert_eq!(sam.get("/auth/call-the-api").await.status, 200);
    // Refusals too, which have a cause to tell.
    let order = Order { purpose: PURPOSE.to_owned(), ..Order::of("tap.issue", &world.who("tara")) };
    let twice = sam.sign(&order).await;
    sam.submit(&twice).await;
    sam.reveal(&pass.id).await.assert_problem("gone");
    Person::redeem(&world, &harriet, &key, &code).await;
    let guess = world.call(Method::GET, "/auth/session");
    Answer::to(guess.header("authorization", format!("Session {}", sam.cookie.to_lowercase())))
        .await;
    let broken = world.call(Method::POST, "/api/requests").body(PURPOSE);
    Answer::to(broken.header("content-type", "application/json")).await;
    assert_eq!(sam.post("/auth/sign-out", &json!({})).await.status, 200);
    world.settled().await;

    let secret = pass.open(&revealed);
    let names: Vec<String> = ["harriet", "sam", "april", "nina", "tara"]
        .iter()
        .map(|user| world.who(user).name)
        .collect();
    let cookie = redeemed["cookie"].as_str().unwrap();
    let mut unspoken = vec![
        ("a one-time code", code.as_str()),
        ("a cookie", cookie),
        ("a cookie", sam.cookie.as_str()),
        ("a temporary pass", secret.as_str()),
        ("a purpose", PURPOSE),
        ("a purpose", "Trieste"),
        // Base64url of `{"`: every token, signature and encrypted result begins so.
        ("a token, a signature or a JWE", "eyJ"),
        ("a scheme with a token", "Bearer "),
        ("a display name", "Novak"),
    ];
    unspoken.extend(names.iter().map(|name| ("a user principal name", name.as_str())));
    let mut lines = 0;
    for app in APPS {
        let (records, text) = logged(&world, app).await;
        lines += records.len();
        for (what, needle) in &unspoken {
            let found = text.lines().find(|line| line.contains(needle));
            assert_eq!(found, None, "{app} logged {what}");
        }
    }
    assert!(lines > 20, "the logs were read: {lines} lines");
}

/// A process of its own, which ends with the test.
struct Running(Child);

impl Running {
    /// Starts an app that reaches nothing of Azure's, and waits until it listens.
    async fn start(app: &str, settings: &BTreeMap<&'static str, String>) -> Self {
        let child = command(app, settings, &std::env::temp_dir()).spawn().unwrap();
        let running = Self(child);
        let address = format!("127.0.0.1:{}", settings["FUNCTIONS_CUSTOMHANDLER_PORT"]);
        eventually(app, SOON, async || tokio::net::TcpStream::connect(&address).await.ok()).await;
        running
    }

    /// Ends it as the host does, and gives what it wrote to stdout.
    fn ended(mut self) -> String {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed before it ended the process.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// An app whose only way out is a proxy that is not there, and a collector.
async fn with_collector(name: &str, collector: &str) -> (Package, BTreeMap<&'static str, String>) {
    let allowed = ["HTTPS_PROXY", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let package = Package::with_manifest(name, App::Execute, &allowed).await;
    let mut settings = package.settings(free_port());
    settings.insert("HTTPS_PROXY", "http://127.0.0.1:9".to_owned());
    settings.insert("OTEL_EXPORTER_OTLP_ENDPOINT", collector.to_owned());
    (package, settings)
}

async fn invoke(settings: &BTreeMap<&'static str, String>, traceparent: &str) -> u16 {
    let port = &settings["FUNCTIONS_CUSTOMHANDLER_PORT"];
    let invocation = json!({
        "Data": { "message": "" },
        "Metadata": { "ApplicationProperties": { "Diagnostic-Id": traceparent } },
    });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.post(format!("http://127.0.0.1:{port}/execute")).json(&invocation).send();
    answer.await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_collector_is_told_of_the_spans_that_their_callers_want_recorded() {
    let collector = Collector::start();
    let (_package, settings) = with_collector("spans", &collector.address()).await;
    let running = Running::start("execute", &settings).await;

    assert_eq!(invoke(&settings, LEAVING).await, 503, "nothing of Azure's is there");
    assert_eq!(invoke(&settings, ASKING).await, 503, "nothing of Azure's is there");

    let spans = eventually("spans", SOON, async || {
        let spans = collector.spans();
        spans.iter().any(|span| span.parent == span_of(ASKING)).then_some(spans)
    })
    .await;
    let server = spans.iter().find(|span| span.parent == span_of(ASKING)).unwrap();
    assert_eq!(server.trace, trace_of(ASKING), "the message's trace, not the invocation's");
    assert_eq!((server.kind, server.name.as_str()), (collector::SERVER, "POST /execute"));
    assert_eq!(server.service, "airlock-execute");
    assert_eq!(server.attributes["http.response.status_code"], "503");
    assert!(server.events.contains(&"refused".to_owned()), "{server:?}");
    let below = |span: &&collector::Span| span.parent == server.id;
    let client = spans.iter().find(below).expect("the call that failed is told of");
    assert_eq!((client.kind, &client.trace), (collector::CLIENT, &server.trace));
    assert!(client.attributes.contains_key("error.type"), "{client:?}");
    assert!(spans.iter().all(|span| span.trace != trace_of(LEAVING)), "{spans:?}");
    // Nothing but spans, and nothing in them that says more than the log.
    assert!(collector.paths().iter().all(|path| path == "POST /v1/traces"));
    for secret in [TELLING, "eyJ"] {
        assert!(!collector.holds(secret));
    }
    for line in running.ended().lines() {
        record("execute", line);
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_a_record_and_nothing_else() {
    let (_package, settings) = with_collector("nobody", "http://127.0.0.1:9").await;
    let running = Running::start("execute", &settings).await;

    invoke(&settings, ASKING).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let port = &settings["FUNCTIONS_CUSTOMHANDLER_PORT"];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let health = Answer::to(http.get(format!("http://127.0.0.1:{port}/health"))).await.ok();

    assert_eq!(health["status"], "up");
    assert_eq!(health["vault"], "failing");
    let said = running.ended();
    let records: Vec<Value> = said.lines().map(|line| record("execute", line)).collect();
    let complaints: Vec<&Value> = records
        .iter()
        .filter(|record| record["target"].as_str().unwrap().starts_with("opentelemetry"))
        .collect();
    assert!(!complaints.is_empty(), "{said}");
    assert!(!said.contains(TELLING));
}
