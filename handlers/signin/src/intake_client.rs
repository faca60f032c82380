//! `intake` over HTTP: its confirmations, asked with our managed identity, and its public API,
//! asked with a person's access token.

use std::{sync::Arc, time::Duration};

use airlock_azure::{Azure, hosting::chain};
use airlock_core::{
    base64url,
    jws::Signed,
    manifest::Manifest,
    ports::PortError,
    secret::Secret,
    session::{Confirmation, Session},
};
use async_trait::async_trait;
use axum::http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    outside::{Intake, NotAnswered},
    wire,
};

/// Pauses before a confirmation is asked for again. By then the one-time code is used up, and
/// without it the person would have to sign in once more.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1200)];

/// How long all that may take: whoever redeems a code waits for it.
const MOST: Duration = Duration::from_secs(12);

/// `intake`, asked over HTTP.
pub struct IntakeClient {
    azure: Arc<Azure>,
    confirmations: String,
    claims: String,
    resource: String,
}

#[derive(Serialize)]
struct ToConfirm<'a> {
    session: &'a str,
    id_token: &'a str,
    nonce_random: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    confirmation: Signed<Confirmation>,
}

impl IntakeClient {
    /// `intake` where the manifest says that it is. Calls nothing.
    #[must_use]
    pub fn new(azure: Arc<Azure>, manifest: &Manifest) -> Self {
        Self {
            azure,
            confirmations: manifest.confirmations.clone(),
            claims: format!("{}/api/claims", manifest.api),
            resource: format!("api://{}", manifest.intake_client),
        }
    }

    async fn answer(
        &self,
        request: reqwest::RequestBuilder,
        token: &Secret,
    ) -> Result<Vec<u8>, NotAnswered> {
        let request = request
            .bearer_auth(token.expose())
            .header(header::ACCEPT, "application/json")
            .build()
            .map_err(wire::not_sent)?;
        let answer = wire::exchange(self.azure.http(), request).await?;
        if answer.status == StatusCode::OK {
            Ok(answer.body)
        } else {
            Err(NotAnswered::Refused(answer.status.as_u16()))
        }
    }
}

#[async_trait]
impl Intake for IntakeClient {
    async fn confirm(
        &self,
        session: &Signed<Session>,
        id_token: &Secret,
        nonce_random: &[u8; 32],
    ) -> Result<Signed<Confirmation>, NotAnswered> {
        let token = self.azure.identity_token(&self.resource).await?;
        let body = ToConfirm {
            session: session.as_str(),
            id_token: id_token.expose(),
            nonce_random: base64url::encode(nonce_random),
        };
        let ask = async || {
            let request = self.azure.http().post(&self.confirmations).json(&body);
            self.answer(request, &token).await
        };
        let answer = tokio::time::timeout(MOST, patiently(ask)).await;
        let answer = answer.map_err(|elapsed| PortError::Unavailable(elapsed.into()))??;
        let confirmed: Confirmed = serde_json::from_slice(&answer).map_err(not_understood)?;
        Ok(confirmed.confirmation)
    }

    async fn claims(&self, access_token: &Secret) -> Result<Value, NotAnswered> {
        let request = self.azure.http().get(&self.claims);
        let answer = self.answer(request, access_token).await?;
        Ok(serde_json::from_slice(&answer).map_err(not_understood)?)
    }
}

/// Asks again after passing trouble, and only then.
async fn patiently<F>(ask: impl Fn() -> F) -> Result<Vec<u8>, NotAnswered>
where
    F: Future<Output = Result<Vec<u8>, NotAnswered>>,
{
    for pause in PAUSES {
        match ask().await {
            Err(NotAnswered::Port(error)) if error.is_transient() => {
                tracing::warn!(cause = chain(&error), "session not confirmed; asking again");
                tokio::time::sleep(pause).await;
            }
            answer => return answer,
        }
    }
    ask().await
}

/// Without the error itself, which can quote the answer.
fn not_understood(_: serde_json::Error) -> PortError {
    PortError::Broken("answer of intake not understood".into())
}
