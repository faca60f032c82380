//! What rotates each kind of secret.

use super::{
    Driving, NotRotated, Rotator, client_secret::ClientSecret, generated::Generated,
    rewrapping::Rewrapping, rotating::Rotating, session_key::SessionKey, sightings::Sightings,
    signing_key::SigningKey, wrapping_key::WrappingKey,
};
use crate::{
    identity::ObjectId,
    keyset::Trust,
    ports::Partition,
    secret_binding::{Driver, PlatformDriver, SecretBinding, VaultName},
    tenancy::TenantScope,
};

/// How much longer than it is needed a new client secret is valid, in seconds.
const SPARE_S: i64 = 30 * 24 * 3600;

impl Rotator {
    /// A key of the platform's.
    pub(super) fn platform_driver<'a>(
        &'a self,
        trust: &'a Trust,
        binding: &'a SecretBinding<PlatformDriver>,
    ) -> Box<dyn Rotating + 'a> {
        let keys = &*self.outside.keys;
        let (trust_store, documents) = (&*self.trust, &*self.ports.documents);
        let sightings = Sightings { trust_store, trust, documents, clock: &*self.ports.clock };
        match &binding.driver {
            PlatformDriver::SigningKey { app, key } => Box::new(SigningKey {
                keys,
                app: *app,
                key,
                sightings,
                overlap_s: binding.overlap_s(),
            }),
            PlatformDriver::SessionKey { key } => Box::new(SessionKey { keys, key, sightings }),
        }
    }

    fn is_own(&self, application: &ObjectId, client: &ObjectId) -> bool {
        [application, client].into_iter().any(|id| self.own.clients.contains(id))
    }

    /// Whether a key is the one that wraps this tenant's data keys.
    fn wraps_for(&self, scope: &TenantScope, key: &VaultName) -> bool {
        let its = Partition::tenant(scope);
        its.wrapping_key_name(&self.own.data_key) == key.as_str()
    }

    /// A secret of a tenant's.
    pub(super) fn driver<'a>(
        &'a self,
        trust: &'a Trust,
        scope: &'a TenantScope,
        binding: &'a SecretBinding,
    ) -> Driving<'a> {
        let ports = &self.outside;
        Ok(match &binding.driver {
            Driver::EntraClientSecret { application, client, .. }
                if self.is_own(application, client) =>
            {
                return Err(NotRotated::Own);
            }
            Driver::EntraClientSecret { application, client, secret, replaces } => {
                Box::new(ClientSecret {
                    ports,
                    clock: &*self.ports.clock,
                    scope,
                    name: binding.name.as_str(),
                    application: *application,
                    client: *client,
                    secret,
                    replaces: *replaces,
                    valid_s: binding.max_age_s() + binding.overlap_s() + SPARE_S,
                })
            }
            // Whatever else a key is for, nothing is wrapped again under it, and whoever signs with
            // it would lose it.
            Driver::KeyVaultKey { key } if !self.wraps_for(scope, key) => {
                return Err(NotRotated::NotItsKey);
            }
            Driver::KeyVaultKey { key } => {
                let (trust_store, data_keys) = (&*self.trust, &self.data_keys);
                let data_keys = Rewrapping { trust_store, trust, data_keys };
                Box::new(WrappingKey { ports, key, data_keys })
            }
            Driver::Generated { secret, bytes, check } => Box::new(Generated {
                ports,
                entropy: &*self.ports.entropy,
                secret,
                bytes: bytes.number(),
                check: check.as_ref(),
            }),
        })
    }
}
