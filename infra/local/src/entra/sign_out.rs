//! Sign-out: Entra's session ends, and each application is told through a frame.
//!
//! The person is known by `logout_hint` (the ID token's `login_hint`) or by `id_token_hint`,
//! because no page keeps a cookie.

use url::Url;
use uuid::Uuid;

use super::{Entra, form::Form, issuer, page, tokens::login_hint};
use crate::{
    cloud::{Answer, Asked, Cloud},
    directory::TenantCard,
};

/// Answers `/{tenant}/oauth2/v2.0/logout`.
pub fn answer(cloud: &Cloud, tenant: &TenantCard, asked: &Asked) -> Answer {
    let query = asked.uri().query().unwrap_or_default();
    let form = match Form::parse(query.as_bytes()) {
        Ok(form) => form,
        Err(refusal) => return page::refusal(&refusal),
    };
    let entra = &cloud.entra;
    let frames = match person(cloud, tenant.id, &form) {
        Some(object) => {
            let ended = entra.grants.end_sessions(tenant.id, object);
            frames(entra, tenant.id, &ended)
        }
        None => Vec::new(),
    };
    let next = form
        .optional("post_logout_redirect_uri")
        .filter(|uri| entra.may_return(cloud, uri))
        .and_then(|uri| Url::parse(uri).ok())
        .map(|mut next| {
            if let Some(state) = form.optional("state") {
                next.query_pairs_mut().append_pair("state", state);
            }
            next
        });
    page::signed_out(&frames, next.as_ref())
}

fn person(cloud: &Cloud, tenant: Uuid, form: &Form) -> Option<Uuid> {
    if let Some(hint) = form.optional("logout_hint") {
        let people = cloud.directory.people(tenant);
        let hinted = people.iter().find(|person| login_hint(tenant, person.object) == hint);
        return hinted.map(|person| person.object);
    }
    // An expired ID token still says who signs out.
    let claims = cloud.entra.keys.verified(form.optional("id_token_hint")?)?;
    if claims.iss != issuer(tenant) {
        return None;
    }
    Uuid::parse_str(claims.oid.as_deref()?).ok()
}

fn frames(entra: &Entra, tenant: Uuid, sessions: &[Uuid]) -> Vec<Url> {
    let Ok(logout_url) = Url::parse(&entra.front_channel) else {
        return Vec::new();
    };
    let frame = |sid: &Uuid| {
        let mut url = logout_url.clone();
        url.query_pairs_mut()
            .append_pair("iss", &issuer(tenant))
            .append_pair("sid", &sid.to_string());
        url
    };
    sessions.iter().map(frame).collect()
}
