//! Client authentication by a secret, for the applications of tenants of their own.
//!
//! None of Airlock's applications has one, and for none of them is this asked.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{form::Form, refusal::Refusal, token};
use crate::{
    cloud::Cloud,
    directory::{Registration, registration::NotAccepted},
};

/// The tenant's own application that the request comes from, if it is one.
///
/// # Errors
///
/// If no client is named.
pub fn registered(
    cloud: &Cloud,
    tenant: Uuid,
    form: &Form,
) -> Result<Option<Registration>, Refusal> {
    let asked = form.required("client_id")?;
    let client = Uuid::parse_str(asked).ok().filter(|client| client.to_string() == asked);
    let found = client.and_then(|client| {
        cloud.directory.look(tenant, |tenant| tenant.registration_of(client).cloned())
    });
    Ok(found.flatten())
}

/// The token that such an application is granted.
///
/// # Errors
///
/// The refusal that Entra would answer with.
pub fn granted(
    cloud: &Cloud,
    tenant: Uuid,
    registration: &Registration,
    form: &Form,
    now_s: u64,
) -> Result<Value, Refusal> {
    let Registration { id, client, .. } = *registration;
    if form.optional("client_assertion").is_some() {
        return Err(Refusal::NoFederatedCredential(client.to_string()));
    }
    let secret = form.optional("client_secret").ok_or(Refusal::NoCredential)?;
    let now = OffsetDateTime::now_utc();
    let judged = cloud.directory.note(tenant, |tenant| {
        let registration = tenant.registrations.get_mut(&id)?;
        Some(registration.presented(secret, now))
    });
    match judged.flatten() {
        Some(Ok(_)) => {}
        Some(Err(NotAccepted::Expired)) => return Err(Refusal::ExpiredSecret(client)),
        Some(Err(NotAccepted::Unknown)) | None => return Err(Refusal::WrongSecret(client)),
    }
    // Nobody signs in to it: it has no redirect URI, and so no code and no refresh token.
    if form.required("grant_type")? != "client_credentials" {
        return Err(Refusal::UnknownGrant);
    }
    let resource = token::resource(cloud, form)?;
    let issued = cloud.entra.third_party_token(tenant, registration, resource, now_s)?;
    cloud.record.token(&registration.name, &resource.audience(), tenant, "client_credentials");
    Ok(token::answered(&issued))
}
