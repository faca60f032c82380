//! Wrapping with a key that has versions.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Rented, absent, disabled};
use crate::ports::{Partition, PortError, WrappedKey, Wrapper};

/// Wraps by masking, with the newest version of a key in [`Rented`] that may be used.
pub struct Versioned {
    rented: Arc<Rented>,
    apps: String,
    name: String,
}

impl Versioned {
    /// The app's own wrapping key, of this name.
    #[must_use]
    pub fn new(rented: Arc<Rented>, name: &str) -> Self {
        Self { rented, apps: name.to_owned(), name: name.to_owned() }
    }
}

#[async_trait]
impl Wrapper for Versioned {
    fn of(&self, partition: &Partition) -> Arc<dyn Wrapper> {
        let name = partition.wrapping_key_name(&self.apps).into_owned();
        Arc::new(Self { rented: Arc::clone(&self.rented), apps: self.apps.clone(), name })
    }

    async fn wrap(&self, key: &[u8; 32]) -> Result<WrappedKey, PortError> {
        self.rented
            .call("key wrap", |held| {
                let versions = held.keys.get(&self.name).ok_or_else(absent)?;
                let newest = versions.iter().rfind(|kept| kept.version.enabled);
                let newest = &newest.ok_or_else(disabled)?.version;
                let wrapped = key.iter().map(|byte| byte ^ 0x5a).collect();
                Ok(WrappedKey { kid: format!("{}/{}", self.name, newest.id), wrapped })
            })
            .await
    }

    async fn unwrap(&self, key: &WrappedKey) -> Result<[u8; 32], PortError> {
        self.rented
            .call("key unwrap", |held| {
                let version = key.kid.strip_prefix(&format!("{}/", self.name));
                let version = version.ok_or_else(absent)?;
                held.kept(&self.name, version)?;
                let bytes: Vec<u8> = key.wrapped.iter().map(|byte| byte ^ 0x5a).collect();
                bytes.try_into().map_err(|_| absent())
            })
            .await
    }
}
