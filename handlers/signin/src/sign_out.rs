//! Sign-out: by the person, and by Entra in a frame.

use std::{convert::Infallible, time::Duration};

use airlock_azure::hosting::{Json, Refusal, chain};
use airlock_core::{
    digest::Digest, identity::TenantId, problem::Problem, session::Session,
    session_record::SessionRecord,
};
use axum::{
    extract::{RawQuery, State},
    http::{HeaderName, header},
    response::{AppendHeaders, IntoResponse as _, Response},
};
use serde::Serialize;
use tokio::sync::{Semaphore, oneshot};
use tracing::Instrument as _;
use url::{Url, form_urlencoded};

use crate::{
    cookies,
    credential::Credential,
    desk::{Desk, Signin},
    issue::Profile,
    live::{Live, Why},
    redeem, refused,
    renewal::not_opened,
    revocations,
    store::{self, At, OfSignIn},
};

/// What the browser shall forget of this origin.
const CLEAR: (HeaderName, &str) =
    (HeaderName::from_static("clear-site-data"), r#""cache", "cookies", "storage""#);

/// Pauses before Entra's word is acted upon again, when that failed.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
    Duration::from_mins(1),
];

/// Sign-outs that a process tries again at the same time, at the most.
static AGAIN: Semaphore = Semaphore::const_new(100);

/// Held until the first try is over.
type Trying = oneshot::Sender<Infallible>;

/// Where the person signs out at Entra too.
#[derive(Serialize)]
struct SignedOut {
    sign_out: Url,
}

/// Ends the session for good.
///
/// Trigger: `POST /auth/sign-out`.
pub async fn sign_out(
    State(signin): State<Signin>,
    credential: Credential,
) -> Result<Response, Refusal> {
    let desk = signin.desk().await?;
    let live = Live::find(desk, credential.cookie()).await?;
    let profile = Profile::open(desk, live.session(), live.record()).await.map_err(not_opened)?;
    let sign_out = end_session(desk, live.session(), &profile)?;
    revocations::end(desk, live.person(), live.record(), Why::SignedOut).await?;
    let cleared = AppendHeaders([(header::SET_COOKIE, cookies::clear_session())]);
    Ok((cleared, AppendHeaders([CLEAR]), Json(SignedOut { sign_out })).into_response())
}

/// Entra's sign-out page for this person.
fn end_session(desk: &Desk, session: &Session, profile: &Profile) -> Result<Url, Refusal> {
    let manifest = &desk.manifest;
    let page = format!("{}/{}/oauth2/v2.0/logout", manifest.sign_in_pages, session.tid);
    let mut url = Url::parse(&page).map_err(|error| Refusal::because(Problem::INTERNAL, error))?;
    let portal = format!("{}/", manifest.portal);
    url.query_pairs_mut().append_pair("post_logout_redirect_uri", &portal);
    if let Some(hint) = &profile.login_hint {
        url.query_pairs_mut().append_pair("logout_hint", hint.expose());
    }
    Ok(url)
}

/// Ends the sessions of one sign-in at Entra, and the codes that no session came of yet. The frame
/// carries no cookie of ours; it is known by Entra's id of the sign-in, which nobody can guess.
///
/// Trigger: `GET /auth/front-channel-sign-out`, by Entra's sign-out page. Always the same
/// answer: it must not tell strangers which sessions there are.
pub async fn front_channel(State(signin): State<Signin>, RawQuery(query): RawQuery) -> Response {
    let named = query.as_deref().and_then(|query| named(query, &signin.manifest().authority));
    if let Some((tenant, sid)) = named {
        let (trying, tried) = oneshot::channel();
        // A task of its own: the frame goes away with its page, and nobody tells us twice.
        tokio::spawn(until_ended(signin, tenant, sid, trying).in_current_span());
        // It never says anything; that it is gone says that the first try is over.
        drop(tried.await);
    }
    Json(serde_json::json!({ "done": true })).into_response()
}

