//! Client authentication of Airlock's applications: a federated credential, and nothing else.
//!
//! Each application trusts one managed identity: tokens issued by the tenant of the deployment,
//! about that identity's *principal* id, for the exchange audience. Its token is the assertion.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Entra, form::Form, issuer, keys::Keys, refusal::Refusal};
use crate::{
    cloud::audience,
    identities::{Application, Identities, application_id, principal_id},
};

/// RFC 7523, section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An application that has proved itself.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its display name.
    pub name: &'a str,
    /// What it may do.
    pub application: &'a Application,
}

impl Entra {
    /// Authenticates the client of a token request.
    ///
    /// # Errors
    ///
    /// The refusal that Entra would answer with.
    pub fn authenticated<'a>(
        &self,
        identities: &'a Identities,
        deployment: Uuid,
        tenant: Uuid,
        form: &Form,
        now_s: u64,
    ) -> Result<Client<'a>, Refusal> {
        let asked = form.required("client_id")?;
        let client = registered(&identities.applications, asked, tenant)?;
        if form.optional("client_secret").is_some() {
            return Err(Refusal::WrongSecret(application_id(client.name)));
        }
        let assertion = form.optional("client_assertion").ok_or(Refusal::NoCredential)?;
        if form.required("client_assertion_type")? != JWT_BEARER {
            return Err(Refusal::Malformed);
        }
        self.trusts(&client, deployment, assertion, now_s)?;
        Ok(client)
    }

    /// Whether the client's federated credential fits the assertion.
    fn trusts(
        &self,
        client: &Client<'_>,
        deployment: Uuid,
        assertion: &str,
        now_s: u64,
    ) -> Result<(), Refusal> {
        let claimed = Keys::unverified(assertion).ok_or(Refusal::AssertionUnreadable)?;
        let trusted = client.application.trusts.as_deref().ok_or_else(|| {
            Refusal::NoFederatedCredential(application_id(client.name).to_string())
        })?;
        // The record is found first, because it says whose keys the signature must fit. Nothing
        // claimed is believed: what is compared here is compared again below.
        if claimed.iss != issuer(deployment) {
            return Err(Refusal::AssertionIssuer(claimed.iss));
        }
        if claimed.sub != principal_id(trusted).to_string() {
            return Err(Refusal::AssertionSubject(claimed.sub));
        }
        if claimed.aud != audience::EXCHANGE {
            return Err(Refusal::AssertionAudience(claimed.aud));
        }
        let proved = self.keys.verified(assertion).ok_or(Refusal::AssertionSignature)?;
        if (&proved.iss, &proved.sub, &proved.aud) != (&claimed.iss, &claimed.sub, &claimed.aud) {
            return Err(Refusal::AssertionSignature);
        }
        if proved.xms_mirid.is_none() {
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
        .map(|(name, application)| Client { name, application })
        .ok_or_else(|| Refusal::UnknownApplication { client: client.to_owned(), tenant })
}
