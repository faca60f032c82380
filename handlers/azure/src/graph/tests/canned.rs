//! A Graph that answers what it is told to, in a batch as out of it.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    error::ErrorKind,
    http::{
        AsyncRawResponse, Body, ClientOptions, HttpClient, Pipeline, Request, RetryOptions,
        StatusCode, Transport,
        headers::{HeaderName, Headers},
    },
};

use super::super::*;

pub(in crate::graph) const ORIGIN: &str = "https://graph.microsoft.com";

/// An answer.
pub(in crate::graph) struct Reply {
    status: u16,
    after: Option<&'static str>,
    body: Value,
    lost: bool,
}

impl Reply {
    pub(in crate::graph) fn ok(body: Value) -> Self {
        Self { status: 200, after: None, body, lost: false }
    }

    /// A collection on one page.
    pub(in crate::graph) fn all(objects: Value) -> Self {
        let mut body = json!({});
        body["value"] = objects;
        Self::ok(body)
    }

    pub(in crate::graph) fn refused(status: u16, code: &str) -> Self {
        let body = json!({ "error": { "code": code, "message": "not today" } });
        Self { status, after: None, body, lost: false }
    }

    pub(in crate::graph) fn throttled(after: &'static str) -> Self {
        Self { after: Some(after), ..Self::refused(429, "TooManyRequests") }
    }

    /// No answer: out of a batch, the connection breaks.
    pub(in crate::graph) fn none() -> Self {
        Self { lost: true, ..Self::refused(500, "") }
    }
}

/// A call that was made.
#[derive(Clone, Debug)]
pub(in crate::graph) struct Call {
    /// Path and query, below the origin.
    pub(in crate::graph) path: String,
    pub(in crate::graph) priority: String,
    pub(in crate::graph) id: String,
}

type Answers = dyn Fn(&str) -> Reply + Send + Sync;

/// Answers to paths below `/v1.0`.
struct Wired {
    answers: Box<Answers>,
    calls: Arc<Mutex<Vec<Call>>>,
}

pub(in crate::graph) struct Canned {
    pub(in crate::graph) graph: Graph,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Canned {
    pub(in crate::graph) fn new(answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let wired = Wired { answers: Box::new(answers), calls: Arc::clone(&calls) };
        let options = ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::new(wired))),
            ..ClientOptions::default()
        };
        let pipeline = Pipeline::new(None, None, options, Vec::new(), Vec::new(), None);
        let tenant = TenantId::new(Uuid::nil());
        Self {
            graph: Self::graph(&[(LOOK_UP, tenant, &pipeline), (OBSERVER, tenant, &pipeline)]),
            calls,
        }
    }

    /// A Graph that reaches nobody, but by these ways.
    pub(in crate::graph) fn graph(ways: &[(&str, TenantId, &Pipeline)]) -> Graph {
        let wire = Wire::new(crate::transport::client().unwrap(), "https://login.example");
        let worker = ObjectId::new(Uuid::from_u128(7));
        let ways = ways.iter().map(|(application, tenant, pipeline)| {
            (((*application).to_owned(), *tenant), (*pipeline).clone())
        });
        Graph {
            origin: Url::parse(ORIGIN).unwrap(),
            root: format!("{ORIGIN}/v1.0"),
            workers: BTreeMap::from([(LOOK_UP.to_owned(), worker)]),
            portal: ObjectId::new(Uuid::from_u128(8)),
            identity: Arc::new(Nobody),
            wire,
            pipelines: Mutex::new(ways.collect()),
            resources: Resources::default(),
        }
    }

    /// The calls so far.
    pub(in crate::graph) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl fmt::Debug for Wired {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Wired")
    }
}

#[async_trait]
impl HttpClient for Wired {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let header = |name| {
            let name = HeaderName::from_static(name);
            request.headers().get_optional_string(&name).unwrap_or_default()
        };
        let url = request.url();
        let path = url.as_str().strip_prefix(ORIGIN).unwrap().to_owned();
        self.calls.lock().unwrap().push(Call {
            path: path.clone(),
            priority: header("x-ms-throttle-priority"),
            id: header("client-request-id"),
        });
        let path = path.strip_prefix("/v1.0").unwrap();
        let reply = if path == "/$batch" { self.batch(request) } else { (self.answers)(path) };
        if reply.lost {
            return Err(azure_core::Error::with_message(ErrorKind::Io, "connection broke"));
        }
        let mut headers = Headers::new();
        if let Some(after) = reply.after {
            headers.insert("retry-after", after);
        }
        let status = StatusCode::from(reply.status);
        Ok(AsyncRawResponse::from_bytes(status, headers, reply.body.to_string()))
    }
}

impl Wired {
    /// Answers in another order than it was asked.
    fn batch(&self, request: &Request) -> Reply {
        let Body::Bytes(body) = request.body() else { panic!("body is not of bytes") };
        let body: Value = serde_json::from_slice(body).unwrap();
        let asked = body["requests"].as_array().unwrap();
        assert!(asked.len() <= 20, "Graph takes no more in a call");
        let answers: Vec<Value> = asked
            .iter()
            .rev()
            .map(|asked| {
                assert_eq!(asked["method"], "GET");
                (asked["id"].clone(), (self.answers)(asked["url"].as_str().unwrap()))
            })
            .filter(|(_, reply)| !reply.lost)
            .map(|(id, reply)| {
                let after = reply.after.map(|after| json!({ "Retry-After": after }));
                json!({ "id": id, "status": reply.status, "headers": after, "body": reply.body })
            })
            .collect();
        Reply::ok(json!({ "responses": answers }))
    }
}

/// Gives nobody a token.
#[derive(Debug)]
struct Nobody;

#[async_trait]
impl TokenCredential for Nobody {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Err(azure_core::Error::with_message(ErrorKind::Credential, "nobody"))
    }
}
