//! `GET /api/claims`: what a verified Entra access token says, to the person whose client holds it.

use airlock_azure::{
    entra::PersonToken,
    hosting::{Json, Refusal},
};
use airlock_core::{problem::Problem, trust::NotTrusted};
use axum::{extract::State, http::HeaderMap};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::{
    bearer,
    openapi::{problems::NotLookedInto, shapes},
    refusals,
    state::Desk,
};

/// The scope that a token needs.
const SCOPE: &str = "access_as_user";

/// The claims of a person's own token.
pub struct Shown(PersonToken);

/// What the caller's own access token says, once it is verified.
#[utoipa::path(
    get,
    path = "/api/claims",
    operation_id = "readClaims",
    tag = "tokens",
    security(("token" = [])),
    responses((status = 200, description = "The claims.", body = shapes::Claims), NotLookedInto)
)]
pub async fn claims(State(desk): State<Desk>, headers: HeaderMap) -> Result<Json<Shown>, Refusal> {
    let tokens = desk.azure().tokens();
    // Its form first: what is none must not even make us look up a tenant.
    let presented = tokens.look_at(bearer::token(&headers)?).map_err(bearer::refused)?;
    let tenant = presented.claimed_tenant();
    let connected = desk.connected().await.map_err(refusals::port)?;
    let trust = connected.trust.trust().await.map_err(refusals::untrusted)?;
    // Kept for a while, and one read at the most: strangers call this.
    connected.trust.scope(&trust, tenant).await.map_err(|error| match error {
        NotTrusted::NoBinding => Refusal::new(Problem::NOT_VERIFIED),
        error => refusals::untrusted(error),
    })?;
    let audience = desk.manifest().portal_client;
    let token = tokens.access_token(presented, tenant, audience).await.map_err(bearer::refused)?;
    let token = token.person().map_err(bearer::refused)?;
    if !token.has_scope(SCOPE) {
        return Err(Refusal::new(Problem::NOT_ALLOWED));
    }
    Ok(Json(Shown(token)))
}

/// `{"claims": {…}}`.
impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("Shown", 1)?;
        shown.serialize_field("claims", self.0.claims().all())?;
        shown.end()
    }
}
