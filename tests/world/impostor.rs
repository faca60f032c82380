//! Somebody who has taken over an app: its managed identity is theirs, and with it its key.

use airlock_core::{
    base64url,
    digest::Digest,
    identity::TenantId,
    jwk::PublicKey,
    ports::{PortError, Signer},
};
use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, tokens::form};

/// Version of the Key Vault API.
const VAULT_VERSION: &str = "api-version=7.4";

/// An app in the wrong hands: whatever its identity may do, they may.
#[derive(Clone, Debug)]
pub struct Impostor {
    app: String,
    identity: Value,
    names: Value,
    http: reqwest::Client,
    azure: reqwest::Client,
}

/// A signing key in Key Vault, used with the token of whoever took its app over.
#[derive(Clone, Debug)]
pub struct VaultKey {
    impostor: Impostor,
    name: String,
    public: PublicKey,
}

impl Impostor {
    /// Whoever holds what the platform gives to the app's process.
    #[must_use]
    pub fn new(
        app: &str,
        identity: &Value,
        names: &Value,
        http: reqwest::Client,
        azure: reqwest::Client,
    ) -> Self {
        Self { app: app.to_owned(), identity: identity.clone(), names: names.clone(), http, azure }
    }

    fn text<'a>(&self, of: &'a Value, name: &str) -> &'a str {
        of[name].as_str().unwrap_or_else(|| panic!("{name} of {} is not known", self.app))
    }

    /// `https://` and the host name of a service.
    #[must_use]
    pub fn host(&self, service: &str) -> String {
        format!("https://{}", self.text(&self.names, service))
    }

    /// The client id of an app registration.
    #[must_use]
    pub fn application(&self, name: &str) -> String {
        self.text(&self.names["applications"][name], "client_id").to_owned()
    }

    /// The identity's own client id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.text(&self.identity, "client_id")
    }

    /// What opens the identity endpoint to this app's process.
    #[must_use]
    pub fn header(&self) -> &str {
        self.text(&self.identity, "header")
    }

    /// Asks the platform for a token of the identity.
    pub async fn ask_for_token(&self, resource: &str) -> Answer {
        let query = form(&[
            ("api-version", "2019-08-01"),
            ("resource", resource),
            ("client_id", self.client_id()),
        ]);
        let url = format!("{}?{query}", self.text(&self.identity, "url"));
        Answer::to(self.http.get(url).header("x-identity-header", self.header())).await
    }

    /// A token of the identity.
    pub async fn token(&self, resource: &str) -> String {
        let answer = self.ask_for_token(resource).await.ok();
        answer["access_token"].as_str().expect("a token is text").to_owned()
    }

    /// Asks Entra for a token of an application, with the identity's token as assertion.
    pub async fn ask_as(&self, application: &str, tenant: TenantId, resource: &str) -> Answer {
        let assertion = self.token("api://AzureADTokenExchange").await;
        let client = self.application(application);
        self.token_endpoint(
            tenant,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", &client),
                ("scope", &format!("{resource}/.default")),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", &assertion),
            ],
        )
        .await
    }

    /// Asks Entra's token endpoint.
    pub async fn token_endpoint(&self, tenant: TenantId, parameters: &[(&str, &str)]) -> Answer {
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.host("entra"));
        let request = self
            .azure
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(parameters));
        Answer::to(request).await
    }

    /// Calls Key Vault. `path` begins behind the host name.
    pub async fn vault(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let token = self.token("https://vault.azure.net").await;
        let url = format!("{}{path}?{VAULT_VERSION}", self.host("vault"));
        let request = self.azure.request(method, url).bearer_auth(token);
        Answer::to(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// Calls Cosmos DB for a container's documents in one partition.
    pub async fn cosmos(
        &self,
        method: Method,
        container: &str,
        partition: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let token = self.token("https://cosmos.azure.com").await;
        let url = format!("{}/dbs/airlock/colls/{container}/docs{path}", self.host("cosmos"));
        let request = self
            .azure
            .request(method, url)
            .header("authorization", cosmos_authorization(&token))
            .header("x-ms-version", "2020-07-15")
            .header("x-ms-documentdb-partitionkey", json!([partition]).to_string());
        Answer::to(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// Creates a blob that must not exist.
    pub async fn create_blob(&self, container: &str, name: &str, body: &str) -> Answer {
        let token = self.token("https://storage.azure.com").await;
        let request = self
            .azure
            .put(format!("{}/{container}/{name}", self.host("blobs")))
            .bearer_auth(token)
            .header("x-ms-version", "2024-11-04")
            .header("x-ms-blob-type", "BlockBlob")
            .header("if-none-match", "*")
            .body(body.to_owned());
        Answer::to(request).await
    }

    /// Sends a message.
    pub async fn send(&self, queue: &str, message_id: &str, body: Vec<u8>) -> Answer {
        let token = self.token("https://servicebus.azure.net").await;
        let properties = json!({ "MessageId": message_id }).to_string();
        let request = self
            .azure
            .post(format!("{}/{queue}/messages", self.host("bus")))
            .bearer_auth(token)
            .header("brokerproperties", properties)
            .header("content-type", "application/json")
            .body(body);
        Answer::to(request).await
    }

    /// Takes the next message out of a queue, if there is one.
    pub async fn take(&self, queue: &str) -> Answer {
        let token = self.token("https://servicebus.azure.net").await;
        let url = format!("{}/{queue}/messages/head?timeout=0", self.host("bus"));
        Answer::to(self.azure.delete(url).bearer_auth(token)).await
    }

    /// Asks Graph with a token of whatever kind.
    pub async fn graph(&self, method: Method, path: &str, token: &str) -> Answer {
        let url = format!("{}/v1.0{path}", self.host("graph"));
        Answer::to(self.azure.request(method, url).bearer_auth(token)).await
    }

    /// The app's signing key.
    pub async fn key(&self) -> VaultKey {
        self.key_named(&format!("{}-signing", self.app)).await
    }

    /// A signing key by its name in Key Vault.
    pub async fn key_named(&self, name: &str) -> VaultKey {
        let shown = self.vault(Method::GET, &format!("/keys/{name}"), None).await.ok();
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "x": shown["key"]["x"], "y": shown["key"]["y"],
        });
        let public = serde_json::from_value(jwk).expect("a signing key is a P-256 key");
        VaultKey { impostor: self.clone(), name: name.to_owned(), public }
    }
}

/// Cosmos DB's own form of the header.
#[must_use]
pub fn cosmos_authorization(token: &str) -> String {
    form(&[(&format!("type=aad&ver=1.0&sig={token}"), "")]).trim_end_matches('=').to_owned()
}

impl VaultKey {
    /// Its public half.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.public
    }
}

#[async_trait]
impl Signer for VaultKey {
    fn current(&self) -> PublicKey {
        self.public.clone()
    }

    async fn sign(&self, _: &PublicKey, digest: &Digest) -> Result<[u8; 64], PortError> {
        let body = json!({ "alg": "ES256", "value": base64url::encode(digest.as_bytes()) });
        let path = format!("/keys/{}/sign", self.name);
        let signed = self.impostor.vault(Method::POST, &path, Some(body)).await;
        signed.json["value"]
            .as_str()
            .and_then(base64url::decode_array)
            .ok_or_else(|| PortError::Broken(signed.text.into()))
    }
}
