//! Calling our own API in a person's name: what they consented to, shown end to end.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::problem::Problem;
use axum::extract::State;
use serde_json::Value;

use crate::{
    credential::Credential, desk::Signin, live::Live, outside::NotAnswered, refused::passing,
    renewal,
};

/// Gets an access token by the refresh token, and calls the API with it. No token reaches the
/// browser.
///
/// Trigger: `GET /auth/call-the-api`.
pub async fn call_the_api(
    State(signin): State<Signin>,
    credential: Credential,
) -> Result<Json<Value>, Refusal> {
    let desk = signin.desk().await?;
    let live = Live::find(desk, credential.cookie()).await?;
    let (_, access_token) = renewal::renew(desk, live).await?;
    Ok(Json(desk.intake.claims(&access_token).await?))
}

impl From<NotAnswered> for Refusal {
    fn from(error: NotAnswered) -> Self {
        let problem = match &error {
            NotAnswered::Refused(403) => Problem::NOT_ALLOWED,
            NotAnswered::Refused(_) => Problem::INTERNAL,
            NotAnswered::Port(error) => passing(error),
        };
        Self::because(problem, error)
    }
}
