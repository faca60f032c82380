//! The door as a handler meets it: proxy, TLS, faults; and as the laptop's owner does.

mod rotation;

use std::{net::SocketAddr, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs},
};

use super::*;
use crate::{cloud::audience, entra::tests::cloud, identities::client_id};

struct World {
    cloud: Shared,
    opened: Opened,
}

async fn world() -> World {
    let bind = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners = Listeners { pages: bind(), control: bind() };
    let cloud = cloud();
    let opened = open(Arc::clone(&cloud), listeners, Arc::default()).await.unwrap();
    World { cloud, opened }
}

/// What came back before the connection closed: status and body; nothing, if nothing came.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    head: &str,
    body: &str,
) -> Option<(u16, String)> {
    let length = body.len();
    let request = format!("{head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    // A TLS peer that just closes is an error to rustls; what was read until then counts.
    let _ended = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().unwrap(), body.to_owned()))
}

impl World {
    async fn plain(&self, to: SocketAddr, head: &str, body: &str) -> Option<(u16, String)> {
        exchange(TcpStream::connect(to).await.unwrap(), head, body).await
    }

    /// Through the proxy, with every check on.
    async fn azure(&self, host: &str, line: &str, headers: &str) -> Option<(u16, String)> {
        self.azure_with(host, line, headers, "").await
    }

    async fn azure_with(
        &self,
        host: &str,
        line: &str,
        headers: &str,
        body: &str,
    ) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.opened.proxy).await.unwrap();
        let connect = format!("CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n");
        stream.write_all(connect.as_bytes()).await.unwrap();
        let mut answer = [0; 128];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = std::str::from_utf8(&answer[..length]).unwrap();
        if !answer.starts_with("HTTP/1.1 200") {
            return Some((answer.split(' ').nth(1)?.parse().unwrap(), String::new()));
        }
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.opened.ca_pem.as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        exchange(stream, &format!("{line} HTTP/1.1\r\nhost: {host}{headers}"), body).await
    }

    async fn control(&self, line: &str, body: &str) -> (u16, Value) {
        let Opened { control, control_key, .. } = &self.opened;
        let head =
            format!("{line} HTTP/1.1\r\nhost: {control}\r\nx-airlock-control: {control_key}");
        let (status, body) = self.plain(*control, &head, body).await.unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn fault(&self, rule: Value) {
        let (status, body) = self.control("POST /faults", &rule.to_string()).await;
        assert_eq!(status, 200, "{body}");
    }

    async fn keys(&self) -> Option<(u16, String)> {
        let line = format!("GET /{}/discovery/v2.0/keys", self.cloud.names.tenant);
        self.azure("login.microsoftonline.com", &line, "").await
    }
}

#[tokio::test]
async fn a_handler_reaches_azure_by_its_own_names() {
    let world = world().await;

    let (status, body) = world.keys().await.unwrap();

    assert_eq!(status, 200);
    assert!(body.contains("\"kid\""));
    let calls = world.cloud.record.calls(0);
    assert_eq!(calls[0]["service"], "entra");
    assert_eq!(calls[0]["status"], 200);
}

#[tokio::test]
async fn a_handler_that_wants_elsewhere_is_refused_and_recorded() {
    let world = world().await;

    let refused = world.azure("example.com", "GET /", "").await.unwrap();

    assert_eq!(refused.0, 403);
    let calls = world.cloud.record.calls(0);
    assert_eq!((&calls[0]["service"], &calls[0]["path"]), (&json!("proxy"), &json!("example.com")));
}

#[tokio::test]
async fn an_unknown_host_behind_the_tls_is_nothing() {
    let world = world().await;
    let head = "GET / HTTP/1.1\r\nhost: example.com";
    let host = &world.cloud.names.entra;

    // The certificate fits, the request names another host.
    let inside = world.azure(host, "GET /", "").await.unwrap();
    assert_eq!(inside.0, 404);
    let gate_only = world.plain(world.opened.pages, head, "").await.unwrap();
    assert_eq!(gate_only.0, 421);
}

#[tokio::test]
async fn the_record_names_the_caller_and_keeps_no_query() {
    let world = world().await;
    let Opened { identity_endpoint, identity_headers, .. } = &world.opened;
    let head = format!(
        "GET /msi/token?api-version=2019-08-01&resource={}&client_id={} HTTP/1.1\r\n\
         host: {identity_endpoint}\r\nx-identity-header: {}",
        audience::GRAPH,
        client_id("execute"),
        identity_headers["execute"]
    );
    let (status, body) = world.plain(*identity_endpoint, &head, "").await.unwrap();
    assert_eq!(status, 200, "{body}");
    let token: Value = serde_json::from_str(&body).unwrap();
    let token = token["access_token"].as_str().unwrap();

    let bearer = format!("\r\nauthorization: Bearer {token}");
    world.azure("graph.microsoft.com", "GET /v1.0/users?$top=1", &bearer).await.unwrap();

    let calls = world.cloud.record.calls(0);
    assert_eq!(
        (&calls[0]["service"], &calls[0]["caller"]),
        (&json!("identity"), &json!("execute"))
    );
    assert_eq!((&calls[1]["service"], &calls[1]["caller"]), (&json!("graph"), &json!("execute")));
    assert_eq!(calls[1]["path"], "/v1.0/users");
    let all = format!("{calls}{}", world.cloud.record.tokens(0));
    assert!(!all.contains(token) && !all.contains(&identity_headers["execute"]));
}

