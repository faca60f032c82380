//! The request's own routes.

use airlock_azure::hosting::{self, Json, Refusal};
use airlock_core::{
    ask::Ask,
    catalog::{Entry, OPERATIONS},
    decision::Decision,
    identity::{Role, TenantId},
    jws::Signed,
    problem::Problem,
    reception::{RequestName, Shown, View},
    record::State as RequestState,
};
use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};

use crate::{caller::SignedIn, refusals, state::Desk};

/// The longest idempotency key, in bytes.
const KEY_BYTES: usize = 100;

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Signed by the caller's client key.
    request: Signed<Ask>,
}

/// What is decided.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deciding {
    /// Signed by the caller's client key.
    decision: Signed<Decision>,
}

/// A body that says nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Which requests to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    tenant: TenantId,
    #[serde(default)]
    state: Option<RequestState>,
}

/// Requests.
#[derive(Serialize)]
pub struct Listed {
    requests: Vec<View>,
}

/// A secret result, encrypted to whoever asked for it.
#[derive(Serialize)]
pub struct Revealed {
    result: String,
}

/// The catalog.
#[derive(Serialize)]
pub struct Operations {
    operations: Vec<&'static Entry>,
}

/// Where the caller may work.
#[derive(Serialize)]
pub struct Tenants {
    tenants: Vec<Tenant>,
}

/// A tenant, and what the caller is there.
#[derive(Serialize)]
pub struct Tenant {
    #[serde(rename = "tenant")]
    id: TenantId,
    name: String,
    roles: Vec<Role>,
}

/// `POST /api/requests`: takes a request.
pub async fn submit(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    headers: HeaderMap,
    Json(submission): Json<Submission>,
) -> Result<(StatusCode, Json<View>), Refusal> {
    let key = idempotency_key(&headers)?;
    let connected = desk.connected().await.map_err(refusals::port)?;
    let view = connected
        .reception
        .submit(&caller, submission.request, key, hosting::traceparent(&headers).map(str::to_owned))
        .await
        .map_err(refusals::not_received)?;
    Ok((StatusCode::ACCEPTED, Json(view)))
}

/// `GET /api/requests`: the newest that the caller may see.
pub async fn list(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    listing: Result<Query<Listing>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Listed>, Refusal> {
    let Query(listing) =
        listing.map_err(|error| Refusal::because(Problem::NOT_UNDERSTOOD, error))?;
    let connected = desk.connected().await.map_err(refusals::port)?;
    let requests = connected
        .reception
        .list(&caller, listing.tenant, listing.state)
        .await
        .map_err(refusals::not_received)?;
    Ok(Json(Listed { requests }))
}

/// `GET /api/requests/{id}`: one request, with what its decision is made about.
pub async fn show(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
) -> Result<Json<Shown>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let shown =
        connected.reception.show(&caller, name(&id)?).await.map_err(refusals::not_received)?;
    Ok(Json(shown))
}

/// `POST /api/requests/{id}/decision`: approves or denies.
pub async fn decide(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(deciding): Json<Deciding>,
) -> Result<Json<View>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let view = connected
        .reception
        .decide(
            &caller,
            name(&id)?,
            deciding.decision,
            hosting::traceparent(&headers).map(str::to_owned),
        )
        .await
        .map_err(refusals::not_received)?;
    Ok(Json(view))
}

/// `POST /api/requests/{id}/reveal`: hands out a secret result, once.
pub async fn reveal(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Json<Revealed>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let result = connected
        .reception
        .reveal(&caller, name(&id)?, hosting::traceparent(&headers).map(str::to_owned))
        .await
        .map_err(refusals::not_received)?;
    Ok(Json(Revealed { result }))
}

/// `GET /api/operations`: what can be asked.
pub async fn operations(_: SignedIn) -> Json<Operations> {
    Json(Operations { operations: OPERATIONS.iter().map(|operation| operation.entry()).collect() })
}

/// `GET /api/tenants`: where the caller may work.
pub async fn tenants(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
) -> Result<Json<Tenants>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let tenants = connected.reception.tenants(&caller).await.map_err(refusals::not_received)?;
    let tenants = tenants
        .into_iter()
        .map(|(scope, standing)| Tenant {
            id: scope.tenant(),
            name: scope.terms().name.clone(),
            roles: standing.roles().to_vec(),
        })
        .collect();
    Ok(Json(Tenants { tenants }))
}

/// `GET /api/health`: whether the process answers.
pub async fn health() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok" }))
}

fn name(id: &str) -> Result<RequestName, Refusal> {
    // Not "not understood": what cannot be a name names nothing.
    RequestName::parse(id).ok_or_else(|| Refusal::new(Problem::NOT_FOUND))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=KEY_BYTES).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Refusal::new(Problem::NOT_UNDERSTOOD)),
    }
}
