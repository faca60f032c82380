//! One-time codes: how a client that is no browser comes to its session.
//!
//! The code passes through a browser and its history; it is good once, for two minutes, and only
//! in a proof by the client key that started the sign-in.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{
    envelope::{Envelope, NotOpened, Place},
    identity::TenantId,
    jwk::Thumbprint,
    jws::Signed,
    ledger::{Document, Happened},
    ports::{Created, PortError},
    problem::Problem,
    sign_in::SignIn,
    time::Timestamp,
};
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::{
    challenge::Begun,
    credential::Previous,
    desk::{Desk, Signin},
    issue::Issued,
    live::{self, Live},
    opaque::Opaque,
    origin::Visitor,
    proof::{self, Proved},
    renewal::not_opened,
    return_to::ReturnTo,
    session::View,
    store::{At, Kept, NotKept, Replaced},
};

/// For how long a one-time code can be redeemed, in seconds.
pub const CODE_S: i64 = 2 * 60;

/// What a one-time code stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRecord {
    tenant: TenantId,
    /// Who may redeem it.
    key: Thumbprint,
    return_to: ReturnTo,
    exp: Timestamp,
    /// The session's cookie, encrypted. Gone when it was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cookie: Option<Envelope>,
}

impl Kept for CodeRecord {
    const KIND: &'static str = "one-time-code";
}

/// A one-time code was not made.
#[derive(Debug, thiserror::Error)]
pub enum NotIssued {
    /// There is no randomness.
    #[error("no randomness")]
    Port(#[from] PortError),
    /// The cookie was not encrypted.
    #[error("cookie not encrypted")]
    NotSealed(#[from] NotOpened),
    /// It was not stored, or it is not known.
    #[error("one-time code not stored")]
    NotKept(#[from] NotKept),
    /// Two of 2^256 met, or randomness is broken.
    #[error("one-time code taken")]
    Taken,
}

/// Makes a one-time code for a session.
///
/// # Errors
///
/// [`NotIssued`].
pub async fn issue(desk: &Desk, begun: &Begun, issued: &Issued) -> Result<Opaque, NotIssued> {
    let code = Opaque::generate(&*desk.ports.entropy)?;
    let at = At::code(&code);
    let tenant = issued.session().tid.to_string();
    let place = place(&tenant, at.id());
    let cookie = issued.cookie().expose().as_bytes();
    let (wrapper, entropy) = (&*desk.ports.wrapper, &*desk.ports.entropy);
    let record = CodeRecord {
        tenant: begun.tenant,
        key: begun.jwk.thumbprint(),
        return_to: begun.return_to.clone(),
        exp: desk.now().plus_s(CODE_S),
        cookie: Some(Envelope::seal(place, cookie, wrapper, entropy).await?),
    };
    match desk.store.create(&at, Happened::SignInProgressed, &record).await? {
        Created::New => Ok(code),
        Created::Existed => Err(NotIssued::Taken),
    }
}

/// What redeems a code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    proof: Signed<SignIn>,
}

/// The session, and what names it.
#[derive(Serialize)]
pub struct Redeemed {
    cookie: String,
    session: View,
}

/// Redeems a one-time code, once. A session that the client names in `Authorization` ends: the
/// new one takes its place.
///
/// Trigger: `POST /auth/redeem`.
pub async fn redeem(
    State(signin): State<Signin>,
    visitor: Visitor,
    previous: Previous,
    Json(asked): Json<Asked>,
) -> Result<Json<Redeemed>, Refusal> {
    is_client(visitor)?;
    let desk = signin.desk().await?;
    let proved = proof::open(&asked.proof, desk)?;
    let code = Opaque::parse(&proved.challenge).ok_or(Refusal::new(Problem::NOT_UNDERSTOOD))?;
    let at = At::code(&code);
    let found = desk.store.read::<CodeRecord>(&at).await?.ok_or_else(gone)?;
    let cookie = cookie(desk, &at, &found, &proved).await?;
    let session = View::of(desk, &Live::find(desk, &cookie).await?).await?;
    if let Some(previous) = previous.0 {
        live::end(desk, &At::session(previous.digest())).await?;
    }
    spend(desk, &at, &found).await?;
    Ok(Json(Redeemed { cookie: cookie.expose().to_owned(), session }))
}

fn is_client(visitor: Visitor) -> Result<(), Refusal> {
    match visitor {
        Visitor::Client => Ok(()),
        Visitor::Portal => Err(Refusal::new(Problem::WRONG_ORIGIN)),
    }
}

/// The cookie that a code stands for, if this proof may have it.
async fn cookie(
    desk: &Desk,
    at: &At,
    found: &Document<CodeRecord>,
    proved: &Proved,
) -> Result<Opaque, Refusal> {
    let record = &found.body;
    let is_theirs = record.key == proved.jwk.thumbprint()
        && record.return_to == proved.return_to
        && record.tenant == proved.tenant;
    if !is_theirs {
        return Err(Refusal::new(Problem::NOT_VERIFIED));
    }
    if record.exp <= desk.now() {
        return Err(gone());
    }
    let envelope = record.cookie.as_ref().ok_or_else(gone)?;
    let tenant = record.tenant.to_string();
    let text = envelope.open(place(&tenant, at.id()), &*desk.ports.wrapper).await;
    let text = text.map_err(not_opened)?;
    std::str::from_utf8(&text)
        .ok()
        .and_then(Opaque::parse)
        .ok_or_else(|| Refusal::new(Problem::INTEGRITY))
}

/// Takes the cookie out: whoever comes second finds none.
async fn spend(desk: &Desk, at: &At, found: &Document<CodeRecord>) -> Result<(), Refusal> {
    let record = CodeRecord { cookie: None, ..found.body.clone() };
    match desk.store.replace(at, found, Happened::SignInProgressed, &record).await? {
        Replaced::Yes => Ok(()),
        Replaced::Changed => Err(gone()),
    }
}

fn gone() -> Refusal {
    Refusal::new(Problem::GONE).detail("the code was used, or its time is over")
}

const fn place<'a>(tenant: &'a str, document: &'a str) -> Place<'a> {
    Place { tenant, document, field: "cookie", version: 1 }
}
