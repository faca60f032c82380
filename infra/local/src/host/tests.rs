//! The host against programs and servers of the tests' own.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::{body::Frame, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use time::macros::datetime;
use tokio::net::TcpListener;
use uuid::uuid;

use super::{invocation::Sys, *};
use crate::{
    bus::Message,
    cloud::Names,
    identities::{Identities, client_id},
};

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = format!("airlock-host-{}-{number}-{name}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A package of `app` as it is in the repository, with this program for a handler.
///
/// A link, because a file just written cannot always be executed: another test that forks at the
/// wrong moment holds it open for writing.
fn package(folder: &Folder, app: &str, program: &str) -> Deployed {
    let package = folder.0.join("apps").join(app);
    crate::package::lay(&sources(), app, &package, Path::new("/bin/true")).unwrap();
    let handler = package.join("handler");
    fs::remove_file(&handler).unwrap();
    std::os::unix::fs::symlink(program, &handler).unwrap();
    let identities = Identities::parse(crate::IDENTITIES).unwrap();
    let settings = crate::package::settings(&identities, &names(), app).unwrap();
    Deployed { name: app.to_owned(), package, settings }
}

/// Exits with 0.
const LEAVES: &str = "/bin/true";
/// Exits with 1.
const FAILS: &str = "/bin/false";
/// Prints its environment, and exits with 0.
const TELLS: &str = "/usr/bin/env";
/// Lives, and never listens.
const WAITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/host/fixtures/waits");

/// An app that has no process and is served by whatever the test starts.
pub(super) fn app(name: &str) -> Arc<App> {
    let folder = Folder::new(name);
    let deployed = package(&folder, "intake", FAILS);
    App::new(deployed, &folder.0).unwrap().0
}

fn names() -> Names {
    crate::names(&crate::Addresses {
        portal: "http://localhost:1".to_owned(),
        api: "http://localhost:2".to_owned(),
        pages: "http://127.0.0.1:3".to_owned(),
    })
}

fn cloud() -> Shared {
    Arc::new(crate::assemble(names()).unwrap())
}

fn running(port: u16) -> State {
    State::Running(app::Address { port, process: 0 })
}

async fn until(what: impl Fn() -> bool) {
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    patience.await.unwrap();
}

/// A handler process in the place of one: answers everything with `answer`.
async fn handler<F, A>(answer: F) -> u16
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer(request);
                async { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serving);
        }
    });
    port
}

