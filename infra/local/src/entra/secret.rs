//! Client authentication of third parties' applications: by a secret, or whatever they trust.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    form::Form,
    refusal::Refusal,
    token::{self, Proof},
    tokens::Granted,
};
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
        cloud
            .directory
            .look(tenant, |tenant| tenant.registration_of(client).filter(|one| !one.ours).cloned())
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
    let Registration { client, principal, .. } = *registration;
    token::enabled(cloud, tenant, client)?;
    let proof = if form.optional("client_assertion").is_some() {
        cloud.entra.vouched(&registration.federated, client, form, now_s)?;
        Proof::Assertion
    } else {
        let secret = form.optional("client_secret").ok_or(Refusal::NoCredential)?;
        accepted(cloud, tenant, registration, secret)?;
        Proof::Secret
    };
    // Nobody signs in to it: it has no redirect URI, and so no code and no refresh token.
    if form.required("grant_type")? != "client_credentials" {
        return Err(Refusal::UnknownGrant);
    }
    let resource = token::resource(cloud, form)?;
    let roles = token::roles(cloud, tenant, principal, resource);
    let granted = Granted { tenant, client, principal, roles, proof };
    let issued = cloud.entra.app_only_token(&granted, resource, now_s)?;
    cloud.record.token(&registration.name, &resource.audience(), tenant, "client_credentials");
    Ok(token::answered(&issued))
}

fn accepted(
    cloud: &Cloud,
    tenant: Uuid,
    registration: &Registration,
    secret: &str,
) -> Result<(), Refusal> {
    let Registration { id, client, principal, .. } = *registration;
    let now = OffsetDateTime::now_utc();
    let judged = cloud.directory.note(tenant, |tenant| {
        let registration = tenant.registrations.noted(&id)?;
        let of_application = registration.credentials.presented(secret, now);
        let of_principal = tenant
            .principals
            .noted(&principal)
            .map(|principal| principal.credentials.presented(secret, now));
        // One that somebody added to the service principal is as good here.
        Some(of_principal.filter(Result::is_ok).unwrap_or(of_application))
    });
    match judged.flatten() {
        Some(Ok(_)) => Ok(()),
        Some(Err(NotAccepted::Expired)) => Err(Refusal::ExpiredSecret(client)),
        Some(Err(NotAccepted::Unknown)) | None => Err(Refusal::WrongSecret(client)),
    }
}
