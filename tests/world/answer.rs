//! What an HTTP call was answered with.

use airlock_core::problem::Problem;
use http::HeaderMap;
use serde_json::Value;

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    /// The body as JSON; null if it is none.
    pub json: Value,
}

/// Words that no answer may contain: names of our parts and of what they are built on, and what
/// a parser says.
pub const INTERNAL_NAMES: [&str; 21] = [
    ".rs",
    "panicked",
    "backtrace",
    "serde",
    "axum",
    "hyper",
    "tokio",
    "reqwest",
    "azure_",
    "airlock_",
    "documents.azure.com",
    "vault.azure.net",
    "servicebus",
    "blob.core",
    "IDENTITY_",
    "at line",
    "expected `",
    "unknown field",
    "missing field",
    "invalid type",
    "Cosmos",
];

impl Answer {
    /// Reads an answer whole.
    pub async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.expect("an answer has a whole body");
        let json = serde_json::from_str(&text).unwrap_or_default();
        Self { status, headers, text, json }
    }

    /// Sends a request and reads its answer.
    pub async fn to(request: reqwest::RequestBuilder) -> Self {
        Self::read(request.send().await.expect("the service answers")).await
    }

    /// The body of a success.
    #[track_caller]
    #[must_use]
    pub fn ok(self) -> Value {
        self.assert_ok();
        self.json
    }

    /// Fails the test unless the answer is a success.
    #[track_caller]
    pub fn assert_ok(&self) {
        assert!((200..300).contains(&self.status), "status {}: {}", self.status, self.text);
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The last part of the problem's `type`, if the answer is a whole problem and nothing more.
    ///
    /// # Errors
    ///
    /// In what it is not one.
    pub fn as_problem(&self) -> Result<&'static str, String> {
        let wrong = |what: &str| Err(format!("{what}: {} {}", self.status, self.text));
        if self.header("content-type") != Some("application/problem+json") {
            return wrong("not application/problem+json");
        }
        let kind = self.json["type"].as_str().unwrap_or_default();
        let known = Problem::ALL
            .iter()
            .find(|problem| kind.strip_prefix(Problem::TYPES) == Some(problem.name));
        let Some(problem) = known else { return wrong("a type that is not documented") };
        if self.status != problem.status || self.json["status"] != problem.status {
            return wrong("another status than the problem's");
        }
        if self.json["title"] != problem.title {
            return wrong("another title than the problem's");
        }
        let instance = self.json["instance"].as_str().unwrap_or_default();
        if !instance.starts_with("urn:uuid:") {
            return wrong("no instance");
        }
        let members = self.json.as_object().expect("a problem is an object");
        let known = ["type", "title", "status", "instance", "detail"];
        if let Some(more) = members.keys().find(|member| !known.contains(&member.as_str())) {
            return wrong(&format!("a member more, {more}"));
        }
        if let Some(name) = INTERNAL_NAMES.iter().find(|name| self.text.contains(**name)) {
            return wrong(&format!("it tells {name:?}"));
        }
        Ok(problem.name)
    }

    /// Fails the test unless the answer is this problem.
    #[track_caller]
    pub fn assert_problem(&self, name: &str) {
        match self.as_problem() {
            Ok(found) => assert_eq!(found, name, "{}", self.text),
            Err(wrong) => panic!("{wrong}"),
        }
    }
}
