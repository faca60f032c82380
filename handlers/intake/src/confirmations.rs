//! Confirmations: `intake` looks at the ID token behind a session itself, so that `signin`
//! cannot invent a person. Called by `signin` alone, with its managed identity's token.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{
    base64url,
    identity::{App, Role},
    jws::{Signed, Verified},
    problem::Problem,
    secret::equal,
    session::{Confirmation, Session},
    session_record::ABSOLUTE_S,
    sign_in::nonce,
};
use axum::{
    extract::State,
    http::{HeaderMap, header},
};
use serde::{Deserialize, Serialize};

use crate::{refusals, state::Desk};

/// How old a session may be when it is confirmed, in seconds: a program that is no browser has
/// two minutes to redeem its one-time code.
const FRESH_S: i64 = 150;

/// What `signin` passes on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToConfirm {
    session: Signed<Session>,
    id_token: String,
    /// What the nonce was made with, besides the client key: 32 bytes, base64url.
    nonce_random: String,
}

/// The answer.
#[derive(Serialize)]
pub struct Confirmed {
    confirmation: Signed<Confirmation>,
}

/// `POST /internal/confirmations`.
pub async fn confirm(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Json(asked): Json<ToConfirm>,
) -> Result<Json<Confirmed>, Refusal> {
    by_signin(&desk, &headers).await?;
    let connected = desk.connected().await.map_err(refusals::port)?;
    let now = connected.ports.clock.now();
    let trust = connected.trust.trust().await.map_err(refusals::untrusted)?;
    let session = trust
        .open(&asked.session, now)
        .map_err(|error| Refusal::because(Problem::NOT_VERIFIED, error))?;
    if now.since_s(session.iat) > FRESH_S {
        return Err(Refusal::new(Problem::NOT_VERIFIED));
    }
    vouched_for(&desk, &session, &asked).await?;
    let confirmation = Confirmation {
        iss: App::Intake,
        session: session.digest(),
        tid: session.tid,
        oid: session.oid,
        jkt: session.cnf.jwk.thumbprint(),
        iat: now,
        exp: session.exp,
    };
    let confirmation = Signed::sign(&confirmation, &*connected.ports.signer)
        .await
        .map_err(|error| Refusal::because(Problem::UNAVAILABLE, error))?;
    Ok(Json(Confirmed { confirmation }))
}

/// Whether the caller is `signin`'s managed identity.
async fn by_signin(desk: &Desk, headers: &HeaderMap) -> Result<(), Refusal> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(|| Refusal::new(Problem::NOT_VERIFIED))?;
    let manifest = desk.manifest();
    let token = desk
        .azure()
        .tokens()
        .verify(token, manifest.tenant, manifest.intake_client)
        .await
        .map_err(|error| Refusal::because(Problem::NOT_VERIFIED, error))?;
    if token.is_app() && token.object == manifest.signin_principal {
        Ok(())
    } else {
        Err(Refusal::new(Problem::NOT_ALLOWED))
    }
}

/// Whether Entra's own ID token says what the session says.
async fn vouched_for(
    desk: &Desk,
    session: &Verified<Session>,
    asked: &ToConfirm,
) -> Result<(), Refusal> {
    let not_verified = || Refusal::new(Problem::NOT_VERIFIED);
    let random = base64url::decode_array(&asked.nonce_random).ok_or_else(not_verified)?;
    let expected = nonce(session.cnf.jwk.thumbprint(), &random);
    let token = desk
        .azure()
        .tokens()
        .verify(&asked.id_token, session.tid, desk.manifest().portal_client)
        .await
        .map_err(|error| Refusal::because(Problem::NOT_VERIFIED, error))?;
    let committed = token.text("nonce").ok_or_else(not_verified)?;
    let roles = token.roles();
    let acrs = token.acrs();
    // The client key: an attacker's key has another thumbprint, and so another nonce.
    let same_key = equal(committed.as_bytes(), expected.as_bytes());
    let same_person = token.tenant == session.tid && token.object == session.oid;
    let within = |role: &Role| roles.contains(role);
    let no_more = session.roles.iter().all(within)
        && session.acrs.iter().all(|context| acrs.contains(context))
        && token.auth_time().is_some_and(|at| session.auth_time <= at)
        && session.exp.since_s(session.iat) <= ABSOLUTE_S;
    if same_key && same_person && no_more && !token.is_app() { Ok(()) } else { Err(not_verified()) }
}
