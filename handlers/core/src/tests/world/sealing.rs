//! `drift`, sealing.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::{
    digest::Digest,
    jwk::PublicKey,
    memory::LocalKey,
    ports::{PortError, Signer},
};

/// A key that counts what it signs.
pub struct Counted {
    key: LocalKey,
    signatures: AtomicU64,
}

impl Counted {
    pub fn new(key: LocalKey) -> Self {
        Self { key, signatures: AtomicU64::new(0) }
    }

    pub fn key(&self) -> &PublicKey {
        self.key.key()
    }

    pub fn signatures(&self) -> u64 {
        self.signatures.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Signer for Counted {
    fn current(&self) -> PublicKey {
        self.key.key().clone()
    }

    async fn sign(&self, key: &PublicKey, digest: &Digest) -> Result<[u8; 64], PortError> {
        self.signatures.fetch_add(1, Ordering::SeqCst);
        self.key.sign(key, digest).await
    }
}
