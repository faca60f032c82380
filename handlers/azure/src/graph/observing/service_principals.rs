//! Service principals.

use airlock_core::{
    drift::actual::ServicePrincipal,
    identity::{ObjectId, TenantId},
    ports::PortError,
};
use serde::Deserialize;

use super::{
    credentials::{self, credentials},
    there, understood,
};
use crate::graph::{Graph, OBSERVER, batch::Questions, pages::NotUnderstood};

/// What is read, for errors.
const WHAT: &str = "service principals";

const PROPERTIES: &str =
    "id,appId,accountEnabled,appOwnerOrganizationId,passwordCredentials,keyCredentials";

impl Graph {
    pub(super) async fn read_service_principals(
        &self,
        tenant: TenantId,
        clients: &[ObjectId],
    ) -> Result<Vec<ServicePrincipal>, PortError> {
        let which = ("servicePrincipals", PROPERTIES, WHAT);
        let client = |principal: &Principal| principal.app_id;
        let found = self.of_clients(tenant, which, (clients, client)).await?;
        Ok(found.into_iter().map(ServicePrincipal::from).collect())
    }

    /// Those with these object ids, as far as they are there.
    pub(super) async fn read_identities(
        &self,
        tenant: TenantId,
        principals: &[ObjectId],
    ) -> Result<Vec<ServicePrincipal>, PortError> {
        let path = |id: &ObjectId| format!("/servicePrincipals/{id}?$select={PROPERTIES}");
        let paths: Vec<String> = principals.iter().map(path).collect();
        let questions = Questions { application: OBSERVER, tenant, what: WHAT, paths: &paths };
        let answers = self.ask_for_each(questions).await?;
        let mut all = Vec::with_capacity(answers.len());
        for (asked, answer) in principals.iter().zip(answers) {
            for found in understood::<Principal>(answer.into_iter().collect(), WHAT)? {
                if found.id != *asked {
                    return Err(NotUnderstood(WHAT).into());
                }
                all.push(found.into());
            }
        }
        Ok(all)
    }
}

/// A `servicePrincipal`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Principal {
    id: ObjectId,
    app_id: ObjectId,
    #[serde(deserialize_with = "there")]
    account_enabled: Option<bool>,
    #[serde(deserialize_with = "there")]
    app_owner_organization_id: Option<TenantId>,
    password_credentials: Vec<credentials::Found>,
    key_credentials: Vec<credentials::Found>,
}

impl From<Principal> for ServicePrincipal {
    fn from(found: Principal) -> Self {
        Self {
            client: found.app_id,
            object: found.id,
            // Entra keeps out only whom it knows to be disabled.
            enabled: found.account_enabled != Some(false),
            credentials: credentials(found.password_credentials, found.key_credentials),
            home: found.app_owner_organization_id,
        }
    }
}
