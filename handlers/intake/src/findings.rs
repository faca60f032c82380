//! `GET /api/findings`: what deviates from what was declared, for whoever oversees a tenant.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{
    problem::Problem,
    reception::{FindingView, Findings as Which, Listed, Tree},
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

/// Which findings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Of {
    /// The tenant whose findings to list, or `platform` for those about the deployment.
    #[param(value_type = forms::Tree, inline)]
    tenant: String,
    /// Those that stand, or those that were seen to be gone; without it, those that stand.
    #[serde(default)]
    #[param(inline)]
    state: Stands,
}

/// Whether a finding stands.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Stands {
    /// Open, accepted, or being mended.
    #[default]
    Standing,
    /// Seen to be gone.
    Resolved,
}

/// Findings of drift.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the list is called so in the API")]
pub struct Findings {
    /// The worst first; of those alike, those before that nobody accepted. At most 500.
    #[schema(value_type = Vec<shapes::Finding>)]
    findings: Vec<FindingView>,
    /// Ids of stored documents that lie where findings do and are not what `drift` wrote. What
    /// they told of is not among the findings. At most 100.
    violations: Vec<String>,
    /// Whether there are more findings or violations than these.
    more: bool,
}

impl From<Listed> for Findings {
    fn from(Listed { findings, violations, more }: Listed) -> Self {
        Self { findings, violations, more }
    }
}

/// Lists what deviates from what was declared, of a tenant or of the deployment.
///
/// For whoever oversees it. Of those that stand the 500 worst are listed, of those that were
/// resolved the 500 newest; no value of a secret is told. More than 5000 that stand are not looked
/// through: then those came first that were first seen last, and `more` is true.
#[utoipa::path(
    get,
    path = "/api/findings",
    operation_id = "listFindings",
    tag = "findings",
    security(("session" = []), ("cookie" = [])),
    params(Of),
    responses((status = 200, description = "The findings.", body = Findings), NotListed)
)]
pub async fn findings(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    asked: Result<Query<Of>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Findings>, Refusal> {
    let Query(Of { tenant, state }) =
        asked.map_err(|error| Refusal::because(Problem::NOT_UNDERSTOOD, error))?;
    let tree = Tree::parse(&tenant, desk.manifest().tenant)
        .ok_or_else(|| Refusal::new(Problem::NOT_UNDERSTOOD))?;
    let which = match state {
        Stands::Standing => Which::Standing,
        Stands::Resolved => Which::Resolved,
    };
    let connected = desk.connected().await.map_err(refusals::port)?;
    let findings = connected.reception.findings(&caller, tree, which).await;
    Ok(Json(findings.map_err(refusals::not_received)?.into()))
}