/// Ends all sessions of a sign-in, again and again while something is in the way: Entra tells us
/// once, in a frame whose answer nobody reads. What is left undone, because the process is killed or
/// the trouble lasts, ends by the session's own limits.
async fn until_ended(signin: Signin, tenant: TenantId, sid: String, trying: Trying) {
    if tried(&signin, tenant, &sid).await {
        return;
    }
    drop(trying);
    // While Azure is away, strangers must not be able to have us try without end.
    let Ok(_place) = AGAIN.try_acquire() else {
        tracing::error!("sign-out at Entra not carried out; too many wait");
        return;
    };
    for pause in PAUSES {
        tokio::time::sleep(pause).await;
        if tried(&signin, tenant, &sid).await {
            return;
        }
    }
    tracing::error!("sign-out at Entra not carried out");
}

async fn tried(signin: &Signin, tenant: TenantId, sid: &str) -> bool {
    let ended = end_all(signin, tenant, sid).await;
    if let Err(error) = ended {
        // Nobody is answered with it; its making writes the log.
        drop(error.into_response());
        return false;
    }
    true
}

/// Whom the query names: issuer and `sid`, each once.
fn named(query: &str, authority: &str) -> Option<(TenantId, String)> {
    let once = |name: &str| {
        let mut values = form_urlencoded::parse(query.as_bytes())
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.into_owned());
        values.next().filter(|_| values.next().is_none())
    };
    let issuer = once("iss")?;
    let tenant = issuer.strip_prefix(authority)?.strip_prefix('/')?.strip_suffix("/v2.0")?;
    Some((tenant.parse().ok()?, once("sid")?))
}

async fn end_all(signin: &Signin, tenant: TenantId, sid: &str) -> Result<(), Refusal> {
    let desk = signin.desk().await?;
    let ended = store::sign_in(tenant, sid);
    for entry in desk.store.of_sign_in(ended).await? {
        if let OfSignIn::Code(code) = entry {
            redeem::sign_out(desk, code).await?;
        }
    }
    // Read again: of a code that was redeemed meanwhile there is a session now.
    for entry in desk.store.of_sign_in(ended).await? {
        if let OfSignIn::Session(id) = entry {
            end(desk, id).await?;
        }
    }
    Ok(())
}

async fn end(desk: &Desk, id: Digest) -> Result<(), Refusal> {
    let Some(document) = desk.store.read::<SessionRecord>(&At::session(id)).await? else {
        return Ok(());
    };
    let trust = desk.trust.trust().await.map_err(refused::trust)?;
    match document.body.person.verify(&trust, desk.now()) {
        Ok(person) => {
            revocations::end(desk, &person, &document.body, Why::SignedOutAtEntra).await?;
        }
        // It ended by itself, or its keys were revoked: nobody relies on it.
        Err(error) => tracing::debug!(cause = chain(&error), "session not ended: over"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHORITY: &str = "https://login.microsoftonline.com";
    const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";

    #[test]
    fn a_frame_names_an_issuer_of_ours_and_a_sid_once_each() {
        let issuer = format!("{AUTHORITY}/{TENANT}/v2.0");
        let query = |issuer: &str, more: &str| format!("iss={issuer}&sid=s{more}");

        let (tenant, sid) = named(&query(&issuer, ""), AUTHORITY).unwrap();
        assert_eq!((tenant.to_string().as_str(), sid.as_str()), (TENANT, "s"));
        for bad in [
            String::new(),
            format!("iss={issuer}"),
            "sid=s".to_owned(),
            query(&issuer, "&sid=t"),
            query(&issuer, &format!("&iss={issuer}")),
            query("https://evil.example/x/v2.0", ""),
            query(&format!("{AUTHORITY}/common/v2.0"), ""),
            query(&format!("{AUTHORITY}.evil.example/{TENANT}/v2.0"), ""),
        ] {
            assert_eq!(named(&bad, AUTHORITY), None, "{bad}");
        }
    }
}
