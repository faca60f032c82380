//! `GET /api/secrets`: what is changed on schedule, for whoever oversees a tenant.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{
    problem::Problem,
    reception::{SecretView, Tree},
};
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    caller::SignedIn,
    openapi::{forms, problems::NotListed, shapes},
    refusals,
    state::Desk,
};

/// Whose secrets.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Of {
    /// The tenant whose secrets to list, or `platform` for the deployment's own.
    #[param(value_type = forms::Tree, inline)]
    tenant: String,
}

/// Secrets that are changed on schedule.
#[derive(Serialize, ToSchema)]
pub struct Secrets {
    /// By their names.
    #[schema(value_type = Vec<shapes::Secret>)]
    secrets: Vec<SecretView>,
}

/// Lists the secrets of a tenant that are changed on schedule, or the deployment's own keys.
///
/// For whoever oversees them. No secret is told, nor where it lies.
#[utoipa::path(
    get,
    path = "/api/secrets",
    operation_id = "listSecrets",
    tag = "secrets",
    security(("session" = []), ("cookie" = [])),
    params(Of),
    responses((status = 200, description = "The secrets.", body = Secrets), NotListed)
)]
pub async fn secrets(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    asked: Result<Query<Of>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Secrets>, Refusal> {
    let Query(Of { tenant }) =
        asked.map_err(|error| Refusal::because(Problem::NOT_UNDERSTOOD, error))?;
    let tree = Tree::parse(&tenant, desk.manifest().tenant)
        .ok_or_else(|| Refusal::new(Problem::NOT_UNDERSTOOD))?;
    let connected = desk.connected().await.map_err(refusals::port)?;
    let secrets = connected.reception.secrets(&caller, tree).await;
    Ok(Json(Secrets { secrets: secrets.map_err(refusals::not_received)? }))
}
