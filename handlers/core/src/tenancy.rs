//! Where: the tenant guard, always before authorization.
//!
//! Nothing reads or writes a tenant's data without a [`TenantScope`], and a scope is had only
//! from that tenant's binding, verified.

use crate::{
    binding::{Binding, Terms},
    identity::{Role, TenantId},
    jws::{NotVerified, Signed, Verified},
    keyset::Trust,
    session::Person,
    time::Timestamp,
};

/// Leave to work in one tenant, under its terms.
#[derive(Clone, Debug)]
pub struct TenantScope {
    binding: Verified<Binding>,
}

/// The roles of a principal in one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    roles: Vec<Role>,
}

/// The person's home tenant has no business in this tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("home tenant may confer no role here")]
pub struct NotAdmitted;

impl TenantScope {
    /// Enters a tenant by its signed binding. That the tenant's ledger is proven as well,
    /// [`TrustStore::scope`](crate::trust::TrustStore::scope) sees to.
    ///
    /// # Errors
    ///
    /// [`NotVerified`] if the admin root did not sign it, it has expired, or it is another
    /// tenant's.
    pub fn enter(
        trust: &Trust,
        binding: &Signed<Binding>,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Self, NotVerified> {
        let binding = trust.open_root(binding, now)?;
        if binding.tnt != tenant {
            return Err(NotVerified::Other("tenant"));
        }
        Ok(Self { binding })
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.binding.tnt
    }

    /// Its signed binding.
    #[must_use]
    pub const fn binding(&self) -> &Verified<Binding> {
        &self.binding
    }

    /// Its terms.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.binding.value().terms
    }

    /// What a person may be here: the roles that their session names *and* that the binding
    /// lets their home tenant confer.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`] if none are left.
    pub fn standing(&self, person: &Person) -> Result<Standing, NotAdmitted> {
        let session = person.session();
        let home = self
            .terms()
            .home_tenants
            .iter()
            .find(|home| home.tenant == session.tid)
            .ok_or(NotAdmitted)?;
        let roles: Vec<Role> =
            session.roles.iter().copied().filter(|role| home.roles.contains(role)).collect();
        if roles.is_empty() { Err(NotAdmitted) } else { Ok(Standing { roles }) }
    }
}

impl Standing {
    /// The roles.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// No role at all: what an attested caller has.
    #[must_use]
    pub const fn none() -> Self {
        Self { roles: Vec::new() }
    }
}
