//! Calls to Resource Manager: to one host, about one resource group.

use std::sync::Arc;

use airlock_core::ports::PortError;
use azure_core::{
    credentials::TokenCredential,
    http::{
        Context, Method, Pipeline, PipelineStreamOptions, RawResponse, Request, Url,
        policies::auth::BearerTokenAuthorizationPolicy,
    },
};
use serde::Deserialize;
use serde_json::Value;

use super::words::{NotUnderstood, below};
use crate::{
    failure::{Meaning, in_time, port_error, retry_after_s},
    pipeline::{patient, whole},
    transport::Wire,
};

/// The most bytes of one answer.
const MOST_BYTES: usize = 8 << 20;
/// The most pages of one list. What has more is not judged.
const MOST_PAGES: usize = 50;
/// The most of an error code that is kept, in bytes.
const CODE_BYTES: usize = 64;

/// The way to Resource Manager.
pub(super) struct Calls {
    origin: Url,
    group: String,
    pipeline: Pipeline,
}

/// Azure answered, and not with what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("Resource Manager answered {status} {code}")]
struct Answered {
    status: u16,
    code: String,
}

/// One page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Vec<Value>,
    next_link: Option<String>,
}

impl Calls {
    /// Calls nothing yet.
    pub(super) fn new(
        origin: &str,
        group: &str,
        identity: Arc<dyn TokenCredential>,
        wire: &Wire,
    ) -> azure_core::Result<Self> {
        let origin = Url::parse(origin)?;
        let scope = format!("{}/.default", origin.as_str().trim_end_matches('/'));
        let authorization = BearerTokenAuthorizationPolicy::new(identity, [scope]);
        let pipeline = Pipeline::new(
            option_env!("CARGO_PKG_NAME"),
            option_env!("CARGO_PKG_VERSION"),
            wire.repeating(),
            Vec::new(),
            vec![Arc::new(authorization)],
            Some(patient()),
        );
        Ok(Self { origin, group: group.to_owned(), pipeline })
    }

    /// Reads one thing.
    pub(super) async fn get(&self, path: &str, version: &str) -> Result<Value, PortError> {
        self.send(Method::Get, self.versioned(path, version)?).await
    }

    /// Asks for one thing that is not shown to everybody who reads.
    pub(super) async fn post(&self, path: &str, version: &str) -> Result<Value, PortError> {
        self.send(Method::Post, self.versioned(path, version)?).await
    }

    /// Reads a list to its end. A part is never given for the whole.
    pub(super) async fn list(&self, path: &str, version: &str) -> Result<Vec<Value>, PortError> {
        self.pages(self.versioned(path, version)?).await
    }

    /// The same, of what a filter lets through.
    pub(super) async fn list_where(
        &self,
        path: &str,
        version: &str,
        filter: &str,
    ) -> Result<Vec<Value>, PortError> {
        let mut url = self.versioned(path, version)?;
        url.query_pairs_mut().append_pair("$filter", filter);
        self.pages(url).await
    }

    async fn pages(&self, first: Url) -> Result<Vec<Value>, PortError> {
        let mut all = Vec::new();
        let mut next = Some(first);
        for _ in 0..MOST_PAGES {
            let Some(url) = next.take() else { return Ok(all) };
            let page = self.send(Method::Get, url).await?;
            let page: Page = serde_json::from_value(page).map_err(|_| NotUnderstood("a list"))?;
            all.extend(page.value);
            let link = page.next_link.filter(|link| !link.is_empty());
            next = link.map(|link| self.below(&link)).transpose()?;
        }
        match next {
            None => Ok(all),
            Some(_) => Err(PortError::Broken("list has too many pages".into())),
        }
    }

    fn versioned(&self, path: &str, version: &str) -> Result<Url, PortError> {
        let origin = self.origin.as_str().trim_end_matches('/');
        self.below(&format!("{origin}{path}?api-version={version}"))
    }

    /// An address that is Resource Manager's, and about the group: our token is sent nowhere else.
    fn below(&self, address: &str) -> Result<Url, PortError> {
        let url = Url::parse(address).map_err(|error| PortError::Broken(error.into()))?;
        let path = url.path().to_ascii_lowercase();
        let ours = url.origin() == self.origin.origin()
            && below(&path, &self.group).is_some()
            && url.username().is_empty()
            && url.password().is_none();
        if ours { Ok(url) } else { Err(PortError::Broken("address is not of the group".into())) }
    }

    async fn send(&self, method: Method, url: Url) -> Result<Value, PortError> {
        let mut request = Request::new(url, method);
        if method == Method::Post {
            // Azure refuses a body without a length, even where there is none.
            request.insert_header("content-length", "0");
        }
        in_time(async {
            let options =
                PipelineStreamOptions { skip_checks: true, ..PipelineStreamOptions::default() };
            let context = Context::default();
            let answered = self.pipeline.stream(&context, &mut request, Some(options)).await;
            read(&whole(answered.map_err(port_error)?, MOST_BYTES).await?)
        })
        .await
    }
}

/// The body, or why there is none.
fn read(response: &RawResponse) -> Result<Value, PortError> {
    let status = u16::from(response.status());
    let bytes: &[u8] = response.body();
    let body = serde_json::from_slice::<Value>(bytes);
    if status == 200 {
        return body.map_err(|error| PortError::Broken(error.into()));
    }
    let code = code(&body.unwrap_or_default());
    Err(Meaning::of_status(status, retry_after_s(response.headers()))
        .because(Answered { status, code }))
}

