//! People of the seeded directory.

use airlock_core::identity::{ObjectId, PersonId, TenantId};
use serde_json::Value;

/// Somebody in a tenant's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// User principal name.
    pub name: String,
    /// Their tenant.
    pub tenant: TenantId,
    /// Their object there.
    pub object: ObjectId,
}

impl Who {
    /// Finds the person with this name before the `@` in a snapshot of the directory.
    #[must_use]
    pub fn find(directory: &Value, user: &str) -> Self {
        let tenants = directory["tenants"].as_object().expect("a directory has tenants");
        let found = tenants.iter().find_map(|(tenant, contents)| {
            let people = contents["people"].as_object()?;
            let (name, person) =
                people.iter().find(|(name, _)| name.split('@').next() == Some(user))?;
            Some(Self {
                name: name.clone(),
                tenant: tenant.parse().ok()?,
                object: person["id"].as_str()?.parse().ok()?,
            })
        });
        found.unwrap_or_else(|| panic!("nobody is called {user}"))
    }

    /// How policies and statements name them.
    #[must_use]
    pub const fn id(&self) -> PersonId {
        PersonId { tid: self.tenant, oid: self.object }
    }
}
