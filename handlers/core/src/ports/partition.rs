//! Where documents lie: containers, and the partitions in them.

use std::borrow::Cow;

use crate::{
    binding::{DataIsolation, Isolation, SecretsIsolation},
    identity::TenantId,
    tenancy::TenantScope,
};

/// A Cosmos DB container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// Requests, ledgers and outboxes, by tenant.
    Tenants,
    /// Sessions, by their own id.
    Sessions,
    /// Revocations, by tenant.
    Revocations,
    /// Keyset and bindings, by tenant. Written by the admin plane alone.
    Bindings,
}

impl Container {
    /// The name of the one that all tenants share.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::Sessions => "sessions",
            Self::Revocations => "revocations",
            Self::Bindings => "bindings",
        }
    }
}

/// A logical partition: the unit of a batch, and of a tenant's isolation.
///
/// A partition of [`Container::Tenants`] is had only from a [`TenantScope`] (or for the
/// platform's own tree), so a query without a tenant does not compile; and where it lies is what
/// the tenant's signed binding says, so no caller can look for it elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    container: Container,
    key: String,
    isolation: Isolation,
}

/// Key of the partition that belongs to the deployment and to no tenant.
pub const PLATFORM: &str = "platform";

impl Partition {
    /// A tenant's requests and ledger.
    #[must_use]
    pub fn tenant(scope: &TenantScope) -> Self {
        let isolation = scope.terms().isolation;
        Self { container: Container::Tenants, key: scope.tenant().to_string(), isolation }
    }

    /// The deployment's own ledger.
    #[must_use]
    pub fn platform() -> Self {
        Self::of_all(Container::Tenants, PLATFORM.to_owned())
    }

    /// The signed bindings of a tenant: read before there is a scope.
    #[must_use]
    pub fn bindings(tenant: TenantId) -> Self {
        Self::of_all(Container::Bindings, tenant.to_string())
    }

    /// The keyset's partition.
    #[must_use]
    pub fn deployment() -> Self {
        Self::of_all(Container::Bindings, PLATFORM.to_owned())
    }

    /// A session, found by the hash of its cookie.
    #[must_use]
    pub fn session(id: &str) -> Self {
        Self::of_all(Container::Sessions, id.to_owned())
    }

    /// Revocations of a home tenant's people.
    #[must_use]
    pub fn revocations(home: TenantId) -> Self {
        Self::of_all(Container::Revocations, home.to_string())
    }

    /// In a container that all tenants share.
    fn of_all(container: Container, key: String) -> Self {
        Self { container, key, isolation: Isolation::default() }
    }

    /// What its container is for.
    #[must_use]
    pub const fn container(&self) -> Container {
        self.container
    }

    /// The partition key's value.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it lies in a container that all tenants share.
    #[must_use]
    pub fn is_among_others(&self) -> bool {
        self.isolation.data == DataIsolation::Shared
    }

    /// Name of its database, in a deployment whose own has this name.
    #[must_use]
    pub fn database_name<'a>(&self, deployments: &'a str) -> Cow<'a, str> {
        match self.isolation.data {
            DataIsolation::Shared | DataIsolation::Pool => Cow::Borrowed(deployments),
            DataIsolation::Silo => Cow::Owned(format!("{deployments}-{}", self.key)),
        }
    }

    /// Name of its container.
    #[must_use]
    pub fn container_name(&self) -> Cow<'static, str> {
        let name = self.container.name();
        match self.isolation.data {
            DataIsolation::Shared | DataIsolation::Silo => Cow::Borrowed(name),
            DataIsolation::Pool => Cow::Owned(format!("{name}-{}", self.key)),
        }
    }

    /// Name of the key that wraps its data keys, for an app whose own has this name.
    #[must_use]
    pub fn wrapping_key_name<'a>(&self, apps: &'a str) -> Cow<'a, str> {
        match self.isolation.secrets {
            SecretsIsolation::Shared => Cow::Borrowed(apps),
            SecretsIsolation::Pool => Cow::Owned(format!("{apps}-{}", self.key)),
        }
    }
}