fn json(status: u16, body: &'static str) -> Response<Body> {
    let body = Full::from(body).map_err(|never| match never {}).boxed_unsync();
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

fn message(id: &str, body: &'static str) -> Message {
    Message {
        message_id: id.to_owned(),
        body: Bytes::from_static(body.as_bytes()),
        ..Message::default()
    }
}

#[tokio::test]
async fn a_message_reaches_a_handler_exactly_as_azure_sends_it() {
    let cloud = cloud();
    let body = r#"{"orderId":42,"name":"café","big":12345678901234567890,"price":10.10,"ok":true,"n":null,"tags":[1,2],"nested":{"a":1},"messageId":"FROM-BODY","when":"2024-10-24T12:00:00Z"}"#;
    let sent = Message {
        content_type: Some("application/json".to_owned()),
        correlation_id: Some("c-1".to_owned()),
        subject: Some("order.created".to_owned()),
        session_id: Some("s-1".to_owned()),
        properties: serde_json::from_str(
            r#"{"Diagnostic-Id":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","attempt":3,"flag":true,"when":"2024-10-24T12:00:00.345Z"}"#,
        )
        .unwrap(),
        ..message("m-1", body)
    };
    cloud.bus.inject("permits-execute", sent).unwrap();
    let mut delivery = cloud.bus.receive_as(&cloud, "execute", "permits-execute").await.unwrap();
    delivery.lock_token = uuid!("a4d2f2b0-0c5e-4f2e-9e54-5a7c1f6f5d11");
    delivery.sequence_number = 42;
    delivery.enqueued_at_ms = 1_729_771_200_345;
    let now = datetime!(2024-10-24 12:00:00.123_456_7 UTC);
    let sys = Sys::at("ProcessOrder", now, uuid!("24ad4c06-24ad-4e5b-8294-3da9714877e9"));

    let body = message::body(&delivery, "msg", "ns.servicebus.windows.net", sys).unwrap();

    assert_eq!(
        String::from_utf8(body).unwrap(),
        r#"{"Data":{"msg":"eyJvcmRlcklkIjo0MiwibmFtZSI6ImNhZsOpIiwiYmlnIjoxMjM0NTY3ODkwMTIzNDU2Nzg5MCwicHJpY2UiOjEwLjEwLCJvayI6dHJ1ZSwibiI6bnVsbCwidGFncyI6WzEsMl0sIm5lc3RlZCI6eyJhIjoxfSwibWVzc2FnZUlkIjoiRlJPTS1CT0RZIiwid2hlbiI6IjIwMjQtMTAtMjRUMTI6MDA6MDBaIn0="},"Metadata":{"MessageReceiver":{},"MessageSession":{},"MessageActions":{},"SessionActions":{},"ReceiveActions":{},"Client":{"FullyQualifiedNamespace":"ns.servicebus.windows.net","IsClosed":false,"TransportType":0,"Identifier":"ns.servicebus.windows.net-1"},"DeliveryCount":"1","LockToken":"\"a4d2f2b0-0c5e-4f2e-9e54-5a7c1f6f5d11\"","ExpiresAtUtc":"2024-11-07T12:00:00","ExpiresAt":"2024-11-07T12:00:00+00:00","EnqueuedTimeUtc":"2024-10-24T12:00:00","EnqueuedTime":"2024-10-24T12:00:00+00:00","MessageId":"\"m-1\"","ContentType":"\"application/json\"","SequenceNumber":"42","Subject":"\"order.created\"","Label":"\"order.created\"","CorrelationId":"\"c-1\"","ApplicationProperties":{"Diagnostic-Id":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","attempt":3,"flag":true,"when":"2024-10-24T12:00:00.345Z"},"UserProperties":{"Diagnostic-Id":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","attempt":3,"flag":true,"when":"2024-10-24T12:00:00.345Z"},"SessionId":"\"s-1\"","PartitionKey":"\"s-1\"","sys":{"MethodName":"ProcessOrder","UtcNow":"2024-10-24T12:00:00.1234567Z","RandGuid":"24ad4c06-24ad-4e5b-8294-3da9714877e9"}}}"#
    );
    assert_eq!(
        message::trace(&delivery),
        Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    );
}

#[tokio::test]
async fn success_completes_a_message_and_failure_brings_it_back_at_once() {
    let cloud = cloud();
    let folder = Folder::new("settle");
    let deployed = package(&folder, "execute", FAILS);
    let (app, _commands) = App::new(deployed, &folder.0).unwrap();
    let counts = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&counts);
    let port = handler(move |request| {
        let seen = Arc::clone(&seen);
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let call: Value = serde_json::from_slice(&body).unwrap();
            let count = call["Metadata"]["DeliveryCount"].as_str().unwrap().to_owned();
            seen.lock().unwrap().push(count.clone());
            match count.as_str() {
                "1" => json(503, "{}"),
                "2" => json(200, ""),
                _ => json(200, "{}"),
            }
        }
    })
    .await;
    app.state.send_replace(running(port));
    let listener =
        Listener::open(&cloud, &app, "execute", ("message", "permits-execute", "AirlockBus"));
    let listening = tokio::spawn(Arc::new(listener.unwrap()).listen());

    cloud.bus.inject("permits-execute", message("m-1", "x")).unwrap();
    until(|| counts.lock().unwrap().len() == 3).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    listening.abort();

    assert_eq!(*counts.lock().unwrap(), ["1", "2", "3"]);
    assert!(app.log.text().contains("EMPTY SUCCESS"));
}

