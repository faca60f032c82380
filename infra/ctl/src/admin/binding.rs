//! Bindings: the terms under which tenants are worked in, and the secrets that are changed there on
//! schedule, from a file that people review.

pub mod difference;
mod finders;
pub mod naming;
pub mod next;
pub mod versions;

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use airlock_core::{
    binding::{Service, Terms},
    catalog::{Entry, OPERATIONS},
    identity::{App, Role, TenantId},
    policy::{MAX_APPROVALS, NotForbids, NotValid, Policies},
    secret_binding::{self, Driven, PlatformDriver, SecretName, Secrets},
    service::is_name,
};
use serde::Deserialize;

use self::naming::Deployed;
use crate::nearest::suggestion;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bindings {
    /// One for each tenant.
    pub tenants: Vec<TenantTerms>,
    /// What holds for the deployment itself.
    #[serde(default)]
    pub platform: PlatformTerms,
}

/// What shall hold for the deployment itself.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformTerms {
    /// Keys of its apps that are changed on schedule.
    pub secrets: Secrets<PlatformDriver>,
}

/// What shall hold in one tenant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantTerms {
    /// The tenant.
    pub tenant: TenantId,
    /// Its terms.
    pub terms: Terms,
    /// What is changed there on schedule.
    #[serde(default)]
    pub secrets: Secrets,
}

/// The terms cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum NotBound {
    /// The file was not read.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// It does not hold bindings.
    #[error("{} was not understood", .0.display())]
    Form(PathBuf, #[source] serde_json::Error),
    /// Two terms for one tenant, or for one home tenant in it: which would count?
    #[error("tenant {0} stands twice")]
    Twice(TenantId),
    /// Somebody else's tenant could make platform administrators.
    #[error("tenant {0} must not confer PlatformAdmin: only the deployment's own may")]
    NotPlatform(TenantId),
    /// Two callers of one name would share quota and owners.
    #[error("{0:?} is no name for a service or producer, or stands twice in its tenant")]
    CallerName(String),
    /// Conditions of what does not exist would bind nobody, and nobody would notice.
    #[error("{tenant} names an operation {operation}, which there is not: {instead}")]
    NoOperation {
        /// The tenant's name.
        tenant: String,
        /// What stands there.
        operation: String,
        /// What may be meant.
        instead: String,
    },
    /// Nothing would ever have so many.
    #[error(
        "{tenant} wants {approvals} approvals for {operation}: at most {MAX_APPROVALS} can be wanted"
    )]
    Approvals {
        /// The tenant's name.
        tenant: String,
        /// The operation.
        operation: String,
        /// What is wanted.
        approvals: u32,
    },
    /// With such a policy every request in the tenant would be refused.
    #[error("{0}")]
    Forbids(String, #[source] NotForbids),
    /// The policies of this program itself do not hold.
    #[error("policies not read")]
    Policies(#[from] NotValid),
    /// Two schedules for one thing would remove each other's.
    #[error("the {0} is bound twice: one schedule changes it, for all who use it")]
    SharedSecret(Thing),
    /// A tenant's schedule would change what the deployment itself lives by.
    #[error(
        "{tenant} binds the {thing} as its secret {name}, which is the deployment's own: no tenant's schedule changes it"
    )]
    DeploymentsOwn {
        /// The tenant's name.
        tenant: String,
        /// The secret's name.
        name: SecretName,
        /// What it is.
        thing: Thing,
    },
    /// Nothing would be wrapped again under it.
    #[error("{tenant} binds the {thing} as its secret {name}, and no data keys stand under it")]
    NoDataKey {
        /// The tenant's name.
        tenant: String,
        /// The secret's name.
        name: SecretName,
        /// What it is.
        thing: Thing,
    },
    /// The rotator would change a key for an app that does not use it.
    #[error("the deployment's secret {name} is the {thing}, which {app} is not granted for that")]
    NotItsKey {
        /// The secret's name.
        name: SecretName,
        /// What it is.
        thing: Thing,
        /// The app.
        app: App,
    },
    /// Its keys must come over TLS.
    #[error("the issuer {0} is no https address")]
    Issuer(String),
    /// What only drift may ask for, or what drift never asks for.
    #[error(
        "{operation} is not for {caller}: drift alone asks for what it found, and for nothing else"
    )]
    Finder {
        /// Its name.
        caller: String,
        /// The operation.
        operation: String,
    },
    /// Two producers would be drift, and no event says which.
    #[error("drift stands twice as a producer of {0}")]
    DriftTwice(String),
    /// Policy would refuse it each time: better that whoever writes it learns of it.
    #[error("{0} cannot be asked for by a caller that is no person")]
    Operation(String),
}

impl Bindings {
    /// Reads the file of a deployment.
    ///
    /// # Errors
    ///
    /// [`NotBound`].
    pub fn read(file: &Path, deployed: &Deployed) -> Result<Self, NotBound> {
        let text = fs::read(file).map_err(|error| NotBound::Io(file.to_owned(), error))?;
        let bindings: Self = serde_json::from_slice(&text)
            .map_err(|error| NotBound::Form(file.to_owned(), error))?;
        bindings.check(deployed)?;
        Ok(bindings)
    }

