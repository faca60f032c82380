//! The person's yes to a sign-in that a program started.
//!
//! A program opens whichever browser the person has, so nothing ties that browser to it: anyone
//! could start a sign-in for a key of their own and send somebody the link. Here the person sees
//! on a page of ours what is going on, compares a code with what their program shows, and says
//! yes by a form of that page; only then is the browser bound and sent to Entra.

use airlock_azure::hosting::Refusal;
use airlock_core::{
    identity::TenantId, jwk::PublicKey, problem::Problem, sign_in::user_code, step_up::Context,
    time::Timestamp,
};
use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

use crate::{
    challenge::{Plan, TRANSACTION_S},
    cookies,
    desk::{Desk, Signin},
    opaque::Opaque,
    origin,
    proof::Proved,
    return_to::ReturnTo,
    start,
};

/// A sign-in that a program started and nobody agreed to yet. It is no [transaction]: Entra's
/// answer cannot belong to it.
///
/// [transaction]: crate::challenge::Transaction
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    tenant: TenantId,
    jwk: PublicKey,
    return_to: ReturnTo,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step_up: Option<Context>,
    exp: Timestamp,
}

impl crate::sealing::Sealable for Offer {
    const FIELD: &'static str = "offer";
}

/// The page's address for a sign-in that a program started.
///
/// # Errors
///
/// If the offer cannot be sealed, or the manifest's address is none.
pub async fn address(
    desk: &Desk,
    proved: Proved,
    step_up: Option<Context>,
) -> Result<Url, Refusal> {
    let Proved { tenant, jwk, return_to, .. } = proved;
    let exp = desk.now().plus_s(TRANSACTION_S);
    let offer = desk.seal(&Offer { tenant, jwk, return_to, step_up, exp }).await?;
    let page = format!("{}/auth/confirm", desk.manifest.api);
    Url::parse_with_params(&page, [("offer", offer)])
        .map_err(|error| Refusal::because(Problem::INTERNAL, error))
}

/// Shows the page. Nothing is stored, and no cookie set: looking is no yes.
///
/// Trigger: `GET /auth/confirm`, in the browser that a program opened.
pub async fn page(
    State(signin): State<Signin>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let desk = signin.desk().await?;
    let sealed = only_offer(query.as_deref().unwrap_or_default().as_bytes())?;
    let offer = opened(desk, &sealed).await?;
    let page = include_str!("confirm.html")
        .replace("{code}", &user_code(offer.jwk.thumbprint()))
        .replace("{tenant}", &offer.tenant.to_string())
        // What was unsealed has no letter that means something in HTML.
        .replace("{offer}", &sealed);
    let pages = Url::parse(&desk.manifest.sign_in_pages)
        .map_err(|error| Refusal::because(Problem::INTERNAL, error))?;
    // The form leads to Entra by a redirect, which some browsers hold against `form-action`.
    let policy = format!(
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' {}",
        pages.origin().ascii_serialization()
    );
    // `no-referrer` would take the `Origin` from the form's post.
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    Ok((headers, Html(page)).into_response())
}

/// Binds the browser, and sends it to Entra.
///
/// Trigger: `POST /auth/confirm`, by the form of [`page`] and from nowhere else.
pub async fn confirm(
    State(signin): State<Signin>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Result<Response, Refusal> {
    origin::is_own_page(&signin.manifest().api, &headers)?;
    let desk = signin.desk().await?;
    let Offer { tenant, jwk, return_to, step_up, .. } = opened(desk, &only_offer(&body)?).await?;
    // Until here a while may have passed, and a tenant may have left.
    desk.homes.check(tenant, &desk.trust, desk.now()).await?;
    let browser = Opaque::generate(&*desk.ports.entropy)?;
    let cookie = cookies::set_start(&browser);
    let plan = Plan { tenant, jwk, return_to, step_up, browser };
    let entra = start::at_entra(desk, plan).await?;
    let headers = [(header::LOCATION, String::from(entra)), (header::SET_COOKIE, cookie)];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

async fn opened(desk: &Desk, sealed: &str) -> Result<Offer, Refusal> {
    let offer: Offer = desk.unseal(sealed).await?;
    if offer.exp <= desk.now() {
        return Err(Refusal::new(Problem::GONE).detail("the sign-in took too long; start it again"));
    }
    Ok(offer)
}

/// The one member of a query or form.
fn only_offer(form: &[u8]) -> Result<String, Refusal> {
    let mut pairs = form_urlencoded::parse(form);
    match (pairs.next(), pairs.next()) {
        (Some((name, value)), None) if name == "offer" => Ok(value.into_owned()),
        _ => Err(Refusal::new(Problem::NOT_UNDERSTOOD)),
    }
}
