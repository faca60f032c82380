//! What the owner of a tenant, or whoever took it over, can do to what stands in it: one
//! vocabulary, in which tests make the world differ from what was declared.

mod apply;
mod credentials;
mod grants;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use uuid::Uuid;

pub use self::apply::registered;
use super::access::PolicyState;

/// One change. Applications and service principals are meant by display name, client id or object
/// id; people by user principal name; directory roles, groups and policies by display name.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Alteration {
    /// Adds a secret, and tells it.
    AddPassword { on: Holder, name: Option<String>, days: Option<u32> },
    /// Adds a certificate, which is shown, and opens nothing here.
    AddCertificate { on: Holder, name: Option<String>, days: Option<u32> },
    /// Removes a secret or a certificate.
    RemoveCredential { on: Holder, key_id: Uuid },
    /// Has an application trust someone more. Without an issuer it is the deployment's tenant,
    /// without an audience the usual one.
    AddFederatedCredential {
        application: String,
        name: String,
        issuer: Option<String>,
        subject: String,
        audience: Option<String>,
    },
    /// Changes whom an application trusts. Without a name, its only one.
    ChangeFederatedCredential {
        application: String,
        name: Option<String>,
        issuer: Option<String>,
        subject: Option<String>,
        audience: Option<String>,
    },
    /// Has an application trust somebody no more. Without a name, its only one.
    RemoveFederatedCredential { application: String, name: Option<String> },
    /// Assigns an app role to a service principal: Microsoft Graph's unless said otherwise.
    GrantAppRole { to: String, role: String, resource: Option<String> },
    /// Takes one from it.
    RevokeAppRole { from: String, role: String, resource: Option<String> },
    /// Grants delegated scopes, to everybody or one person.
    AddGrant { client: String, scope: String, resource: Option<String>, person: Option<String> },
    /// Takes all of them from a client.
    RemoveGrants { client: String },
    /// Makes somebody an owner.
    AddOwner { of: Holder, owner: Owner },
    /// Makes somebody an owner no more.
    RemoveOwner { of: Holder, owner: Owner },
    /// Changes where people are sent back to. What is not said stays.
    SetRedirects {
        application: String,
        web: Option<Vec<String>>,
        spa: Option<Vec<String>>,
        public_client: Option<Vec<String>>,
        fallback_public: Option<bool>,
        implicit_access_tokens: Option<bool>,
        implicit_id_tokens: Option<bool>,
    },
    /// Assigns a directory role, in the whole tenant or for one application.
    AddDirectoryRole { to: String, role: String, application: Option<String> },
    /// Takes a directory role from a service principal.
    RemoveDirectoryRole { from: String, role: String },
    /// Changes what a directory role of the tenant's own allows.
    SetRoleActions { role: String, actions: Vec<String> },
    /// Deletes a directory role of the tenant's own, and what was assigned of it.
    RemoveRole { role: String },
    /// Makes a service principal a member of a group.
    AddToGroup { service_principal: String, group: String },
    /// Changes what service principals lock. What is not said stays.
    SetLock {
        application: String,
        enabled: Option<bool>,
        all_properties: Option<bool>,
        verify: Option<bool>,
        sign: Option<bool>,
        token_encryption: Option<bool>,
    },
    /// Changes accounts of which tenants may sign in.
    SetAudience { application: String, audience: String },
    /// Lets a service principal have tokens, or not.
    SetEnabled { service_principal: String, enabled: bool },
    /// Exposes a further delegated scope.
    ExposeScope { application: String, value: String },
    /// Exposes a further app role.
    ExposeAppRole { application: String, value: String },
    /// Lets a client have all scopes without consent.
    PreAuthorize { application: String, client: Uuid },
    /// Changes a conditional-access policy. What is not said stays.
    SetAccessPolicy {
        policy: String,
        state: Option<PolicyState>,
        contexts: Option<Vec<String>>,
        applications: Option<Vec<String>>,
        groups: Option<Vec<String>>,
        excluded_groups: Option<Vec<String>>,
        controls: Option<Vec<String>>,
    },
    /// Removes a conditional-access policy.
    RemoveAccessPolicy { policy: String },
    /// Writes an entry of the audit log, as if an application had done something to somebody.
    WriteAudit {
        by: Owner,
        activity: String,
        target: Option<String>,
        correlation: Option<Uuid>,
        seconds_ago: Option<u32>,
    },
    /// Removes a third party's application, and its service principal.
    RemoveApplication { application: String },
}

/// What has credentials and owners.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// An app registration.
    Application(String),
    /// A service principal.
    ServicePrincipal(String),
}

/// Who can own something.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// A person.
    Person(String),
    /// A service principal.
    ServicePrincipal(String),
}

/// Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAltered {
    /// There is no such thing; this names it.
    Absent(String),
    /// It is so already, or stands in the way of it; this names it.
    Standing(String),
    /// The system has no randomness.
    NoRandomness,
}
