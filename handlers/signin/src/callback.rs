//! Entra's answer: the end of a sign-in.
//!
//! Where the answer belongs to a sign-in of ours, the person is sent back to where they came
//! from whatever happens; why it failed only the log is told.

use airlock_azure::hosting::{Refusal, chain};
use airlock_core::{
    digest::Digest, ledger::Happened, ports::Created, problem::Problem, secret::Secret,
};
use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::{AppendHeaders, IntoResponse as _, Response},
};
use url::form_urlencoded;

use crate::{
    admission::{self, NotAdmitted},
    challenge::{Begun, NotBegun, Transaction},
    cookies::{self, Doubled},
    desk::{Desk, Signin},
    homes::NotAtHome,
    issue::{self, Arrival, NotIssued},
    opaque::Opaque,
    outside::{NotGranted, Tokens},
    redeem,
    return_to::ReturnTo,
    store::{At, NotKept, Spent},
};

/// What Entra's answer brings, by the person's browser.
pub struct Answered {
    state: String,
    /// `None`: Entra or the person said no.
    code: Option<Secret>,
    /// The cookie that binds a sign-in to its browser.
    start: Option<Opaque>,
    /// The session that the browser has now.
    session: Option<Opaque>,
}

/// The query is not an answer of Entra's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAnswer {
    /// A parameter stands twice (RFC 6749, section 3.1).
    #[error("parameter stands twice")]
    Twice,
    /// Neither a code nor an error, or both, or no state.
    #[error("neither code nor error, or no state")]
    Neither,
}

