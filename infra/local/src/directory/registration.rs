//! App registrations: what an application is, as its home tenant says. Airlock's own stand in the
//! tenant of the deployment beside those of third parties.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use uuid::Uuid;

pub use super::credentials::{Added, Issued, NotAccepted, Password, Propagation, Wanted};
use super::{credentials::Credentials, federation::FederatedCredential};
use crate::identities::stable_id;

/// An app registration.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Object id.
    pub id: Uuid,
    /// Application (client) id.
    pub client: Uuid,
    /// Object id of its service principal in this tenant.
    pub principal: Uuid,
    /// Display name.
    pub name: String,
    /// Whether it is one of Airlock's. The tenant's app management policy lets nobody add a
    /// credential to one of these.
    pub ours: bool,
    /// When it was registered.
    pub created: OffsetDateTime,
    /// People and service principals that own it.
    pub owners: BTreeSet<Uuid>,
    /// Accounts of which tenants may sign in: `signInAudience`.
    pub audience: String,
    /// Where people are sent back to.
    pub redirects: Redirects,
    /// Secrets and certificates.
    pub credentials: Credentials,
    /// Whose tokens it takes for its own credential.
    pub federated: Vec<FederatedCredential>,
    /// Delegated scopes that it exposes.
    pub scopes: Vec<Scope>,
    /// App roles that it exposes.
    pub app_roles: Vec<AppRole>,
    /// Clients that need no consent, and for which scopes.
    pub pre_authorized: Vec<(Uuid, Vec<Uuid>)>,
    /// Application permissions that it asks for, of Microsoft Graph.
    pub required: Vec<Uuid>,
    /// What its service principals lock.
    pub lock: Lock,
}

/// Where an application has people sent back to, by kind of client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirects {
    /// Of a server, which proves itself.
    pub web: Vec<String>,
    /// Of a page.
    pub spa: Vec<String>,
    /// Of a program on somebody's machine.
    pub public_client: Vec<String>,
    /// Where a server has sessions ended.
    pub logout: Option<String>,
    /// Whether who proves nothing is taken for such a program.
    pub fallback_public: bool,
    /// Whether the authorization endpoint hands out access tokens.
    pub implicit_access_tokens: bool,
    /// Whether it hands out ID tokens.
    pub implicit_id_tokens: bool,
}

impl Redirects {
    /// All of them, whatever the kind.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.web.iter().chain(&self.spa).chain(&self.public_client)
    }
}

/// A delegated scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Its id.
    pub id: Uuid,
    /// What tokens say.
    pub value: String,
}

/// An app role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRole {
    /// Its id.
    pub id: Uuid,
    /// What tokens say.
    pub value: String,
    /// Whether it is for applications, and not for people.
    pub of_applications: bool,
}

impl AppRole {
    /// A role of an application of Airlock's: those for applications have a point in their names.
    #[must_use]
    pub fn named(value: &str) -> Self {
        Self {
            id: stable_id("app-role", value),
            value: value.to_owned(),
            of_applications: value.contains('.'),
        }
    }
}

/// `servicePrincipalLockConfiguration`: which properties of an application's service principals
/// nobody may change in the tenants that they stand in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "Graph's five switches, each for itself")]
pub struct Lock {
    /// Whether the lock counts at all.
    pub enabled: bool,
    /// Everything that can be locked.
    pub all_properties: bool,
    /// Credentials by which others verify what it signs.
    pub verify: bool,
    /// Credentials by which it signs.
    pub sign: bool,
    /// The key for which tokens are encrypted.
    pub token_encryption: bool,
}

impl Lock {
    /// Everything is locked.
    pub const FULL: Self = Self {
        enabled: true,
        all_properties: true,
        verify: true,
        sign: true,
        token_encryption: true,
    };
}

impl Registration {
    /// A registration of a third party's, without a credential.
    #[must_use]
    pub fn new(id: Uuid, client: Uuid, principal: Uuid, name: String, at: OffsetDateTime) -> Self {
        Self {
            id,
            client,
            principal,
            name,
            ours: false,
            created: at,
            owners: BTreeSet::new(),
            audience: "AzureADMyOrg".to_owned(),
            redirects: Redirects::default(),
            credentials: Credentials::default(),
            federated: Vec::new(),
            scopes: Vec::new(),
            app_roles: Vec::new(),
            pre_authorized: Vec::new(),
            required: Vec::new(),
            lock: Lock::default(),
        }
    }

    /// Makes a secret, as [`Credentials::add_password`] does.
    ///
    /// # Errors
    ///
    /// If the system has no randomness; then nothing has changed.
    pub fn add_password(
        &mut self,
        wanted: Wanted,
        propagation: Propagation,
        now: OffsetDateTime,
    ) -> Result<Added, getrandom::Error> {
        self.credentials.add_password(wanted, propagation, now)
    }

    /// Its App ID URIs: one, if it exposes anything.
    #[must_use]
    pub fn uris(&self) -> Vec<String> {
        let exposes = !self.scopes.is_empty() || !self.app_roles.is_empty();
        exposes.then(|| format!("api://{}", self.client)).into_iter().collect()
    }

    /// The federated credential of this name or id.
    #[must_use]
    pub fn trusting(&self, name_or_id: &str) -> Option<&FederatedCredential> {
        let id = Uuid::try_parse(name_or_id).ok();
        self.federated.iter().find(|one| one.name == name_or_id || Some(one.id) == id)
    }
}
