//! The authorization request and the choice that answers it.
//!
//! A request is read once, kept here, and known to its page by a handle only: nothing that comes
//! back with the form can change what was asked. Stricter than Entra in one thing: PKCE with S256
//! is demanded of this confidential client too.

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use super::{
    assertion::{Client, registered},
    form::Form,
    grants::{Code, Pending, SignIn},
    page,
    refusal::Refusal,
    token,
};
use crate::{
    cloud::{Answer, Asked, Cloud},
    directory::TenantCard,
    identities::application_id,
};

/// Longest `state` and `nonce` that are carried, in bytes.
const CARRIED_BYTES: usize = 2_048;

/// What became of an authorization request.
#[derive(Debug)]
pub enum NotAsked {
    /// The client, or where it wants the answer, is not known: only the person is told.
    Shown(Refusal),
    /// The client is told, at its redirect URI.
    Redirected {
        /// Why.
        refusal: Refusal,
        /// Where to.
        redirect_uri: String,
        /// Given back.
        state: Option<String>,
    },
}

/// Answers `GET /{tenant}/oauth2/v2.0/authorize` with the sign-in page, or with a refusal.
pub fn ask(cloud: &Cloud, tenant: &TenantCard, asked: &Asked, now_s: u64) -> Answer {
    let query = asked.uri().query().unwrap_or_default();
    let kept = Form::parse(query.as_bytes())
        .map_err(NotAsked::Shown)
        .and_then(|form| request(cloud, tenant.id, &form))
        .and_then(|request| {
            let handle = cloud.entra.grants.await_choice(request.clone(), now_s);
            handle.map(|handle| (request, handle)).map_err(NotAsked::Shown)
        });
    match kept {
        Ok((request, handle)) => {
            let people = cloud.directory.people(tenant.id);
            page::sign_in(tenant, &request, &handle, &people)
        }
        Err(NotAsked::Shown(refusal)) => shown(cloud, &refusal),
        Err(NotAsked::Redirected { refusal, redirect_uri, state }) => {
            cloud.record.refusal("entra", None, &format!("AADSTS{}", refusal.code()));
            redirect_refusal(&redirect_uri, state.as_deref(), &refusal)
        }
    }
}

/// Answers `POST /{tenant}/login`: the person's choice.
pub fn choose(cloud: &Cloud, tenant: &TenantCard, asked: &Asked, now_s: u64) -> Answer {
    match chosen(cloud, tenant.id, asked, now_s) {
        Ok(answer) => answer,
        Err(refusal) => shown(cloud, &refusal),
    }
}

fn chosen(cloud: &Cloud, tenant: Uuid, asked: &Asked, now_s: u64) -> Result<Answer, Refusal> {
    if !from_our_page(&cloud.names.pages, asked.headers()) {
        return Err(Refusal::Malformed);
    }
    let form = Form::parse(asked.body())?;
    let grants = &cloud.entra.grants;
    let pending = grants.chosen(form.required("request")?, now_s).ok_or(Refusal::UnknownGrant)?;
    if pending.tenant != tenant {
        return Err(Refusal::CodeOfOtherTenant);
    }
    let state = pending.state.as_deref();
    if form.optional("cancel").is_some() {
        return Ok(redirect_refusal(&pending.redirect_uri, state, &Refusal::Declined));
    }
    let person =
        cloud.directory.sign_in(tenant, form.required("person")?).ok_or(Refusal::UnknownPerson)?;
    if !person.enabled {
        return Err(Refusal::AccountDisabled);
    }
    let sid = Uuid::new_v4();
    let code = grants.code(
        Code {
            sign_in: SignIn {
                tenant,
                application: pending.application,
                object: person.object,
                scopes: pending.scopes,
                auth_time_s: now_s,
                sid,
                id_token_contexts: pending.id_token_contexts,
                access_token_contexts: pending.access_token_contexts,
            },
            nonce: pending.nonce,
            redirect_uri: pending.redirect_uri.clone(),
            challenge: pending.challenge,
        },
        now_s,
    )?;
    let session = sid.to_string();
    let parameters = [("code", code.as_str()), ("session_state", session.as_str())];
    Ok(redirect(&pending.redirect_uri, pending.state.as_deref(), &parameters))
}

/// A form that another site posts would sign a person in without their knowing. Machines send no
/// `Origin`, browsers always do.
fn from_our_page(pages: &str, headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_none_or(|origin| origin.as_bytes() == pages.as_bytes())
}

/// Reads an authorization request.
///
/// # Errors
///
/// Whom to tell what is wrong with it.
pub fn request(cloud: &Cloud, tenant: Uuid, form: &Form) -> Result<Pending, NotAsked> {
    let shown = NotAsked::Shown;
    let id = form.required("client_id").map_err(shown)?;
    let client = registered(&cloud.identities.applications, id, tenant).map_err(shown)?;
    let redirect_uri = form.required("redirect_uri").map_err(shown)?;
    if !cloud.directory.may_redirect(application_id(client.name), redirect_uri) {
        return Err(NotAsked::Shown(Refusal::RedirectNotRegistered {
            uri: redirect_uri.to_owned(),
            client: application_id(client.name),
        }));
    }
    // From here on the client is known, and can be told.
    let state = form.optional("state");
    checked(tenant, client, redirect_uri, form).map_err(|refusal| NotAsked::Redirected {
        refusal,
        redirect_uri: redirect_uri.to_owned(),
        state: state.filter(|state| state.len() <= CARRIED_BYTES).map(str::to_owned),
    })
}