#[tokio::test]
async fn faults_strike_as_often_as_they_say_and_then_no_more() {
    let world = world().await;
    world.fault(json!({"service":"entra","effect":{"kind":"fail","status":503}})).await;
    world.fault(json!({"service":"entra","effect":{"kind":"throttle","retry_after_s":2}})).await;
    world.fault(json!({"service":"entra","effect":{"kind":"drop"}})).await;
    world.fault(json!({"service":"entra","effect":{"kind":"delay","ms":1}})).await;

    assert_eq!(world.keys().await.unwrap().0, 503);
    assert_eq!(world.keys().await.unwrap().0, 429);
    assert_eq!(world.keys().await, None);
    assert_eq!(world.keys().await.unwrap().0, 200);
    assert_eq!(world.keys().await.unwrap().0, 200);

    let calls = world.cloud.record.calls(0);
    let struck: Vec<_> = calls.as_array().unwrap().iter().map(|call| &call["fault"]).collect();
    let (none, drop) = (&Value::Null, &json!("drop"));
    assert_eq!(struck, [&json!("fail"), &json!("throttle"), drop, &json!("delay"), none]);
    assert_eq!(calls[2]["status"], Value::Null);
}

#[tokio::test]
async fn a_fault_for_one_trace_strikes_no_other_call() {
    let world = world().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    world.fault(json!({"service":"entra","trace":trace,"effect":{"kind":"drop"}})).await;
    let line = format!("GET /{}/discovery/v2.0/keys", world.cloud.names.tenant);
    let host = world.cloud.names.entra.clone();

    assert_eq!(world.azure(&host, &line, "").await.unwrap().0, 200);
    let headers = format!("\r\ntraceparent: 00-{trace}-b7ad6b7169203331-01");
    assert_eq!(world.azure(&host, &line, &headers).await, None);
}

#[tokio::test]
async fn a_fault_for_one_app_strikes_no_other_and_the_record_tells_them_apart() {
    let world = world().await;
    world
        .fault(json!({
            "service": "identity", "app": "drift", "operation": audience::VAULT,
            "effect": { "kind": "fail", "status": 503 },
        }))
        .await;
    let Opened { identity_endpoint, identity_headers, .. } = &world.opened;
    let token = async |app: &str, resource: &str| {
        let head = format!(
            "GET /msi/token?api-version=2019-08-01&resource={resource}&client_id={} HTTP/1.1\r\n\
             host: {identity_endpoint}\r\nx-identity-header: {}",
            client_id(app),
            identity_headers[app]
        );
        world.plain(*identity_endpoint, &head, "").await.unwrap().0
    };

    assert_eq!(token("execute", audience::VAULT).await, 200);
    assert_eq!(token("drift", audience::COSMOS).await, 200);
    assert_eq!(token("drift", audience::VAULT).await, 503);

    let calls = world.cloud.record.calls(0);
    assert_eq!((&calls[0]["app"], &calls[2]["app"]), (&json!("execute"), &json!("drift")));
    assert_eq!(calls[1]["operation"], audience::COSMOS);
}

#[tokio::test]
async fn an_answer_that_is_late_on_purpose_is_of_a_call_that_was_carried_out_at_once() {
    let world = world().await;
    world.fault(json!({"service":"entra","effect":{"kind":"delay_answer","ms":600_000}})).await;

    let never = tokio::time::timeout(std::time::Duration::from_millis(500), world.keys()).await;

    assert!(never.is_err());
    let calls = world.cloud.record.calls(0);
    assert_eq!((&calls[0]["status"], &calls[0]["fault"]), (&json!(200), &json!("delay_answer")));
}

#[tokio::test]
async fn a_lost_answer_is_a_call_that_was_carried_out() {
    let world = world().await;
    let redirect = json!({"service":"identity","effect":{"kind":"lose_answer"}});
    world.fault(redirect).await;
    let Opened { identity_endpoint, identity_headers, .. } = &world.opened;
    let head = format!(
        "GET /msi/token?api-version=2019-08-01&resource={}&client_id={} HTTP/1.1\r\n\
         host: {identity_endpoint}\r\nx-identity-header: {}",
        audience::VAULT,
        client_id("drift"),
        identity_headers["drift"]
    );

    assert_eq!(world.plain(*identity_endpoint, &head, "").await, None);

    assert_eq!(world.cloud.record.tokens(0)["issued"][0]["holder"], "drift");
}

