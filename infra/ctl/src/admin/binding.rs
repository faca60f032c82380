//! Bindings: the terms under which tenants are worked in, from a file that people review.

pub mod difference;
pub mod versions;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use airlock_core::{
    binding::{Binding, Isolation, Level, Service, Terms},
    catalog::{Entry, OPERATIONS, Risk},
    identity::{Role, TenantId},
    policy::{MAX_APPROVALS, NotForbids, NotValid, Policies},
    service::is_name,
    time::Timestamp,
};
use serde::Deserialize;

use super::publish::{LIFETIME_S, RENEW_S};
use crate::nearest::suggestion;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bindings {
    /// One for each tenant.
    pub tenants: Vec<TenantTerms>,
}

/// What shall hold in one tenant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantTerms {
    /// The tenant.
    pub tenant: TenantId,
    /// Its terms.
    pub terms: Terms,
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
    /// Its keys must come over TLS.
    #[error("the issuer {0} is no https address")]
    Issuer(String),
    /// Policy would refuse it each time: better that whoever writes it learns of it.
    #[error("{0} cannot be asked for by a caller that is no person")]
    Operation(String),
}

/// A tenant that is bound already would find its data, or what opens it, somewhere else.
///
/// Under new terms handlers look in the new place and find nothing: requests and ledger would
/// seem never to have been, and what stands encrypted would not open. So `isolation` is what a
/// tenant is first bound with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{layer} isolation of {tenant} is `{bound}` and cannot become `{wanted}`: what the tenant has would have to be moved, and signing a binding moves nothing"
)]
pub struct WouldMove {
    tenant: TenantId,
    layer: &'static str,
    bound: Level,
    wanted: Level,
}

impl Bindings {
    /// Reads the file of a deployment that is at home in `platform`.
    ///
    /// # Errors
    ///
    /// [`NotBound`].
    pub fn read(file: &Path, platform: TenantId) -> Result<Self, NotBound> {
        let text = fs::read(file).map_err(|error| NotBound::Io(file.to_owned(), error))?;
        let bindings: Self = serde_json::from_slice(&text)
            .map_err(|error| NotBound::Form(file.to_owned(), error))?;
        bindings.check(platform)?;
        Ok(bindings)
    }

    /// Terms that stood before, in a deployment that is at home in `platform`: what could be bound
    /// then need not be possible now.
    ///
    /// # Errors
    ///
    /// [`NotBound`].
    pub fn again(terms: TenantTerms, platform: TenantId) -> Result<TenantTerms, NotBound> {
        let mut bindings = Self { tenants: vec![terms] };
        bindings.check(platform)?;
        Ok(bindings.tenants.remove(0))
    }

    fn check(&self, platform: TenantId) -> Result<(), NotBound> {
        let policies = Policies::standard()?;
        once(self.tenants.iter().map(|tenant| tenant.tenant))?;
        for TenantTerms { terms, .. } in &self.tenants {
            check_operations(terms)?;
            check_callers(terms)?;
            policies
                .forbid(&terms.forbids)
                .map_err(|error| NotBound::Forbids(terms.name.clone(), error))?;
            once(terms.home_tenants.iter().map(|home| home.tenant))?;
            for home in &terms.home_tenants {
                if home.tenant != platform && home.roles.contains(&Role::PlatformAdmin) {
                    return Err(NotBound::NotPlatform(home.tenant));
                }
            }
        }
        Ok(())
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
            let can =
                |entry: &Entry| entry.name == operation && entry.risk == Risk::Low && !entry.secret;
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

/// The next binding of a tenant; `None` if the previous one still says it all, for long enough.
///
/// # Errors
///
/// [`WouldMove`] if the tenant is bound already, and kept apart otherwise than is wanted.
pub fn next(
    previous: Option<&Binding>,
    wanted: &TenantTerms,
    now: Timestamp,
) -> Result<Option<Binding>, WouldMove> {
    let stands = previous.is_some_and(|binding| {
        (binding.tnt, &binding.terms) == (wanted.tenant, &wanted.terms)
            && now.since_s(binding.iat) < RENEW_S
    });
    if stands { Ok(None) } else { following(previous, wanted, now).map(Some) }
}

/// The next binding of a tenant, whatever the previous one says.
///
/// # Errors
///
/// [`WouldMove`] if the tenant is bound already, and kept apart otherwise than is wanted.
pub fn following(
    previous: Option<&Binding>,
    wanted: &TenantTerms,
    now: Timestamp,
) -> Result<Binding, WouldMove> {
    if let Some(binding) = previous {
        check_place(wanted.tenant, binding.terms.isolation, wanted.terms.isolation)?;
    }
    Ok(Binding {
        tnt: wanted.tenant,
        ver: previous.map_or(1, |binding| binding.ver + 1),
        iat: now,
        exp: now.plus_s(LIFETIME_S),
        terms: wanted.terms.clone(),
        secrets: previous.and_then(|binding| binding.secrets),
    })
}

/// The same terms as the next version: for another root, or for another time.
#[must_use]
pub fn renewed(binding: &Binding, now: Timestamp) -> Binding {
    Binding { ver: binding.ver + 1, iat: now, exp: now.plus_s(LIFETIME_S), ..binding.clone() }
}

fn check_place(tenant: TenantId, bound: Isolation, wanted: Isolation) -> Result<(), WouldMove> {
    let layers = [
        ("data", bound.data.level(), wanted.data.level()),
        ("secrets", bound.secrets.level(), wanted.secrets.level()),
    ];
    match layers.into_iter().find(|(_, bound, wanted)| bound != wanted) {
        Some((layer, bound, wanted)) => Err(WouldMove { tenant, layer, bound, wanted }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