/// The error's code, of letters, digits, dots, underscores and hyphens. Its message names ids.
fn code(body: &Value) -> String {
    let allowed = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let code = body["error"]["code"].as_str().unwrap_or("unknown");
    code.chars().filter(allowed).take(CODE_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{Mutex, PoisonError},
    };

    use async_trait::async_trait;
    use azure_core::http::{
        AsyncRawResponse, ClientOptions, HttpClient, StatusCode, Transport, headers::Headers,
    };
    use serde_json::json;

    use super::*;

    const GROUP: &str = "/subscriptions/1/resourceGroups/Airlock";

    /// Answers one after the other, and remembers what was asked.
    #[derive(Debug, Default)]
    struct Canned {
        answers: Mutex<VecDeque<(u16, String)>>,
        asked: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl HttpClient for Canned {
        async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
            let lock = |asked: &Mutex<Vec<String>>| {
                asked
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(request.url().to_string());
            };
            lock(&self.asked);
            let (status, body) = self.answers.lock().unwrap().pop_front().unwrap();
            let mut headers = Headers::new();
            headers.insert("retry-after", "30");
            Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), headers, body))
        }
    }

    fn calls(answers: &[(u16, Value)]) -> (Calls, Arc<Canned>) {
        let answers = answers.iter().map(|(status, body)| (*status, body.to_string())).collect();
        let canned = Arc::new(Canned { answers: Mutex::new(answers), ..Canned::default() });
        let options = ClientOptions {
            transport: Some(Transport::new(Arc::clone(&canned) as Arc<dyn HttpClient>)),
            ..ClientOptions::default()
        };
        let pipeline = Pipeline::new(None, None, options, vec![], vec![], Some(patient()));
        let origin = Url::parse("https://management.azure.com").unwrap();
        (Calls { origin, group: GROUP.to_owned(), pipeline }, canned)
    }

    fn link(rest: &str) -> String {
        format!("https://management.azure.com{}{rest}", GROUP.to_lowercase())
    }

    #[tokio::test]
    async fn a_list_is_read_to_its_end() {
        let pages = [
            (200, json!({ "value": [1, 2], "nextLink": link("/providers/a?$skipToken=2") })),
            (200, json!({ "value": [3], "nextLink": null, "id": null })),
        ];
        let (calls, canned) = calls(&pages);

        let all = calls.list(&format!("{GROUP}/providers/a"), "2025-01-01").await.unwrap();

        assert_eq!(all, [json!(1), json!(2), json!(3)]);
        let asked = canned.asked.lock().unwrap();
        assert_eq!(
            asked[0],
            format!("https://management.azure.com{GROUP}/providers/a?api-version=2025-01-01")
        );
        assert!(asked[1].ends_with("/providers/a?$skipToken=2"));
    }

    #[tokio::test]
    async fn a_part_is_never_given_for_the_whole() {
        let page = json!({ "value": [1], "nextLink": link("/a") });
        let listed = async |pages: &[(u16, Value)]| {
            let (calls, canned) = calls(pages);
            let result = calls.list(&format!("{GROUP}/a"), "1").await;
            (result.unwrap_err(), canned.asked.lock().unwrap().len())
        };

        let endless = vec![(200, page.clone()); MOST_PAGES + 1];
        let (error, asked) = listed(&endless).await;
        assert!(matches!(error, PortError::Broken(_)));
        assert_eq!(asked, MOST_PAGES);
        let (error, _) = listed(&[(200, page.clone()), (429, json!({}))]).await;
        assert!(matches!(error, PortError::Throttled { after_s: Some(30) }));
        let (error, _) = listed(&[(200, page), (200, json!({ "more": 1 }))]).await;
        assert!(matches!(error, PortError::Broken(_)));
    }

    #[tokio::test]
    async fn a_token_goes_to_resource_manager_and_to_the_group_and_nowhere_else() {
        for next in [
            "https://evil.example/subscriptions/1/resourcegroups/airlock/a".to_owned(),
            "https://management.azure.com.evil.example/".to_owned(),
            "http://management.azure.com/subscriptions/1/resourcegroups/airlock/a".to_owned(),
            "https://management.azure.com/subscriptions/1/resourcegroups/airlock2/a".to_owned(),
            link("/../other/a"),
            "https://x@management.azure.com/subscriptions/1/resourcegroups/airlock/a".to_owned(),
        ] {
            let (calls, canned) = calls(&[(200, json!({ "value": [], "nextLink": next }))]);

            assert!(calls.list(&format!("{GROUP}/a"), "1").await.is_err(), "{next}");
            assert_eq!(canned.asked.lock().unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_refusal_keeps_its_code_and_nothing_else_of_what_was_said() {
        let body =
            json!({ "error": { "code": "AuthorizationFailed", "message": "nina@x may not" } });
        let (calls, _) = calls(&[(403, body)]);

        let error = calls.get(&format!("{GROUP}/a"), "1").await.unwrap_err();

        let PortError::Denied(source) = error else { panic!("{error:?}") };
        assert_eq!(source.to_string(), "Resource Manager answered 403 AuthorizationFailed");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_none() {
        for (status, body) in [(302, json!({})), (204, json!(null)), (404, json!({}))] {
            let (calls, _) = calls(&[(status, body)]);
            let error = calls.get(&format!("{GROUP}/a"), "1").await.unwrap_err();
            assert!(matches!(error, PortError::Broken(_)), "{status}");
        }
    }
}
