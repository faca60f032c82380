//! Directory roles of a tenant's own: which there are, and what each allows.

use uuid::Uuid;

use super::tenant::{Assignment, Tenant};
use crate::identities::{Identities, stable_id};

/// The role that removes credentials of single applications.
const CREDENTIAL_REMOVER: &str = "Airlock Credential Remover";

/// What allows to change, and so to remove, credentials of an application.
const CREDENTIALS: &str = "microsoft.directory/applications/credentials/update";

/// A directory role that is not one of Entra's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomRole {
    /// Id of its definition: in this tenant alone.
    pub id: Uuid,
    /// Its template: whoever makes it in several tenants gives it the same in each.
    pub template: Uuid,
    /// Display name. Two can have the same.
    pub name: String,
    /// What it allows.
    pub actions: Vec<String>,
}

impl Tenant {
    /// Makes the roles that were declared, as whoever deploys would.
    pub fn define_roles(&mut self, identities: &Identities) {
        let custom = identities.directory_roles.iter().filter_map(|(name, role)| {
            let actions = role.actions.clone()?;
            let id = stable_id("role-definition", &format!("{}/{name}", self.id));
            Some(CustomRole { id, template: role.template, name: name.clone(), actions })
        });
        self.custom_roles = custom.collect();
    }

    /// Whether a role of this definition lets its holder remove credentials of applications.
    #[must_use]
    pub fn removes_credentials(&self, definition: Uuid) -> bool {
        let mut all = self.custom_roles.iter();
        all.any(|role| role.id == definition && role.actions.iter().any(|one| one == CREDENTIALS))
    }

    /// Lets a service principal remove credentials of one application.
    pub fn let_remove_credentials(&mut self, principal: Uuid, application: Uuid) {
        self.assign(principal, CREDENTIAL_REMOVER, Some(application));
    }

    /// Id of the definition of the directory role with this name.
    #[must_use]
    pub fn role_named(&self, name: &str) -> Option<Uuid> {
        let built_in = self.roles.iter().find(|role| role.name == name);
        let custom = || self.custom_roles.iter().find(|role| role.name == name);
        built_in.map(|role| role.template).or_else(|| custom().map(|role| role.id))
    }

    /// Assigns a directory role of this name, in the whole tenant or for one application; `None`
    /// if there is no such role, or it is assigned already.
    pub fn assign(&mut self, principal: Uuid, role: &str, scope: Option<Uuid>) -> Option<Uuid> {
        let role = self.role_named(role)?;
        let held =
            |one: &Assignment| (one.principal, one.role, one.scope) == (principal, role, scope);
        if self.assignments.iter().any(held) {
            return None;
        }
        let place = scope.unwrap_or(self.id);
        let id = stable_id("role-assignment", &format!("{place}/{principal}/{role}"));
        self.assignments.push(Assignment { id, principal, role, scope });
        Some(id)
    }
}
