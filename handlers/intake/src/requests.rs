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
    extract::{FromRequestParts, Path, Query, State},
    http::{HeaderMap, StatusCode, request::Parts},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    caller::SignedIn,
    openapi::{
        forms, headers,
        problems::{NotDecided, NotListed, NotRevealed, NotShown, NotTaken, NotTold},
        shapes,
    },
    refusals,
    service::{self, AnyCaller, ServiceSubmission},
    state::Desk,
};

/// The longest idempotency key, in bytes.
pub const KEY_BYTES: usize = 100;

/// What is asked, by a person or by a service.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Submission {
    /// By a person.
    Signed(SignedSubmission),
    /// By a service.
    Asked(ServiceSubmission),
}

/// What a person asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedSubmission {
    /// Signed by the caller's client key.
    request: Signed<Ask>,
}

/// What is decided.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deciding {
    /// Signed by the caller's client key.
    #[schema(value_type = forms::SignedDecision)]
    decision: Signed<Decision>,
}

/// A body that says nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Which requests to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Listing {
    /// The tenant whose requests to list.
    #[param(value_type = forms::TenantId)]
    tenant: TenantId,
    /// Only those that are stored so.
    #[serde(default)]
    #[param(value_type = Option<shapes::StoredState>, inline)]
    state: Option<RequestState>,
}

/// Requests.
#[derive(Serialize, ToSchema)]
pub struct Listed {
    /// Newest first, at most 100.
    #[schema(value_type = Vec<shapes::RequestView>)]
    requests: Vec<View>,
}

/// A secret result, encrypted to whoever asked for it.
#[derive(Serialize, ToSchema)]
pub struct Revealed {
    /// For the key that the request named in `reveal_to`.
    #[schema(value_type = forms::SealedSecret)]
    result: String,
}

/// The catalog.
#[derive(Serialize, ToSchema)]
pub struct Operations {
    /// All of them.
    #[schema(value_type = Vec<shapes::Operation>)]
    operations: Vec<&'static Entry>,
}

/// Where the caller may work.
#[derive(Serialize, ToSchema)]
pub struct Tenants {
    /// Those that confer a role on the caller.
    tenants: Vec<Tenant>,
}

/// A tenant, and what the caller is there.
#[derive(Serialize, ToSchema)]
pub struct Tenant {
    /// Its id.
    #[serde(rename = "tenant")]
    #[schema(value_type = forms::TenantId)]
    id: TenantId,
    /// Its name, for people.
    name: String,
    /// What the caller is there.
    #[schema(value_type = Vec<shapes::Role>)]
    roles: Vec<Role>,
}

/// Takes a request.
///
/// Policy is asked at once: the request is then carried out, waits for approvals, or is refused.
/// The same signed request again is answered with what became of it; `Idempotency-Key` makes
/// sure of that for a client that signs anew when it tries again.
#[utoipa::path(
    post,
    path = "/api/requests",
    operation_id = "submitRequest",
    tag = "requests",
    security(("session" = []), ("cookie" = [], "csrf" = []), ("service" = [])),
    params(headers::IdempotencyKey, headers::Traceparent),
    request_body = shapes::Submission,
    responses(
        (status = 202, description = "It was taken, now or before.", body = shapes::RequestView),
        NotTaken,
    )
)]
pub async fn submit(
    State(desk): State<Desk>,
    caller: AnyCaller,
    headers: HeaderMap,
    Json(submission): Json<Submission>,
) -> Result<(StatusCode, Json<View>), Refusal> {
    let key = idempotency_key(&headers)?;
    let traceparent = hosting::traceparent(&headers).map(str::to_owned);
    let reception = &desk.connected().await.map_err(refusals::port)?.reception;
    let view = match (caller, submission, key) {
        (AnyCaller::Person(caller), Submission::Signed(signed), key) => {
            reception.submit(&caller, signed.request, key, traceparent).await
        }
        // Without a key two tries would be two requests: a service signs none that has an id.
        (AnyCaller::Service(leave), Submission::Asked(ServiceSubmission { ask }), Some(key)) => {
            let token = service::seen(&desk, &headers, ask.tenant, &leave).await?;
            reception.submit_for(&token, ask, key, traceparent).await
        }
        // What a person signed wants their session beside it.
        (AnyCaller::Service(_), Submission::Signed(_), _) => {
            return Err(Refusal::new(Problem::NOT_SIGNED_IN));
        }
        _ => return Err(Refusal::new(Problem::NOT_UNDERSTOOD)),
    };
    Ok((StatusCode::ACCEPTED, Json(view.map_err(refusals::not_received)?)))
}

