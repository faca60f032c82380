//! One-time codes: how a client that is no browser comes to its session.
//!
//! The code passes through a browser and its history; it is good once, for two minutes, and only
//! in a proof by the client key that started the sign-in. Until it is redeemed there is no
//! session, only the encrypted answer of Entra: a key whose holder sent somebody else through a
//! sign-in never comes to stand for that person.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{
    digest::Digest,
    envelope::{Envelope, NotOpened, Place},
    identity::TenantId,
    jwk::Thumbprint,
    jws::Signed,
    ledger::{Document, Happened},
    ports::{Created, PortError},
    problem::Problem,
    secret::Secret,
    sign_in::SignIn,
    time::Timestamp,
};
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::{
    challenge::Begun,
    credential::Previous,
    desk::{Desk, Signin},
    issue::{self, Arrival},
    live::{Live, Why},
    opaque::Opaque,
    origin::Visitor,
    proof::{self, Proved},
    renewal::not_opened,
    return_to::ReturnTo,
    revocations,
    session::View,
    store::{At, Kept, NotKept, OfSignIn, Replaced},
};

/// For how long a one-time code can be redeemed, in seconds.
pub const CODE_S: i64 = 2 * 60;

/// How often the end of a code is tried against other writers of its document.
const ATTEMPTS: u32 = 5;

/// What a one-time code stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRecord {
    tenant: TenantId,
    /// Who may redeem it.
    key: Thumbprint,
    return_to: ReturnTo,
    exp: Timestamp,
    /// What the person brought back from Entra, encrypted. Gone when the code was redeemed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrival: Option<Envelope>,
    /// Whether the person has signed out at Entra since.
    #[serde(default)]
    signed_out: bool,
}

impl Kept for CodeRecord {
    const KIND: &'static str = "one-time-code";
    const COUNTS_S: i64 = CODE_S;
}

