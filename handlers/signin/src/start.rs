//! The start of a sign-in.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{jws::Signed, problem::Problem, sign_in::SignIn};
use axum::{
    extract::State,
    http::header,
    response::{AppendHeaders, IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    challenge::{self, Context, NotFresh, Plan, Transaction},
    cookies,
    desk::{Desk, Signin},
    entra_client::{Authorize, NotAddressed, authorize_url},
    opaque::Opaque,
    origin::Visitor,
    proof::{self, Proved},
    return_to::ReturnTo,
};

/// A challenge.
#[derive(Serialize)]
pub struct Challenged {
    challenge: String,
}

/// What starts a sign-in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    proof: Signed<SignIn>,
    #[serde(default)]
    step_up: Option<Context>,
}

/// Where the person signs in.
#[derive(Serialize)]
struct Started {
    authorize: Url,
}

/// Gives a challenge, which a client's proof must hold. Nothing is stored but, once a day, the
/// key that seals it.
///
/// Trigger: `POST /auth/challenge`.
pub async fn challenge(
    State(signin): State<Signin>,
    _: Visitor,
) -> Result<Json<Challenged>, Refusal> {
    let desk = signin.desk().await?;
    Ok(Json(Challenged { challenge: challenge::issue(desk).await? }))
}

/// Starts a sign-in for the holder of a client key. Nothing is stored.
///
/// Trigger: `POST /auth/start`.
pub async fn start(
    State(signin): State<Signin>,
    visitor: Visitor,
    Json(asked): Json<Asked>,
) -> Result<Response, Refusal> {
    let desk = signin.desk().await?;
    let proved = proof::open(&asked.proof, desk)?;
    challenge::check(&proved.challenge, desk).await?;
    let browser = browser(visitor, &proved.return_to, desk)?;
    desk.homes.check(proved.tenant, &desk.trust, desk.now()).await?;
    let cookie = browser.as_ref().map(|cookie| (header::SET_COOKIE, cookies::set_start(cookie)));
    let authorize = authorize(desk, proved, asked.step_up, browser).await?;
    Ok((AppendHeaders(cookie), Json(Started { authorize })).into_response())
}

/// Ties a sign-in to its browser, if it is one: a page of the portal is returned to in the
/// browser that left it, a program on the person's machine in whichever it opens.
fn browser(visitor: Visitor, return_to: &ReturnTo, desk: &Desk) -> Result<Option<Opaque>, Refusal> {
    match (visitor, return_to) {
        (Visitor::Portal, ReturnTo::Portal(_)) => Ok(Some(Opaque::generate(&*desk.ports.entropy)?)),
        (Visitor::Client, ReturnTo::Loopback(_)) => Ok(None),
        (Visitor::Client, ReturnTo::Portal(_)) | (Visitor::Portal, ReturnTo::Loopback(_)) => {
            Err(Refusal::new(Problem::WRONG_ORIGIN)
                .detail("the portal returns to its own pages, any other client to a loopback URL"))
        }
    }
}

async fn authorize(
    desk: &Desk,
    proved: Proved,
    step_up: Option<Context>,
    browser: Option<Opaque>,
) -> Result<Url, Refusal> {
    let Proved { tenant, jwk, return_to, .. } = proved;
    let plan = Plan { tenant, jwk, return_to, step_up: step_up.clone(), browser };
    let (transaction, announced) = Transaction::plan(plan, desk)?;
    let ask = Authorize {
        tenant,
        state: desk.seal(&transaction).await?,
        nonce: announced.nonce,
        verifier: &announced.verifier,
        step_up: step_up.as_ref(),
    };
    Ok(authorize_url(&desk.manifest, ask)?)
}

impl From<NotFresh> for Refusal {
    fn from(error: NotFresh) -> Self {
        match error {
            NotFresh::Foreign(error) => error.into(),
            NotFresh::Old => Self::because(Problem::NOT_VERIFIED, error)
                .detail("the challenge is too old; ask for another"),
        }
    }
}

impl From<NotAddressed> for Refusal {
    fn from(error: NotAddressed) -> Self {
        Self::because(Problem::INTERNAL, error)
    }
}
