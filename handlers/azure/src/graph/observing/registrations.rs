//! App registrations.

use std::collections::BTreeSet;

use airlock_core::{
    drift::actual::{Name, Registration},
    identity::{ObjectId, TenantId},
    ports::PortError,
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    credentials::{self, credentials},
    there,
};
use crate::graph::Graph;

/// What is read, for errors.
const WHAT: &str = "registrations";

/// Each is named: some of them Graph gives to nobody who does not ask for them.
const PROPERTIES: &str = "id,appId,signInAudience,passwordCredentials,keyCredentials,web,spa,\
                          publicClient,isFallbackPublicClient,api,appRoles,\
                          servicePrincipalLockConfiguration";

impl Graph {
    pub(super) async fn read_registrations(
        &self,
        tenant: TenantId,
        clients: &[ObjectId],
    ) -> Result<Vec<Registration>, PortError> {
        let which = ("applications", PROPERTIES, WHAT);
        let client = |application: &Application| application.app_id;
        let found = self.of_clients(tenant, which, (clients, client)).await?;
        Ok(found.into_iter().map(Registration::from).collect())
    }
}

/// An `application`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Application {
    id: ObjectId,
    app_id: ObjectId,
    sign_in_audience: String,
    password_credentials: Vec<credentials::Found>,
    key_credentials: Vec<credentials::Found>,
    #[serde(deserialize_with = "there")]
    web: Option<Web>,
    #[serde(deserialize_with = "there")]
    spa: Option<Redirects>,
    #[serde(deserialize_with = "there")]
    public_client: Option<Redirects>,
    #[serde(deserialize_with = "there")]
    is_fallback_public_client: Option<bool>,
    #[serde(deserialize_with = "there")]
    api: Option<Api>,
    app_roles: Vec<Exposed>,
    #[serde(deserialize_with = "there")]
    service_principal_lock_configuration: Option<Lock>,
}

/// A `webApplication`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Web {
    redirect_uris: Vec<String>,
    /// Newer than the list, and says the same with an order.
    #[serde(default)]
    redirect_uri_settings: Vec<RedirectSettings>,
    #[serde(deserialize_with = "there")]
    implicit_grant_settings: Option<Implicit>,
}

#[derive(Deserialize)]
struct RedirectSettings {
    uri: Option<String>,
}

/// A `spaApplication` or a `publicClientApplication`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Redirects {
    redirect_uris: Vec<String>,
}

/// An `implicitGrantSettings`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Implicit {
    #[serde(deserialize_with = "there")]
    enable_access_token_issuance: Option<bool>,
    #[serde(deserialize_with = "there")]
    enable_id_token_issuance: Option<bool>,
}

/// An `apiApplication`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Api {
    oauth2_permission_scopes: Vec<Exposed>,
    #[serde(deserialize_with = "there")]
    pre_authorized_applications: Option<Vec<Preauthorized>>,
}

/// A `permissionScope` or an `appRole`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exposed {
    id: Uuid,
    is_enabled: bool,
    #[serde(deserialize_with = "there")]
    value: Option<String>,
}

/// A `preAuthorizedApplication`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Preauthorized {
    app_id: ObjectId,
}

/// A `servicePrincipalLockConfiguration`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lock {
    is_enabled: bool,
    #[serde(deserialize_with = "there")]
    all_properties: Option<bool>,
}

impl From<Application> for Registration {
    fn from(found: Application) -> Self {
        let implicit = found.is_fallback_public_client == Some(true)
            || found.web.as_ref().is_some_and(Web::issues_at_once);
        let redirects = |redirects: Redirects| redirects.redirect_uris;
        let mut all = found.web.map(Web::redirects).unwrap_or_default();
        all.extend(found.spa.map(redirects).into_iter().flatten());
        all.extend(found.public_client.map(redirects).into_iter().flatten());
        let (scopes, preauthorized) = found.api.map(Api::exposes).unwrap_or_default();
        Self {
            client: found.app_id,
            object: found.id,
            credentials: credentials(found.password_credentials, found.key_credentials),
            redirects: all,
            implicit,
            audience: Name::new(&found.sign_in_audience),
            scopes,
            app_roles: enabled(found.app_roles),
            preauthorized,
            // Single properties may be locked too: then others are open.
            locked: found
                .service_principal_lock_configuration
                .is_some_and(|lock| lock.is_enabled && lock.all_properties == Some(true)),
        }
    }
}

impl Web {
    /// Whether tokens are issued without a code.
    fn issues_at_once(&self) -> bool {
        self.implicit_grant_settings.as_ref().is_some_and(|settings| {
            settings.enable_access_token_issuance == Some(true)
                || settings.enable_id_token_issuance == Some(true)
        })
    }

    fn redirects(self) -> BTreeSet<String> {
        let settings = self.redirect_uri_settings.into_iter().filter_map(|settings| settings.uri);
        self.redirect_uris.into_iter().chain(settings).collect()
    }
}

impl Api {
    /// Scopes, and who gets them without consent.
    fn exposes(self) -> (BTreeSet<String>, BTreeSet<ObjectId>) {
        let preauthorized = self.pre_authorized_applications.unwrap_or_default();
        let clients = preauthorized.into_iter().map(|preauthorized| preauthorized.app_id);
        (enabled(self.oauth2_permission_scopes), clients.collect())
    }
}

/// By their values; by its id, one that has none.
fn enabled(exposed: Vec<Exposed>) -> BTreeSet<String> {
    let enabled = exposed.into_iter().filter(|one| one.is_enabled);
    enabled.map(|one| one.value.unwrap_or_else(|| one.id.to_string())).collect()
}