/// Lists the newest requests of a tenant that the caller may see.
///
/// Their own; and all of them, for whoever decides or audits there.
#[utoipa::path(
    get,
    path = "/api/requests",
    operation_id = "listRequests",
    tag = "requests",
    security(("session" = []), ("cookie" = [])),
    params(Listing),
    responses((status = 200, description = "What there is.", body = Listed), NotListed)
)]
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

/// Shows one request, with what its decision is made about.
#[utoipa::path(
    get,
    path = "/api/requests/{id}",
    operation_id = "showRequest",
    tag = "requests",
    security(("session" = []), ("cookie" = [])),
    params(("id" = forms::RequestId, Path, description = "Which request.")),
    responses((status = 200, description = "The request.", body = shapes::RequestShown), NotShown)
)]
pub async fn show(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    Named(name): Named,
) -> Result<Json<Shown>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let shown = connected.reception.show(&caller, name).await.map_err(refusals::not_received)?;
    Ok(Json(shown))
}

/// Approves or denies a request.
///
/// It must be pending, somebody else's, and not decided by the caller before. Its last approval
/// sends it to the worker.
#[utoipa::path(
    post,
    path = "/api/requests/{id}/decision",
    operation_id = "decideRequest",
    tag = "requests",
    security(("session" = []), ("cookie" = [], "csrf" = [])),
    params(
        ("id" = forms::RequestId, Path, description = "Which request."),
        headers::Traceparent,
    ),
    request_body = Deciding,
    responses(
        (status = 200, description = "The request as it stands now.", body = shapes::RequestView),
        NotDecided,
    )
)]
pub async fn decide(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    Named(name): Named,
    headers: HeaderMap,
    Json(deciding): Json<Deciding>,
) -> Result<Json<View>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let view = connected
        .reception
        .decide(&caller, name, deciding.decision, hosting::traceparent(&headers).map(str::to_owned))
        .await
        .map_err(refusals::not_received)?;
    Ok(Json(view))
}

/// Hands out a secret result, once, to whoever asked for it.
///
/// Within ten minutes (600 seconds) after it was made. No copy is kept.
#[utoipa::path(
    post,
    path = "/api/requests/{id}/reveal",
    operation_id = "revealResult",
    tag = "requests",
    security(("session" = []), ("cookie" = [], "csrf" = [])),
    params(
        ("id" = forms::RequestId, Path, description = "Which request."),
        headers::Traceparent,
    ),
    request_body = Nothing,
    responses((status = 200, description = "The result.", body = Revealed), NotRevealed)
)]
pub async fn reveal(
    State(desk): State<Desk>,
    SignedIn(caller): SignedIn,
    Named(name): Named,
    headers: HeaderMap,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Json<Revealed>, Refusal> {
    let connected = desk.connected().await.map_err(refusals::port)?;
    let result = connected
        .reception
        .reveal(&caller, name, hosting::traceparent(&headers).map(str::to_owned))
        .await
        .map_err(refusals::not_received)?;
    Ok(Json(Revealed { result }))
}

/// Lists what can be asked.
#[utoipa::path(
    get,
    path = "/api/operations",
    operation_id = "listOperations",
    tag = "catalog",
    security(("session" = []), ("cookie" = [])),
    responses((status = 200, description = "The catalog.", body = Operations), NotTold)
)]
pub async fn operations(_: SignedIn) -> Json<Operations> {
    Json(Operations { operations: OPERATIONS.iter().map(|operation| operation.entry()).collect() })
}

/// Lists where the caller may work.
#[utoipa::path(
    get,
    path = "/api/tenants",
    operation_id = "listTenants",
    tag = "catalog",
    security(("session" = []), ("cookie" = [])),
    responses((status = 200, description = "The tenants.", body = Tenants), NotTold)
)]
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

/// Whether the process answers.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`: what does not answer says nothing.
    #[schema(pattern = "^ok$")]
    status: &'static str,
}

/// Tells that the process answers.
#[utoipa::path(
    get,
    path = "/api/health",
    operation_id = "readHealth",
    tag = "service",
    responses((status = 200, description = "It does.", body = Health))
)]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The request that a path names.
pub struct Named(pub RequestName);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        // Not "not understood": what cannot be a name names nothing.
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal::because(Problem::NOT_FOUND, error))?;
        RequestName::parse(&id).map(Self).ok_or_else(|| Refusal::new(Problem::NOT_FOUND))
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=KEY_BYTES).contains(&key.len()) => Ok(Some(key)),
        _ => Err(Refusal::new(Problem::NOT_UNDERSTOOD)),
    }
}
