//! Confirmations: `intake` looks at the ID token behind a session itself, so that `signin`
//! cannot invent a person. Called by `signin` alone, with its managed identity's token.

use airlock_azure::{
    entra::{AccessToken, NotAccepted},
    hosting::{Json, Refusal},
};
use airlock_core::{
    base64url,
    identity::{App, Role},
    jws::{Signed, Verified},
    problem::Problem,
    secret::equal,
    session::{Confirmation, Session},
    session_record::ABSOLUTE_S,
    sign_in::nonce,
    time::Timestamp,
};
use axum::{extract::State, http::HeaderMap};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{bearer, refusals, state::Desk};

/// How old a session may be when it is confirmed, in seconds: a program that is no browser has
/// two minutes to redeem its one-time code.
const FRESH_S: i64 = 150;

/// How long before its session an ID token can have been issued, in seconds: `signin` begins the
/// session when it is handed the token. Entra dates its tokens five minutes back.
const ISSUED_S: i64 = 10 * 60;

/// How much later than its session, in seconds: Entra's clock is not ours.
const SKEW_S: i64 = 60;

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
    let (manifest, tokens) = (desk.manifest(), desk.azure().tokens());
    let presented = tokens.look_at(bearer::token(headers)?).map_err(bearer::refused)?;
    let token = tokens
        .access_token(presented, manifest.tenant, manifest.intake_client)
        .await
        .and_then(AccessToken::application)
        .map_err(bearer::refused)?;
    if token.claims().object() == manifest.signin_principal {
        Ok(())
    } else {
        Err(Refusal::new(Problem::NOT_ALLOWED))
    }
}

/// Whether Entra's own ID token says what the session says. That it is about a person, and about no
/// application or agent, is what makes it an ID token to the verifier.
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
        .id_token(&asked.id_token, session.tid, desk.manifest().portal_client)
        .await
        .map_err(no_evidence)?;
    let committed = token.nonce().ok_or_else(not_verified)?;
    let says = token.claims();
    let (roles, acrs) = (says.roles(), says.acrs());
    // The client key: an attacker's key has another thumbprint, and so another nonce.
    let same_key = equal(committed.as_bytes(), expected.as_bytes());
    let same_person = token.person() == session.person();
    let issued = says.all().get("iat").and_then(Value::as_i64).map(Timestamp::from_unix_s);
    let of_then = issued.is_some_and(|issued| is_of_then(session.iat, issued));
    let within = |role: &Role| roles.contains(role);
    let no_more = session.roles.iter().all(within)
        && session.acrs.iter().all(|context| acrs.contains(context))
        && says.auth_time().is_some_and(|at| session.auth_time <= at)
        && session.exp.since_s(session.iat) <= ABSOLUTE_S;
    if same_key && same_person && of_then && no_more { Ok(()) } else { Err(not_verified()) }
}

/// Whether a session began when its ID token was issued. A token counts for longer than that; who
/// kept one could otherwise begin the eight hours of a session anew with it.
fn is_of_then(session: Timestamp, token: Timestamp) -> bool {
    (-SKEW_S..=ISSUED_S).contains(&session.since_s(token))
}

/// The caller is known; it is what they brought that does not do, whatever is wrong with it.
fn no_evidence(error: NotAccepted) -> Refusal {
    match error {
        NotAccepted::Keys(error) => refusals::port(error),
        error => Refusal::because(Problem::NOT_VERIFIED, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_token_is_of_the_time_at_which_its_session_began() {
        let began = Timestamp::from_unix_s(1_700_000_000);
        let issued = |before_s: i64| is_of_then(began, began.plus_s(-before_s));

        // As Entra dates it, as it dates a slow one, and with a clock ahead of ours.
        for of_then in [5 * 60, 5 * 60 + 30, ISSUED_S, 0, -SKEW_S] {
            assert!(issued(of_then), "{of_then}");
        }
        for kept in [ISSUED_S + 1, 3600, 8 * 3600, -SKEW_S - 1] {
            assert!(!issued(kept), "{kept}");
        }
    }
}
