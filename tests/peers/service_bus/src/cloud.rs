//! The running local cloud, as its `stack.json` describes it.

use std::fs;

use anyhow::{Context as _, ensure};
use reqwest::{Certificate, Client, Method, Proxy};
use serde_json::Value;

/// A running local cloud.
pub struct Cloud {
    stack: Value,
    direct: Client,
}

impl Cloud {
    /// The one that wrote this file.
    pub fn running(stack: &str) -> anyhow::Result<Self> {
        let text =
            fs::read(stack).with_context(|| format!("{stack}: start a local cloud first"))?;
        Ok(Self {
            stack: serde_json::from_slice(&text)?,
            direct: Client::builder().no_proxy().build()?,
        })
    }

    fn text(&self, name: &str) -> anyhow::Result<&str> {
        self.stack[name].as_str().with_context(|| format!("stack.json has no {name}"))
    }

    /// A client that finds Azure's names through the loopback proxy and trusts the cloud's
    /// authority, and no other.
    pub fn client(&self) -> anyhow::Result<Client> {
        let authority = Certificate::from_pem(&fs::read(self.text("ca")?)?)?;
        Ok(Client::builder()
            .add_root_certificate(authority)
            .proxy(Proxy::https(self.text("proxy")?)?)
            .https_only(true)
            .build()?)
    }

    /// Asks the control API.
    pub async fn control(&self, method: Method, path: &str) -> anyhow::Result<Value> {
        let answer = self
            .direct
            .request(method, format!("{}{path}", self.text("control")?))
            .header("x-airlock-control", self.text("control_key")?)
            .send()
            .await?;
        ensure!(answer.status().is_success(), "control {path}: {}", answer.status());
        Ok(answer.json().await?)
    }

    /// A token of a managed identity.
    pub async fn token(&self, identity: &str, resource: &str) -> anyhow::Result<String> {
        let given = self.control(Method::GET, &format!("/identity/{identity}")).await?;
        let text = |name: &str| given[name].as_str().with_context(|| name.to_owned());
        let client_id = text("client_id")?;
        let query =
            [("api-version", "2019-08-01"), ("resource", resource), ("client_id", client_id)];
        let answer = self
            .direct
            .get(text("url")?)
            .query(&query)
            .header("x-identity-header", text("header")?)
            .send()
            .await?;
        let answer: Value = answer.error_for_status()?.json().await?;
        Ok(answer["access_token"].as_str().context("no access_token")?.to_owned())
    }
}
