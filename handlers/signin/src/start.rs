//! The start of a sign-in.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{jws::Signed, problem::Problem, sign_in::SignIn, step_up::Context};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    challenge::{self, NotFresh, Plan, Transaction},
    confirm, cookies,
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

/// Where the browser goes now: to Entra, or first to the page on which a person confirms what a
/// program started.
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
    desk.homes.check(proved.tenant, &desk.trust, desk.now()).await?;
    match (visitor, &proved.return_to) {
        // A page of the portal is returned to in the browser that left it.
        (Visitor::Portal, ReturnTo::Portal(_)) => {
            let browser = Opaque::generate(&*desk.ports.entropy)?;
            let cookie = [(header::SET_COOKIE, cookies::set_start(&browser))];
            let Proved { tenant, jwk, return_to, .. } = proved;
            let plan = Plan { tenant, jwk, return_to, step_up: asked.step_up, browser };
            let authorize = at_entra(desk, plan).await?;
            Ok((cookie, Json(Started { authorize })).into_response())
        }
        (Visitor::Client, ReturnTo::Loopback(_)) => {
            let authorize = confirm::address(desk, proved, asked.step_up).await?;
            Ok(Json(Started { authorize }).into_response())
        }
        (Visitor::Client, ReturnTo::Portal(_)) | (Visitor::Portal, ReturnTo::Loopback(_)) => {
            Err(Refusal::new(Problem::WRONG_ORIGIN)
                .detail("the portal returns to its own pages, any other client to a loopback URL"))
        }
    }
}

/// The address of Entra's page for a sign-in whose browser is known.
///
/// # Errors
///
/// If there is no randomness, the transaction cannot be sealed, or the manifest's address is
/// none.
pub async fn at_entra(desk: &Desk, plan: Plan) -> Result<Url, Refusal> {
    let (tenant, step_up) = (plan.tenant, plan.step_up.clone());
    // Whoever is signed in at Entra already is asked all the same: a program's link may have
    // been opened by somebody whom nobody expected.
    let asks_who = matches!(plan.return_to, ReturnTo::Loopback(_));
    let (transaction, announced) = Transaction::plan(plan, desk)?;
    let ask = Authorize {
        tenant,
        state: desk.seal(&transaction).await?,
        nonce: announced.nonce,
        verifier: &announced.verifier,
        step_up: step_up.as_ref(),
        asks_who,
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