fn checked(
    tenant: Uuid,
    client: Client<'_>,
    redirect_uri: &str,
    form: &Form,
) -> Result<Pending, Refusal> {
    let kind = form.required("response_type")?;
    if kind != "code" {
        return Err(Refusal::ResponseType(kind.to_owned()));
    }
    if form.optional("response_mode").is_some_and(|mode| mode != "query") {
        return Err(Refusal::ResponseMode);
    }
    let asked = form.required("scope")?;
    let scopes = token::scopes(asked, client)?;
    if !scopes.iter().any(|scope| scope == "openid") {
        return Err(Refusal::Scope(asked.to_owned()));
    }
    let challenge = form.optional("code_challenge").ok_or(Refusal::ChallengeSize)?;
    // A SHA-256 digest in base64url.
    let base64url = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
    if challenge.len() != 43 || !challenge.bytes().all(base64url) {
        return Err(Refusal::ChallengeSize);
    }
    if form.optional("code_challenge_method") != Some("S256") {
        return Err(Refusal::ChallengeMethod);
    }
    match form.optional("prompt") {
        // No page keeps a cookie, so nobody is ever signed in already.
        Some("none") => return Err(Refusal::InteractionRequired),
        None | Some("login" | "select_account" | "consent") => {}
        Some(_) => return Err(Refusal::Malformed),
    }
    let carried = |name| match form.optional(name) {
        Some(value) if value.len() > CARRIED_BYTES => Err(Refusal::Malformed),
        value => Ok(value.map(str::to_owned)),
    };
    let claims = form.optional("claims");
    Ok(Pending {
        tenant,
        application: client.name.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        scopes,
        state: carried("state")?,
        nonce: carried("nonce")?,
        challenge: challenge.to_owned(),
        id_token_contexts: contexts(claims, "id_token")?,
        access_token_contexts: contexts(claims, "access_token")?,
        login_hint: form.optional("login_hint").map(str::to_owned),
    })
}

/// The authentication contexts that the `claims` parameter makes essential for a token.
fn contexts(claims: Option<&str>, token: &str) -> Result<Vec<String>, Refusal> {
    let Some(claims) = claims else {
        return Ok(Vec::new());
    };
    let claims: Value = serde_json::from_str(claims).map_err(|_| Refusal::Malformed)?;
    let asked = &claims[token]["acrs"];
    if asked["essential"] != Value::Bool(true) {
        return Ok(Vec::new());
    }
    let values = match (&asked["value"], &asked["values"]) {
        (Value::String(value), Value::Null) => vec![value.clone()],
        (Value::Null, Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned).ok_or(Refusal::Malformed))
            .collect::<Result<_, _>>()?,
        _ => return Err(Refusal::Malformed),
    };
    let is_context = |value: &String| {
        let number = value.strip_prefix('c').and_then(|number| number.parse::<u8>().ok());
        number.is_some_and(|number| (1..=99).contains(&number) && *value == format!("c{number}"))
    };
    if !values.iter().all(is_context) {
        return Err(Refusal::Malformed);
    }
    Ok(values)
}

fn shown(cloud: &Cloud, refusal: &Refusal) -> Answer {
    cloud.record.refusal("entra", None, &format!("AADSTS{}", refusal.code()));
    page::refusal(refusal)
}

fn redirect_refusal(redirect_uri: &str, state: Option<&str>, refusal: &Refusal) -> Answer {
    let description = refusal.description();
    let parameters = [("error", refusal.error()), ("error_description", &description)];
    redirect(redirect_uri, state, &parameters)
}

fn redirect(redirect_uri: &str, state: Option<&str>, parameters: &[(&str, &str)]) -> Answer {
    // Registered URIs were parsed when they were registered.
    let Ok(mut url) = Url::parse(redirect_uri) else {
        return page::refusal(&Refusal::Unavailable);
    };
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(parameters);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
    }
    page::leave(StatusCode::FOUND, &url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_essential_contexts_of_the_named_token_are_asked() {
        let one = r#"{"id_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        assert_eq!(contexts(Some(one), "id_token").unwrap(), ["c1"]);
        assert!(contexts(Some(one), "access_token").unwrap().is_empty());

        let several = r#"{"access_token":{"acrs":{"essential":true,"values":["c1","c25"]}}}"#;
        assert_eq!(contexts(Some(several), "access_token").unwrap(), ["c1", "c25"]);

        let voluntary = r#"{"id_token":{"acrs":{"value":"c1"}}}"#;
        assert!(contexts(Some(voluntary), "id_token").unwrap().is_empty());
        assert!(contexts(None, "id_token").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for value in ["c0", "c100", "C1", "c01", "c+1", "1", ""] {
            let claims =
                format!(r#"{{"id_token":{{"acrs":{{"essential":true,"value":"{value}"}}}}}}"#);
            assert_eq!(contexts(Some(&claims), "id_token"), Err(Refusal::Malformed), "{value}");
        }
        assert_eq!(contexts(Some("{"), "id_token"), Err(Refusal::Malformed));
    }
}