/// A one-time code was not made.
#[derive(Debug, thiserror::Error)]
pub enum NotIssued {
    /// There is no randomness.
    #[error("no randomness")]
    Port(#[from] PortError),
    /// It has no JSON form.
    #[error("not written as JSON")]
    Json(#[from] serde_json::Error),
    /// What the person brought was not encrypted.
    #[error("not encrypted")]
    NotSealed(#[from] NotOpened),
    /// It was not stored, or it is not known.
    #[error("one-time code not stored")]
    NotKept(#[from] NotKept),
    /// Two of 2^256 met, or randomness is broken.
    #[error("one-time code taken")]
    Taken,
}

/// Makes a one-time code for whoever arrived.
///
/// # Errors
///
/// [`NotIssued`].
pub async fn issue(desk: &Desk, begun: &Begun, arrival: &Arrival) -> Result<Opaque, NotIssued> {
    let code = Opaque::generate(&*desk.ports.entropy)?;
    let at = At::code(code.digest());
    let tenant = begun.tenant.to_string();
    let place = place(&tenant, at.id());
    let text = Secret::new(serde_json::to_string(arrival)?);
    let (wrapper, entropy) = (&*desk.ports.wrapper, &*desk.ports.entropy);
    let record = CodeRecord {
        tenant: begun.tenant,
        key: begun.jwk.thumbprint(),
        return_to: begun.return_to.clone(),
        exp: desk.now().plus_s(CODE_S),
        arrival: Some(Envelope::seal(place, text.expose().as_bytes(), wrapper, entropy).await?),
        signed_out: false,
    };
    // Before the code: an entry without one is harmless, and one without an entry would outlive a
    // sign-out at Entra.
    if let Some(sign_in) = arrival.sign_in() {
        created(desk.store.file(sign_in, OfSignIn::Code(code.digest())).await?)?;
    }
    created(desk.store.create(&at, Happened::SignInProgressed, &record).await?)?;
    Ok(code)
}

const fn created(created: Created) -> Result<(), NotIssued> {
    match created {
        Created::New => Ok(()),
        Created::Existed => Err(NotIssued::Taken),
    }
}

/// Makes a one-time code worth nothing, because its person has signed out at Entra. Whoever is
/// redeeming it at this moment finds the mark once the session is stored, and ends it.
///
/// # Errors
///
/// If it could not be read or written, or others changed it all the time. Repeating is safe.
pub async fn sign_out(desk: &Desk, code: Digest) -> Result<(), Refusal> {
    let at = At::code(code);
    for _ in 0..ATTEMPTS {
        let Some(found) = desk.store.read::<CodeRecord>(&at).await? else { return Ok(()) };
        if found.body.signed_out {
            return Ok(());
        }
        let record = CodeRecord { arrival: None, signed_out: true, ..found.body.clone() };
        let happened = Happened::SignInProgressed;
        if desk.store.replace(&at, &found, happened, &record).await? == Replaced::Yes {
            return Ok(());
        }
    }
    Err(Refusal::new(Problem::UNAVAILABLE))
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
    let at = At::code(code.digest());
    let found = desk.store.read::<CodeRecord>(&at).await?.ok_or_else(gone)?;
    let arrival = arrival(desk, &at, &found, &proved).await?;
    // First: a session that is lost on the way costs another sign-in, and there are never two.
    spend(desk, &at, &found).await?;
    let issued = issue::issue(desk, &proved.jwk, arrival).await;
    if let Some(what) = issued.as_ref().err().and_then(issue::NotIssued::contradiction) {
        desk.reports.refused(found.body.tenant, code.digest(), what).await;
    }
    let issued = issued?;
    let cookie = issued.keep(desk, previous.0.as_ref()).await?;
    let live = Live::find(desk, &cookie).await?;
    still_signed_in(desk, &at, &live).await?;
    let session = View::of(desk, &live).await?;
    Ok(Json(Redeemed { cookie: cookie.expose().to_owned(), session }))
}

fn is_client(visitor: Visitor) -> Result<(), Refusal> {
    match visitor {
        Visitor::Client => Ok(()),
        Visitor::Portal => Err(Refusal::new(Problem::WRONG_ORIGIN)),
    }
}

/// Who arrived with a code, if this proof may have it.
async fn arrival(
    desk: &Desk,
    at: &At,
    found: &Document<CodeRecord>,
    proved: &Proved,
) -> Result<Arrival, Refusal> {
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
    let envelope = record.arrival.as_ref().ok_or_else(gone)?;
    let tenant = record.tenant.to_string();
    let text = envelope.open(place(&tenant, at.id()), &*desk.ports.wrapper).await;
    let text = text.map_err(not_opened)?;
    serde_json::from_slice(&text).map_err(|_| Refusal::new(Problem::INTEGRITY))
}

/// Takes out what it stands for: whoever comes second finds none.
async fn spend(desk: &Desk, at: &At, found: &Document<CodeRecord>) -> Result<(), Refusal> {
    let record = CodeRecord { arrival: None, ..found.body.clone() };
    match desk.store.replace(at, found, Happened::SignInProgressed, &record).await? {
        Replaced::Yes => Ok(()),
        Replaced::Changed => Err(gone()),
    }
}

/// A sign-out at Entra after this looks finds the new session; one before it has left its mark.
async fn still_signed_in(desk: &Desk, at: &At, live: &Live) -> Result<(), Refusal> {
    let found = desk.store.read::<CodeRecord>(at).await?;
    if found.is_some_and(|found| !found.body.signed_out) {
        return Ok(());
    }
    revocations::end(desk, live.person(), live.record(), Why::SignedOutAtEntra).await?;
    Err(Refusal::new(Problem::NOT_SIGNED_IN))
}

fn gone() -> Refusal {
    Refusal::new(Problem::GONE).detail("the code was used, or its time is over")
}

const fn place<'a>(tenant: &'a str, document: &'a str) -> Place<'a> {
    Place { tenant, document, field: "arrival", version: 1 }
}