#[tokio::test]
async fn a_bus_connection_must_be_by_the_apps_own_identity() {
    let cloud = cloud();
    let folder = Folder::new("connection");
    let opened = |change: fn(&mut BTreeMap<String, String>)| {
        let mut deployed = package(&folder, "execute", FAILS);
        change(&mut deployed.settings);
        let (app, _) = App::new(deployed, &folder.0).unwrap();
        Listener::open(&cloud, &app, "execute", ("message", "permits-execute", "AirlockBus"))
            .is_ok()
    };

    assert!(opened(|_| {}));
    assert!(!opened(|settings| {
        settings.insert("AirlockBus".to_owned(), "Endpoint=sb://…".to_owned());
    }));
    assert!(!opened(|settings| {
        settings.remove("AirlockBus__fullyQualifiedNamespace");
    }));
    assert!(!opened(|settings| {
        settings.insert("AirlockBus__clientId".to_owned(), client_id("intake").to_string());
    }));
}

#[tokio::test]
async fn a_request_is_proxied_as_it_came_with_the_hosts_own_headers_on_top() {
    let app = app("proxy");
    let port = handler(|request| async move {
        let (head, body) = request.into_parts();
        let header = |name: &str| {
            head.headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().unwrap())
                .collect::<Vec<_>>()
                .join("|")
        };
        let mut answer = Response::builder().status(418);
        for name in ["host", "cookie", "x-azure-functions-hostversion", "connection"] {
            answer = answer.header(format!("saw-{name}"), header(name));
        }
        assert_ne!(header("x-azure-functions-invocationid"), "forged");
        answer = answer
            .header("saw-uri", format!("{} {}", head.method, head.uri))
            .header("set-cookie", "a=1")
            .header("set-cookie", "b=2");
        // The very stream that comes in goes out.
        answer.body(body.map_err(Into::into).boxed_unsync()).unwrap()
    })
    .await;
    app.state.send_replace(running(port));
    let chunks = ["one ", "two"].map(|chunk| Ok::<_, Broken>(Frame::data(Bytes::from(chunk))));
    let request = Request::post("/api/x%2Fy?a=1&a=2")
        .header("host", "localhost:7071")
        .header("cookie", "c=3")
        .header("connection", "close")
        .header("x-azure-functions-invocationid", "forged")
        .header("x-azure-functions-hostversion", "forged")
        .body(StreamBody::new(futures::stream::iter(chunks)))
        .unwrap();

    let answer = proxy::forward(&app, "api", request).await;

    let saw = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(answer.status(), 418);
    assert_eq!(saw("saw-uri"), "POST /api/x%2Fy?a=1&a=2");
    assert_eq!(saw("saw-host"), "localhost:7071");
    assert_eq!(saw("saw-cookie"), "c=3");
    assert_eq!(saw("saw-connection"), "");
    assert_eq!(saw("saw-x-azure-functions-hostversion"), invocation::HOST_VERSION);
    assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "one two");
}

#[tokio::test]
async fn an_answer_streams_before_it_is_whole() {
    let app = app("stream");
    let (more, rest) = tokio::sync::oneshot::channel::<()>();
    let rest = Arc::new(std::sync::Mutex::new(Some(rest)));
    let port = handler(move |_| {
        let rest = rest.lock().unwrap().take().unwrap();
        let first = futures::stream::iter([Ok(Frame::data(Bytes::from("first")))]);
        let second = futures::stream::once(async {
            rest.await.unwrap();
            Ok(Frame::data(Bytes::from("second")))
        });
        let body = StreamBody::new(futures::StreamExt::chain(first, second)).boxed_unsync();
        async { Response::new(body) }
    })
    .await;
    app.state.send_replace(running(port));
    let request = Request::get("/api/events").body(Full::<Bytes>::default()).unwrap();

    let mut body = proxy::forward(&app, "api", request).await.into_body();

    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    more.send(()).unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "second");
}

#[tokio::test]
async fn only_open_functions_by_their_route_and_method_are_served() {
    let folder = Folder::new("routes");
    let host =
        Host::open(&cloud(), &folder.0, vec![package(&folder, "intake", LEAVES)], &[]).unwrap();
    let status = |app: &'static str, open: &'static [&'static str], method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let host = &host;
        async move { host.serve(app, open, request).await.status().as_u16() }
    };
    until(|| host.processes()["intake"]["state"] == "exited").await;

    // 500: it would have been served, but its process exited.
    assert_eq!(status("intake", &["api"], "GET", "/api/requests").await, 500);
    assert_eq!(status("intake", &["confirmations"], "POST", "/internal/confirmations").await, 500);

    assert_eq!(status("intake", &["api"], "POST", "/internal/confirmations").await, 404);
    assert_eq!(status("intake", &["api"], "TRACE", "/api/requests").await, 404);
    assert_eq!(status("intake", &["api"], "GET", "/nothing").await, 404);
    assert_eq!(status("nobody", &["api"], "GET", "/api/requests").await, 404);
    assert_eq!(status("intake", &["resend"], "POST", "/resend").await, 404);
    host.shut_down().await;
}

