//! What rotates each kind of secret.

use super::{
    Driving, NotRotated, Rotator, client_secret::ClientSecret, generated::Generated,
    rewrapping::Rewrapping, rotating::Rotating, sightings::Sightings, signing_key::SigningKey,
    wrapping_key::WrappingKey,
};
use crate::{
    keyset::Trust,
    secret_binding::{Driver, PlatformDriver, SecretBinding},
    tenancy::TenantScope,
};

/// How much longer than it is needed a new client secret is valid, in seconds.
const SPARE_S: i64 = 30 * 24 * 3600;

impl Rotator {
    /// A signing key of the platform's.
    pub(super) fn platform_driver<'a>(
        &'a self,
        trust: &'a Trust,
        binding: &'a SecretBinding<PlatformDriver>,
    ) -> Box<dyn Rotating + 'a> {
        let PlatformDriver::SigningKey { app, key } = &binding.driver;
        let (trust_store, documents) = (&*self.trust, &*self.ports.documents);
        let sightings = Sightings { trust_store, trust, documents, clock: &*self.ports.clock };
        Box::new(SigningKey {
            keys: &*self.outside.keys,
            app: *app,
            key,
            sightings,
            overlap_s: binding.overlap_s(),
        })
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
                if self.own.contains(application) || self.own.contains(client) =>
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
