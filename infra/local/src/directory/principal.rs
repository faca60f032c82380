//! Service principals: what an application is in one tenant, what it was granted there, and what
//! was granted on it.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    credentials::Credentials,
    registration::{AppRole, Registration, Scope},
};

/// Client id of Microsoft Graph, the same in every tenant.
pub const GRAPH: Uuid = Uuid::from_u128(0x0000_0003_0000_0000_c000_0000_0000_0000);

/// Tenant that Microsoft's own applications stand in.
pub const MICROSOFT: Uuid = Uuid::from_u128(0xf8cd_ef31_a31e_4b4a_93e4_5f57_1e91_255a);

/// A service principal.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePrincipal {
    /// Object id.
    pub id: Uuid,
    /// Client id of the application.
    pub client: Uuid,
    /// Display name.
    pub name: String,
    /// What it stands for.
    pub kind: Kind,
    /// Whether it gets tokens.
    pub enabled: bool,
    /// The tenant that the application is registered in.
    pub home: Uuid,
    /// When it came to be.
    pub created: OffsetDateTime,
    /// People and service principals that own it.
    pub owners: BTreeSet<Uuid>,
    /// Secrets and certificates of its own, good in this tenant alone.
    pub credentials: Credentials,
    /// What the registration says: accounts of which tenants may sign in.
    pub audience: Option<String>,
    /// What the registration says: where people are sent back to.
    pub reply_urls: Vec<String>,
    /// What the registration exposes: delegated scopes.
    pub scopes: Vec<Scope>,
    /// What the registration exposes: app roles.
    pub app_roles: Vec<AppRole>,
    /// Names by which tokens for it are asked for.
    pub names: Vec<String>,
    /// App roles that were assigned to it.
    pub held: Vec<RoleGrant>,
}

/// What a service principal stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An app registration.
    Application,
    /// A managed identity: the resource that it is in Azure.
    ManagedIdentity(String),
}

/// An app role that was assigned to a service principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleGrant {
    /// Id of the assignment.
    pub id: Uuid,
    /// Object id of the service principal that exposes the role.
    pub resource: Uuid,
    /// Id of the role.
    pub role: Uuid,
    /// When it was assigned.
    pub created: OffsetDateTime,
}

/// Delegated scopes that a client was granted for everybody, or for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id, of which Graph shows another spelling.
    pub id: Uuid,
    /// Object id of the client's service principal.
    pub client: Uuid,
    /// Object id of the resource's service principal.
    pub resource: Uuid,
    /// For whom, if not for everybody.
    pub principal: Option<Uuid>,
    /// Scopes, with spaces between them.
    pub scope: String,
}

impl ServicePrincipal {
    /// The service principal of a registration.
    #[must_use]
    pub fn of(registration: &Registration, id: Uuid, home: Uuid) -> Self {
        let mut principal = Self {
            id,
            client: registration.client,
            name: registration.name.clone(),
            kind: Kind::Application,
            enabled: true,
            home,
            created: registration.created,
            owners: BTreeSet::new(),
            credentials: Credentials::default(),
            audience: None,
            reply_urls: Vec::new(),
            scopes: Vec::new(),
            app_roles: Vec::new(),
            names: Vec::new(),
            held: Vec::new(),
        };
        principal.follow(registration);
        principal
    }

    /// Takes over what the registration says.
    pub fn follow(&mut self, registration: &Registration) {
        self.audience = Some(registration.audience.clone());
        self.reply_urls = registration.redirects.all().cloned().collect();
        self.scopes.clone_from(&registration.scopes);
        self.app_roles.clone_from(&registration.app_roles);
        self.names = vec![registration.client.to_string()];
        self.names.extend(registration.uris());
    }

    /// The id of the app role with this name.
    #[must_use]
    pub fn role_named(&self, value: &str) -> Option<Uuid> {
        self.app_roles.iter().find(|role| role.value == value).map(|role| role.id)
    }
}

/// An id as Graph spells those of assignments and grants.
#[must_use]
pub fn spelled(id: Uuid) -> String {
    BASE64URL.encode(id.as_bytes())
}