#[tokio::test]
async fn http_2_without_prelude_is_spoken_too_and_a_dropped_call_resets_its_stream() {
    let world = world().await;
    let address = world.opened.identity_endpoint;
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let mut ask = async || {
        let uri = format!("http://{address}/msi/token?a=b");
        let request = http::Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
        sender.send_request(request).await.map(|answer| answer.status().as_u16())
    };

    assert_eq!(ask().await.unwrap(), 401);
    world.fault(json!({"service":"identity","effect":{"kind":"drop"}})).await;
    assert!(ask().await.is_err());
    assert_eq!(ask().await.unwrap(), 401);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let world = world().await;
    let pages = world.opened.pages;
    let head = format!("POST / HTTP/1.1\r\nhost: {pages}");
    let body = "x".repeat(4 * 1024 * 1024 + 1);

    let answer = world.plain(pages, &head, &body).await;

    // The server may close before it has read everything, and then the write fails.
    assert!(answer.is_none_or(|(status, _)| status == 413));
}

#[tokio::test]
async fn control_opens_only_to_its_key_at_its_own_address() {
    let world = world().await;
    let Opened { control, control_key, .. } = &world.opened;
    let ask = async |host: String, key: String| {
        let head = format!("GET /names HTTP/1.1\r\nhost: {host}{key}");
        world.plain(*control, &head, "").await.unwrap()
    };
    let good = format!("\r\nx-airlock-control: {control_key}");

    assert_eq!(ask(control.to_string(), good.clone()).await.0, 200);
    assert_eq!(ask(control.to_string(), String::new()).await.0, 401);
    assert_eq!(ask(control.to_string(), "\r\nx-airlock-control: x".to_owned()).await.0, 401);
    assert_eq!(ask(control.to_string(), good.repeat(2)).await.0, 401);
    assert_eq!(ask("rebound.example".to_owned(), good).await.0, 421);
}

#[tokio::test]
async fn control_puts_a_partition_of_the_store_back() {
    let world = world().await;
    let one = json!({"id":"1","tenant":"t","v":1});
    let two = json!({"id":"2","tenant":"t"});
    let other = json!({"id":"1","tenant":"u"});
    let put = async |path: &str, body: &Value| {
        world.control(&format!("PUT /cosmos/tenants/{path}"), &body.to_string()).await
    };
    assert_eq!(put("t/1", &one).await.0, 200);
    assert_eq!(put("t/2", &two).await.0, 200);
    assert_eq!(put("u/1", &other).await.0, 200);
    assert_eq!(put("t/3", &one).await.0, 400);

    let back = json!([{"id":"1","tenant":"t","v":0}]);
    assert_eq!(put("t", &back).await, (200, json!({"removed":1,"put":1})));
    assert_eq!(put("t", &json!([other])).await.0, 400);

    let (_, documents) = world.control("GET /cosmos/tenants", "").await;
    let mut left: Vec<_> = documents
        .as_array()
        .unwrap()
        .iter()
        .map(|document| (document["tenant"].to_string(), document["v"].clone()))
        .collect();
    left.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(left, [("\"t\"".to_owned(), json!(0)), ("\"u\"".to_owned(), Value::Null)]);
}

#[tokio::test]
async fn control_mints_what_no_one_may_accept_and_shows_what_is_there() {
    let world = world().await;

    let asked = json!({"claims":{"sub":"x"},"header":{"typ":null,"crit":["b"]},"key":"stranger"});
    let (status, minted) = world.control("POST /mint", &asked.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(minted["token"].as_str().unwrap().split('.').count(), 3);

    let message = json!({"message_id":"m","body_base64":BASE64_STANDARD.encode("{}")});
    assert_eq!(world.control("POST /bus/intake-events", &message.to_string()).await.0, 200);
    assert_eq!(world.control("POST /bus/nowhere", &message.to_string()).await.0, 400);

    let (_, names) = world.control("GET /names", "").await;
    assert_eq!(names["tenant"], world.cloud.names.tenant.to_string());
    let (_, identity) = world.control("GET /identity/admin", "").await;
    assert_eq!(identity["header"], world.opened.identity_headers["admin"]);
    for path in ["calls", "tokens", "effects", "bus", "blobs", "directory", "faults"] {
        assert_eq!(world.control(&format!("GET /{path}?after=0"), "").await.0, 200, "{path}");
    }
    assert_eq!(world.control("GET /processes", "").await.0, 400);
    assert_eq!(world.control("GET /nothing", "").await.0, 404);

    let uri = json!({"application":"airlock-portal","uri":"http://127.0.0.1:9/cb"});
    assert_eq!(world.control("POST /redirect-uris", &uri.to_string()).await.0, 200);
    let uri = json!({"application":"airlock-portal","uri":"javascript:x"});
    assert_eq!(world.control("POST /redirect-uris", &uri.to_string()).await.0, 400);
}