    /// Terms that stood before: what could be bound then need not be possible now.
    ///
    /// # Errors
    ///
    /// [`NotBound`].
    pub fn again(terms: TenantTerms, deployed: &Deployed) -> Result<TenantTerms, NotBound> {
        let mut bindings = Self { tenants: vec![terms], platform: PlatformTerms::default() };
        bindings.check(deployed)?;
        Ok(bindings.tenants.remove(0))
    }

    fn check(&self, deployed: &Deployed) -> Result<(), NotBound> {
        let policies = Policies::standard()?;
        once(self.tenants.iter().map(|tenant| tenant.tenant))?;
        self.check_secrets()?;
        naming::check(self, deployed)?;
        for TenantTerms { terms, .. } in &self.tenants {
            check_operations(terms)?;
            check_callers(terms)?;
            finders::check(terms)?;
            policies
                .forbid(&terms.forbids)
                .map_err(|error| NotBound::Forbids(terms.name.clone(), error))?;
            once(terms.home_tenants.iter().map(|home| home.tenant))?;
            for home in &terms.home_tenants {
                if home.tenant != deployed.tenant && home.roles.contains(&Role::PlatformAdmin) {
                    return Err(NotBound::NotPlatform(home.tenant));
                }
            }
        }
        Ok(())
    }

    /// No two tenants have one thing, nor the platform what a tenant has. Inside each of them
    /// [`Secrets`] sees to it.
    fn check_secrets(&self) -> Result<(), NotBound> {
        let tenants = self.tenants.iter().flat_map(|tenant| tenant.secrets.iter());
        let things = tenants.map(|secret| Thing::of(&secret.driver));
        let platforms = self.platform.secrets.iter().map(|secret| Thing::of(&secret.driver));
        let mut seen = BTreeSet::new();
        for thing in things.chain(platforms) {
            if !seen.insert(thing.clone()) {
                return Err(NotBound::SharedSecret(thing));
            }
        }
        Ok(())
    }
}

/// What a schedule changes, in the one vault of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A secret in Key Vault, by its name.
    Secret(String),
    /// A key in Key Vault, by its name.
    Key(String),
}

impl Thing {
    /// What a driver changes.
    #[must_use]
    pub fn of(driver: &impl Driven) -> Self {
        match driver.thing() {
            secret_binding::Thing::Secret(name) => Self::Secret(name.to_string()),
            secret_binding::Thing::Key(name) => Self::Key(name.to_string()),
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(name) => write!(formatter, "vault secret {name}"),
            Self::Key(name) => write!(formatter, "vault key {name}"),
        }
    }
}

/// Conditions of operations that there are, and that can be met.
fn check_operations(terms: &Terms) -> Result<(), NotBound> {
    let services = terms.services.iter().flat_map(|service| &service.operations);
    let producers = terms.producers.iter().flat_map(|producer| &producer.operations);
    let names = || OPERATIONS.iter().map(|known| known.entry().name);
    let tenant = || terms.name.clone();
    for operation in terms.operations.keys().chain(services).chain(producers) {
        if !names().any(|name| name == operation) {
            let instead = suggestion(operation, names());
            let operation = operation.clone();
            return Err(NotBound::NoOperation { tenant: tenant(), operation, instead });
        }
    }
    let too_many = terms.operations.iter().find(|(_, wanted)| wanted.approvals > MAX_APPROVALS);
    match too_many {
        Some((operation, wanted)) => Err(NotBound::Approvals {
            tenant: tenant(),
            operation: operation.clone(),
            approvals: wanted.approvals,
        }),
        None => Ok(()),
    }
}

/// Services and producers, each under a name of its own and for what policy can allow it.
fn check_callers(terms: &Terms) -> Result<(), NotBound> {
    let services = terms.services.iter().map(|service| (&service.name, &service.operations));
    let producers = terms.producers.iter().map(|producer| (&producer.name, &producer.operations));
    let mut seen = BTreeSet::new();
    for (name, operations) in services.chain(producers) {
        if !is_name(name) || !seen.insert(name) {
            return Err(NotBound::CallerName(name.clone()));
        }
        for operation in operations {
            let mut entries = OPERATIONS.iter().map(|known| known.entry());
            let can = |entry: &Entry| entry.name == operation && entry.is_for_programs();
            if !entries.any(can) {
                return Err(NotBound::Operation(operation.clone()));
            }
        }
    }
    let insecure = |service: &&Service| !service.issuer.starts_with("https://");
    match terms.services.iter().find(insecure) {
        Some(service) => Err(NotBound::Issuer(service.issuer.clone())),
        None => Ok(()),
    }
}

fn once(tenants: impl Iterator<Item = TenantId>) -> Result<(), NotBound> {
    let mut seen = BTreeSet::new();
    for tenant in tenants {
        if !seen.insert(tenant) {
            return Err(NotBound::Twice(tenant));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub mod world;
