//! `GET /api/claims`: what a verified Entra access token says, to whoever holds it.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{base64url, identity::TenantId, problem::Problem, trust::NotTrusted};
use axum::{
    extract::State,
    http::{HeaderMap, header},
};
use serde_json::{Map, Value};

use crate::state::Desk;

/// The scope that a token needs.
const SCOPE: &str = "access_as_user";

/// The claims.
#[derive(serde::Serialize)]
pub struct Claims {
    claims: Map<String, Value>,
}

/// Answers with the claims of the caller's own token.
pub async fn claims(State(desk): State<Desk>, headers: HeaderMap) -> Result<Json<Claims>, Refusal> {
    let not_verified = || Refusal::new(Problem::NOT_VERIFIED);
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(not_verified)?;
    let connected = desk.connected().await.map_err(crate::refusals::port)?;
    let tenant = claimed_tenant(token).ok_or_else(not_verified)?;
    let trust = connected.trust.trust().await.map_err(crate::refusals::untrusted)?;
    // Kept for a while, and one read at the most: strangers call this.
    connected.trust.scope(&trust, tenant).await.map_err(|error| match error {
        NotTrusted::NoBinding => not_verified(),
        error => crate::refusals::untrusted(error),
    })?;
    let token = desk
        .azure()
        .tokens()
        .verify(token, tenant, desk.manifest().portal_client)
        .await
        .map_err(|error| Refusal::because(Problem::NOT_VERIFIED, error))?;
    if token.is_app() || !token.scopes().contains(&SCOPE) {
        return Err(Refusal::new(Problem::NOT_ALLOWED));
    }
    Ok(Json(Claims { claims: token.claims }))
}

/// The tenant that a token says it is from: only to choose whose keys must have signed it, and
/// only among tenants of ours.
fn claimed_tenant(token: &str) -> Option<TenantId> {
    #[derive(serde::Deserialize)]
    struct Claimed {
        tid: TenantId,
    }
    let payload = base64url::decode(token.split('.').nth(1)?)?;
    serde_json::from_slice::<Claimed>(&payload).ok().map(|claimed| claimed.tid)
}