/// Why a sign-in that was ours did not end in a session.
#[derive(Debug, thiserror::Error)]
pub enum NotFinished {
    /// Entra or the person said no.
    #[error("declined at Entra")]
    Declined,
    /// Too late, or by another browser.
    #[error("transaction not gone on with")]
    NotBegun(#[from] NotBegun),
    /// Nobody of that tenant signs in any more.
    #[error("tenant not taken")]
    NotAtHome(#[from] NotAtHome),
    /// A code for it was tried before.
    #[error("a code of this transaction was tried before")]
    Tried,
    /// Entra gave nothing for the code.
    #[error("code not redeemed")]
    NotGranted(#[from] NotGranted),
    /// The ID token does not do.
    #[error("ID token does not do")]
    NotAdmitted(#[from] NotAdmitted),
    /// It was used before.
    #[error("transaction used before")]
    Spent,
    /// Whether it was used before is not known.
    #[error("use of transaction not recorded")]
    NotKept(#[from] NotKept),
    /// There is no session.
    #[error("session not issued")]
    NotIssued(#[from] NotIssued),
    /// There is no one-time code.
    #[error("one-time code not issued")]
    NoCode(#[from] redeem::NotIssued),
}

/// How a person comes back.
enum Arrived {
    /// In a browser, with a session.
    InBrowser(Opaque),
    /// At a program, with a one-time code.
    AtClient(Opaque),
}

/// Ends a sign-in.
///
/// Trigger: `GET /auth/callback`, by Entra's redirect.
pub async fn callback(
    State(signin): State<Signin>,
    answered: Answered,
) -> Result<Response, Refusal> {
    let desk = signin.desk().await?;
    let transaction: Transaction = desk.unseal(&answered.state).await?;
    let return_to = transaction.return_to().clone();
    let arrived = finish(desk, transaction, answered).await;
    if let Err(error) = &arrived {
        tracing::warn!(cause = chain(error), "sign-in not finished");
    }
    sent_back(&desk.manifest.portal, &return_to, arrived.ok().as_ref())
}

async fn finish(
    desk: &Desk,
    transaction: Transaction,
    answered: Answered,
) -> Result<Arrived, NotFinished> {
    let begun = transaction.begin(desk.now(), answered.start.as_ref())?;
    let code = answered.code.ok_or(NotFinished::Declined)?;
    desk.homes.check(begun.tenant, &desk.trust, desk.now()).await?;
    // Before Entra is asked: else who made up codes could have it asked without end.
    if !desk.tried.is_first(begun.random) {
        return Err(NotFinished::Tried);
    }
    let tokens = desk.entra.redeem(begun.tenant, code, begun.verifier.clone()).await?;
    let arrived = arrive(desk, &begun, tokens, answered.session.as_ref()).await;
    // Not before: only of who has signed in at Entra the ledger is told.
    if let Some(what) = arrived.as_ref().err().and_then(NotFinished::contradiction) {
        desk.reports.refused(begun.tenant, Digest::of(&[&begun.random]), what).await;
    }
    arrived
}

/// Lets in whoever Entra answered for.
async fn arrive(
    desk: &Desk,
    begun: &Begun,
    tokens: Tokens,
    session: Option<&Opaque>,
) -> Result<Arrived, NotFinished> {
    let person = admission::admit(begun, &tokens.id.says)?;
    // Not before: only who has signed in at Entra makes us write.
    spend(desk, begun).await?;
    let arrival = Arrival::new(person, tokens, begun.random, desk.now());
    match begun.return_to {
        ReturnTo::Portal(_) => {
            let issued = issue::issue(desk, &begun.jwk, arrival).await?;
            Ok(Arrived::InBrowser(issued.keep(desk, session).await?))
        }
        // No session yet: of a key whose holder never redeems the code there shall be none.
        ReturnTo::Loopback(_) => Ok(Arrived::AtClient(redeem::issue(desk, begun, &arrival).await?)),
    }
}

impl NotFinished {
    /// What contradicts itself in the evidence for a person, in words for the ledger.
    const fn contradiction(&self) -> Option<&'static str> {
        match self {
            Self::NotAdmitted(NotAdmitted::Tenant | NotAdmitted::Nonce) => {
                Some("the ID token is of another sign-in")
            }
            Self::NotIssued(error) => error.contradiction(),
            Self::NotAdmitted(NotAdmitted::AuthTime | NotAdmitted::StepUp)
            | Self::Declined
            | Self::NotBegun(_)
            | Self::NotAtHome(_)
            | Self::Tried
            | Self::NotGranted(_)
            | Self::Spent
            | Self::NotKept(_)
            | Self::NoCode(_) => None,
        }
    }
}

/// A transaction is used once, for ever and by all instances.
async fn spend(desk: &Desk, begun: &Begun) -> Result<(), NotFinished> {
    let at = At::spent(&begun.random);
    match desk.store.create(&at, Happened::SignInProgressed, &Spent {}).await? {
        Created::New => Ok(()),
        Created::Existed => Err(NotFinished::Spent),
    }
}

/// The way back.
fn sent_back(
    portal: &str,
    return_to: &ReturnTo,
    arrived: Option<&Arrived>,
) -> Result<Response, Refusal> {
    let (also, session) = match arrived {
        Some(Arrived::InBrowser(cookie)) => (None, Some(cookies::set_session(cookie))),
        Some(Arrived::AtClient(code)) => (Some(("code", code.expose())), None),
        None => (Some(("error", "sign-in-failed")), None),
    };
    let address = return_to
        .address(portal, also)
        .map_err(|error| Refusal::because(Problem::INTERNAL, error))?;
    let cookies = [Some(cookies::clear_start()), session];
    let cookies = cookies.into_iter().flatten().map(|cookie| (header::SET_COOKIE, cookie));
    let location = [(header::LOCATION, String::from(address))];
    Ok((StatusCode::FOUND, location, AppendHeaders(cookies)).into_response())
}

impl Answered {
    fn read(parts: &Parts) -> Result<Self, NotAnAnswer> {
        let query = parts.uri.query().unwrap_or_default();
        let state = once(query, "state")?.ok_or(NotAnAnswer::Neither)?;
        let code = match (once(query, "code")?, once(query, "error")?) {
            (Some(code), None) => Some(Secret::new(code)),
            (None, Some(_)) => None,
            (Some(_), Some(_)) | (None, None) => return Err(NotAnAnswer::Neither),
        };
        let (start, session) = (cookies::start(&parts.headers)?, cookies::session(&parts.headers)?);
        Ok(Self { state, code, start, session })
    }
}

fn once(query: &str, name: &str) -> Result<Option<String>, NotAnAnswer> {
    let mut values = form_urlencoded::parse(query.as_bytes())
        .filter(|(other, _)| other == name)
        .map(|(_, value)| value.into_owned());
    match (values.next(), values.next()) {
        (value, None) => Ok(value.filter(|value| !value.is_empty())),
        (_, Some(_)) => Err(NotAnAnswer::Twice),
    }
}

impl From<Doubled> for NotAnAnswer {
    fn from(_: Doubled) -> Self {
        Self::Twice
    }
}

impl FromRequestParts<Signin> for Answered {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Signin) -> Result<Self, Refusal> {
        Self::read(parts).map_err(|error| Refusal::because(Problem::NOT_UNDERSTOOD, error))
    }
}
