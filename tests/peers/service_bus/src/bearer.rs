//! The transport under the published client: it knows shared access keys only, so the header that
//! it makes from one is replaced by a token of a managed identity.

use azure_core::{
    Body, HttpClient, Request, Response, StatusCode,
    error::{Error, ErrorKind, ResultExt as _},
    headers::{AUTHORIZATION, HeaderName, HeaderValue, Headers},
};
use futures::{future, stream};

/// Sends requests with a bearer token, or as the published client made them.
#[derive(Debug)]
pub struct Bearer {
    client: reqwest::Client,
    token: Option<String>,
}

impl Bearer {
    /// With this token.
    pub fn new(client: reqwest::Client, token: String) -> Self {
        Self { client, token: Some(token) }
    }

    /// With the signature of a shared access key, as the published client makes it.
    pub fn shared_key(client: reqwest::Client) -> Self {
        Self { client, token: None }
    }
}

#[async_trait::async_trait]
impl HttpClient for Bearer {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<Response> {
        let method = reqwest::Method::from_bytes(request.method().as_ref().as_bytes())
            .map_kind(ErrorKind::Other)?;
        let mut sent = self.client.request(method, request.url().clone());
        for (name, value) in request.headers().iter() {
            if *name != AUTHORIZATION || self.token.is_none() {
                sent = sent.header(name.as_str(), value.as_str());
            }
        }
        if let Some(token) = &self.token {
            sent = sent.bearer_auth(token);
        }
        let Body::Bytes(body) = request.body() else {
            return Err(Error::message(ErrorKind::Other, "bodies are bytes here"));
        };
        let answer = sent.body(body.clone()).send().await.map_kind(ErrorKind::Io)?;
        // Its error is no `std::error::Error`.
        let status = StatusCode::try_from(answer.status().as_u16())
            .map_err(|_| Error::message(ErrorKind::DataConversion, "no known status"))?;
        let mut headers = Headers::new();
        for (name, value) in answer.headers() {
            let value = value.to_str().map_kind(ErrorKind::DataConversion)?.to_owned();
            headers.insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value));
        }
        let body = answer.bytes().await.map_kind(ErrorKind::Io)?;
        Ok(Response::new(status, headers, Box::pin(stream::once(future::ready(Ok(body))))))
    }
}
