//! Asking Entra again whether a person may still sign in.
//!
//! Nobody tells us that an account was disabled or its sessions revoked: Entra has no
//! back-channel for it. Redeeming the refresh token finds out.

use airlock_azure::{entra::NotAccepted, hosting::Refusal};
use airlock_core::{
    envelope::NotOpened, problem::Problem, secret::Secret, session::Session,
    session_record::SessionRecord,
};

use crate::{
    desk::Desk,
    issue::{open_refresh, seal_refresh},
    live::{Live, Why},
    outside::{IdToken, NotGranted, Tokens},
    refused::passing,
    revocations,
};

/// How often Entra is asked, in seconds.
pub const EVERY_S: i64 = 15 * 60;

/// Why a session that lasted is over.
#[derive(Debug, thiserror::Error)]
enum Over {
    /// There is nothing to ask with.
    #[error("no refresh token")]
    NoToken,
    /// Entra says no.
    #[error("Entra refuses")]
    Refused(#[source] NotGranted),
    /// The answer is about somebody else, or a role was taken away.
    #[error("Entra no longer says what the session says")]
    Changed,
}

/// Asks Entra if the last time is long ago.
///
/// # Errors
///
/// `not-signed-in` if Entra refuses; the session is then ended and revoked. `unavailable` if
/// Entra does not answer: nothing is changed, and the idle limit does not move.
pub async fn if_due(desk: &Desk, live: Live) -> Result<Live, Refusal> {
    if desk.now().since_s(live.record().checked) < EVERY_S {
        return Ok(live);
    }
    Ok(renew(desk, live).await?.0)
}

/// Asks Entra now, and gives the access token that it gave.
///
/// # Errors
///
/// As [`if_due`].
pub async fn renew(desk: &Desk, live: Live) -> Result<(Live, Secret), Refusal> {
    let tokens = match ask(desk, &live).await? {
        Ok(tokens) => tokens,
        Err(over) => {
            revocations::end(desk, live.person(), live.record(), Why::NotRenewed).await?;
            return Err(Refusal::because(Problem::NOT_SIGNED_IN, over));
        }
    };
    let mut record = SessionRecord { checked: desk.now(), ..live.record().clone() };
    if let Some(token) = &tokens.refresh {
        let id = live.session().cookie.to_string();
        let sealed = seal_refresh(desk, live.session().tid, &id, token).await;
        record.refresh = Some(sealed.map_err(not_opened)?);
    }
    Ok((live.change(desk, &record).await?, tokens.access))
}

async fn ask(desk: &Desk, live: &Live) -> Result<Result<Tokens, Over>, Refusal> {
    let session = live.session();
    let Some(envelope) = &live.record().refresh else { return Ok(Err(Over::NoToken)) };
    let token = open_refresh(desk, session, envelope).await.map_err(not_opened)?;
    match desk.entra.refresh(session.tid, token).await {
        Ok(tokens) if still_holds(session, &tokens.id) => Ok(Ok(tokens)),
        Ok(_) => Ok(Err(Over::Changed)),
        Err(error @ NotGranted::Refused { .. }) => Ok(Err(Over::Refused(error))),
        Err(error) => Err(not_asked(error)),
    }
}

/// Whether Entra still says of the person what the session says. Roles given since count from
/// the next sign-in; a role taken away counts at once.
fn still_holds(session: &Session, now: &IdToken) -> bool {
    let says = &now.says;
    says.person == session.person() && session.roles.iter().all(|role| says.roles.contains(role))
}

fn not_asked(error: NotGranted) -> Refusal {
    let problem = match &error {
        NotGranted::Port(error) | NotGranted::NotAccepted(NotAccepted::Keys(error)) => {
            passing(error)
        }
        NotGranted::Refused { .. } | NotGranted::NotAccepted(_) => Problem::INTERNAL,
    };
    Refusal::because(problem, error)
}

/// A sealed field was not opened or not sealed.
pub fn not_opened(error: NotOpened) -> Refusal {
    let problem = match &error {
        NotOpened::Port(error) => passing(error),
        NotOpened::Changed => Problem::INTEGRITY,
    };
    Refusal::because(problem, error)
}