#[tokio::test]
async fn a_disabled_function_that_waits_for_no_clock_is_a_mistake() {
    let folder = Folder::new("disabled");
    let disabled = ["intake/api".to_owned()];

    let host = Host::open(&cloud(), &folder.0, vec![package(&folder, "intake", LEAVES)], &disabled);

    assert_eq!(host.err().unwrap().to_string(), "not every disabled function has a timer");
}

#[tokio::test]
async fn a_process_that_dies_is_started_again_twice_and_not_a_third_time() {
    let folder = Folder::new("dies");
    let host =
        Host::open(&cloud(), &folder.0, vec![package(&folder, "signin", FAILS)], &[]).unwrap();

    until(|| host.processes()["signin"]["state"] == "failed").await;

    assert_eq!(host.processes()["signin"]["restarts"], 2);
    assert!(host.log("signin").unwrap().contains("failed three times"));
    host.shut_down().await;
}

#[tokio::test]
async fn a_process_sees_the_hosts_environment_and_nothing_of_ours() {
    let folder = Folder::new("environment");
    let host = Host::open(&cloud(), &folder.0, vec![package(&folder, "signin", TELLS)], &[]);
    let host = host.unwrap();
    until(|| host.processes()["signin"]["state"] == "exited").await;
    until(|| host.log("signin").unwrap().contains("AIRLOCK_DATABASE=")).await;
    host.shut_down().await;

    let log = host.log("signin").unwrap();
    let mut names: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once(" information ")?.1.trim().split_once('='))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "AIRLOCK_CLIENT_ID",
            "AIRLOCK_DATABASE",
            "AIRLOCK_DATA_KEY",
            "AIRLOCK_LOG",
            "AIRLOCK_SIGNING_KEY",
            "AirlockBus__clientId",
            "AirlockBus__credential",
            "AirlockBus__fullyQualifiedNamespace",
            "FUNCTIONS_APP_ROOT_PATH",
            "FUNCTIONS_CUSTOMHANDLER_PORT",
            "FUNCTIONS_CUSTOMHANDLER_WORKER_ID",
            "FUNCTIONS_HTTPWORKER_ID",
            "FUNCTIONS_HTTPWORKER_PORT",
            "FUNCTIONS_WORKER_RUNTIME",
            "PATH",
        ]
    );
}

#[tokio::test]
async fn a_call_that_takes_too_long_costs_the_process_its_life_and_counts_as_no_error() {
    let folder = Folder::new("late");
    let mut deployed = package(&folder, "signin", WAITS);
    let host_json = fs::read_to_string(deployed.package.join("host.json")).unwrap();
    let short =
        host_json.replace("\"functionTimeout\": \"00:05:00\"", "\"functionTimeout\": \"00:00:01\"");
    assert_ne!(short, host_json);
    fs::write(deployed.package.join("host.json"), short).unwrap();
    deployed.settings.clear();
    let (app, commands) = App::new(deployed, &folder.0).unwrap();
    let watch = tokio::spawn(process::watch_over(Arc::clone(&app), commands));
    until(|| app.process().pid.is_some()).await;
    let first = app.process();
    // The shell does not listen; somebody else does in its place, and never answers.
    let silent = TcpListener::bind(("127.0.0.1", first.port)).await.unwrap();
    app.state.send_replace(running(first.port));

    let outcome = invocation::call(&app, "slow", b"{}".to_vec(), None).await;

    assert!(outcome.unwrap_err().0.contains("functionTimeout"));
    until(|| app.process().restarts == 1 && app.process().pid.is_some()).await;
    assert_ne!(app.process().pid, first.pid);
    drop(silent);
    app.command(Command::ShutDown);
    watch.await.unwrap();
}
