//! Which names mean what in a deployment: what it lives by is no tenant's to change.

use std::collections::BTreeMap;

use airlock_core::{
    identity::{App, TenantId},
    secret_binding::{Driver, PlatformDriver, VaultName},
};

use super::{Bindings, NotBound, TenantTerms, Thing};
use crate::admin::deployment::{Deployment, Identity, KeyName, Keys};

/// A deployment, as far as what is bound in it must fit.
#[derive(Debug)]
pub struct Deployed {
    /// Where it is at home.
    pub tenant: TenantId,
    /// The keys that each of its identities may use.
    pub keys: BTreeMap<App, Keys>,
}

impl Deployed {
    /// As it is described.
    #[must_use]
    pub fn of(deployment: &Deployment) -> Self {
        let keys = |(app, identity): (&App, &Identity)| (*app, identity.keys.clone());
        Self { tenant: deployment.tenant, keys: deployment.identities.iter().map(keys).collect() }
    }

    fn signs(&self, app: App, name: &VaultName) -> bool {
        self.keys.get(&app).is_some_and(|keys| is_among(&keys.sign, name))
    }

    fn wraps(&self, app: App, name: &VaultName) -> bool {
        self.keys.get(&app).is_some_and(|keys| is_among(&keys.wrap, name))
    }

    /// Whether tenants' data keys stand under it: it is `intake` that makes them.
    fn wraps_data_keys(&self, name: &VaultName) -> bool {
        self.wraps(App::Intake, name)
    }

    /// Whether any identity uses a key of this name, the root's among them.
    fn uses(&self, name: &VaultName) -> bool {
        self.keys.values().any(|keys| is_among(&keys.sign, name) || is_among(&keys.wrap, name))
    }
}

/// Key Vault does not tell capitals from small letters.
fn is_among(keys: &[KeyName], name: &VaultName) -> bool {
    keys.iter().any(|key| key.as_str().eq_ignore_ascii_case(name.as_str()))
}

/// Every tenant binds what is its own, and the deployment what its apps use.
///
/// # Errors
///
/// [`NotBound`].
pub(super) fn check(bindings: &Bindings, deployed: &Deployed) -> Result<(), NotBound> {
    for tenant in &bindings.tenants {
        check_tenant(tenant, deployed)?;
    }
    for secret in bindings.platform.secrets.iter() {
        let (app, fits) = match &secret.driver {
            // The root is replaced, by itself and with its successor, and never by a schedule.
            PlatformDriver::SigningKey { app, key } => {
                (*app, *app != App::Admin && deployed.signs(*app, key))
            }
            PlatformDriver::SessionKey { key } => (App::Signin, deployed.wraps(App::Signin, key)),
        };
        if !fits {
            let (name, thing) = (secret.name.clone(), Thing::of(&secret.driver));
            return Err(NotBound::NotItsKey { name, thing, app });
        }
    }
    Ok(())
}

fn check_tenant(tenant: &TenantTerms, deployed: &Deployed) -> Result<(), NotBound> {
    for secret in tenant.secrets.iter() {
        let (is_own, is_data_key) = match &secret.driver {
            Driver::KeyVaultKey { key } => {
                let is_data_key = deployed.wraps_data_keys(key);
                (deployed.uses(key) && !is_data_key, is_data_key)
            }
            // Secrets and keys have names of their own in a vault. People do not keep them apart.
            Driver::EntraClientSecret { secret, .. } | Driver::Generated { secret, .. } => {
                (deployed.uses(secret), true)
            }
        };
        let of = || (tenant.terms.name.clone(), secret.name.clone(), Thing::of(&secret.driver));
        if is_own {
            let (tenant, name, thing) = of();
            return Err(NotBound::DeploymentsOwn { tenant, name, thing });
        }
        if !is_data_key {
            let (tenant, name, thing) = of();
            return Err(NotBound::NoDataKey { tenant, name, thing });
        }
    }
    Ok(())
}
