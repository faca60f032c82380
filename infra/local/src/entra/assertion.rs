//! Client authentication of Airlock's applications: a federated credential, and nothing else unless
//! somebody has added it.
//!
//! As declared, each application trusts one managed identity: tokens issued by the tenant of the
//! deployment, about that identity's *principal* id, for the exchange audience. Its token is the
//! assertion. What counts is what stands in the directory, right or wrong.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Entra, form::Form, keys::Keys, refusal::Refusal, token};
use crate::{
    cloud::Cloud,
    directory::{
        federation::{Claimed, FederatedCredential, Fit, fit},
        registration::NotAccepted,
    },
    identities::{Application, application_id, registration_id, service_principal_id},
};

/// RFC 7523, section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Every tenant's issuer begins so.
const ENTRA: &str = "https://login.microsoftonline.com/";

/// An application that has proved itself.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its display name.
    pub name: &'a str,
    /// What it exposes.
    pub application: &'a Application,
    /// How it proved itself.
    pub proof: token::Proof,
}

/// Authenticates the client of a token request.
///
/// # Errors
///
/// The refusal that Entra would answer with.
pub fn authenticated<'a>(
    cloud: &'a Cloud,
    tenant: Uuid,
    form: &Form,
    now_s: u64,
) -> Result<Client<'a>, Refusal> {
    let asked = form.required("client_id")?;
    let client = registered(&cloud.identities.applications, asked, tenant)?;
    let id = application_id(client.name);
    token::enabled(cloud, tenant, id)?;
    if let Some(secret) = form.optional("client_secret") {
        accepted(cloud, tenant, client.name, secret)?;
        return Ok(Client { proof: token::Proof::Secret, ..client });
    }
    let federated = cloud.directory.look(cloud.names.tenant, |home| {
        let registration = home.registrations.get(&registration_id(client.name));
        registration.map(|registration| registration.federated.clone()).unwrap_or_default()
    });
    cloud.entra.vouched(&federated.unwrap_or_default(), id, form, now_s)?;
    Ok(client)
}

/// Whether somebody has added this secret to the application, or to its service principal in the
/// tenant.
fn accepted(cloud: &Cloud, tenant: Uuid, name: &str, secret: &str) -> Result<(), Refusal> {
    let now = OffsetDateTime::now_utc();
    let client = application_id(name);
    let of_application = cloud.directory.note(cloud.names.tenant, |home| {
        let registration = home.registrations.noted(&registration_id(name))?;
        Some(registration.credentials.presented(secret, now))
    });
    let of_principal = cloud.directory.note(tenant, |tenant| {
        let principal = tenant.principals.noted(&service_principal_id(name, tenant.id))?;
        Some(principal.credentials.presented(secret, now))
    });
    let judged = [of_application.flatten(), of_principal.flatten()];
    if judged.contains(&Some(Err(NotAccepted::Expired))) {
        return Err(Refusal::ExpiredSecret(client));
    }
    let opens = judged.iter().flatten().any(Result::is_ok);
    if opens { Ok(()) } else { Err(Refusal::WrongSecret(client)) }
}

impl Entra {
    /// Whether one of these federated credentials fits the assertion of a token request.
    ///
    /// # Errors
    ///
    /// The refusal that Entra would answer with.
    pub fn vouched(
        &self,
        federated: &[FederatedCredential],
        client: Uuid,
        form: &Form,
        now_s: u64,
    ) -> Result<(), Refusal> {
        let assertion = form.optional("client_assertion").ok_or(Refusal::NoCredential)?;
        if form.required("client_assertion_type")? != JWT_BEARER {
            return Err(Refusal::Malformed);
        }
        let claimed = Keys::unverified(assertion).ok_or(Refusal::AssertionUnreadable)?;
        let claim = Claimed { issuer: &claimed.iss, subject: &claimed.sub, audience: &claimed.aud };
        // The credential is found first, because it says whose keys the signature must fit. Nothing
        // claimed is believed: what is compared here is compared again below.
        match fit(federated, claim) {
            Fit::All => {}
            Fit::None => return Err(Refusal::NoFederatedCredential(client.to_string())),
            Fit::Issuer => return Err(Refusal::AssertionIssuer(claimed.iss)),
            Fit::Subject => return Err(Refusal::AssertionSubject(claimed.sub)),
            Fit::Audience => return Err(Refusal::AssertionAudience(claimed.aud)),
        }
        // Keys of other issuers are not fetched: whoever trusts one here trusts nobody.
        let proved = self.keys.verified(assertion).ok_or(Refusal::AssertionSignature)?;
        if (&proved.iss, &proved.sub, &proved.aud) != (&claimed.iss, &claimed.sub, &claimed.aud) {
            return Err(Refusal::AssertionSignature);
        }
        if !proved.iss.starts_with(ENTRA) || proved.xms_mirid.is_none() {
            return Err(Refusal::AssertionNotOfManagedIdentity);
        }
        if !proved.is_valid_at(now_s) {
            return Err(Refusal::AssertionTime);
        }
        Ok(())
    }
}

/// The application with this client id, as it was presented.
pub fn registered<'a>(
    applications: &'a BTreeMap<String, Application>,
    client: &str,
    tenant: Uuid,
) -> Result<Client<'a>, Refusal> {
    applications
        .iter()
        .find(|(name, _)| application_id(name).to_string() == client)
        .map(|(name, application)| Client { name, application, proof: token::Proof::Assertion })
        .ok_or_else(|| Refusal::UnknownApplication { client: client.to_owned(), tenant })
}
